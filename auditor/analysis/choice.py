"""Which records are events: those that are looked at, after duplicates of an id were dropped."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true

from auditor.analysis.identities import Records
from auditor.engines.tables import file_of
from auditor.model.plans import micros
from auditor.model.settings import Account, Settings


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records."""

    events: int
    filtered: int
    assumed_timezone: int
    assumed: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Number of a file -> what its log could not tell -> events for which something was taken instead."""


def choose(
    records: Records,
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    belongs: Callable[[Account], bool] | None = None,
) -> tuple[ColumnElement[bool], Counts]:
    """(records that no other of their id replaces and that are looked at, how many).

    *since* is inclusive, *until* exclusive; *belongs* chooses by the settings of the account.
    """
    table = records.table
    live = table.c.row.not_in(select(records.losers.c.row))
    inside = and_(
        _of_accounts(records, settings, belongs) if belongs else true(),
        table.c.ts_us >= micros(since) if since else true(),
        table.c.ts_us < micros(until) if until else true(),
    )
    which = and_(live, inside)
    row = records.engine.run(
        select(
            func.count().filter(which).label("events"),
            func.count().filter(and_(live, ~inside)).label("filtered"),
            func.count().filter(table.c.assumed_timezone).label("assumed"),
        )
    ).to_pylist()[0]
    return which, Counts(row["events"], row["filtered"], row["assumed"], _assumed(records, which))


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
