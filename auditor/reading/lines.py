r"""Bytes -> numbered lines: bounded memory, and every complete line before a cut.

Lines end at ``\\n`` alone. A line longer than the longest that is read is passed over without being held in memory.
"""

import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from auditor.model.errors import TooLargeError
from auditor.reading.packed import Stream

MAX_LINE = 1 << 20
"""Bytes of the longest line that is read; an event has some 500."""
MAX_BATCH = 16 << 20
"""The same of lines that hold a batch of records each, which may have `MAX_LINE` each."""
NUMBER_BITS = 32
"""Bits of the number of a record within its file."""
TRY_BITS = 8
"""Bits above them for the tries before the one that was answered; of an engine both are the bits of a line."""
EXCERPT = 120
"""Bytes of a bad line that its rejection keeps."""
_BLOCK = 4 << 20
_MOST_LINES = 200_000
"""Lines that are held at once: an empty one takes 100 times its size."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end."""

    number: int
    data: bytes

    @property
    def place(self) -> int:
        """The number of the line of the file that it stands on."""
        return self.number


@dataclass(slots=True)
class LineReader:
    """The lines of one input, and whether it broke off."""

    stream: Stream
    truncated: bool = False
    """Set once a compressed stream ends early or is damaged: the lines before the cut were given."""
    damage: str = ""
    cut: Callable[[Iterable[bytes]], Iterator[bytes]] | None = None
    """Makes lines of an input that has none; `ValueError` where it breaks off."""
    inner: Callable[[Iterable[bytes]], Iterator[bytes]] | None = None
    """Takes the lines of blocks out of what is around them, where the lines of a log are wrapped."""
    longest: int = MAX_LINE
    """Bytes of the longest line that is read."""

    def blocks(self, least: int = _BLOCK) -> Iterator[bytes]:
        """Blocks of whole lines. Of a line that is too long only `longest` + 1 bytes are left, which tells it."""
        blocks = map(dense, pieces(self._blocks(least) if self.cut is None else self.cuts()))
        yield from blocks if self.inner is None else self.inner(blocks)

    def cuts(self) -> Iterator[bytes]:
        """The bytes as they come, as lines where the input has none."""
        try:
            yield from self.chunks() if self.cut is None else filter(None, self.cut(self.chunks()))
        except ValueError as error:
            self.truncated, self.damage = True, self.damage or str(error)

    def _blocks(self, least: int) -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        carry = b""
        for chunk in without_holes(without_mark(self.chunks())):
            parts.append(chunk)
            size += len(chunk)
            if size >= least:
                head, newline, carry = (carry + b"".join(parts)).rpartition(b"\n")
                carry = carry[: self.longest + 1]
                parts, size = [], 0
                if newline:
                    yield head + newline
        if rest := carry + b"".join(parts):
            yield rest

    def chunks(self, size: int = _BLOCK) -> Iterator[bytes]:
        """The bytes as they come; where they break off, that is noted and not raised."""
        try:
            # read1 hands out what was decompressed before a cut; read would lose it with the exception.
            while data := self.stream.read1(size):
                yield from (data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK))
        except TooLargeError:
            raise
        except (EOFError, zlib.error, OSError) as error:
            self.truncated, self.damage = True, str(error)

    def __iter__(self) -> Iterator[Line]:
        before = 0
        for block in self.blocks():
            _, lines, count = read_exactly(block, before)
            yield from lines
            before += count


def dense(block: bytes) -> bytes:
    """A block without the NUL bytes around its lines, which stand where nothing was written.

    `copytruncate` leaves them at the head of a log, a crash at its end.
    """
    if b"\0" not in block:
        return block
    return b"\n".join(line.strip(b"\0") for line in block.split(b"\n"))


def without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of an input without the byte order mark that it may begin with, however short the first ones are."""
    head, rest = b"", iter(chunks)
    for chunk in rest:
        head += chunk
        if len(head) >= len(BOM_UTF8):
            break
    yield from chain(filter(None, [head.removeprefix(BOM_UTF8)]), rest)


def without_holes(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of an input without the NUL bytes between its lines, which may be more than a line may have."""
    begins = True
    for chunk in chunks:
        data = chunk.lstrip(b"\0") if begins else chunk
        bare = data.rstrip(b"\0")
        data = bare if bare.endswith(b"\n") else data
        if data:
            begins = data.endswith(b"\n")
            yield data


def pieces(blocks: Iterable[bytes], most: int = _MOST_LINES) -> Iterator[bytes]:
    """Blocks of whole lines as such of so many at *most*."""
    for block in blocks:
        rest = block
        while rest.count(b"\n") > most:
            *lines, rest = rest.split(b"\n", most)
            yield b"\n".join(lines) + b"\n"
        if rest:
            yield rest


def read_exactly(block: bytes, before: int) -> tuple[None, list[Line], int]:
    """(None, lines that are not blank, how many in all) of a block that *before* lines precede."""
    parts = block.removesuffix(b"\n").split(b"\n")
    lines = [Line(number, data) for number, data in enumerate(parts, before + 1) if data.strip(b" \t\r")]
    return None, lines, len(parts)
