"""Checkpoints: how far each file was booked, kept in the transaction that books its lines, by any process."""

from sqlalchemy import Connection, insert, select, update

from auditor.feed.tail import START, Mark
from auditor.ledger.schema import files


def alike(connection: Connection, first_line: str) -> dict[int, Mark]:
    """The marks of all files that begin with the line of that digest, by their numbers."""
    rows = connection.execute(select(files).where(files.c.first_line == first_line))
    return {row.number: Mark(row.position, row.lines, row.before) for row in rows}


def move(connection: Connection, first_line: str, path: str, start: Mark, end: Mark, seen: int) -> bool:
    """Move a file's mark from *start* to *end*; False if it is no longer, or was never, at *start*.

    *seen* is the highest number among the files that begin alike and that the reader found to be others: one that was
    begun since then may be this one.
    """
    row = {"first_line": first_line, "path": path, "position": end.position, "lines": end.lines, "before": end.before}
    of_it = files.c.first_line == first_line
    if start == START:
        if connection.execute(select(files.c.number).where(of_it, files.c.number > seen)).first():
            return False
        connection.execute(insert(files).values(row))
        return True
    at = files.c.position == start.position, files.c.before == start.before
    number = connection.execute(select(files.c.number).where(of_it, *at).limit(1)).scalar()
    if number is not None:
        connection.execute(update(files).where(files.c.number == number).values(row))
    return number is not None
