"""What `auditor ledger show` prints: accounts, sources, files set aside, and whose auditor.toml differs.

And the events of a ledger as a log, for audits: each once, as the line that counts.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from auditor.ledger.database import Ledger
from auditor.ledger.schema import events, set_aside, sources
from auditor.ledger.state import described, state_of
from auditor.ledger.upkeep import RECENT_US, reported


def lines(connection: Connection, now_us: int) -> Iterator[str]:
    """A line each; *now_us* in microseconds since 1970."""
    known = state_of(connection)
    if not known.told:
        yield "this ledger has no configuration of its own; set it with: auditor ledger configure --config auditor.toml"
    for (provider, name), own in known.accounts.items():
        yield f"{provider}/{name}: anchor_day {own.anchor_day}, timezone {own.timezone.key}, plan {described(own)}"
    yield f"every other account: anchor_day 1, timezone {known.timezone.key}, plan none"
    for row in connection.execute(select(sources).order_by(sources.c.name)):
        lag = timedelta(seconds=max(0, now_us - row.seen_us) // 10**6)
        read = f"last read {_time(row.seen_us)} (lag {lag})" if row.seen_us else "never read"
        gone = "" if row.told_us > now_us - RECENT_US else f"; not followed since {_time(row.told_us)}"
        yield f"source {row.name}: {read}{gone}"
    for row in connection.execute(select(set_aside).order_by(set_aside.c.host, set_aside.c.path)):
        gone = "" if row.seen_us > now_us - RECENT_US else f"; not followed since {_time(row.seen_us)}"
        yield f"set aside {row.host}:{row.path}: {row.reason}, since {_time(row.since_us)}{gone}"
    for (source, _), text in reported(connection, now_us).items():
        yield f"differs: {source}: {text}"


def _time(us: int) -> str:
    return datetime.fromtimestamp(us // 10**6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def export(ledger: Ledger, path: Path) -> int:
    """Write them, by time; how many there were."""
    count = 0
    query = select(events.c.line).order_by(events.c.ts_us, events.c.id)
    with ledger.read() as connection, path.open("wb") as file:
        for line in connection.execution_options(yield_per=10_000).execute(query).scalars():
            file.write(line + b"\n")
            count += 1
    return count
