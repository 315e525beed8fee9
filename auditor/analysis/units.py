"""Units and billing cycles: where each of the chosen records is added up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Select, Table, and_, func, select

from auditor.analysis.accounts import NAMES, Accounts, Unit, payer_of
from auditor.analysis.choice import Counts, choose
from auditor.analysis.identities import Records
from auditor.engines import Engine
from auditor.model.plans import IDLE, moment
from auditor.model.settings import Account, Settings


@dataclass(frozen=True, slots=True)
class Located:
    """The chosen records, their accounts, and both as tables."""

    records: Records
    which: ColumnElement[bool]
    """The chosen ones."""
    counts: Counts
    accounts: Accounts
    units: Table
    """unit (a dense code), provider, account, environment, template, payer (the code of the account)."""
    cycles: Table
    """payer, cycle (from 0), start_us, end_us."""

    def placed(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """*columns* of the records, `units` and `cycles`: each chosen record with its unit and billing cycle."""
        records, units, cycles = self.records.table, self.units, self.cycles
        same_unit = and_(*(records.c[name] == units.c[name] for name in NAMES))
        own_cycle = and_(
            cycles.c.payer == units.c.payer, records.c.ts_us >= cycles.c.start_us, records.c.ts_us < cycles.c.end_us
        )
        joined = select(*columns).select_from(records).join(units, same_unit).join(cycles, own_cycle)
        return joined.where(self.which)


def locate(
    loaded: Records,
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    belongs: Callable[[Account], bool] | None = None,
) -> Located:
    """Find the accounts of the records that `choose` chooses, their units and cycles."""
    which, counts = choose(loaded, settings, since, until, belongs)
    engine, records = loaded.engine, loaded.table
    names = [records.c[name] for name in NAMES]
    ends = func.min(records.c.ts_us).label("first_us"), func.max(records.c.ts_us).label("last_us")
    spans = engine.run(select(*names, *ends).where(which).group_by(*names)).to_pylist()
    spans.sort(key=lambda span: [span[name] for name in NAMES])
    of_account: dict[tuple[str, str], tuple[int, int]] = {}
    for span in spans:
        who = span["provider"], span["account"]
        first_us, last_us = of_account.get(who, (span["first_us"], span["last_us"]))
        of_account[who] = min(first_us, span["first_us"]), max(last_us, span["last_us"])
    longest = max((last_us - first_us for first_us, last_us in of_account.values()), default=0)
    rests = _rests(engine, records, which) if longest >= _IDLE_US else {}
    payers = tuple(
        payer_of(code, *who, first_us, last_us, settings, rests.get(who, ()))
        for code, (who, (first_us, last_us)) in enumerate(of_account.items())
    )
    codes = {who: code for code, who in enumerate(of_account)}
    units = tuple(
        Unit(**{name: span[name] for name in NAMES}, payer=codes[span["provider"], span["account"]]) for span in spans
    )
    edges = [
        {"payer": payer.code, "cycle": index, "start_us": cycle.start_us, "end_us": cycle.end_us}
        for payer in payers
        for index, cycle in enumerate(payer.cycles)
    ]
    firsts, lasts = zip(*of_account.values(), strict=True) if of_account else ((), ())
    return Located(
        loaded,
        which,
        counts,
        Accounts(payers, units, (moment(min(firsts)), moment(max(lasts))) if firsts else None),
        engine.load(
            "units",
            pa.Table.from_pylist(
                [{"unit": code, **unit.names, "payer": unit.payer} for code, unit in enumerate(units)], schema=_UNITS
            ),
        ),
        engine.load("cycles", pa.Table.from_pylist(edges, schema=_CYCLES)),
    )


_UNITS = pa.schema([("unit", pa.int32()), *((name, pa.string()) for name in NAMES), ("payer", pa.int32())])
_CYCLES = pa.schema([("payer", pa.int32()), ("cycle", pa.int32()), ("start_us", pa.int64()), ("end_us", pa.int64())])
_IDLE_US = IDLE // timedelta(microseconds=1)
_DAY_US = 86_400 * 10**6


def _rests(engine: Engine, records: Table, which: ColumnElement[bool]) -> dict[tuple[str, str], list[tuple[int, int]]]:
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
