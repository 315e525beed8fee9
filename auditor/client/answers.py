"""Answers of a provider, read to their end and unpacked, unless they are larger than an image may be.

A few bytes of a compressed answer can stand for gigabytes, so only as many as needed are expanded.
"""

import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditor.model.errors import InvalidRequestError
from auditor.model.provider import Answer

if TYPE_CHECKING:
    import httpx

OFFERED = "gzip, deflate"
"""Codings that can be undone up to a size: a few bytes of any can stand for gigabytes."""
_KNOWN = frozenset(("gzip", "x-gzip", "deflate"))
_UNASKED = frozenset(("br", "zstd", "compress", "x-compress", "dcb", "dcz"))
_MOST_CODINGS = 5
_LARGEST_WINDOW = 8 << 20
"""Of zstd, RFC 8878 section 3.1.1.1.2: decoders need not give more."""
_SMALL = 4096


async def read(response: "httpx.Response", most: int) -> Answer:
    """The answer, of at most *most* bytes, both as they come and unpacked.

    `InvalidRequestError` for a success that is larger or cannot be unpacked: it may have been billed. Of such a failure
    the status says enough.
    """
    try:
        content = await _content(response, most)
    except InvalidRequestError:
        if response.is_success:
            raise
        content = b""
    return Answer(response.status_code, response.headers, content)


async def _content(response: "httpx.Response", most: int) -> bytes:
    announced = response.headers.get("content-length", "")
    size = int(announced) if announced.isdecimal() else 0
    content: bytes | None
    if response.is_stream_consumed:  # by a transport of the user's own
        content = response.content
    elif size > most:
        content = b""
    else:
        pieces, size = [], 0
        async for piece in response.aiter_raw():
            pieces.append(piece)
            size += len(piece)
            if size > most:
                break
        codings = [each.strip().lower() for each in response.headers.get("content-encoding", "").split(",")]
        # Words such as `utf-8` or `aws-chunked` are no packing: browsers and httpx pass over them too.
        packed = ",".join(name for name in codings if name in _KNOWN)
        content = decoded(b"".join(pieces), packed, most + 1) if _UNASKED.isdisjoint(codings) else None
    if content is None:
        what = "the answer is packed in a way that was not asked for, or its packing is damaged"
    elif max(size, len(content)) > most:
        what = f"the answer is larger than {most:,} bytes; raise max_answer_bytes if your images can be"
    else:
        return content
    raise InvalidRequestError(what, status=response.status_code, credits=None)


def _optional(*names: str) -> Any:
    """The first package that is there; a client offers a coding only where it can read it."""
    for name in names:
        with suppress(ImportError):
            return import_module(name)
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
