"""The events of a ledger as a log, for audits: each once, as the line that counts."""

from pathlib import Path

from sqlalchemy import select

from auditor.ledger.database import Ledger
from auditor.ledger.schema import events


def export(ledger: Ledger, path: Path) -> int:
    """Write them, by time; how many there were."""
    count = 0
    query = select(events.c.line).order_by(events.c.ts_us, events.c.id)
    with ledger.read() as connection, path.open("wb") as file:
        for line in connection.execution_options(yield_per=10_000).execute(query).scalars():
            file.write(line + b"\n")
            count += 1
    return count
