"""Packed files (gzip, zstd, bzip2, xz) and UTF-16, told by their first bytes, not by a name, and capped against bombs.

A file that is more than `MAX_RATIO` times what was read of it may unpack to `FREE` bytes, since logs repeat themselves,
and to as many records as logs of that size hold. No step unpacks much more than what is asked for.
"""

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from auditor.model.errors import MissingExtraError, TooLargeError

FREE = 320 << 20
MAX_RATIO = 100
FREE_RECORDS = 500_000
LEAST_RECORD = 64
"""Bytes of a record, on average, beyond the free ones: millions of empty objects cost minutes and tell nothing."""
_XZ_MEMORY = 256 << 20
"""Bytes of the dictionary of an xz file; `xz -9` takes 64 MiB."""
_FEED = 64 << 10
_ZSTD_FEED = (256, 4 << 10)
"""A block of zstd holds 128 KiB in 4 bytes at best: where a step gave much, the next one is fed little."""


class Stream(Protocol):
    """What a reader needs of a file."""

    def read1(self, size: int, /) -> bytes:
        """Some bytes, none at the end."""


def decompressed(raw: io.BufferedReader) -> Stream:
    """*raw*, or what it holds if it is packed. Reading raises EOFError where it is cut off, OSError on damage."""
    magic = raw.peek(6)[:6]
    if magic.startswith(b"\x1f\x8b"):
        return _Capped(gzip.GzipFile(fileobj=raw).read1, raw)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        frames = _frames(raw)
        return _Capped(lambda _: next(frames, b""), raw)
    if magic.startswith(b"BZh"):
        return _Capped(_Members(raw, bz2.BZ2Decompressor).read1, raw)
    if magic == b"\xfd7zXZ\x00":
        return _Capped(_Members(raw, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)).read1, raw)
    if magic.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _Utf16(raw)
    return raw


class _Utf16:
    """As UTF-8: PowerShell's `>` writes UTF-16 with a byte order mark. What is none of it becomes U+FFFD."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read1(self, size: int, /) -> bytes:
        """Some bytes, none at the end."""
        while data := self._raw.read1(size):
            if text := self._decoder.decode(data):
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()


@dataclass(slots=True)
class Expansion:
    """What an input has become so far."""

    size: int = 0
    records: int = 0

    def grow(self, size: int, records: int, stored: int) -> None:
        """*size* bytes and *records* more, of *stored* bytes in all; `TooLargeError` once no log is so large."""
        self.size += size
        self.records += records
        if self.size <= MAX_RATIO * stored:
            return
        if self.size > FREE or self.records > FREE_RECORDS + self.size // LEAST_RECORD:
            raise TooLargeError(
                f"it unpacks to more than {MAX_RATIO} times its size ({self.size >> 20:,} MiB so far), which no log "
                "does; if it is one, unpack it yourself"
            )


class _Capped:
    """Stops a bomb."""

    def __init__(self, read: Callable[[int], bytes], raw: io.BufferedReader) -> None:
        self._read, self._raw = read, raw
        self._expansion = Expansion()

    def read1(self, size: int, /) -> bytes:
        """Some bytes; `TooLargeError` once they are too many for what was read."""
        data = self._read(size)
        # A record is a line or an object of an array; objects hold others.
        self._expansion.grow(len(data), max(data.count(b"\n"), data.count(b"{") // 2), self._raw.tell())
        return data


class _Members:
    """Streams one after another, as `cat a.xz b.xz` makes them."""

    def __init__(
        self, stream: io.BufferedReader, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
    ) -> None:
        self._stream, self._new = stream, new
        self._member = new()

    def read1(self, size: int, /) -> bytes:
        """Some bytes, none at the end."""
        while True:
            data = b""
            if self._member.eof:
                data = self._member.unused_data.lstrip(b"\0") or self._stream.read(_FEED).lstrip(b"\0")
                if not data:
                    return b""
                self._member = self._new()
            elif self._member.needs_input:
                data = self._stream.read(_FEED)
                if not data:
                    raise EOFError("the packed stream is cut off")
            try:
                out = self._member.decompress(data, size)
            except lzma.LZMAError as error:
                raise OSError(str(error)) from None
            if out:
                return out


def _frames(stream: io.BufferedReader) -> Iterator[bytes]:
    """Zstandard's own reader ends silently where a frame is cut; this one raises EOFError like gzip, OSError on damage.

    A step is bounded by what it is fed.
    """
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError("a .zst file", "audit", "zstandard") from None

    new = zstandard.ZstdDecompressor().decompressobj
    frame, feed = new(), _ZSTD_FEED[0]
    while data := frame.unused_data or stream.read(feed):
        if frame.eof:
            frame = new()
        try:
            out = frame.decompress(data)
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from None
        feed = _ZSTD_FEED[len(out) < 1 << 20]
        if out:
            yield out
    if not frame.eof:
        raise EOFError("the zstd frame is cut off")
