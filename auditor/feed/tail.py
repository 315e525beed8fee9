"""Whole lines of a growing file from a mark on, and which marks are this file's.

A file is known by its content, never by its name or inode: by the digest of its first line, and by that of what stands
before the position. So a rename, a compressed copy or the same file under another name goes on where it was, and a file
that merely begins like another is read from its start.
"""

import hashlib
import io
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from auditor.reading.lines import MAX_LINE, LineReader, dense, pieces
from auditor.reading.packed import Stream, decompressed

BEFORE = 1024
"""Bytes before the position that have to be the same."""
_LONG = MAX_LINE + 1 + BEFORE
"""Bytes that are kept of a line that is too long: those that tell it, and those before the position."""


_MOST_LINES = 50_000
"""Lines that are handed out at once, and those that may have waited for the end of one that is split."""


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
    """Whole lines, as they are inside what was written around them, and where they begin and end in the file.

    Of a line that is longer than `MAX_LINE`, what is left is longer too.
    """

    data: bytes
    start: Mark
    end: Mark


class Readable(Protocol):
    """A file, or an object of a store."""

    def open(self, mode: Literal["rb"]) -> io.BufferedReader:
        """Its bytes from the start; they can be sought."""


class Around(Protocol):
    """What stands around the lines of a file (`auditor.intake.detect`)."""

    @property
    def array(self) -> bool:
        """Whether the lines are the objects of a JSON array."""

    def reader(self, stream: Stream) -> LineReader:
        """Reads the file's own lines."""

    def inside(self, blocks: Iterable[bytes], *, grows: bool = False) -> Iterator[bytes]:
        """Blocks of those as as many lines that are inside them."""


class Nothing:
    """Stands around the lines that a client writes."""

    array = False

    def reader(self, stream: Stream) -> LineReader:
        """As they are."""
        return LineReader(stream)

    def inside(self, blocks: Iterable[bytes], *, grows: bool = False) -> Iterator[bytes]:
        """As they are."""
        del grows
        return iter(blocks)


class TailedFile:
    """One file: what it begins with, and its lines from a mark on. `OSError` where it cannot be read.

    A line that a container runtime split waits for its last part, and those behind it with it, unless the file is
    *settled*: then it is no longer written to. One that was written as a *whole* is, and its last line needs no end.
    """

    def __init__(
        self, path: Readable, around: Around | None = None, *, settled: bool = False, whole: bool = False
    ) -> None:
        self.path = path
        self._around: Around = around or Nothing()
        self._settled, self._whole = settled or whole, whole
        first, self.damage = self._first()
        self.begun = first is not None
        """Whether its first line is whole."""
        self.first_line = digest(first or b"")
        self.waits = False
        """Whether lines behind the last mark wait."""
        self._before = b""
        """Bytes before the mark that was found."""

    def furthest(self, marks: Iterable[Mark]) -> Mark:
        """The furthest of the marks that is of this file; `START` if none is."""
        for mark in sorted(marks, key=lambda mark: mark.position, reverse=True):
            before = self._standing_before(mark.position)
            if before is not None and digest(before) == mark.before:
                self._before = before
                return mark
        self._before = b""
        return START

    def pieces(self, start: Mark) -> Iterator[Piece]:
        """What stands behind the mark that was `furthest`, in pieces of some 4 MiB; an unfinished last line waits.

        No mark stands between the parts of a line.
        """
        before, held = self._before, Unmarked()
        if not self.begun:
            return
        with self._reader(start.position) as (reader, skip):
            lines = whole_lines(reader, skip, held, whole=self._whole, begins=start == START)
            for data in self._around.inside(lines, grows=not self._settled):
                count = data.count(b"\n")
                read, size = held.take(count)
                before = (before + read[-BEFORE:])[-BEFORE:]
                end = Mark(start.position + size, start.lines + count, digest(before))
                yield Piece(data, start, end)
                start = end
            self.damage = reader.damage if reader.truncated else ""
        self.waits = bool(held.data)

    @contextmanager
    def _reader(self, start: int = 0) -> Iterator[tuple[LineReader, int]]:
        """The file from a position on, and how much has to be passed over, since what is packed is unpacked again."""
        with self.path.open("rb") as raw:
            reader = self._around.reader(decompressed(raw))
            if reader.stream is raw and not self._around.array:
                raw.seek(start)
                start = 0
            yield reader, start

    def _first(self) -> tuple[bytes | None, str]:
        """The first line, of which 1 MiB is enough; None while it is unfinished, and what broke it off, if anything."""
        found = b""
        with self._reader() as (reader, _):
            for block in reader.cuts():
                found += block
                line, end, _ = found.partition(b"\n")
                if end or len(found) > MAX_LINE:
                    return line[:MAX_LINE], ""
        return found if found and self._whole and not reader.truncated else None, reader.damage

    def _standing_before(self, position: int) -> bytes | None:
        """The bytes before a position; None if the file is shorter."""
        start, found = max(0, position - BEFORE), b""
        with self._reader(start) as (reader, skip):
            seen = start - skip
            for block in reader.cuts():
                needed = block[: position - seen]
                found, seen = (found + needed)[-BEFORE:], seen + len(needed)
                if seen == position:
                    break
        return found if seen == position else None


@dataclass(slots=True)
class Unmarked:
    """Lines as they stand in a file, from the last mark on."""

    data: bytearray = field(default_factory=bytearray)
    _missing: list[tuple[int, int]] = field(default_factory=list)
    """(line among them, bytes of it that are left out)."""

    def add(self, lines: bytes, missing: int) -> None:
        """Hold some more lines, in the first of which bytes are missing."""
        self._missing += [(self.data.count(b"\n"), missing)] if missing else []
        self.data += lines

    def take(self, count: int) -> tuple[bytes, int]:
        """So many of them, the last of which may have no end, and the bytes that they have in the file."""
        size = len(self.data)
        if self.data.count(b"\n") > count:
            size -= len(self.data.split(b"\n", count)[-1])
        taken = bytes(self.data[:size])
        del self.data[:size]
        missing = sum(each for line, each in self._missing if line < count)
        self._missing = [(line - count, each) for line, each in self._missing if line >= count]
        return taken, size + missing


def whole_lines(
    reader: LineReader, skip: int = 0, held: Unmarked | None = None, *, whole: bool, begins: bool = True
) -> Iterator[bytes]:
    """Blocks of whole lines behind *skip* bytes, without holes; *held* gets them as they stand in the file.

    An unfinished last line is one only if the input is *whole*, and not cut off. A byte order mark is no part of the
    first one, if this *begins* with it.
    """
    carry, missing, mark = b"", 0, BOM_UTF8 if begins else b""
    for block in reader.cuts():
        data, skip = carry + block[skip:], max(0, skip - len(block))
        end = data.rfind(b"\n") + 1
        if end:
            if held is not None:
                held.add(data[:end], missing)
            missing = 0
            yield from pieces([dense(data[:end].removeprefix(mark))], _MOST_LINES)
            mark = b""
        carry = data[end:]
        if len(carry) > _LONG:
            missing += len(carry) - _LONG
            carry = carry[: MAX_LINE + 1] + carry[-BEFORE:]
    if carry and whole and not reader.truncated:
        if held is not None:
            held.add(carry, missing)
        yield dense(carry.removeprefix(mark)) + b"\n"
