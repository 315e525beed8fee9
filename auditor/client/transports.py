"""Transports of httpx and httpx2, metered: where a request comes in, and where its calls leave.

A transport sees what event hooks do not: calls that fail before an answer. The body is measured while it passes by, so
that streaming stays streaming. What goes wrong here is counted, and the answer goes on as it was.
"""

import functools
import weakref
from collections.abc import Iterator, Mapping
from contextvars import Token
from typing import Any, NamedTuple, cast

import httpx

from auditor.client.metering import UNSEEN, Metering, SeenRequest
from auditor.client.origin import sender
from auditor.client.streams import WatchedStream, bases, mixed, watched
from auditor.client.watch import CURRENT, Journey, Passing, Watch, quiet, started

_LEAVES = frozenset({"httpx", "httpx2", "httpx_aiohttp", "openai"})
"""Packages whose transports make calls, and neither cache nor try again."""

_DEEPEST = 2
"""How many streams one may be inside of."""
_CLIENT = (
    "%s holds a client of its own, which others may share: what that sends counts only while a request is under way; "
    "to count all of it, build that client on MeteredTransport(…)"
)
"""Said when a client is metered."""
_Current = Token[Journey | Passing | None] | None
_Start = tuple[Journey | None, Watch | None, _Current]
_OTHER: _Start = (None, None, None)
"""Of traffic that is not metered."""


class _Tap:
    """What passes here is metered: a request comes in, or one of its calls leaves."""

    inner: Any
    metering: Metering
    _below: "list[_Place]"
    _users: "weakref.WeakSet[_Tap] | None" = None
    """Of a place below layers, which several clients may share: the metered ones."""
    _reached = False

    def handle_request(self, request: Any) -> Any:
        """Send it, and watch it if it is a render."""
        journey, watch, token = self._starts(request) or _OTHER
        if journey is None and token is None:
            return self.inner.handle_request(request)
        try:
            response = self.inner.handle_request(request)
        except BaseException as error:
            if journey is not None:
                journey.raised() if watch is None else watch.failed(error)
            raise
        finally:
            self._left(token)
        if journey is not None:
            self._answered(journey, watch, response)
        return response

    async def handle_async_request(self, request: Any) -> Any:
        """As `handle_request`, for async clients."""
        journey, watch, token = self._starts(request) or _OTHER
        if journey is None and token is None:
            return await self.inner.handle_async_request(request)
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException as error:
            if journey is not None:
                journey.raised() if watch is None else watch.failed(error)
            raise
        finally:
            self._left(token)
        if journey is not None:
            self._answered(journey, watch, response)
        return response

    @quiet
    def _starts(self, request: Any) -> _Start:
        current, metering = CURRENT.get(), self._whose()
        asked = None if metering is None else self._asked(request, metering)
        journey, watch = None, None
        if metering is not None and asked is not None:
            below = self._users is not None
            journey, watch = started(metering, asked, request, layered=bool(self._below), below=below)
        if journey is None and self._below and current is None:
            return None, None, CURRENT.set(Passing(self.metering))
        return journey, watch, CURRENT.set(journey) if journey is not None and watch is None else None

    def _whose(self) -> Metering | None:
        """Who meters what passes; None for a client that shares the layers above with a metered one."""
        current = CURRENT.get()
        if self._users is None:
            return self.metering
        if current is not None:
            return current.metering
        # Without a client it is a thread that a layer started.
        return next((each.metering for each in list(self._users)), None) if sender() is None else None

    @quiet
    def _left(self, token: _Current) -> None:
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
                self._reached = self._reached or bool(journey.calls)
                of = functools.partial(_answers, response)
                watch = journey.answered(status, headers, cached, reached=self._reached, of=of)
            else:
                watch.heard(status, headers)
                watch.cached = cached is True
                watch.answer = weakref.ref(response) if watch.apart else None
            if watch is not None:
                self._watch_body(watch, response)
        except Exception as error:
            self.metering.fault(error)
            journey.left() if watch is None else watch.dropped()

    def _watch_body(self, watch: Watch, response: Any) -> None:
        try:
            content = response.content  # that of a transport which hands it out whole has passed already
        except Exception:
            kinds = bases(response.stream, ("SyncByteStream", "AsyncByteStream"))
            response.stream = mixed(WatchedStream, *kinds)(response.stream, watch)
        else:
            watch.chunk(content, decoded=True)
            watch.ended(whole=True)

    def _asked(self, request: Any, metering: Metering) -> SeenRequest | None:
        host = request.url.host
        if not metering.knows(host):
            return None
        try:
            content = request.content
        except Exception:  # `RequestNotRead` of either library: it streams, or repeats what another one held
            content = _held(request.stream)
        return SeenRequest(request.method, str(request.url), host, content)

    def _head(self, response: Any) -> tuple[int, Mapping[str, str]]:
        return response.status_code, response.headers

    def untap(self) -> None:
        """Undo what was done to the layers below, but for what other metered clients share."""
        for place in reversed(self._below):
            tap = place.now()
            if isinstance(tap, _Tap) and tap._users is not None:
                tap._users.discard(self)
                if not tap._users:
                    place.put(tap.inner)


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
        self._below = list(_tapped(inner, self, set()))

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

    def _asked(self, request: Any, metering: Metering) -> SeenRequest | None:
        url = request.url
        host = url.host.decode()
        if not metering.knows(host):
            return None
        port = "" if url.port is None else f":{url.port}"
        address = f"{url.scheme.decode()}://{host}{port}{url.target.decode()}"
        return SeenRequest(request.method.decode(), address, host, _held(request.stream))

    def _head(self, response: Any) -> tuple[int, Mapping[str, str]]:
        return response.status, {
            name.decode("latin-1").lower(): text.decode("latin-1") for name, text in response.headers
        }

    def _watch_body(self, watch: Watch, response: Any) -> None:
        response.stream = WatchedStream(response.stream, watch)


class _Place(NamedTuple):
    """Where an object holds a transport: an attribute, or an item of a list or dict."""

    holder: Any
    name: Any
    value: Any

    def now(self) -> Any:
        """What is held there now; None if the place is gone."""
        if not isinstance(self.holder, list | dict):
            return getattr(self.holder, self.name, None)
        try:
            return self.holder[self.name]
        except LookupError:
            return None

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


def _answers(response: Any, call: Watch) -> bool:
    """Whether it is the answer to a call, as it came or with its stream inside another."""
    streams = [response.stream]
    for _ in range(_DEEPEST):
        streams += [inner for stream in streams for inner in getattr(stream, "__dict__", {}).values()]
    answer = call.answer
    return (answer is not None and answer() is response) or any(watched(stream) is call for stream in streams)


def _held(stream: Any) -> bytes | None:
    """What a body holds whole, as that of a redirect that repeats it; None for one that streams."""
    kind = type(stream)
    if kind.__name__ == "ByteStream" and kind.__module__.partition(".")[0] in ("httpx", "httpx2"):
        return b"".join(stream)
    return None


def places(client: Any) -> list[_Place]:
    """Where an httpx client holds its transports, the main one and those for patterns of addresses."""
    mounts = client._mounts
    found = [_Place(mounts, pattern, inner) for pattern, inner in mounts.items() if inner is not None]
    return [_Place(client, "_transport", client._transport), *found]


def _tapped(transport: Any, outer: _Tap, seen: set[int]) -> Iterator[_Place]:
    """Meter the places below a transport where calls leave."""
    seen.add(id(transport))
    if isinstance(transport, MeteredTransport):
        return
    below = [place for place in _layers(transport, outer.metering) if id(place.value) not in seen]
    for place in below:
        if isinstance(place.value, MeteredTransport):  # one that was built in, or that another client has put there
            yield _shared(place, place.value, outer)
            continue
        lower = list(_tapped(place.value, outer, seen))
        yield from lower
        if not lower:
            yield _shared(place, MeteredTransport(place.value, outer.metering), outer, new=True)
    if below:
        return
    made_by = type(transport).__module__.partition(".")[0]
    known = bases(transport, ("HTTPTransport", "AsyncHTTPTransport"))
    own = [kind for kind in known if kind.__module__.partition(".")[0] in _LEAVES]
    if own and hasattr(transport, "_pool") and _overrides(type(transport), own[0]):
        place = _Place(transport, "_pool", transport._pool)
        is_new = not isinstance(place.value, _MeteredPool)
        tap = _MeteredPool(place.value, outer.metering) if is_new else place.value
        yield _shared(place, tap, outer, new=is_new)
    elif made_by not in _LEAVES and not own:
        name = type(transport).__qualname__
        outer.metering.tell_once(f"inside {name}", UNSEEN, name)


def _shared(place: _Place, tap: _Tap, outer: _Tap, *, new: bool = False) -> _Place:
    """A place whose calls are those of *outer*, and of whoever else uses the layers above it."""
    if new:
        tap._users = weakref.WeakSet()
        place.put(tap)
    if tap._users is not None:
        tap._users.add(outer)
    return place


def _overrides(kind: type, base: type) -> bool:
    return any(
        getattr(kind, name, None) is not getattr(base, name, None)
        for name in ("handle_request", "handle_async_request")
    )


def _layers(transport: Any, metering: Metering) -> Iterator[_Place]:
    """Transports that a transport holds, by attribute, list, dict, or a client of its own."""
    for name, value in list(getattr(transport, "__dict__", {}).items()):
        if _is_transport(value):
            yield _Place(transport, name, value)
        elif isinstance(value, list | dict):
            items = list(enumerate(value) if isinstance(value, list) else value.items())
            yield from (_Place(value, key, item) for key, item in items if _is_transport(item))
        elif bases(value, ("Client", "AsyncClient")) and hasattr(value, "_mounts"):
            metering.tell_once(f"client in {type(transport).__qualname__}", _CLIENT, type(transport).__qualname__)
            yield from places(value)


def _is_transport(value: Any) -> bool:
    return bool(bases(value, ("BaseTransport", "AsyncBaseTransport")))
