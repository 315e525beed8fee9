"""Daily use: what each account asked for on each day of its own time zone, and what became of every credit.

The days of a cycle add up to the cycle, and the causes of all days to the waterfall: both are sums over the same
events, cut at the same local midnights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pyarrow as pa
from sqlalchemy import ColumnElement, Table, and_, cast, func, select

from auditor.analysis.facts import Facts, Used, used
from auditor.analysis.rows import loaded, rows_of
from auditor.analysis.walk import Replayed, cause_of
from auditor.engines import Wide
from auditor.model.events import EPOCH, Outcome
from auditor.model.plans import moment
from auditor.model.waste import Day, Use
from auditor.replay.walk import Verdict

DAY_US = 86_400 * 10**6
FIRST = EPOCH.toordinal()
"""Ordinal of 1970-01-01, so that days before it are positive numbers too."""


@dataclass(frozen=True, slots=True)
class _Part(Used):
    """The events of a day with one outcome and verdict."""

    payer: int
    day: int
    """Its ordinal."""
    staging: bool
    retried: bool
    verdict: int
    requests: int


def daily(facts: Facts, replayed: Replayed) -> tuple[Day, ...]:
    """Every day with an event, by account and date."""
    days: dict[tuple[int, int], Day] = {}
    for row in _parts(facts, replayed):
        at = row.payer, row.day
        day = days.setdefault(at, Day(row.payer, date.fromordinal(row.day)))
        outcome = Outcome(row.outcome)
        if outcome != Outcome.ATTEMPT and not row.retried:
            day.requests[outcome] += row.requests
        day.uncertain += row.uncertain
        if row.credits:
            day.credits[_use(row, outcome)] += row.credits
    for (unit, ordinal), moved in replayed.volatile_days.items():
        day = days[facts.units[unit].payer, ordinal]
        day.credits[Use.NEEDED] -= moved
        day.credits[Use.VOLATILE] += moved
    return tuple(days[at] for at in sorted(days))


def _use(row: _Part, outcome: Outcome) -> Use:
    if outcome != Outcome.RENDER:
        return Use.FAILED if outcome == Outcome.ERROR else Use.UNRENDERED
    cause = cause_of(row.verdict, staging=row.staging)
    if cause is None:
        return Use.UNKNOWN if row.verdict == Verdict.UNKNOWN else Use.NEEDED
    return Use(cause)


def clocks(facts: Facts) -> Table:
    """payer, start_us, end_us, shift_us: what to add to a time to get the microseconds of the local clock, from day 0.

    One row for each account and span of one UTC offset.
    """
    columns = {"payer": pa.int32(), **dict.fromkeys(("start_us", "end_us", "shift_us"), pa.int64())}
    rows = (
        (payer.code, start, end, offset + FIRST * DAY_US)
        for payer in facts.payers
        for stretch in payer.stretches
        for start, end, offset in spans(*stretch, str(payer.settings.timezone))
    )
    return loaded(facts.engine, "clocks", rows, **columns)


def on_clock(clock: Table, payer: ColumnElement[int], ts_us: ColumnElement[int]) -> ColumnElement[bool]:
    """Which of `clocks` is that of an account at a time."""
    return and_(clock.c.payer == payer, ts_us >= clock.c.start_us, ts_us < clock.c.end_us)


def _parts(facts: Facts, replayed: Replayed) -> list[_Part]:
    events, walked, clock = facts.events, replayed.walked, clocks(facts)
    here = on_clock(clock, events.c.payer, events.c.ts_us)
    groups = (
        events.c.payer,
        ((events.c.ts_us + clock.c.shift_us) // DAY_US).label("day"),
        events.c.unit.in_(sorted(replayed.staging)).label("staging"),
        events.c.outcome,
        events.c.retried,
        walked.verdict(events),
    )
    sums = select(*groups, *used(events), func.sum(cast(events.c.weight, Wide)).label("requests"))
    joined = sums.join_from(events, clock, here).outerjoin(walked.table, walked.table.c.row == events.c.row)
    return rows_of(facts.engine, _Part, joined.group_by(*groups))


@lru_cache(1000)  # (accounts whose cycles are the same share them)
def spans(first_us: int, end_us: int, name: str) -> Sequence[tuple[int, int, int]]:
    """(start, end, UTC offset in microseconds of a zone) that cover *first_us* to *end_us*; ends are exclusive."""
    zone, found = ZoneInfo(name), []
    start, offset = first_us, _offset(first_us, zone)
    for day in range(first_us, end_us + DAY_US, DAY_US):
        if _offset(day, zone) == offset:
            continue
        low, high = day - DAY_US, day  # the offset changes once between them
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
        found.append((start, high, offset))
        start, offset = high, _offset(high, zone)
    return [*found, (start, max(end_us, start + 1), offset)]


def _offset(us: int, zone: ZoneInfo) -> int:
    return (moment(us).astimezone(zone).utcoffset() or timedelta()) // timedelta(microseconds=1)
