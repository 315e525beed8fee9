"""Facts: what the records say before any audit judges them. Audits read these frames and the engine's `events`.

Credits are `Fraction` in every frame, so that no sum is ever rounded.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, false, func, literal, or_, select, true

from auditor.engines import Engine
from auditor.engines.tables import cycles as cycle_table
from auditor.engines.tables import events, file_of, losers, records, units
from auditor.model.events import DELIVERED, Outcome
from auditor.model.plans import IDLE, Cycle, Gap, Plan, comparable, listed, micros, moment
from auditor.model.settings import Account, Settings

NAMES = ("provider", "account", "environment", "template")


@dataclass(frozen=True)  # (no slots: it keeps what is reckoned once)
class Payer:
    """One (provider, account): who gets a bill."""

    code: int
    provider: str
    account: str
    settings: Account
    plans: tuple[Plan, ...]
    """Those of the provider that are sold in the currency in which the account pays."""
    cycles: tuple[Cycle, ...]
    """From the first to the last event, but those of the gaps."""
    first_us: int
    last_us: int
    gaps: tuple[Gap, ...] = ()
    """Where so many cycles have no event that they are not listed."""

    mostly_filtered: bool = False
    """Whether most lines that its sources fit are redirects, parts or no pictures: no plan advice rests on the rest."""

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """(start, end) in microseconds of the cycles that are listed, those without a gap between them together."""
        edges = [0, *(gap.before for gap in self.gaps), len(self.cycles)]
        return tuple((self.cycles[at].start_us, self.cycles[to - 1].end_us) for at, to in pairwise(edges))

    @property
    def plan(self) -> Plan | None:
        """The configured plan, that of the newest cycle if it changed."""
        return self.settings.plan_of(self.cycles[-1])

    @property
    def costs_money(self) -> bool:
        """Whether a credit of this account is paid for; an account without a configured plan counts as paying."""
        plans = {self.settings.plan_of(cycle) for cycle in self.cycles}
        return any(plan is None or plan.price > 0 or bool(plan.overage) for plan in plans)

    @cached_property
    def complete_cycles(self) -> list[int]:
        """The places of the cycles that the account's events cover."""
        return [index for index, cycle in enumerate(self.cycles) if self.complete(cycle)]

    @property
    def idle(self) -> dict[int, int]:
        """Position among the complete cycles -> cycles of a gap that passed before it (`auditor.model.plans.Idle`)."""
        complete = self.complete_cycles
        return {bisect_left(complete, gap.before): gap.cycles for gap in self.gaps}

    def complete(self, cycle: Cycle) -> bool:
        """Whether the account's events cover the cycle."""
        return cycle.complete(self.first_us, self.last_us)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records."""

    events: int
    filtered: int
    assumed_timezone: int
    assumed: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Number of a file -> what its log could not tell -> events for which something was taken instead."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that audits share."""

    engine: Engine
    settings: Settings
    window: tuple[datetime, datetime] | None
    """First and last time of an event; None for a log without events."""
    counts: Counts
    payers: tuple[Payer, ...]
    names: Mapping[int, Mapping[str, str]]
    """unit -> provider, account, environment, template."""
    units: pd.DataFrame
    """unit, provider, account, environment, template, payer."""
    usage: pd.DataFrame
    """One row for each unit, cycle, outcome, error, retried: events, requests, credits, billed, unknown, bytes.

    `billed` counts the events that are known to have cost something.
    """

    @property
    def delivered_bytes(self) -> int:
        """Of every request that got a picture; a size on a failed call was never delivered."""
        return int(self.usage.loc[self.usage.outcome.isin(DELIVERED), "bytes"].sum())

    def without_advice(self, payers: Collection[tuple[str, str]]) -> "Facts":
        """These facts with the accounts, (provider, account), whose logs are mostly filtered."""
        return replace(
            self,
            payers=tuple(
                replace(payer, mostly_filtered=(payer.provider, payer.account) in payers) for payer in self.payers
            ),
        )

    def labels(self, unit: int) -> dict[str, str]:
        """provider, account, environment and template of a unit."""
        return dict(self.names[unit])

    def ids(self, rows: Sequence[int]) -> dict[int, str]:
        """Row -> id of some records."""
        found = self.engine.run(select(records.c.row, records.c.id).where(records.c.row.in_(list(rows)))).to_pylist()
        return {int(row["row"]): str(row["id"]) for row in found}

    def paid_by(self, frame: pd.DataFrame) -> pd.DataFrame:
        """*frame*, which has `unit`, with the columns of `units`."""
        return frame.merge(self.units, on="unit", how="left")


def chosen(
    engine: Engine,
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    belongs: Callable[[Account], bool] | None = None,
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """(records that no other of their id replaces, those that are looked at).

    *since* is inclusive, *until* exclusive; *belongs* chooses by the settings of the account.
    """
    live = records.c.row.not_in(select(losers.c.row))
    inside = and_(
        _of_accounts(engine, settings, belongs) if belongs else true(),
        records.c.ts_us >= micros(since) if since else true(),
        records.c.ts_us < micros(until) if until else true(),
    )
    return live, inside


def count(engine: Engine, live: ColumnElement[bool], inside: ColumnElement[bool]) -> Counts:
    """Events, those that --since and --until leave out, and times without an offset."""
    row = engine.run(
        select(
            func.count().filter(and_(live, inside)).label("events"),
            func.count().filter(and_(live, ~inside)).label("filtered"),
            func.count().filter(records.c.assumed_timezone).label("assumed"),
        )
    ).to_pylist()[0]
    return Counts(int(row["events"]), int(row["filtered"]), int(row["assumed"]), _assumed(engine, and_(live, inside)))


def _assumed(engine: Engine, which: ColumnElement[bool]) -> Mapping[int, Mapping[str, int]]:
    columns = file_of(records).label("file"), records.c.assumed
    found: dict[int, Counter[str]] = {}
    for row in engine.run(
        select(*columns, func.count().label("events")).where(which, records.c.assumed.is_not(None)).group_by(*columns)
    ).to_pylist():
        found.setdefault(row["file"], Counter()).update(dict.fromkeys(row["assumed"].split(), row["events"]))
    return found


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who used what, from when to when."""

    payers: tuple[Payer, ...]
    units: pd.DataFrame
    """unit, provider, account, environment, template, payer."""
    window: tuple[datetime, datetime] | None
    """First and last time of an event; None for a log without events."""


def locate(engine: Engine, settings: Settings, which: ColumnElement[bool]) -> Accounts:
    """Build `units` and `cycles` in the engine from the records that *which* chooses."""
    spans = _frame(
        engine,
        select(
            records.c.provider,
            records.c.account,
            records.c.environment,
            records.c.template,
            func.min(records.c.ts_us).label("first_us"),
            func.max(records.c.ts_us).label("last_us"),
        )
        .where(which)
        .group_by(records.c.provider, records.c.account, records.c.environment, records.c.template),
    )
    spans = spans.sort_values(list(NAMES), ignore_index=True)
    spans["unit"] = range(len(spans))
    spans["payer"] = spans.groupby(["provider", "account"], sort=True).ngroup()

    both = ["provider", "account"]
    ends = spans.groupby(both, sort=True).agg(first_us=("first_us", "min"), last_us=("last_us", "max"))
    rests = _rests(engine, which) if len(ends) and (ends.last_us - ends.first_us).max() >= _IDLE_US else {}
    payers = tuple(
        payer_of(code, who[0], who[1], int(first_us), int(last_us), settings, rests.get(who, ()))
        for code, (who, first_us, last_us) in enumerate(ends.itertuples(name=None))
    )
    unit_frame = spans[["unit", "provider", "account", "environment", "template", "payer"]]
    engine.load("units", pa.Table.from_pandas(unit_frame, schema=_UNITS, preserve_index=False))
    engine.load(
        "cycles",
        pa.Table.from_pylist(
            [
                {"payer": payer.code, "cycle": index, "start_us": cycle.start_us, "end_us": cycle.end_us}
                for payer in payers
                for index, cycle in enumerate(payer.cycles)
            ],
            schema=_CYCLES,
        ),
    )
    window = None if spans.empty else (moment(int(spans.first_us.min())), moment(int(spans.last_us.max())))
    return Accounts(payers, unit_frame, window)


def gather(
    engine: Engine,
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    belongs: Callable[[Account], bool] | None = None,
) -> Facts:
    """Build `units`, `cycles` and `events` in the engine and the frames from them.

    *since* is inclusive, *until* exclusive; they and *belongs*, by the settings of their account, choose events, after
    duplicates of an id were dropped.
    """
    live, inside = chosen(engine, settings, since, until, belongs)
    counts = count(engine, live, inside)
    accounts = locate(engine, settings, and_(live, inside))
    engine.store("events", _events().where(live, inside))
    return Facts(
        engine=engine,
        settings=settings,
        window=accounts.window,
        counts=counts,
        payers=accounts.payers,
        names=dict(enumerate(accounts.units[list(NAMES)].astype(str).to_dict("records"))),
        units=accounts.units.set_index("unit", drop=False).rename_axis(None),
        usage=_usage(engine),
    )


_UNITS = pa.schema(
    [
        ("unit", pa.int32()),
        ("provider", pa.string()),
        ("account", pa.string()),
        ("environment", pa.string()),
        ("template", pa.string()),
        ("payer", pa.int32()),
    ]
)
_CYCLES = pa.schema([("payer", pa.int32()), ("cycle", pa.int32()), ("start_us", pa.int64()), ("end_us", pa.int64())])


def _of_accounts(engine: Engine, settings: Settings, belongs: Callable[[Account], bool]) -> ColumnElement[bool]:
    names = (records.c.provider, records.c.account)
    pairs = engine.run(select(*names).distinct()).to_pylist()
    return or_(
        false(),
        *(
            and_(records.c.provider == pair["provider"], records.c.account == pair["account"])
            for pair in pairs
            if belongs(settings.account(pair["provider"], pair["account"]))
        ),
    )


_IDLE_US = IDLE // timedelta(microseconds=1)
_DAY_US = 86_400 * 10**6


def _rests(engine: Engine, which: ColumnElement[bool]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """(provider, account) -> (last event before, first event after) of its stretches of `IDLE` without any event."""
    both = (records.c.provider, records.c.account)
    day = records.c.ts_us // _DAY_US
    edges = func.min(records.c.ts_us).label("first_us"), func.max(records.c.ts_us).label("last_us")
    days = select(*both, *edges).where(which).group_by(*both, day).subquery()
    before = func.lag(days.c.last_us).over(partition_by=(days.c.provider, days.c.account), order_by=days.c.first_us)
    pairs = select(days.c.provider, days.c.account, before.label("before_us"), days.c.first_us).subquery()
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    apart = pairs.c.first_us - pairs.c.before_us >= _IDLE_US
    for row in engine.run(select(pairs).where(apart).order_by(pairs.c.first_us)).to_pylist():
        found.setdefault((row["provider"], row["account"]), []).append((row["before_us"], row["first_us"]))
    return found


def payer_of(
    code: int,
    provider: str,
    account: str,
    first_us: int,
    last_us: int,
    settings: Settings,
    rests: Sequence[tuple[int, int]] = (),
) -> Payer:
    """The account with its settings, plans and the billing cycles from its first to its last event.

    *rests* are the (last event before, first event after) of each stretch of `auditor.model.plans.IDLE` without an
    event.
    """
    configured = settings.account(provider, account)
    edges = [first_us, *chain.from_iterable(rests), last_us]
    spans = list(zip(edges[::2], edges[1::2], strict=True))
    own_cycles, gaps = listed(spans, configured.anchor_day, configured.timezone)
    return Payer(
        code=code,
        provider=provider,
        account=account,
        settings=configured,
        plans=comparable(settings.catalogue.get(provider, ()), configured.plan_of(own_cycles[-1])),
        cycles=own_cycles,
        first_us=first_us,
        last_us=last_us,
        gaps=gaps,
    )


def placed(*columns: ColumnElement[Any]) -> Select[Any]:
    """*columns* of `records`, `units` and `cycles`: each record with its unit and billing cycle."""
    same_unit = and_(*(records.c[name] == units.c[name] for name in NAMES))
    own_cycle = and_(
        cycle_table.c.payer == units.c.payer,
        records.c.ts_us >= cycle_table.c.start_us,
        records.c.ts_us < cycle_table.c.end_us,
    )
    return select(*columns).select_from(records).join(units, same_unit).join(cycle_table, own_cycle)


def key_halves() -> tuple[ColumnElement[int], ColumnElement[int]]:
    """124 bits of a record's (provider, account, environment, key)."""
    key = (records.c.provider, records.c.account, records.c.environment, records.c.key)
    return hashed(*key), hashed(literal("low"), *key)


def digest_code() -> ColumnElement[int]:
    """62 bits of a record's digest, 0 where it has none."""
    return case((records.c.digest.is_(None), 0), else_=hashed(records.c.digest) + 1)


def _events() -> Select[Any]:
    """One narrow row an event."""
    # Most events are hits, and only calls are walked: nothing else needs its long id and key.
    called = records.c.outcome.in_([str(Outcome.RENDER), str(Outcome.ERROR)])
    high, low = key_halves()
    return placed(
        records.c.row,
        case((called, records.c.id)).label("id"),
        records.c.ts_us,
        units.c.unit,
        cycle_table.c.cycle,
        records.c.outcome,
        records.c.count.label("weight"),
        records.c.credits,
        records.c.error,
        records.c.retried,
        case((called, high)).label("key_high"),
        case((called, low)).label("key_low"),
        digest_code().label("digest"),
        records.c.duration_us,
        records.c.placement,
        records.c.format,
        records.c.width,
        records.c.height,
        records.c.bytes,
        records.c.inputs.is_not(None).label("has_inputs"),
        records.c.unknown,
    )


def hashed(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    """62 bits of the columns' hash, as a BIGINT that a later + 1 cannot overflow."""
    return cast(func.hash(*columns).op(">>")(2), BigInteger)


def _usage(engine: Engine) -> pd.DataFrame:
    """The small frame from which totals, bills and most audits are read."""
    groups = (
        events.c.unit,
        events.c.cycle,
        events.c.outcome,
        func.coalesce(events.c.error, "").label("error"),
        events.c.retried,
    )
    return _frame(
        engine,
        select(
            *groups,
            func.count().label("events"),
            func.sum(events.c.weight).label("requests"),
            func.sum(events.c.credits).label("credits"),
            func.count().filter(events.c.credits > 0).label("billed"),
            func.count().filter(and_(events.c.credits.is_(None), events.c.outcome != Outcome.ATTEMPT)).label("unknown"),
            func.sum(events.c.bytes * events.c.weight).label("bytes"),
        ).group_by(*groups),
    )


def _frame(engine: Engine, selectable: Select[Any]) -> pd.DataFrame:
    return frame_of(engine.run(selectable))


def frame_of(table: pa.Table) -> pd.DataFrame:
    """An Arrow result as a frame whose decimals are Fractions (credits) or ints (sums of integers)."""
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_decimal(column.type):
            exact = int if column.type.scale == 0 else Fraction
            columns[name] = pd.Series([exact(value or 0) for value in column.to_pylist()], dtype=object)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            columns[name] = pd.Series(column.to_pylist(), dtype=object)
        else:
            columns[name] = column.to_pandas()
    return pd.DataFrame(columns, columns=table.column_names)
