"""The beginning of a compressed answer: a few bytes can stand for gigabytes, so only as many as needed are expanded."""

import io
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

_MOST_CODINGS = 5
_LARGEST_WINDOW = 8 << 20
"""Of zstd, RFC 8878 section 3.1.1.1.2: decoders need not give more."""
_SMALL = 4096


def _optional(*names: str) -> Any:
    """The first package that is there; a client offers a coding only where it can read it."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


brotli = _optional("brotli", "brotlicffi")
zstandard = _optional("zstandard")


def decoded(head: bytes, codings: str, most: int) -> bytes | None:
    """The first *most* bytes of what *head*, the beginning of a body, stands for; None where that cannot be told.

    *codings* is the `Content-Encoding` of the answer.
    """
    names = [name for each in codings.split(",") if (name := each.strip().lower()) not in ("", "identity")]
    if len(names) > _MOST_CODINGS:
        return None
    try:
        for name in reversed(names):
            head = _DECODERS[name](head, most)
    except Exception:  # each library has errors of its own; an unknown coding, a package that is absent
        return None
    return head


def _gzip(data: bytes, most: int) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, most)


def _deflate(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:  # some servers leave out zlib's envelope
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)


def _brotli(data: bytes, most: int) -> bytes:
    stream = brotli.Decompressor()
    if hasattr(stream, "can_accept_more_data"):
        return bytes(stream.process(data, output_buffer_limit=most)[:most])
    found = bytearray()  # before 1.2 there is no limit, and each byte may give 16 MiB
    for at in range(min(len(data), _SMALL)):
        found += stream.process(data[at : at + 1])
        if len(found) >= most:
            break
    return bytes(found[:most])


def _zstd(data: bytes, most: int) -> bytes:
    frames = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    return bytes(frames.stream_reader(io.BytesIO(data), read_across_frames=True).read(most))


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "br": _brotli, "zstd": _zstd,
}  # fmt: skip
