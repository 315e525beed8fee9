"""Usage events in a stream that cannot be read again: standard input, in pieces as they come."""

import io
import os
import select
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from auditor.feed.tail import whole_lines
from auditor.intake.detect import usage_in
from auditor.reading.lines import LineReader
from auditor.reading.packed import decompressed

STDIN = "-"
_MOST = 4 << 20
"""Bytes without an end of a line that are waited for, to see what stands around the lines."""


class Piped:
    """Lines of a stream, packed or not, out of what shippers wrote around them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._raw: Any = io.BufferedReader(_Gathered(stream))
        self.damage = ""
        """What broke it off, if anything did."""

    def pieces(self) -> Iterator[bytes]:
        """Whole lines, as many as are there without waiting; those that a runtime split wait for their last part."""
        packed = LineReader(decompressed(self._raw))
        chunks, head = packed.chunks(), b""
        for chunk in chunks:
            head += chunk
            if b"\n" in chunk or len(head) > _MOST:
                break
        around = usage_in(Path(STDIN), _Chunks(iter([head])))
        reader = around.reader(_Chunks(chain([head], chunks)))
        yield from around.inside(whole_lines(reader, whole=True))
        self.damage = packed.damage or reader.damage


class _Chunks:
    """A stream of what is unpacked already."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read1(self, size: int, /) -> bytes:
        """The next bytes, none at the end."""
        del size
        return next(self._chunks, b"")


class _Gathered(io.RawIOBase):
    """What a pipe holds now, at once: a piece is a transaction, and a pipe gives 64 KiB at best."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._size = stream, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """How many bytes came."""
        return self._size

    def readinto(self, buffer: Any) -> int:
        """Wait for some bytes, and take as many as are there."""
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):  # in memory
            data = self._stream.read(len(buffer))
        else:
            data = os.read(descriptor, len(buffer))
            while data and len(data) < len(buffer) and select.select([descriptor], [], [], 0)[0]:
                more = os.read(descriptor, len(buffer) - len(data))
                if not more:
                    break
                data += more
        buffer[: len(data)] = data
        self._size += len(data)
        return len(data)
