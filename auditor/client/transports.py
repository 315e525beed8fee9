"""Transports of httpx and httpx2, metered: where a request comes in, and where its calls leave.

A transport sees what event hooks do not: calls that fail before an answer. The body is measured while it passes by, so
that streaming stays streaming. What goes wrong here is counted, and the answer goes on as it was.
"""

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, cast

import httpx

from auditor.client.bodies import WatchedStream, bases, mixed, watched_by
from auditor.client.call_rules import SeenRequest
from auditor.client.metering import UNSEEN, Metering, quiet
from auditor.client.passage import CURRENT, Passage, Passing, sender, started
from auditor.client.watch import Journey, Watch

_LEAVES = frozenset({"httpx", "httpx2", "httpx_aiohttp", "openai"})
"""Packages whose transports make calls, and neither cache nor try again."""
_TRANSPORTS = ("BaseTransport", "AsyncBaseTransport")
_CLIENT = (
    "%s holds a client of its own, which others may share: what that sends counts only while a request is under way; "
    "to count all of it, build that client on MeteredTransport(…)"
)
"""Said when a client is metered."""


class _Tap:
    """What passes here is metered: a request comes in, or one of its calls leaves."""

    _users: "weakref.WeakSet[_Tap] | None" = None
    """Of a place below layers, which several clients may share: the metered ones."""
    _reached = False

    def __init__(self, inner: Any, metering: Metering) -> None:
        self.inner, self.metering = inner, metering
        self._below: list[_Place] = []

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not made yet
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __enter__(self) -> Self:
        """Enter the other one."""
        self.inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Leave the other one."""
        self.inner.__exit__(*error)

    async def __aenter__(self) -> Self:
        """Enter the other one."""
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Leave the other one."""
        await self.inner.__aexit__(*error)

    def handle_request(self, request: Any) -> Any:
        """Send it, and watch it if it is a render."""
        passage = _Passage(self.metering, self, request)
        with passage:
            passage.answer = self.inner.handle_request(request)
        return passage.answer

    async def handle_async_request(self, request: Any) -> Any:
        """As `handle_request`, for async clients."""
        passage = _Passage(self.metering, self, request)
        with passage:
            passage.answer = await self.inner.handle_async_request(request)
        return passage.answer

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
            with suppress(LookupError):  # the place is gone
                tap = place.holder[place.name]
                if isinstance(tap, _Tap) and tap._users is not None:
                    tap._users.discard(self)
                    if not tap._users:
                        place.holder[place.name] = tap.inner


@dataclass(eq=False)
class _Passage(Passage):
    """A request comes in at a tap above layers, or a call leaves at one below."""

    tap: _Tap
    request: Any

    @quiet
    def __enter__(self) -> None:
        tap = self.tap
        current: Any = tap if tap._users is None else CURRENT.get()
        if current is None and sender() is None:  # it is a thread that a layer started
            current = next(iter(list(tap._users or ())), None)
        # Without, it is a client that shares the layers above with a metered one.
        metering: Metering | None = None if current is None else current.metering
        asked = None if metering is None else tap._asked(self.request, metering)
        if metering is not None and asked is not None:
            layered, below = bool(tap._below), tap._users is not None
            self.journey, self.watch = started(metering, asked, self.request, layered=layered, below=below)
        if tap._below and (self.journey is not None or CURRENT.get() is None):
            self.tokens = (CURRENT.set(self.journey or Passing(self.metering)),)

    def answered(self, journey: Journey) -> None:
        """Its body is still to be read, as a rule."""
        tap, response = self.tap, self.answer
        status, headers = tap._head(response)
        cached = from_cache(response)
        if self.watch is None:
            tap._reached = tap._reached or bool(journey.calls)
            is_answer = functools.partial(_answers, response)
            self.watch = journey.answered(status, headers, cached, tap._reached, is_answer)
        else:
            self.watch.heard(status, headers)
            self.watch.cached = cached is True
            self.watch.answer = weakref.ref(response) if self.watch.apart else None
        if self.watch is not None:
            tap._watch_body(self.watch, response)


class MeteredTransport(_Tap, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that meters what *inner*, another one, does: of httpx or httpx2, sync or async.

        httpx.Client(transport=MeteredTransport(httpx.HTTPTransport(), Metering(account="main", events="usage")))

    Layers below that cache or try again are seen through to the transport that makes the calls, so that hits are
    hits and each try is a call. Where that is not possible, a warning says so once.
    """

    def __new__(cls, inner: Any, metering: Metering) -> "MeteredTransport":
        """An object that is a transport to the library of *inner* too."""
        del metering
        others = [kind for kind in bases(inner, _TRANSPORTS) if not issubclass(cls, kind)]
        own: Any = cls
        return cast(MeteredTransport, object.__new__(mixed(own, *others) if others else own))

    def __init__(self, inner: Any, metering: Metering) -> None:
        super().__init__(inner, metering)
        self._below += _tapped(inner, self, set())

    def close(self) -> None:
        """Close the other one."""
        self.inner.close()

    async def aclose(self) -> None:
        """Close the other one."""
        await self.inner.aclose()


class _MeteredPool(_Tap):
    """The connections below an extended transport: its calls leave there, in httpcore's own classes."""

    def _asked(self, request: Any, metering: Metering) -> SeenRequest | None:
        url = request.url
        host = url.host.decode()
        if not metering.knows(host):
            return None
        port = "" if url.port is None else f":{url.port}"
        address = f"{url.scheme.decode()}://{host}{port}{url.target.decode()}"
        return SeenRequest(request.method.decode(), address, host, _held(request.stream))

    def _head(self, response: Any) -> tuple[int, Mapping[str, str]]:
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in response.headers}
        return response.status, headers

    def _watch_body(self, watch: Watch, response: Any) -> None:
        response.stream = WatchedStream(response.stream, watch)


class _Place(NamedTuple):
    """Where a transport is held: an item of a list or dict, or of an object's attributes."""

    holder: Any
    name: Any
    value: Any


def from_cache(response: Any) -> bool | None:
    """What a caching layer says of an answer: hishel 0.1, 1 and 2; None where none speaks."""
    said = getattr(response, "extensions", None) or {}
    words = (said.get("from_cache"), said.get("hishel_from_cache"), (said.get("caching") or {}).get("from_cache"))
    return next((word for word in words if isinstance(word, bool)), None)


def _answers(response: Any, call: Watch) -> bool:
    """Whether it is the answer to a call, as it came or with its stream inside another."""
    streams = [response.stream]
    for _ in range(2):  # so many it may be inside of
        streams += [inner for stream in streams for inner in getattr(stream, "__dict__", {}).values()]
    answer = call.answer
    return (answer is not None and answer() is response) or any(watched_by(stream) is call for stream in streams)


def _held(stream: Any) -> bytes | None:
    """What a body holds whole, as that of a redirect that repeats it; None for one that streams."""
    kind = type(stream)
    is_held = kind.__name__ == "ByteStream" and kind.__module__.partition(".")[0] in ("httpx", "httpx2")
    return b"".join(stream) if is_held else None


def places(client: Any) -> list[_Place]:
    """Where an httpx client holds its transports, the main one and those for patterns of addresses."""
    mounts = client._mounts
    found = [_Place(mounts, pattern, inner) for pattern, inner in mounts.items() if inner is not None]
    return [_Place(vars(client), "_transport", client._transport), *found]


def _tapped(transport: Any, outer: _Tap, seen: set[int]) -> Iterator[_Place]:
    """Meter the places below a transport where calls leave."""
    if isinstance(transport, MeteredTransport):  # built in, or put there by another client
        return
    seen.add(id(transport))
    below = [place for place in _layers(transport, outer.metering) if id(place.value) not in seen]
    for place in below:
        yield from list(_tapped(place.value, outer, seen)) or [_shared(place, MeteredTransport, outer)]
    if below:
        return
    kind, known = type(transport), bases(transport, ("HTTPTransport", "AsyncHTTPTransport"))
    own = next((each for each in known if each.__module__.partition(".")[0] in _LEAVES), None)
    sends = ("handle_request", "handle_async_request")
    extended = own is not None and any(getattr(kind, name, 0) is not getattr(own, name, 0) for name in sends)
    if extended and "_pool" in vars(transport):
        yield _shared(_Place(vars(transport), "_pool", transport._pool), _MeteredPool, outer)
    elif own is None and kind.__module__.partition(".")[0] not in _LEAVES:
        outer.metering.tell_once(f"inside {kind.__qualname__}", UNSEEN, kind.__qualname__)


def _shared(place: _Place, kind: Callable[[Any, Metering], _Tap], outer: _Tap) -> _Place:
    """A place whose calls are those of *outer*, and of every other user of the layers above it."""
    tap = place.value
    if not isinstance(tap, _Tap):
        tap = kind(tap, outer.metering)
        tap._users = weakref.WeakSet()
        place.holder[place.name] = tap
    if tap._users is not None:
        tap._users.add(outer)
    return place


def _layers(transport: Any, metering: Metering) -> Iterator[_Place]:
    """Transports that a transport holds, by attribute, list, dict, or a client of its own."""
    for name, value in list(getattr(transport, "__dict__", {}).items()):
        if bases(value, _TRANSPORTS):
            yield _Place(vars(transport), name, value)
        elif isinstance(value, list | dict):
            items = list(enumerate(value) if isinstance(value, list) else value.items())
            yield from (_Place(value, key, item) for key, item in items if bases(item, _TRANSPORTS))
        elif bases(value, ("Client", "AsyncClient")) and hasattr(value, "_mounts"):
            metering.tell_once(f"client in {type(transport).__qualname__}", _CLIENT, type(transport).__qualname__)
            yield from places(value)
