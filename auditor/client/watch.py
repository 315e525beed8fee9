"""A watch over one call on its way: its events, its size and its digest, taken while the body passes by."""

import hashlib
from collections.abc import Mapping
from typing import Any

import httpx

from auditor.caches.base import Entry
from auditor.client.meter import Meter, Try
from auditor.client.request import Request
from auditor.errors import NotSentError, RenderError, UncertainError
from auditor.providers.base import Answer, Picture, error_of, format_of, size_of
from auditor.registry import PROVIDERS

HEAD = 256 << 10
"""Bytes of an answer that are kept, for sizes and error texts."""


class Watch:
    """One call on its way: its events, its size and its digest."""

    def __init__(self, meter: Meter, request: Request, provider: str) -> None:
        self._meter, self._request, self._provider = meter, request, provider
        self._made: Try = meter.begin()
        self._head = bytearray()
        self._size = 0
        self._digest = None if meter.sink is None else hashlib.sha256()  # half of what metering costs
        self._over = False
        meter.attempt(request, self._made)

    def chunk(self, data: bytes) -> None:
        """A piece of the answer passes by."""
        self._size += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]

    def failed(self, error: BaseException) -> None:
        """No answer came, or not to its end."""
        if self._over:
            return
        self._over = True
        self._meter.failed(self._request, failure_of(error), self._made)

    def ended(self, status: int, headers: Mapping[str, str], *, whole: bool) -> None:
        """The answer came to its end, or its reader had enough before."""
        if self._over:
            return
        self._over = True
        try:
            self._meter.rendered(self._request, self._entry(status, headers, whole), self._made, status)
        except RenderError as error:
            self._meter.failed(self._request, error, self._made)
        except Exception as error:
            self._meter.lost(error)

    def _entry(self, status: int, headers: Mapping[str, str], whole: bool) -> Entry:
        """What was delivered; a `RenderError` if it was no picture."""
        answer = Answer(status, headers, _decoded(bytes(self._head), headers))
        api = PROVIDERS[self._provider].api if self._provider in PROVIDERS else None
        if not 200 <= status < 300:
            raise api.error(answer) if api is not None else error_of(status, f"HTTP {status}")
        # Nothing can be said of a body that was not read to its end, but that it was paid for.
        picture = api.picture(answer, self._request.options) if api is not None and whole else picture_of(answer)
        if not whole or picture.content is None or "content-encoding" in headers:
            return Entry(picture, None, None, 0.0, 0.0)
        digest = None if self._digest is None else f"sha256:{self._digest.hexdigest()}"
        return Entry(picture, digest, self._size, 0.0, 0.0)

    def over(self, response: httpx.Response, stream: Any) -> None:
        """Watch the body pass by; that of a transport which hands it out whole has passed already."""
        try:
            content = response.content
        except httpx.ResponseNotRead:
            response.stream = stream(response.stream, self, response)
        else:
            self.chunk(content)
            self.ended(response.status_code, response.headers, whole=True)


def _decoded(head: bytes, headers: Mapping[str, str]) -> bytes:
    """The answer's own bytes: those that pass by are as they were sent, compressed if httpx asked for that."""
    encoding = headers.get("content-encoding")
    if not encoding:
        return head
    try:
        return httpx.Response(200, headers={"content-encoding": encoding}, content=head).content
    except httpx.DecodingError:  # more than the head that is kept
        return b""


def picture_of(answer: Answer) -> Picture:
    """What a 2xx answer of a provider that nobody described holds."""
    width, height = size_of(answer.content)
    media_type = answer.media_type or "application/octet-stream"
    return Picture(answer.content, None, media_type, format_of(media_type), width, height)


def failure_of(error: BaseException) -> RenderError:
    """What an exception of httpx says about the bill."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return NotSentError(type(error).__name__)
    timeout, broken = (httpx.TimeoutException, TimeoutError), (httpx.TransportError, OSError)
    word = "timeout" if isinstance(error, timeout) else "connection" if isinstance(error, broken) else "other"
    return UncertainError(type(error).__name__, word=word)
