"""Transports of httpx and httpx2, metered: where a request comes in, and where its calls leave.

A transport sees what event hooks do not: calls that fail before an answer. The body is measured while it passes by, so
that streaming stays streaming. What goes wrong here is counted, and the answer goes on as it was.
"""

from collections.abc import Iterator, Mapping
from contextvars import Token
from typing import Any, NamedTuple, cast

import httpx

from auditor.client.metering import UNSEEN, Asked, Metering
from auditor.client.streams import Stream, bases, mixed
from auditor.client.watch import CURRENT, Journey, Watch, quiet, started

_LEAVES = frozenset({"httpx", "httpx2", "httpx_aiohttp", "openai"})
"""Packages whose transports make calls, and neither cache nor try again."""

_Start = tuple[Journey | None, Watch | None, Token[Journey | None] | None]
_OTHER: _Start = (None, None, None)
"""Of traffic that is not metered."""


class _Tap:
    """What passes here is metered: a request comes in, or one of its calls leaves."""

    inner: Any
    metering: Metering
    _below: "list[_Place]"
    _reached = False

    def handle_request(self, request: Any) -> Any:
        """Send it, and watch it if it is a render."""
        journey, watch, token = self._starts(request) or _OTHER
        if journey is None:
            return self.inner.handle_request(request)
        try:
            response = self.inner.handle_request(request)
        except BaseException as error:
            journey.raised() if watch is None else watch.failed(error)
            raise
        finally:
            self._left(token)
        self._answered(journey, watch, response)
        return response

    async def handle_async_request(self, request: Any) -> Any:
        """As `handle_request`, for async clients."""
        journey, watch, token = self._starts(request) or _OTHER
        if journey is None:
            return await self.inner.handle_async_request(request)
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException as error:
            journey.raised() if watch is None else watch.failed(error)
            raise
        finally:
            self._left(token)
        self._answered(journey, watch, response)
        return response

    @quiet
    def _starts(self, request: Any) -> _Start:
        asked = self._asked(request)
        if asked is None:
            return _OTHER
        journey, watch = started(self.metering, asked, request, layered=bool(self._below))
        return journey, watch, CURRENT.set(journey) if journey is not None and watch is None else None

    @quiet
    def _left(self, token: Token[Journey | None] | None) -> None:
        if token is not None:
            try:
                CURRENT.reset(token)
            except ValueError:  # a loop that goes on in another context
                CURRENT.set(None)

    @quiet
    def _answered(self, journey: Journey, watch: Watch | None, response: Any) -> None:
        try:
            status, headers = self._head(response)
            cached = from_cache(response)
            if watch is None:
                self._reached = self._reached or journey.last is not None
                watch = journey.answered(status, headers, cached, reached=self._reached)
            else:
                watch.heard(status, headers)
                watch.cached = cached is True
            if watch is not None:
                self._watch_body(watch, response)
        except Exception as error:
            self.metering.fault(error)
            if watch is not None:
                watch.dropped()

    def _watch_body(self, watch: Watch, response: Any) -> None:
        try:
            content = response.content  # that of a transport which hands it out whole has passed already
        except Exception:
            kinds = bases(response.stream, ("SyncByteStream", "AsyncByteStream"))
            response.stream = mixed(Stream, *kinds)(response.stream, watch)
        else:
            watch.chunk(content, decoded=True)
            watch.ended(whole=True)

    def _asked(self, request: Any) -> Asked | None:
        host = request.url.host
        if not self.metering.knows(host):
            return None
        try:
            content = request.content
        except Exception:  # `RequestNotRead` of either library: it streams
            content = None
        return Asked(request.method, str(request.url), host, content)

    def _head(self, response: Any) -> tuple[int, Mapping[str, str]]:
        return response.status_code, response.headers

    def untap(self) -> None:
        """Undo what was done to the layers below."""
        for place in reversed(self._below):
            place.put(place.value)


class MeteredTransport(_Tap, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that meters what *inner*, another one, does: of httpx or httpx2, sync or async.

        httpx.Client(transport=MeteredTransport(httpx.HTTPTransport(), Metering(account="main", events="usage")))

    Layers below that cache or try again are seen through to the transport that makes the calls, so that hits are
    hits and each try is a call. Where that is not possible, a warning says so once.
    """

    def __new__(cls, inner: Any, metering: Metering) -> "MeteredTransport":
        """An object that is a transport to the library of *inner* too."""
        del metering
        others = [kind for kind in bases(inner, ("BaseTransport", "AsyncBaseTransport")) if not issubclass(cls, kind)]
        own: Any = cls
        return cast(MeteredTransport, object.__new__(mixed(own, *others) if others else own))

    def __init__(self, inner: Any, metering: Metering) -> None:
        self.inner, self.metering = inner, metering
        self._below = list(_tapped(inner, metering, set()))

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not made yet
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __enter__(self) -> "MeteredTransport":
        """Enter the other one."""
        self.inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Leave the other one."""
        self.inner.__exit__(*error)

    async def __aenter__(self) -> "MeteredTransport":
        """Enter the other one."""
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Leave the other one."""
        await self.inner.__aexit__(*error)

    def close(self) -> None:
        """Close the other one."""
        self.inner.close()

    async def aclose(self) -> None:
        """Close the other one."""
        await self.inner.aclose()


class _MeteredPool(_Tap):
    """The connections below a transport that somebody extended: its calls leave there, in httpcore's own classes."""

    def __init__(self, inner: Any, metering: Metering) -> None:
        self.inner, self.metering, self._below = inner, metering, []

    __getattr__ = MeteredTransport.__getattr__
    __enter__, __exit__ = MeteredTransport.__enter__, MeteredTransport.__exit__
    __aenter__, __aexit__ = MeteredTransport.__aenter__, MeteredTransport.__aexit__

    def _asked(self, request: Any) -> Asked | None:
        url = request.url
        host = url.host.decode()
        if not self.metering.knows(host):
            return None
        port = "" if url.port is None else f":{url.port}"
        address = f"{url.scheme.decode()}://{host}{port}{url.target.decode()}"
        return Asked(request.method.decode(), address, host, None)

    def _head(self, response: Any) -> tuple[int, Mapping[str, str]]:
        return response.status, {
            name.decode("latin-1").lower(): text.decode("latin-1") for name, text in response.headers
        }

    def _watch_body(self, watch: Watch, response: Any) -> None:
        response.stream = Stream(response.stream, watch)


class _Place(NamedTuple):
    """Where an object holds a transport: an attribute, or an item of a list or dict."""

    holder: Any
    name: Any
    value: Any

    def put(self, value: Any) -> None:
        """Hold another one."""
        if isinstance(self.holder, list | dict):
            self.holder[self.name] = value
        else:
            setattr(self.holder, self.name, value)


def from_cache(response: Any) -> bool | None:
    """What a caching layer says of an answer: hishel 0.1, 1 and 2; None where none speaks."""
    said = getattr(response, "extensions", None) or {}
    words = (said.get("from_cache"), said.get("hishel_from_cache"), (said.get("caching") or {}).get("from_cache"))
    return next((word for word in words if isinstance(word, bool)), None)


def places(client: Any) -> list[_Place]:
    """Where an httpx client holds its transports, the main one and those for patterns of addresses."""
    mounts = client._mounts
    found = [_Place(mounts, pattern, inner) for pattern, inner in mounts.items() if inner is not None]
    return [_Place(client, "_transport", client._transport), *found]


def _tapped(transport: Any, metering: Metering, seen: set[int]) -> Iterator[_Place]:
    """Meter the places below a transport where calls leave; what was there."""
    seen.add(id(transport))
    if isinstance(transport, MeteredTransport):
        return
    below = [place for place in _layers(transport) if id(place.value) not in seen]
    for place in below:
        inner = place.value
        lower = list(_tapped(inner, metering, seen))
        yield from lower
        if isinstance(inner, MeteredTransport):
            yield place  # one that was built in
        elif not lower:
            place.put(MeteredTransport(inner, metering))
            yield place
    if below:
        return
    made_by = type(transport).__module__.partition(".")[0]
    known = bases(transport, ("HTTPTransport", "AsyncHTTPTransport"))
    own = [kind for kind in known if kind.__module__.partition(".")[0] in _LEAVES]
    if own and hasattr(transport, "_pool") and _overrides(type(transport), own[0]):
        place = _Place(transport, "_pool", transport._pool)
        place.put(_MeteredPool(place.value, metering))
        yield place
    elif made_by not in _LEAVES and not own:
        name = type(transport).__qualname__
        metering.tell_once(f"inside {name}", UNSEEN, name)


def _overrides(kind: type, base: type) -> bool:
    return any(
        getattr(kind, name, None) is not getattr(base, name, None)
        for name in ("handle_request", "handle_async_request")
    )


def _layers(transport: Any) -> Iterator[_Place]:
    """Transports that a transport holds, by attribute, list, dict, or a client of its own."""
    for name, value in list(getattr(transport, "__dict__", {}).items()):
        if _is_transport(value):
            yield _Place(transport, name, value)
        elif isinstance(value, list | dict):
            items = list(enumerate(value) if isinstance(value, list) else value.items())
            yield from (_Place(value, key, item) for key, item in items if _is_transport(item))
        elif bases(value, ("Client", "AsyncClient")) and hasattr(value, "_mounts"):
            yield from places(value)


def _is_transport(value: Any) -> bool:
    return bool(bases(value, ("BaseTransport", "AsyncBaseTransport")))
