"""Upkeep: prune old events and keep their sums; cut the billing cycles anew when an account's day or zone changes."""

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from auditor.ledger.booking import add_to, count
from auditor.ledger.record import Sums
from auditor.ledger.schema import accounts, events, facts, periods, pictures, rollups
from auditor.plans import cycles
from auditor.settings import Settings

HORIZON = "horizon_us"
"""Events before it were pruned: a file that is fed again is refused that far, and not added twice."""


HEARTBEAT = "ingested_us"
"""When an ingester last looked, whether there was something new or not."""


def beat(connection: Connection, now_us: int) -> None:
    """Note that an ingester works."""
    changed = connection.execute(update(facts).where(facts.c.name == HEARTBEAT).values(value=str(now_us)))
    if not changed.rowcount:
        connection.execute(insert(facts).values(name=HEARTBEAT, value=str(now_us)))


def prune(connection: Connection, before_us: int) -> int:
    """Drop events from before that time; how many that were. Rollups, totals and cycles stay."""
    gone = connection.execute(select(func.count()).select_from(events).where(events.c.ts_us < before_us)).scalar_one()
    connection.execute(delete(events).where(events.c.ts_us < before_us))
    connection.execute(delete(pictures).where(pictures.c.done_us < before_us))
    count(connection, {"pruned": int(gone)})
    known = connection.execute(select(facts.c.value).where(facts.c.name == HORIZON)).scalar()
    if known is None:
        connection.execute(insert(facts).values(name=HORIZON, value=str(before_us)))
    elif int(known) < before_us:
        connection.execute(update(facts).where(facts.c.name == HORIZON).values(value=str(before_us)))
    return int(gone)


def recut(connection: Connection, settings: Settings) -> None:
    """Cycles as the settings have them: from the rollups, whose quarters of an hour fit every zone."""
    cut = {(row.provider, row.account): (row.anchor_day, row.timezone) for row in connection.execute(select(accounts))}
    for provider, name in connection.execute(select(rollups.c.provider, rollups.c.account).distinct()).all():
        account = settings.account(provider, name)
        now = (account.anchor_day, str(account.timezone))
        if cut.get((provider, name)) == now:
            continue
        _rebuild(connection, settings, provider, name)
        connection.execute(delete(accounts).where(accounts.c.provider == provider, accounts.c.account == name))
        row = {"provider": provider, "account": name, "anchor_day": now[0], "timezone": now[1]}
        connection.execute(insert(accounts), [row])


def _rebuild(connection: Connection, settings: Settings, provider: str, name: str) -> None:
    account = settings.account(provider, name)
    connection.execute(delete(periods).where(periods.c.provider == provider, periods.c.account == name))
    sums: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    ends: dict[int, int] = {}
    query = select(rollups).where(rollups.c.provider == provider, rollups.c.account == name)
    for row in connection.execute(query.order_by(rollups.c.bucket_us)):
        start = next((start for start, end in ends.items() if start <= row.bucket_us < end), None)
        if start is None:
            (cycle,) = cycles(row.bucket_us, row.bucket_us, account.anchor_day, account.timezone)
            start, ends[cycle.start_us] = cycle.start_us, cycle.end_us
        key = (provider, name, row.environment, start)
        sums[key] = sums[key].plus(Sums(*(getattr(row, field) for field in Sums._fields)))
    add_to(
        connection, periods, ("provider", "account", "environment", "start_us"), sums,
        lambda key: {"end_us": ends[key[3]]},
    )  # fmt: skip
