"""Whole lines of a growing file from a checkpoint on, and which checkpoint is this file's.

A file is known by its content, never by its name or inode: by the digest of its first line, and by that of what stands
before the position. So a rename, a compressed copy or the same file under another name goes on where it was, and a file
that merely begins like another is read from its start.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from auditor.ledger.schema import files
from auditor.ledger.sources import textual
from auditor.reading.lines import MAX_LINE, LineReader
from auditor.reading.packed import decompressed

BEFORE = 1024
"""Bytes before the position that have to be the same."""


def numbered(block: bytes, first_number: int) -> list[tuple[int, bytes]]:
    """(number, line without its end) of whole lines, numbered from *first_number*; blank ones are left out."""
    lines = enumerate(block.removesuffix(b"\n").split(b"\n"), first_number)
    return [(number, line) for number, line in lines if line.strip(b" \t\r")]


class TailedFile:
    """One file, from where its checkpoint says: how far it was read."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path = path
        self._number: int | None = None
        self._position = self._lines = self._saved = 0
        """How far it was read, and the position that the ledger has."""
        self._before = b""
        first, self.damage = _first_line(path)
        self._begun, self._first_line = first is not None, _digest(first or b"")
        alike = select(files).where(files.c.first_line == self._first_line).order_by(files.c.position.desc())
        known = connection.execute(alike).all() if self._begun else []
        self._others = {row.number for row in known}
        """Files that begin alike and are not this one."""
        for row in known:
            before = _before(path, row.position)
            if before is not None and _digest(before) == row.before:
                self._number, self._before = row.number, before
                self._position, self._lines, self._saved = row.position, row.lines, row.position
                break

    def pieces(self) -> Iterator[tuple[bytes, int]]:
        """What is new, in pieces of some 4 MiB with the number of their first line, from 1.

        Lines are whole and as they stand in the file; an unfinished last one waits until it is whole.
        The checkpoint moves when the next piece is asked for, so that it is saved with the piece that it covers.
        """
        if not self._begun:
            return
        with self.path.open("rb") as raw:
            stream, skip, carry = decompressed(raw), self._position, b""
            if stream is raw:  # else what was read is unpacked again
                raw.seek(skip)
                skip = 0
            reader = LineReader(stream)
            for block in reader.chunks():
                data, skip = (carry + block)[skip:], max(0, skip - len(carry) - len(block))
                whole = data.rfind(b"\n") + 1
                carry = data[whole:]
                if whole:
                    piece, first_number = data[:whole], self._lines + 1
                    self._position += whole
                    self._lines += piece.count(b"\n")
                    self._before = (self._before + piece[-BEFORE:])[-BEFORE:]
                    yield piece, first_number
            self.damage = reader.damage if reader.truncated else ""

    def unmoved(self, connection: Connection) -> bool:
        """Whether no other process has read on, or begun the same file, in the meantime."""
        if self._number is not None:
            found = connection.execute(select(files.c.position).where(files.c.number == self._number)).scalar()
            return found == self._saved
        begun = select(files.c.number).where(files.c.first_line == self._first_line, files.c.position > 0)
        return set(connection.execute(begun).scalars()) <= self._others

    def save(self, connection: Connection) -> None:
        """The checkpoint, in the transaction that has the lines."""
        row: dict[str, Any] = {"first_line": self._first_line, "path": textual(self.path), "lines": self._lines}
        row |= {"position": self._position, "before": _digest(self._before)}
        if self._number is None:
            self._number = connection.execute(insert(files).values(row).returning(files.c.number)).scalar_one()
        else:
            connection.execute(update(files).where(files.c.number == self._number).values(row))
        self._saved = self._position


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _first_line(path: Path) -> tuple[bytes | None, str]:
    """The first line, of which 1 MiB is enough; None while it is unfinished, and what broke it off if anything did."""
    with path.open("rb") as raw:
        found, reader = b"", LineReader(decompressed(raw))
        for block in reader.chunks():
            found += block
            line, end, _ = found.partition(b"\n")
            if end or len(found) > MAX_LINE:
                return line[:MAX_LINE], ""
    return None, reader.damage


def _before(path: Path, position: int) -> bytes | None:
    """The bytes before a position; None if the file is shorter."""
    with path.open("rb") as raw:
        stream, found, seen = decompressed(raw), b"", 0
        if stream is raw:
            seen = max(0, position - BEFORE)
            raw.seek(seen)
            found = raw.read(position - seen)
            return found if seen + len(found) == position else None
        for block in LineReader(stream).chunks():
            needed = block[: position - seen]
            found, seen = (found + needed)[-BEFORE:], seen + len(needed)
            if seen == position:
                return found
    return None
