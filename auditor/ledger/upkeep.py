"""Upkeep: what is done to a ledger beside booking.

Old events are pruned and their sums kept; billing cycles are cut again, from the rollups. An auditor.toml that is named
as the ledger's becomes its state; other files are compared with it. All of that can be listed.
"""

import json
import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, select, tuple_

from auditor.ledger import schema
from auditor.ledger.booking import add_to, correct, count
from auditor.ledger.record import Place, Sums
from auditor.ledger.rows import put
from auditor.ledger.schema import conflicts, events, facts, rollups
from auditor.ledger.scrape import Names
from auditor.ledger.state import EVERY, ZONE, Payer, State, account_of, described, fact, row_of, says, state_of, told_by
from auditor.model.errors import ConfigError
from auditor.model.events import MIN_TS_US
from auditor.model.metrics import OTHER
from auditor.model.settings import Settings

HORIZON = "horizon_us"
"""Events before it were pruned: a file that is fed again is refused that far, and not added twice."""
KEEP_US = 30 * 86_400 * 10**6
"""How long sources, conflicts and files set aside are kept that no process tells of; alerts on them end in a day."""
HEARTBEAT = "ingested_us"
"""When an ingester last looked, whether there was something new or not."""
RECENT_US = 86_400 * 10**6
"""A conflict that no process has reported for so long is over: a job that runs once a day may still have it."""


def forget(connection: Connection, now_us: int) -> None:
    """Drop what was told by processes that are long gone; counters have what they counted."""
    for told in (schema.sources.c.told_us, conflicts.c.seen_us, schema.set_aside.c.seen_us):
        connection.execute(delete(told.table).where(told < now_us - KEEP_US))


def prune(connection: Connection, before_us: int) -> int:
    """Drop events from before that time; how many that were. Rollups, totals and cycles stay."""
    gone = connection.execute(delete(events).where(events.c.ts_us < before_us)).rowcount
    connection.execute(delete(schema.pictures).where(schema.pictures.c.done_us < before_us))
    count(connection, {"pruned": gone})
    if int(fact(connection, HORIZON) or MIN_TS_US) < before_us:
        put(connection, facts, [(HORIZON, str(before_us))])
    return gone


def recut(connection: Connection, state: State, names: Names) -> None:
    """All billing cycles again: from the rollups, whose quarters of an hour fit every zone and outlive a prune."""
    connection.execute(delete(schema.periods))
    sums: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    for row in connection.execute(select(rollups), execution_options={"yield_per": 10_000}):
        shown = names.shown(row.provider, row.account, row.environment)
        key = (*shown, *state.cycle(*shown[:2], row.bucket_us))
        sums[key] = sums[key].plus(Sums.of(row))
    put(connection, schema.periods, [(*key, *value) for key, value in sums.items() if any(value)])


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
    add_to(connection, schema.totals, sums, lambda _: (0,))
    correct(connection, moved)
    return new


def configure(connection: Connection, settings: Settings, where: str, *, replacing: bool = False) -> bool:
    """Make what a file says the ledger's own; whether that changed anything.

    `ConfigError` where it contradicts what the ledger has, unless *replacing*. Accounts that the file does not name
    stay.
    """
    state = state_of(connection)
    differences = state.differences(settings, added=False)
    wrong = [text for payer, text in differences.items() if payer == EVERY or payer in state.accounts]
    if wrong and not replacing:
        fix = "correct the file, or change the ledger with --replace"
        raise ConfigError(f"{where} contradicts the ledger: {'; '.join(wrong)}; {fix}")
    new = dict(state.accounts)
    for name, account in settings.accounts.items():
        payer = (account.provider, name)
        known = state.accounts.get(payer)
        new[payer] = account
        if known is not None and not says(account):  # a file without a plan takes none away
            new[payer] = replace(known, anchor_day=account.anchor_day, timezone=account.timezone)
    changed = State(settings.timezone, new)
    put(connection, facts, [(ZONE, settings.timezone.key)])
    put(connection, schema.accounts, [(*payer, *row_of(each)) for payer, each in new.items()])
    names = Names(connection)
    cut_again = state.cuts != changed.cuts
    if tell_apart(connection, names, new, settings.production) or cut_again:
        recut(connection, changed, names)
    names.save()
    return not state.told or cut_again or new != state.accounts


def source_of(where: Path | None) -> str:
    """What a process and its auditor.toml are called in `conflicts`."""
    return f"{platform.node()}:{where.resolve() if where else ''}".encode(errors="replace").decode()


def report(
    connection: Connection, source: str, settings: Settings, differences: Mapping[Payer, str], now_us: int
) -> None:
    """Note what a source says otherwise than the ledger, or that it agrees again."""
    own = conflicts.c.source == source
    old = connection.execute(select(conflicts.c.provider, conflicts.c.account).where(own))
    if {(row.provider, row.account) for row in old} - set(differences):
        connection.execute(delete(conflicts).where(own))
    rows = []
    for payer, text in differences.items():
        noted = {"difference": text, "says": row_of(told_by(settings)[payer])}
        rows.append((source, *payer, json.dumps(noted), now_us))
    put(connection, conflicts, rows)


def reported(connection: Connection, now_us: int) -> dict[tuple[str, Payer], str]:
    """The differences by source and account that are not over: the ledger may have become what a source says."""
    state = state_of(connection)
    rows = connection.execute(select(conflicts).where(conflicts.c.seen_us > now_us - RECENT_US))
    payers = {(row.source, (row.provider, row.account)): row.difference for row in rows}
    differences = {key: _difference(state, key[1], noted) for key, noted in payers.items()}
    return {key: text for key, text in differences.items() if text}


def _difference(state: State, payer: Payer, noted: str) -> str:
    """What a source that was noted so says otherwise than the ledger now; empty if they agree."""
    words = noted
    try:
        words, said = itemgetter("difference", "says")(json.loads(noted))
        anchor_day, zone, plans = said if len(said) == 3 else (1, *said, None)  # (an earlier program: the zone alone)
        return state.difference(payer, account_of(payer[0], anchor_day, ZoneInfo(zone), plans))
    except (KeyError, TypeError, ValueError):  # the words alone, of an earlier program; a zone that this host lacks
        return words


def listing(connection: Connection, now_us: int) -> Iterator[str]:
    """What `auditor ledger show` prints: accounts, sources, files set aside, and whose auditor.toml differs.

    A line each; *now_us* in microseconds since 1970.
    """
    known = state_of(connection)
    if not known.told:
        yield "this ledger has no configuration of its own; set it with: auditor ledger configure --config auditor.toml"
    for (provider, name), own in known.accounts.items():
        yield f"{provider}/{name}: anchor_day {own.anchor_day}, timezone {own.timezone.key}, plan {described(own)}"
    yield f"every other account: anchor_day 1, timezone {known.timezone.key}, plan none"
    for row in connection.execute(select(schema.sources).order_by(schema.sources.c.name)):
        lag = timedelta(seconds=max(0, now_us - row.seen_us) // 10**6)
        read = f"last read {_time(row.seen_us)} (lag {lag})" if row.seen_us else "never read"
        gone = "" if row.told_us > now_us - RECENT_US else f"; not followed since {_time(row.told_us)}"
        yield f"source {row.name}: {read}{gone}"
    for row in connection.execute(select(schema.set_aside).order_by(*schema.set_aside.primary_key)):
        gone = "" if row.seen_us > now_us - RECENT_US else f"; not followed since {_time(row.seen_us)}"
        yield f"set aside {row.host}:{row.path}: {row.reason}, since {_time(row.since_us)}{gone}"
    for (source, _), text in reported(connection, now_us).items():
        yield f"differs: {source}: {text}"


def _time(us: int) -> str:
    return datetime.fromtimestamp(us // 10**6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
