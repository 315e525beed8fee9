"""Meter what is already there: any httpx client, by its transport. No cache, and nothing changes for the caller.

A transport sees what event hooks do not: calls that fail before an answer. The body is measured while it passes by, so
that streaming stays streaming.
"""

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import httpx
import orjson
from prometheus_client import REGISTRY, CollectorRegistry

from auditor.caches.base import Entry, Slot
from auditor.client.clock import Clock
from auditor.client.meter import Meter, Try
from auditor.client.request import Request
from auditor.client.sinks import Record, Sink, sink_of
from auditor.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    NotSentError,
    ProviderError,
    RenderError,
    ThrottledError,
    UncertainError,
)
from auditor.events import AMBIGUOUS_STATUS
from auditor.fingerprint import Prepared, Scope, canonical, derive_key
from auditor.providers.base import Answer, Picture, Seen, format_of, size_of
from auditor.registry import PROVIDERS
from auditor.settings import PRODUCTION

MOST_SHAPES = 10_000
"""Pairs of template and options whose hashes are kept."""
HEAD = 256 << 10
"""Bytes of an answer that are kept, for sizes and error texts."""


class Rule(NamedTuple):
    """Which requests of a client are render calls, and how to read them."""

    provider: str
    recognise: Callable[[str, SplitResult, bytes], Seen | None]
    """(method, address, body) -> the call, or None."""
    hosts: frozenset[str]
    """Only requests to these are looked at more closely."""


def path_rule(provider: str, host: str, path: str, *, method: str = "POST") -> Rule:
    """A rule by host and a regular expression for the path with a group `template`.

    The JSON object in the body is what the picture depends on, the query are its options.
    """
    pattern = re.compile(path)

    def recognise(seen_method: str, url: SplitResult, content: bytes) -> Seen | None:
        match = pattern.fullmatch(url.path)
        if seen_method != method or url.hostname != host or match is None:
            return None
        try:
            found = orjson.loads(content or b"{}")
        except orjson.JSONDecodeError:
            found = {}
        return Seen(match["template"], found if isinstance(found, dict) else {}, dict(parse_qsl(url.query)))

    return Rule(provider, recognise, frozenset({host}))


def provider_rules() -> tuple[Rule, ...]:
    """A rule a known provider."""
    return tuple(Rule(name, provider.api.recognise, frozenset(provider.hosts)) for name, provider in PROVIDERS.items())


class Metering:
    """What all metered calls of one account and environment have in common."""

    def __init__(
        self,
        *,
        account: str = "default",
        environment: str = "production",
        events: str | Path | Sink | Callable[[Record], object] | None = None,
        secret: str | None = None,
        rules: Sequence[Rule] | None = None,
        placement: str | None = None,
        registry: CollectorRegistry | None = REGISTRY,
        clock: Clock | None = None,
    ) -> None:
        secret = secret or os.environ.get("AUDITOR_SECRET")
        # Without a secret the digests of one process agree with each other, and with nobody else's.
        self._secret = derive_key(secret) if secret else os.urandom(32)
        self._account, self._environment, self._placement = account, environment.lower(), placement
        self._clock = clock or Clock()
        self._sink = sink_of(events, self._clock)
        self._rules = provider_rules() if rules is None else tuple(rules)
        self._shapes: dict[tuple[Any, ...], tuple[Prepared, str]] = {}
        self._registry = registry
        self._meters: dict[str, Meter] = {}
        if self._sink is not None and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._sink.forked)

    def meter(self, provider: str) -> Meter:
        """The meter of a provider."""
        found = self._meters.get(provider)
        if found is None:
            scope = Scope(provider, self._account, self._environment, self._secret)
            found = self._meters[provider] = Meter(
                scope, sink=self._sink, registry=self._registry, clock=self._clock,
                production=self._environment in PRODUCTION,
            )  # fmt: skip
        return found

    def request(self, provider: str, seen: Seen) -> Request:
        """The request that was seen, with its key."""
        shape = (provider, seen.template, *map(str, seen.options.items()))
        found = self._shapes.get(shape)
        if found is None:
            scope = self.meter(provider).scope
            found = scope.prepare(seen.template, seen.options), scope.group(seen.template)
            if len(self._shapes) < MOST_SHAPES:
                self._shapes[shape] = found
        body = canonical(seen.overrides)
        slot = Slot(found[1], found[0].key(body))
        return Request(seen.template, slot, body, seen.options, None, self._placement, "online", 0.0)

    def recognised(self, request: httpx.Request) -> "Watch | None":
        """A watch over a render call; None for everything else, and for whatever cannot be understood."""
        try:
            rules = [rule for rule in self._rules if request.url.host in rule.hosts]
            if not rules:
                return None
            try:
                content = request.content
            except httpx.RequestNotRead:
                content = b""
            url = urlsplit(str(request.url))
            for rule in rules:
                seen = rule.recognise(request.method, url, content)
                if seen is not None:
                    return Watch(self.meter(rule.provider), self.request(rule.provider, seen), rule.provider)
        except Exception as error:
            logging.getLogger("auditor.client").debug("a call was not understood (%s)", type(error).__name__)
        return None

    def close(self) -> None:
        """Seal the spool."""
        if self._sink is not None:
            self._sink.close()


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
        answer = Answer(status, headers, bytes(self._head))
        api = PROVIDERS[self._provider].api if self._provider in PROVIDERS else None
        if not 200 <= status < 300:
            raise api.error(answer) if api is not None else error_of(answer)
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


def picture_of(answer: Answer) -> Picture:
    """What a 2xx answer of a provider that nobody described holds."""
    width, height = size_of(answer.content)
    media_type = answer.media_type or "application/octet-stream"
    return Picture(answer.content, None, media_type, format_of(media_type), width, height)


def error_of(answer: Answer) -> RenderError:
    """What any other answer of such a provider means."""
    status = answer.status
    if status in (408, 504, 524):
        return UncertainError(f"HTTP {status}", status=status)
    kinds = {401: AuthenticationError, 403: AuthenticationError, 404: NotFoundError, 429: ThrottledError}
    kind = kinds.get(status, ProviderError if status >= 500 else InvalidRequestError)
    error: RenderError = kind(f"HTTP {status}", status=status)
    if status in AMBIGUOUS_STATUS:
        error.credits = None
    return error


def failure_of(error: BaseException) -> RenderError:
    """What an exception of httpx says about the bill."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return NotSentError(type(error).__name__)
    timeout, broken = (httpx.TimeoutException, TimeoutError), (httpx.TransportError, OSError)
    word = "timeout" if isinstance(error, timeout) else "connection" if isinstance(error, broken) else "other"
    return UncertainError(type(error).__name__, word=word)


class _Stream(httpx.SyncByteStream):
    def __init__(self, inner: Any, watch: Watch, response: httpx.Response) -> None:
        self._inner, self._watch, self._response = inner, watch, response

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._watch.chunk(chunk)
                yield chunk
        except Exception as error:
            self._watch.failed(error)
            raise
        self._watch.ended(self._response.status_code, self._response.headers, whole=True)

    def close(self) -> None:
        self._watch.ended(self._response.status_code, self._response.headers, whole=False)
        self._inner.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, inner: Any, watch: Watch, response: httpx.Response) -> None:
        self._inner, self._watch, self._response = inner, watch, response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._watch.chunk(chunk)
                yield chunk
        except (Exception, asyncio.CancelledError) as error:
            self._watch.failed(error)
            raise
        self._watch.ended(self._response.status_code, self._response.headers, whole=True)

    async def aclose(self) -> None:
        self._watch.ended(self._response.status_code, self._response.headers, whole=False)
        await self._inner.aclose()


class MeteredTransport(httpx.BaseTransport):
    """A transport that meters what another one does."""

    def __init__(self, inner: httpx.BaseTransport, metering: Metering) -> None:
        self.inner, self._metering = inner, metering

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and watch it if it is a render."""
        watch = self._metering.recognised(request)
        if watch is None:
            return self.inner.handle_request(request)
        try:
            response = self.inner.handle_request(request)
        except BaseException as error:
            watch.failed(error)
            raise
        watch.over(response, _Stream)
        return response

    def close(self) -> None:
        """Close the other one."""
        self.inner.close()


class AsyncMeteredTransport(httpx.AsyncBaseTransport):
    """As `MeteredTransport`, for async clients."""

    def __init__(self, inner: httpx.AsyncBaseTransport, metering: Metering) -> None:
        self.inner, self._metering = inner, metering

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, and watch it if it is a render."""
        watch = self._metering.recognised(request)
        if watch is None:
            return await self.inner.handle_async_request(request)
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException as error:
            watch.failed(error)
            raise
        watch.over(response, _AsyncStream)
        return response

    async def aclose(self) -> None:
        """Close the other one."""
        await self.inner.aclose()


C = TypeVar("C", httpx.Client, httpx.AsyncClient)


def meter(client: C, metering: Metering | None = None, **options: Any) -> C:
    """Meter an httpx client: one event and the metrics of each call that a rule recognises; *options* of `Metering`.

    Addresses that httpx logs lose their query from here on, since some carry the API key there.
    """
    metering = metering or Metering(**options)
    unmeter(client)
    wrap: Any = AsyncMeteredTransport if isinstance(client, httpx.AsyncClient) else MeteredTransport
    for holder in _holders(client):
        holder.wrap(lambda inner: wrap(inner, metering))
    logging.getLogger("httpx").addFilter(_without_query)
    return client


def unmeter(client: C) -> C:
    """Undo `meter`; the client's own transports are back."""
    for holder in _holders(client):
        holder.wrap(lambda t: t.inner if isinstance(t, MeteredTransport | AsyncMeteredTransport) else t)
    return client


class _Holder(NamedTuple):
    """A place of an httpx client that holds a transport, the main one or one for a pattern of addresses."""

    client: Any
    pattern: Any

    def wrap(self, change: Callable[[Any], Any]) -> None:
        mounts = self.client._mounts
        if self.pattern is None:
            self.client._transport = change(self.client._transport)
        elif mounts[self.pattern] is not None:
            mounts[self.pattern] = change(mounts[self.pattern])


def _holders(client: Any) -> list[_Holder]:
    return [_Holder(client, None), *(_Holder(client, pattern) for pattern in client._mounts)]


def _without_query(record: logging.LogRecord) -> bool:
    """Cut queries off the addresses in httpx's own log lines."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg.copy_with(query=None) if isinstance(arg, httpx.URL) and arg.query else arg for arg in record.args
        )
    return True
