"""Sessions of requests, metered: a request comes in at the session, and each of its calls leaves at urllib3's pool.

Only attributes of the objects at hand are set, so that classes, and other sessions, stay as they were.
"""

import functools
import os
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from auditor.client.bodies import watch_body, watched_by
from auditor.client.failures import content_of
from auditor.client.holders import HOLDERS, Holder
from auditor.client.metering import UNSEEN, Metering, SeenRequest
from auditor.client.origin import sender
from auditor.client.passage import CURRENT, Passage, Passing, started, underway
from auditor.client.watch import Journey, Watch, quiet

Method = Callable[..., Any]
Asked = Callable[[Metering], SeenRequest | None]
"""The request as one who meters sees it; None for other traffic."""
_SENDING: "ContextVar[_Sending | None]" = ContextVar("auditor_sending", default=None)
_CALL: "ContextVar[_Leaving | None]" = ContextVar("auditor_call", default=None)
"""The call that is leaving."""
_ELSEWHERE: set[SeenRequest] = set()
"""Requests under way of sessions that share an adapter with a metered one."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ELSEWHERE.clear)


class MeteredSession:
    """What is attached to one session."""

    def __init__(self, session: Any, metering: Metering) -> None:
        self.metering = metering
        self._send, self._get_adapter = _method(session, "send"), _method(session, "get_adapter")

    def attach(self, session: Any) -> None:
        """Meter from here on, adapters that are mounted later too."""
        self._holder(session).attached = weakref.ref(self)
        for name in ("send", "get_adapter"):
            self._shadow(session, name, functools.partial(getattr(self, name), session))
        self._shadow(session, "__getstate__", self._holder(session).state)
        for adapter in session.adapters.values():
            self._tap(adapter)

    def detach(self) -> None:
        """Everything is as it was, but for what other metered sessions share."""
        for at, holder in [(at, holder) for at, holder in list(HOLDERS.items()) if self in holder.users]:
            holder.users.discard(self)
            if not holder.users:
                del HOLDERS[at]
                holder.undo()

    def _holder(self, thing: Any) -> Holder:
        at = id(thing)
        if at not in HOLDERS:
            HOLDERS[at] = Holder(weakref.ref(thing, lambda _: HOLDERS.pop(at, None)), weakref.WeakSet())
        HOLDERS[at].users.add(self)
        return HOLDERS[at]

    def _shadow(self, thing: Any, name: str, method: Method) -> None:
        self._holder(thing).replace(name, method)

    def send(self, session: Any, request: Any, **options: Any) -> Any:
        """A request comes in; each step of a redirect is one of its own."""
        holder = HOLDERS.get(id(session))
        if holder is None or holder.attached() is not self:  # undone, but another tool has put its own before this
            return self._send(request, **options)
        passage = _Sending(self.metering, self, request)
        with passage:
            passage.answer = self._send(request, **options)
        return passage.answer

    def get_adapter(self, session: Any, url: str) -> Any:
        """The adapter of an address, with its pools metered."""
        del session
        adapter = self._get_adapter(url=url)
        self._tapped(adapter)
        return adapter

    def _tap(self, adapter: Any) -> None:
        holder = self._holder(adapter)
        if "send" in holder.ours:
            return
        # They give the pool of an address; requests 2.32 brought the former.
        getters = [name for name in ("get_connection_with_tls_context", "get_connection") if hasattr(adapter, name)]
        for name in getters:
            self._shadow(adapter, name, functools.partial(self._found, _method(adapter, name), holder))
        kind = type(adapter)
        if not getters:
            self.metering.tell_once(f"inside {kind.__qualname__}", UNSEEN, kind.__qualname__)
        send = functools.partial(self._sent, _method(adapter, "send"), holder, kind if getters else None)
        self._shadow(adapter, "send", send)
        self._shadow(adapter, "__getstate__", holder.state)

    _tapped = quiet(_tap)

    def _found(self, getter: Method, adapter: Holder, *args: Any, **kwargs: Any) -> Any:
        pool = getter(*args, **kwargs)
        try:
            if id(pool) not in HOLDERS:
                origin, urlopen = f"{pool.scheme}://{pool.host}", _method(pool, "urlopen")
                self._shadow(pool, "urlopen", functools.partial(self._urlopen, origin, urlopen, adapter))
                HOLDERS[id(pool)].users = adapter.users
        except Exception as error:
            self.metering.fault(error)
        return pool

    def _urlopen(
        self, origin: str, urlopen: Method, adapter: Holder, method: str, url: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Each try of urllib3's `Retry` comes through here, the later ones from inside the first."""

        def asked(metering: Metering) -> SeenRequest | None:
            whole = url if "://" in url else origin + url
            return _asked(metering, method, whole, kwargs.get("body", args[0] if args else None))

        retries = kwargs.get("retries", args[2] if len(args) > 2 else None)
        passage = _Leaving(self.metering, asked, adapter, at_pool=True, retries=retries)
        with passage:
            passage.answer = urlopen(method, url, *args, **kwargs)
        return passage.answer

    def _sent(self, send: Method, adapter: Holder, kind: type | None, request: Any, *args: Any, **kwargs: Any) -> Any:
        """The answers of an adapter; of a request whose call is not seen at a pool, that too.

        *kind* is its class if it has pools.
        """

        def asked(metering: Metering) -> SeenRequest | None:
            return _asked(metering, request.method, request.url, request.body)

        if self._foreign():
            with _Elsewhere(self.metering, asked):
                return send(request, *args, **kwargs)
        passage = Passage(self.metering)
        if kind is None or self._bypasses(kind, request):
            passage = _Leaving(self.metering, asked, adapter, at_pool=False)
        with passage:
            passage.answer = send(request, *args, **kwargs)
        sent = _SENDING.get()
        if sent is not None:
            sent.newest = passage.answer
        return passage.answer

    @quiet
    def _foreign(self) -> bool:
        """Whether it is a session that is not metered, or nobody's, which sends here."""
        session = sender()
        return CURRENT.get() is None if session is None else attached_to(session) is None

    @quiet
    def _bypasses(self, kind: type, request: Any) -> bool:
        """Whether a call does not pass `urlopen`: for a body of unknown length, old requests take a connection."""
        if request.body is None or "Content-Length" in request.headers:
            return False
        sends = [vars(each)["send"] for each in kind.__mro__ if "send" in vars(each)]
        return any("_get_conn" in getattr(getattr(send, "__code__", None), "co_names", ()) for send in sends)


@dataclass(eq=False)
class _Sending(Passage):
    """One `send` of a session, while it goes on."""

    session: MeteredSession
    request: Any
    newest: Any = None
    """The newest answer of an adapter."""
    followed: list[Any] = field(default_factory=list)
    """Answers to requests of their own that were made meanwhile: steps of a redirect, calls of a hook."""

    @quiet
    def __enter__(self) -> None:
        self.tokens = (CURRENT.set(Passing(self.metering)), _SENDING.set(self))
        asked = _asked(self.metering, self.request.method, self.request.url, self.request.body)
        if asked is not None:
            self.journey, _ = started(self.metering, asked, self.request, layered=True)
            CURRENT.set(self.journey or Passing(self.metering))

    @quiet
    def left(self) -> None:
        """An outer one, if there is one, hears what followed on it."""
        super().left()
        outer = _SENDING.get()
        if outer is not None and self.answer is not None:
            outer.followed += [self.answer, *self.answer.history]

    def answered(self, journey: Journey) -> None:
        """By the answer to the request itself, however many others were made for it."""
        own = self._own()
        if own is None:
            journey.left()
            return
        adapter = self.session._holder(self.session._get_adapter(url=own.request.url))
        adapter.reached = adapter.reached or bool(journey.calls)
        watch = journey.answered(
            own.status_code, own.headers, _from_cache(own), reached=adapter.reached,
            of=lambda call: watched_by(getattr(own, "raw", None)) is call,
        )  # fmt: skip
        if watch is not None:
            watch.chunk(content_of(own), decoded=True)
            watch.ended(whole=True)

    def _own(self) -> Any:
        """The answer to the request itself: not that of a redirect's later steps, or to what a hook sent.

        None where only other requests were answered.
        """
        answers = [*self.answer.history, self.answer]
        own = next((each for each in reversed(answers) if all(each is not other for other in self.followed)), None)
        hooked = self.request.hooks.get("response")
        if own is None or (hooked and _from_cache(own) is not True and self.newest is not None):
            return self.newest  # a hook may give anything for it
        return own


@dataclass(eq=False)
class _Leaving(Passage):
    """A call leaves: at a pool, or at an adapter that brings its own connections."""

    asked: Asked
    adapter: Holder
    at_pool: bool
    """Where further tries, from inside as with `Retry`, can be seen."""
    retries: Any = None

    @quiet
    def __enter__(self) -> None:
        current, outer = CURRENT.get(), _CALL.get()
        metering = _metering(self.asked, self.adapter) if current is None else current.metering
        found = None if metering is None else self.asked(metering)
        if metering is None or found is None:
            return
        if outer is not None and outer.watch is not None and outer.journey is current:
            if not outer.at_pool:
                return
            _tell(outer.watch, self.retries)
            outer.watch.dropped()
        self.journey, self.watch = started(metering, found, found, layered=False, below=True)
        if self.journey is not None:
            self.tokens = (CURRENT.set(self.journey), _CALL.set(self))

    def answered(self, journey: Journey) -> None:
        """Its body is still to be read, as a rule."""
        del journey
        watch, answer = self.watch, self.answer
        if watch is None or watch.over:  # a later try, from inside, has been watched
            return
        watch.heard(answer.status if self.at_pool else answer.status_code, answer.headers)
        watch.cached = not self.at_pool and _from_cache(answer) is True
        if self.at_pool or getattr(answer, "_content", False) is False:
            watch_body(watch, answer if self.at_pool else answer.raw)
        else:
            watch.chunk(content_of(answer), decoded=True)
            watch.ended(whole=True)


@dataclass(eq=False)
class _Elsewhere(Passage):
    """A request of a session that is not metered, at an adapter that it shares with a metered one."""

    asked: Asked
    found: SeenRequest | None = None

    @quiet
    def __enter__(self) -> None:
        self.tokens = (CURRENT.set(Passing(None)),)
        self.found = self.asked(self.metering)
        if self.found is not None:
            _ELSEWHERE.add(self.found)

    @quiet
    def left(self) -> None:
        """It is not under way any more."""
        super().left()
        _ELSEWHERE.discard(self.found)


def _asked(metering: Metering, method: str, url: str, body: Any) -> SeenRequest | None:
    host = urlsplit(url).hostname or ""
    if not metering.knows(host):
        return None
    content = b"" if body is None else body.encode() if isinstance(body, str) else body
    held = isinstance(content, bytes | bytearray | memoryview)
    return SeenRequest(method, url, host, bytes(content) if held else None)


def attached_to(session: Any) -> MeteredSession | None:
    """What is attached to a session."""
    holder = HOLDERS.get(id(session))
    return None if holder is None else holder.attached()


def _metering(asked: Asked, adapter: Holder) -> Metering | None:
    """Whose call it is that leaves in a thread which a session, or a layer in an adapter, has started."""
    session = sender()
    if session is not None:
        attached = attached_to(session)
        return None if attached is None else attached.metering
    users: list[Metering] = [each.metering for each in list(adapter.users)]
    found = [(metering, each) for metering in users if (each := asked(metering)) is not None]
    for metering, each in found:
        if underway(each) is not None:
            return metering
    return next((metering for metering, each in found if not any(map(each.same, list(_ELSEWHERE)))), None)


def _method(holder: Any, name: str) -> Method:
    """A method of an object, looked up when it is called: another tool may replace that of the class meanwhile."""
    own = vars(holder).get(name)
    if own is not None:
        return cast(Method, own)
    ref = weakref.ref(holder)

    def call(*args: Any, **kwargs: Any) -> Any:
        alive = ref()
        return getattr(type(alive), name)(alive, *args, **kwargs)

    return call


def _tell(watch: Watch, retries: Any) -> None:
    """What urllib3 noted of the try before."""
    history = getattr(retries, "history", None)
    if history:
        if history[-1].status is not None:
            watch.heard(history[-1].status, {})
        elif history[-1].error is not None:
            watch.failed(history[-1].error)


def _from_cache(response: Any) -> bool | None:
    """What a caching layer says: requests-cache and CacheControl, hishel; None where none speaks."""
    word = getattr(response, "from_cache", None)
    if isinstance(word, bool):
        return word
    said = str(response.headers.get("x-hishel-from-cache", "")).lower()
    return None if said not in ("true", "false") else said == "true"
