"""Upkeep: prune old events and keep their sums; cut billing cycles again, from the rollups."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_

from auditor.ledger.booking import add_to, correct, count
from auditor.ledger.names import Names
from auditor.ledger.record import Place, Sums
from auditor.ledger.rows import put
from auditor.ledger.schema import conflicts, events, facts, periods, pictures, rollups, set_aside, sources, totals
from auditor.ledger.state import Payer, State, fact
from auditor.model.events import MIN_TS_US
from auditor.model.metrics import OTHER

HORIZON = "horizon_us"
"""Events before it were pruned: a file that is fed again is refused that far, and not added twice."""
KEEP_US = 30 * 86_400 * 10**6
"""How long sources, conflicts and files set aside are kept that no process tells of; alerts on them end in a day."""
HEARTBEAT = "ingested_us"
"""When an ingester last looked, whether there was something new or not."""


def beat(connection: Connection, now_us: int) -> None:
    """Note that an ingester works."""
    put(connection, facts, [(HEARTBEAT, str(now_us))])


def forget(connection: Connection, now_us: int) -> None:
    """Drop what was told by processes that are long gone; counters have what they counted."""
    for told in (sources.c.told_us, conflicts.c.seen_us, set_aside.c.seen_us):
        connection.execute(delete(told.table).where(told < now_us - KEEP_US))


def prune(connection: Connection, before_us: int) -> int:
    """Drop events from before that time; how many that were. Rollups, totals and cycles stay."""
    gone = connection.execute(delete(events).where(events.c.ts_us < before_us)).rowcount
    connection.execute(delete(pictures).where(pictures.c.done_us < before_us))
    count(connection, {"pruned": gone})
    if int(fact(connection, HORIZON) or MIN_TS_US) < before_us:
        put(connection, facts, [(HORIZON, str(before_us))])
    return gone


def recut(connection: Connection, state: State, names: Names) -> None:
    """All billing cycles again: from the rollups, whose quarters of an hour fit every zone and outlive a prune."""
    connection.execute(delete(periods))
    sums: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    for row in connection.execute(select(rollups), execution_options={"yield_per": 10_000}):
        shown = names.shown(row.provider, row.account, row.environment)
        key = (*shown, *state.cycle(*shown[:2], row.bucket_us))
        sums[key] = sums[key].plus(Sums.of(row))
    put(connection, periods, [(*key, *value) for key, value in sums.items() if any(value)])


def tell_apart(connection: Connection, names: Names, payers: Iterable[Payer], environments: Iterable[str]) -> bool:
    """Give accounts and environments rows of their own; whether some had none.

    What an account has in the totals of `other` stays there, since a counter must not fall, and is a correction.
    """
    payers = list(payers)
    unknown = [payer for payer in payers if not names.has("account", *payer)]
    late = {payer: payer[0] if names.has("provider", "", payer[0]) else OTHER for payer in unknown}
    new = names.keep("account", payers)
    new |= names.keep("provider", [("", provider) for provider, _ in payers])
    new |= names.keep("environment", [("", environment) for environment in environments])
    if not late:
        return new
    sums: dict[Place, Sums] = defaultdict(Sums)
    moved: dict[tuple[str, str], Sums] = defaultdict(Sums)
    query = select(rollups).where(tuple_(rollups.c.provider, rollups.c.account).in_(late))
    for row in connection.execute(query):
        place = Place(*names.shown(row.provider, row.account, row.environment), row.outcome, row.format)
        before = (late[row.provider, row.account], OTHER)
        sums[place] = sums[place].plus(Sums.of(row))
        moved[before] = moved[before].plus(Sums.of(row))
    add_to(connection, totals, sums, lambda _: (0,))
    correct(connection, moved)
    return new
