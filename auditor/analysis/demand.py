"""Records -> the demand that simulations replay: ordered streams, usual prices and durations, sums of what happened.

Demand is every request that was given a picture: `render`, `hit`, `coalesced`. What a simulated render of a request
takes and costs, where the request was no render or does not say, follows from the renders of its template.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, Table, and_, case, cast, func, select

from auditor.analysis.accounts import Accounts
from auditor.analysis.choice import Counts
from auditor.analysis.hashes import digest_code, key_halves
from auditor.analysis.medians import medians
from auditor.analysis.rows import rows_of
from auditor.analysis.units import Located
from auditor.engines.tables import Wide
from auditor.model.events import DELIVERED, Outcome
from auditor.replay.demand import Prices

RENDER_CREDITS = Fraction(1)
"""What a render costs where no render of the log says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests of one unit, cycle and outcome."""

    unit: int
    cycle: int
    outcome: str
    events: int
    requests: int
    credits: Fraction
    unknown: int
    bytes: int
    digests: int
    """Hits with digests."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What was asked for, and the streams of it."""

    located: Located
    priced: Table
    """price (a dense code), credits: the credits that renders cost."""
    prices: Prices
    usage: tuple[Asked, ...]

    @property
    def accounts(self) -> Accounts:
        """Who asked."""
        return self.located.accounts

    @property
    def counts(self) -> Counts:
        """What became of the records."""
        return self.located.counts

    @property
    def rows(self) -> int:
        """Events of the demand; a hit with a count is one."""
        return sum(row.events for row in self.usage)

    @property
    def most_cycles(self) -> int:
        """The most billing cycles that an account has."""
        return max((len(payer.cycles) for payer in self.accounts.payers), default=0)

    def by_key(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id."""
        return self._sorted(self._stream(*self._key()), "key_high", "key_low")

    def by_time(self) -> Iterator[pa.RecordBatch]:
        """Ordered by time and id, with a dense code for each key."""
        code = func.dense_rank().over(order_by=key_halves(self._records)) - 1
        return self._sorted(self._stream(code.label("key")))

    def online(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id, for `auditor.simulation.batch`."""
        records = self._records
        waited = and_(_rendered(records), records.c.source != "batch")
        stream = self.located.placed(
            *self._key(),
            records.c.ts_us,
            self.located.units.c.unit,
            cast(waited, BigInteger).label("online"),
            records.c.row,
        )
        return self._sorted(stream, "key_high", "key_low")

    def keys(self) -> int:
        """How many keys there are."""
        halves, which = key_halves(self._records), and_(self.located.which, _delivered(self._records))
        keys = select(*halves).where(which).distinct().subquery()
        found = self.located.records.engine.run(select(func.count().label("keys")).select_from(keys))
        return int(found.to_pylist()[0]["keys"])

    def named(self, rows: Sequence[int]) -> dict[int, str]:
        """Row -> key of some records."""
        return self.located.records.values("key", rows)

    @property
    def _records(self) -> Table:
        return self.located.records.table

    def _key(self) -> list[ColumnElement[int]]:
        return [half.label(name) for name, half in zip(("key_high", "key_low"), key_halves(self._records), strict=True)]

    def _sorted(self, stream: Select[Any], *key: str) -> Iterator[pa.RecordBatch]:
        records = self._records
        chosen = stream.where(_delivered(records)).order_by(*key, records.c.ts_us, records.c.id)
        return self.located.records.engine.sorted_stream(chosen)

    def _stream(self, *key: ColumnElement[Any]) -> Select[Any]:
        records, prices = self._records, self.priced
        rendered = _rendered(records)
        return self.located.placed(
            *key,
            records.c.ts_us,
            self.located.units.c.unit,
            self.located.cycles.c.cycle,
            records.c.count.label("weight"),
            case((rendered, func.coalesce(records.c.duration_us, -1)), else_=-1).label("duration_us"),
            digest_code(records).label("digest"),
            cast(rendered, BigInteger).label("render"),
            func.coalesce(prices.c.price, -1).label("price"),
            func.coalesce(records.c.bytes, 0).label("bytes"),
        ).outerjoin(prices, and_(rendered, records.c.credits == prices.c.credits))


def demand(located: Located) -> Demand:
    """The demand of some records, such as those of an audit."""
    priced, prices = _prices(located)
    return Demand(located, priced, prices, _usage(located))


def _delivered(records: Table) -> ColumnElement[bool]:
    return records.c.outcome.in_([str(outcome) for outcome in DELIVERED])


def _rendered(records: Table) -> ColumnElement[bool]:
    return records.c.outcome == str(Outcome.RENDER)


def _usage(located: Located) -> tuple[Asked, ...]:
    records = located.records.table
    groups = (located.units.c.unit, located.cycles.c.cycle, records.c.outcome)
    sums = located.placed(
        *groups,
        func.count().label("events"),
        func.sum(records.c.count).label("requests"),
        func.sum(records.c.credits).label("credits"),
        func.count().filter(records.c.credits.is_(None)).label("unknown"),
        func.sum(cast(records.c.bytes, Wide) * records.c.count).label("bytes"),
        func.count(records.c.digest).filter(records.c.outcome == str(Outcome.HIT)).label("digests"),
    )
    return tuple(rows_of(located.records.engine, Asked, sums.where(_delivered(records)).group_by(*groups)))


def _prices(located: Located) -> tuple[Table, Prices]:
    """The prices that occur, and the usual price and duration of each unit."""
    engine, records = located.records.engine, located.records.table
    rendered = and_(located.which, _rendered(records))
    known = select(records.c.credits).where(rendered, records.c.credits.is_not(None)).distinct()
    table = engine.run(known.order_by(records.c.credits))
    priced = engine.load("prices", table.add_column(0, "price", pa.array(range(len(table)), pa.int32())))
    amounts = [Fraction(value) for value in table.column("credits").to_pylist()]
    code = {amount: place for place, amount in enumerate(amounts)}
    credits, durations = (
        medians(engine, records.c.template, value, rendered) for value in (records.c.credits, records.c.duration_us)
    )
    usual_price, usual_duration = [], []
    for unit in located.accounts.units:
        price = credits.get(unit.template, credits.get(None, RENDER_CREDITS))
        if price not in code:
            code[price] = len(amounts)
            amounts.append(price)
        usual_price.append(code[price])
        usual_duration.append(round(durations.get(unit.template, durations.get(None, Fraction(0)))))
    return priced, Prices(amounts, usual_price, usual_duration)
