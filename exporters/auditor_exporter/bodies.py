"""Bodies of requests: whole within a time, and never more than so many bytes, packed or unpacked."""

import asyncio
import zlib

from aiohttp import web

from auditor_exporter.problems import ProblemError

_STEP = 64 << 10


async def body_of(request: web.Request, most: int, patience: float) -> bytes:
    """The unpacked body; a `ProblemError` where it is too large, too slow, damaged or packed in another way."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise ProblemError(415, "the Content-Encoding is not supported; send gzip or none")
    if (request.content_length or 0) > most:
        raise too_large(most)
    whole = bytearray()
    unpacker = None if encoding == "identity" else Gunzip(most)
    try:
        async with asyncio.timeout(patience):
            size = 0
            async for chunk in request.content.iter_chunked(_STEP):
                size += len(chunk)
                whole += chunk if unpacker is None else unpacker.feed(chunk, most - len(whole))
                if max(size, len(whole)) > most:
                    raise too_large(most)
    except TimeoutError:
        raise ProblemError(408, f"the body did not come within {patience:g} s") from None
    if unpacker is not None and not unpacker.whole:
        raise ProblemError(400, "the gzip data is cut off; send it again")
    return bytes(whole)


def too_large(most: int) -> ProblemError:
    """For a body of more bytes."""
    return ProblemError(413, f"the body is larger than {most >> 20} MiB, packed or unpacked; send it in parts")


class Gunzip:
    """Unpacks gzip step by step, several members too, and stops where it becomes too much."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._stream = zlib.decompressobj(31)
        self._begun = False

    @property
    def whole(self) -> bool:
        """Whether it ended where a member ends."""
        return self._begun and self._stream.eof

    def feed(self, chunk: bytes, room: int) -> bytes:
        """What a chunk unpacks to; a `ProblemError` if that is more than *room*, or damaged."""
        found, data = bytearray(), chunk
        try:
            while data:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(31)
                self._begun = True
                found += self._stream.decompress(data, room - len(found) + 1)
                if len(found) > room:
                    raise too_large(self._most)
                data = self._stream.unused_data or self._stream.unconsumed_tail
        except zlib.error:
            raise ProblemError(400, "the gzip data is damaged; send it again") from None
        return bytes(found)
