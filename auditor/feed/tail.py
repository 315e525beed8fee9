"""Whole lines of a growing file from a mark on, and which marks are this file's.

A file is known by its content, never by its name or inode: by the digest of its first line, and by that of what stands
before the position. So a rename, a compressed copy or the same file under another name goes on where it was, and a file
that merely begins like another is read from its start.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from auditor.reading.lines import MAX_LINE, LineReader
from auditor.reading.packed import decompressed

BEFORE = 1024
"""Bytes before the position that have to be the same."""


def digest(data: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read: bytes and lines, unpacked, and the digest of the last bytes before that position."""

    position: int
    lines: int
    before: str


START = Mark(0, 0, digest(b""))


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines as they stand in the file, and where they begin and end.

    Of a line that is longer than `MAX_LINE`, what is left is longer too.
    """

    data: bytes
    start: Mark
    end: Mark


class TailedFile:
    """One file: what it begins with, and its lines from a mark on. `OSError` where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        first, self.damage = _first_line(path)
        self.begun = first is not None
        """Whether its first line is whole."""
        self.first_line = digest(first or b"")
        self._before = b""
        """Bytes before the mark that was found."""

    def furthest(self, marks: Iterable[Mark]) -> Mark:
        """The furthest of the marks that is of this file; `START` if none is."""
        for mark in sorted(marks, key=lambda mark: mark.position, reverse=True):
            before = _before(self.path, mark.position)
            if before is not None and digest(before) == mark.before:
                self._before = before
                return mark
        self._before = b""
        return START

    def pieces(self, start: Mark) -> Iterator[Piece]:
        """What stands behind the mark that was `furthest`, in pieces of some 4 MiB; an unfinished last line waits."""
        before = self._before
        if not self.begun:
            return
        with self.path.open("rb") as raw:
            stream, skip = decompressed(raw), start.position
            if stream is raw:  # else what was read is unpacked again
                raw.seek(skip)
                skip = 0
            reader, carry, size = LineReader(stream), b"", 0
            for block in reader.chunks():
                data, skip = block[skip:], max(0, skip - len(block))
                whole = data.rfind(b"\n") + 1
                if whole:
                    lines, position = carry + data[:whole], start.position + size + whole
                    before_end = digest((before + data[:whole])[-BEFORE:])
                    end = Mark(position, start.lines + lines.count(b"\n"), before_end)
                    yield Piece(lines, start, end)
                    start, carry, size = end, b"", 0
                # Of a line that is too long no more is kept than tells it.
                carry, size = (carry + data[whole:])[: MAX_LINE + 1], size + len(data) - whole
                before = (before + data)[-BEFORE:]
            self.damage = reader.damage if reader.truncated else ""


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
