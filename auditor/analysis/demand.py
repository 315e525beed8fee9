"""Records -> the demand that simulations replay: ordered streams, usual prices and durations, sums of what happened.

Demand is every request that was given an image: `render`, `hit`, `coalesced`. What a simulated render of a request
takes and costs, where the request was no render or does not say, follows from the renders of its template.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, Table, and_, case, cast, func, select, tuple_

from auditor.analysis.days import clocks, on_clock
from auditor.analysis.facts import Facts, repeats_are_free
from auditor.analysis.identities import digest_code, key_halves
from auditor.analysis.rows import rows_of
from auditor.engines import Wide
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

    accounts: Facts
    """Who asked, and where their records are."""
    priced: Table
    """price (a dense code), credits: the credits that renders cost."""
    prices: Prices
    usage: tuple[Asked, ...]

    def by_key(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id."""
        return self._sorted(self._stream(*self._key()), "key_high", "key_low")

    def by_time(self) -> Iterator[pa.RecordBatch]:
        """Ordered by time and id, with a dense code for each key."""
        code = func.dense_rank().over(order_by=key_halves(self._records)) - 1
        return self._sorted(self._stream(code.label("key")))

    def online(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id, for `auditor.simulation.batch`; `local_us` is by the account's clock."""
        records, units, clock = self._records, self.accounts.by_unit, clocks(self.accounts)
        waited = and_(_rendered(records), records.c.source != "batch")
        stream = self.accounts.placed(
            *self._key(),
            records.c.ts_us,
            (records.c.ts_us + clock.c.shift_us).label("local_us"),
            units.c.unit,
            cast(waited, BigInteger).label("online"),
            records.c.row,
        )
        stream = stream.join(clock, on_clock(clock, units.c.payer, records.c.ts_us))
        return self._sorted(stream, "key_high", "key_low")

    def keys(self) -> int:
        """How many keys there are."""
        halves, which = key_halves(self._records), and_(self.accounts.which, _delivered(self._records))
        keys = select(*halves).where(which).distinct().subquery()
        found = self.accounts.engine.run(select(func.count().label("keys")).select_from(keys))
        return int(found.to_pylist()[0]["keys"])

    @property
    def _records(self) -> Table:
        return self.accounts.records.table

    def _key(self) -> list[ColumnElement[int]]:
        return [half.label(name) for name, half in zip(("key_high", "key_low"), key_halves(self._records), strict=True)]

    def _sorted(self, stream: Select[Any], *key: str) -> Iterator[pa.RecordBatch]:
        records = self._records
        chosen = stream.where(_delivered(records)).order_by(*key, records.c.ts_us, records.c.id)
        return self.accounts.engine.sorted_stream(chosen)

    def _stream(self, *key: ColumnElement[Any]) -> Select[Any]:
        records, prices = self._records, self.priced
        rendered = _rendered(records)
        return self.accounts.placed(
            *key,
            records.c.ts_us,
            self.accounts.by_unit.c.unit,
            self.accounts.by_cycle.c.cycle,
            records.c.count.label("weight"),
            case((rendered, func.coalesce(records.c.duration_us, -1)), else_=-1).label("duration_us"),
            digest_code(records).label("digest"),
            cast(rendered, BigInteger).label("render"),
            cast(and_(rendered, repeats_are_free(records)), BigInteger).label("free"),
            func.coalesce(prices.c.price, -1).label("price"),
            func.coalesce(records.c.bytes, 0).label("bytes"),
        ).outerjoin(prices, and_(rendered, records.c.credits == prices.c.credits))


def demand(facts: Facts) -> Demand:
    """The demand of some records, such as those of an audit."""
    records = facts.records.table
    groups = (facts.by_unit.c.unit, facts.by_cycle.c.cycle, records.c.outcome)
    sums = facts.placed(
        *groups,
        func.count().label("events"),
        func.sum(records.c.count).label("requests"),
        func.sum(records.c.credits).label("credits"),
        func.count().filter(records.c.credits.is_(None)).label("unknown"),
        func.sum(cast(records.c.bytes, Wide) * records.c.count).label("bytes"),
        func.count(records.c.digest).filter(records.c.outcome == str(Outcome.HIT)).label("digests"),
    )
    usage = rows_of(facts.engine, Asked, sums.where(_delivered(records)).group_by(*groups))
    return Demand(facts, *_prices(facts), tuple(usage))


def _delivered(records: Table) -> ColumnElement[bool]:
    return records.c.outcome.in_([str(outcome) for outcome in DELIVERED])


def _rendered(records: Table) -> ColumnElement[bool]:
    return records.c.outcome == str(Outcome.RENDER)


def _prices(facts: Facts) -> tuple[Table, Prices]:
    """The prices that occur, and the usual price and duration of each unit."""
    engine, records = facts.engine, facts.records.table
    rendered = and_(facts.which, _rendered(records))
    known = select(records.c.credits).where(rendered, records.c.credits.is_not(None)).distinct()
    table = engine.run(known.order_by(records.c.credits))
    priced = engine.load("prices", table.add_column(0, "price", pa.array(range(len(table)), pa.int32())))
    amounts = [Fraction(value) for value in table.column("credits").to_pylist()]
    code = {amount: place for place, amount in enumerate(amounts)}
    credits, durations = (_medians(facts, value) for value in (records.c.credits, records.c.duration_us))
    usual_price, usual_duration = [], []
    for unit in facts.units:
        price = credits.get(unit.template, credits.get(None, RENDER_CREDITS))
        if price not in code:
            code[price] = len(amounts)
            amounts.append(price)
        usual_price.append(code[price])
        usual_duration.append(round(durations.get(unit.template, durations.get(None, Fraction(0)))))
    return priced, Prices(amounts, usual_price, usual_duration)


def _medians(facts: Facts, value: ColumnElement[Any]) -> dict[str | None, Fraction]:
    """The exact median of each template, and under None of all; of an even number it is the mean of the middle two.

    Renders without a value do not count; a template without one is left out. Memory is bounded: equal values are
    counted together, and what is still too much spills.
    """
    records = facts.records.table
    group, rendered = records.c.template, and_(facts.which, _rendered(records), value.is_not(None))
    runs = (
        select(group.label("name"), value.label("value"), func.count().label("rows"))
        .where(rendered)
        .group_by(func.grouping_sets(tuple_(group, value), tuple_(value)))
        .subquery()
    )
    rows = func.sum(runs.c.rows)
    until = rows.over(partition_by=runs.c.name, order_by=runs.c.value).label("until")
    ranked = select(runs, until, rows.over(partition_by=runs.c.name).label("whole")).subquery()
    middles = (ranked.c.until * 2 >= ranked.c.whole, ranked.c.until * 2 > ranked.c.whole)
    low, high = (func.min(ranked.c.value).filter(reached) for reached in middles)
    found = facts.engine.run(select(ranked.c.name, low.label("low"), high.label("high")).group_by(ranked.c.name))
    return {row["name"]: (Fraction(row["low"]) + Fraction(row["high"])) / 2 for row in found.to_pylist()}
