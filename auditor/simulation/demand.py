"""Records -> the demand that simulations replay: ordered streams, usual prices and durations, sums of what happened.

Demand is every request that was given a picture: `render`, `hit`, `coalesced`. What a simulated render of a request
takes and costs, where the request was no render or does not say, follows from the renders of its template.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, select

from auditor.analysis.facts import (
    Accounts,
    Counts,
    Facts,
    chosen,
    count,
    digest_code,
    frame_of,
    key_halves,
    locate,
    placed,
)
from auditor.engines import Engine
from auditor.engines.tables import Wide, prices, records, units
from auditor.engines.tables import cycles as cycle_table
from auditor.model.events import DELIVERED, Outcome
from auditor.model.settings import Account, Settings
from auditor.replay.demand import Prices
from auditor.simulation.medians import medians

RENDER_CREDITS = Fraction(1)
"""What a render costs where no render of the log says."""
_RENDERED = records.c.outcome == str(Outcome.RENDER)


@dataclass(frozen=True, slots=True)
class Demand:
    """What was asked for, and the streams of it."""

    engine: Engine
    accounts: Accounts
    counts: Counts
    prices: Prices
    usage: pd.DataFrame
    """One row for each unit, cycle, outcome: events, requests, credits, unknown, bytes, hits with digests."""
    which: ColumnElement[bool]

    @property
    def rows(self) -> int:
        """Events of the demand; a hit with a count is one."""
        return int(self.usage.events.sum())

    @property
    def most_cycles(self) -> int:
        """The most billing cycles that an account has."""
        return max((len(payer.cycles) for payer in self.accounts.payers), default=0)

    def by_key(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id."""
        high, low = key_halves()
        stream = _stream(high.label("key_high"), low.label("key_low")).where(self.which)
        return self.engine.sorted_stream(stream.order_by("key_high", "key_low", records.c.ts_us, records.c.id))

    def by_time(self) -> Iterator[pa.RecordBatch]:
        """Ordered by time and id, with a dense code for each key."""
        code = func.dense_rank().over(order_by=key_halves()) - 1
        stream = _stream(code.label("key")).where(self.which)
        return self.engine.sorted_stream(stream.order_by(records.c.ts_us, records.c.id))

    def online(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id, for `auditor.simulation.batch`."""
        high, low = key_halves()
        waited = and_(_RENDERED, records.c.source != "batch")
        stream = placed(
            high.label("key_high"),
            low.label("key_low"),
            records.c.ts_us,
            units.c.unit,
            cast(waited, BigInteger).label("online"),
            records.c.row,
        ).where(self.which)
        return self.engine.sorted_stream(stream.order_by("key_high", "key_low", records.c.ts_us, records.c.id))

    def keys(self) -> int:
        """How many keys there are."""
        keys = select(*key_halves()).where(self.which).distinct().subquery()
        return int(self.engine.run(select(func.count().label("keys")).select_from(keys)).to_pylist()[0]["keys"])


def demand(engine: Engine, settings: Settings, since: Any, until: Any) -> Demand:
    """The demand of the records in *engine*; see `auditor.analysis.facts.gather` for the times."""
    live, inside = chosen(engine, settings, since, until)
    return _demand(
        engine, locate(engine, settings, and_(live, inside)), count(engine, live, inside), and_(live, inside)
    )


def demand_of(facts: Facts, since: Any, until: Any, belongs: Callable[[Account], bool] | None = None) -> Demand:
    """The demand of an audit that has been gathered, with the same times and accounts."""
    accounts = Accounts(facts.payers, facts.units, facts.window)
    return _demand(
        facts.engine, accounts, facts.counts, and_(*chosen(facts.engine, facts.settings, since, until, belongs))
    )


def _demand(engine: Engine, accounts: Accounts, counts: Counts, which: ColumnElement[bool]) -> Demand:
    delivered = and_(which, records.c.outcome.in_([str(outcome) for outcome in DELIVERED]))
    return Demand(engine, accounts, counts, _prices(engine, accounts, delivered), _usage(engine, delivered), delivered)


def _stream(*key: ColumnElement[Any]) -> Select[Any]:
    cost = and_(_RENDERED, records.c.credits == prices.c.credits)
    return placed(
        *key,
        records.c.ts_us,
        units.c.unit,
        cycle_table.c.cycle,
        records.c.count.label("weight"),
        case((_RENDERED, func.coalesce(records.c.duration_us, -1)), else_=-1).label("duration_us"),
        digest_code().label("digest"),
        cast(_RENDERED, BigInteger).label("render"),
        func.coalesce(prices.c.price, -1).label("price"),
        func.coalesce(records.c.bytes, 0).label("bytes"),
    ).outerjoin(prices, cost)


def _usage(engine: Engine, which: ColumnElement[bool]) -> pd.DataFrame:
    groups = (units.c.unit, cycle_table.c.cycle, records.c.outcome)
    return frame_of(
        engine.run(
            placed(
                *groups,
                func.count().label("events"),
                func.sum(records.c.count).label("requests"),
                func.sum(records.c.credits).label("credits"),
                func.count().filter(records.c.credits.is_(None)).label("unknown"),
                func.sum(cast(records.c.bytes, Wide) * records.c.count).label("bytes"),
                func.count(records.c.digest).filter(records.c.outcome == str(Outcome.HIT)).label("digests"),
            )
            .where(which)
            .group_by(*groups)
        )
    )


def _prices(engine: Engine, accounts: Accounts, which: ColumnElement[bool]) -> Prices:
    """Load `prices`, and find the usual price and duration of each unit."""
    known = select(records.c.credits).where(which, _RENDERED, records.c.credits.is_not(None)).distinct()
    table = engine.run(known.order_by(records.c.credits))
    engine.load("prices", table.add_column(0, "price", pa.array(range(len(table)), pa.int32())))
    amounts = [Fraction(value) for value in table.column("credits").to_pylist()]
    code = {amount: place for place, amount in enumerate(amounts)}
    rendered = and_(which, _RENDERED)
    credits, durations = (
        medians(engine, records.c.template, value, rendered) for value in (records.c.credits, records.c.duration_us)
    )
    usual_price, usual_duration = [], []
    for template in accounts.units.template:
        price = credits.get(template, credits.get(None, RENDER_CREDITS))
        if price not in code:
            code[price] = len(amounts)
            amounts.append(price)
        usual_price.append(code[price])
        usual_duration.append(round(durations.get(template, durations.get(None, Fraction(0)))))
    return Prices(amounts, usual_price, usual_duration)
