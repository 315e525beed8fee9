"""One answer of a provider, read to its end, unless it is larger than an image may be."""

import httpx

from auditor.client.decoding import decoded
from auditor.model.errors import InvalidRequestError
from auditor.model.provider import Answer

LARGEST = 64 << 20
"""Bytes of an answer, unless the renderer says otherwise."""
OFFERED = "gzip, deflate"
"""Codings that can be undone up to a size: a few bytes of any can stand for gigabytes."""
_KNOWN = frozenset(("gzip", "x-gzip", "deflate"))
_UNASKED = frozenset(("br", "zstd", "compress", "x-compress", "dcb", "dcz"))


async def read(response: httpx.Response, most: int) -> Answer:
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


async def _content(response: httpx.Response, most: int) -> bytes:
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
        content = _unpacked(b"".join(pieces), response.headers.get("content-encoding", ""), most + 1)
    if content is None:
        what = "the answer is packed in a way that was not asked for, or its packing is damaged"
    elif max(size, len(content)) > most:
        what = f"the answer is larger than {most:,} bytes; raise max_answer_bytes if your images can be"
    else:
        return content
    raise InvalidRequestError(what, status=response.status_code, credits=None)


def _unpacked(content: bytes, codings: str, most: int) -> bytes | None:
    names = [each.strip().lower() for each in codings.split(",")]
    if not _UNASKED.isdisjoint(names):
        return None
    # Words such as `utf-8` or `aws-chunked` are no packing: browsers and httpx pass over them too.
    packed = ",".join(name for name in names if name in _KNOWN)
    return decoded(content, packed, most) if packed else content
