"""Units and billing cycles: which records are events, and where each of these is added up."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Table, and_, false, func, or_, select, true

from auditor.analysis.accounts import NAMES, Counts, Unit, payer_of
from auditor.analysis.facts import Facts
from auditor.analysis.identities import Records
from auditor.analysis.rows import grouped, loaded
from auditor.engines import file_of
from auditor.model.plans import IDLE, micros, moment
from auditor.model.settings import Account, Settings


def span(records: Records) -> tuple[datetime, datetime] | None:
    """The times of the first and the last record, whatever the window; None where there is no record."""
    ts = records.table.c.ts_us
    (row,) = records.engine.run(select(func.min(ts).label("first"), func.max(ts).label("last"))).to_pylist()
    return None if row["first"] is None else (moment(row["first"]), moment(row["last"]))


def locate(
    records: Records,
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    belongs: Callable[[Account], bool] | None = None,
    mostly_filtered: Collection[tuple[str, str]] = (),
) -> Facts:
    """Find the events among the records, their accounts, units and cycles.

    *since* is inclusive, *until* exclusive; they and *belongs*, by the settings of their account, choose events, after
    duplicates of an id were dropped. *mostly_filtered* are the accounts, (provider, account), that get no advice.
    """
    table = records.table
    live = table.c.row.not_in(select(records.losers.c.row))

    def within(rows: Table) -> ColumnElement[bool]:
        return and_(
            rows.c.ts_us >= micros(since) if since else true(), rows.c.ts_us < micros(until) if until else true()
        )

    inside = and_(_of_accounts(records, settings, belongs) if belongs else true(), within(table))
    if records.loaded is not None:
        # Where accounts are chosen, what is of none is not looked at.
        chosen = select(records.loaded).where(false() if belongs else within(records.loaded))
        records = replace(records, loaded=records.engine.view("downloads", chosen))
    which = and_(live, inside)
    spans, counts = _spans(records, live, inside)
    ends = {
        who: (min(span["first_us"] for span in own), max(span["last_us"] for span in own))
        for who, own in grouped(spans, lambda span: (span["provider"], span["account"])).items()
    }
    idle = any(last_us - first_us >= _IDLE_US for first_us, last_us in ends.values())
    rests = _rests(records, which) if idle else {}
    payers = tuple(
        payer_of(code, *who, *ends[who], settings, rests.get(who, ()), who in mostly_filtered)
        for code, who in enumerate(ends)
    )
    codes = {who: code for code, who in enumerate(ends)}
    units = tuple(
        Unit(**{name: span[name] for name in NAMES}, payer=codes[span["provider"], span["account"]]) for span in spans
    )
    firsts, lasts = zip(*ends.values(), strict=True) if ends else ((), ())
    window = (moment(min(firsts)), moment(max(lasts))) if ends else None
    whole, time = pa.int32(), pa.int64()
    coded = ((code, *unit.names.values(), unit.payer) for code, unit in enumerate(units))
    by_unit = loaded(records.engine, "units", coded, unit=whole, **dict.fromkeys(NAMES, pa.string()), payer=whole)
    listed = [(payer.code, at, each.start_us, each.end_us) for payer in payers for at, each in enumerate(payer.cycles)]
    by_cycle = loaded(records.engine, "cycles", listed, payer=whole, cycle=whole, start_us=time, end_us=time)
    return Facts(payers, units, window, counts, settings, records, which, by_unit, by_cycle)


_IDLE_US = IDLE // timedelta(microseconds=1)
_DAY_US = 86_400 * 10**6


def _rests(records: Records, which: ColumnElement[bool]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """(provider, account) -> (last event before, first event after) of its stretches of `IDLE` without any event."""
    table = records.table
    both = (table.c.provider, table.c.account)
    edges = func.min(table.c.ts_us).label("first_us"), func.max(table.c.ts_us).label("last_us")
    days = select(*both, *edges).where(which).group_by(*both, table.c.ts_us // _DAY_US).subquery()
    before = func.lag(days.c.last_us).over(partition_by=(days.c.provider, days.c.account), order_by=days.c.first_us)
    pairs = select(days.c.provider, days.c.account, before.label("before_us"), days.c.first_us).subquery()
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    apart = pairs.c.first_us - pairs.c.before_us >= _IDLE_US
    for row in records.engine.run(select(pairs).where(apart).order_by(pairs.c.first_us)).to_pylist():
        found.setdefault((row["provider"], row["account"]), []).append((row["before_us"], row["first_us"]))
    return found


def _spans(
    records: Records, live: ColumnElement[bool], inside: ColumnElement[bool]
) -> tuple[list[dict[str, Any]], Counts]:
    """(first and last event of each unit, in order; how many records *live* and *inside* choose)."""
    columns = [records.table.c[name] for name in (*NAMES, "ts_us", "assumed_timezone")]
    rows = select(*columns, live.label("live"), inside.label("inside")).subquery()
    names, which = [rows.c[name] for name in NAMES], and_(rows.c.live, rows.c.inside)
    sums = select(
        *names,
        func.min(rows.c.ts_us).filter(which).label("first_us"),
        func.max(rows.c.ts_us).filter(which).label("last_us"),
        func.count().filter(which).label("events"),
        func.count().filter(rows.c.live, ~rows.c.inside).label("filtered"),
        func.count().filter(rows.c.assumed_timezone).label("assumed"),
    )
    found = records.engine.run(sums.group_by(*names)).to_pylist()
    events, filtered, assumed = (sum(row[name] for row in found) for name in ("events", "filtered", "assumed"))
    of_files = _assumed(records, and_(live, inside))
    return sorted((row for row in found if row["events"]), key=lambda row: [row[name] for name in NAMES]), Counts(
        events, filtered, assumed, of_files, records.superseded, records.duplicates
    )


def _assumed(records: Records, which: ColumnElement[bool]) -> Mapping[int, Mapping[str, int]]:
    table = records.table
    columns = file_of(table).label("file"), table.c.assumed
    found: dict[int, Counter[str]] = {}
    for row in records.engine.run(
        select(*columns, func.count().label("events")).where(which, table.c.assumed.is_not(None)).group_by(*columns)
    ).to_pylist():
        found.setdefault(row["file"], Counter()).update(dict.fromkeys(row["assumed"].split(), row["events"]))
    return found


def _of_accounts(records: Records, settings: Settings, belongs: Callable[[Account], bool]) -> ColumnElement[bool]:
    table = records.table
    names = (table.c.provider, table.c.account)
    pairs = records.engine.run(select(*names).distinct()).to_pylist()
    return or_(
        false(),
        *(
            and_(table.c.provider == pair["provider"], table.c.account == pair["account"])
            for pair in pairs
            if belongs(settings.account(pair["provider"], pair["account"]))
        ),
    )
