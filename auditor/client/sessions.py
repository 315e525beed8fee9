"""Sessions of requests, metered: a request comes in at the session, and each of its calls leaves at urllib3's pool.

Only attributes of the objects at hand are set, so that classes, and other sessions, stay as they were.
"""

import functools
import os
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import urlsplit

from auditor.client.bodies import watch_body, watched_by
from auditor.client.failures import content_of
from auditor.client.holders import HOLDERS, Holder
from auditor.client.metering import UNSEEN, Metering, SeenRequest
from auditor.client.origin import sender
from auditor.client.watch import CURRENT, Journey, Passing, Watch, quiet, started, underway

_GETTERS = ("get_connection_with_tls_context", "get_connection")
"""Methods of an adapter that give the pool of an address; requests 2.32 brought the former."""


class _Sent:
    """One `send` of a session, while it goes on."""

    def __init__(self) -> None:
        self.journey: Journey | None = None
        self.answer: Any = None
        """The newest answer of an adapter."""
        self.followed: list[Any] = []
        """Answers to requests of their own that were made meanwhile: steps of a redirect, calls of a hook."""


_SENDING: ContextVar[_Sent | None] = ContextVar("auditor_sending", default=None)
_CALL: ContextVar[tuple[Watch, bool] | None] = ContextVar("auditor_call", default=None)
"""The call that is leaving, and whether its further tries, from inside it as with urllib3's `Retry`, can be seen."""
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
        mine = [(at, holder) for at, holder in list(HOLDERS.items()) if self in holder.users]
        for _, holder in mine:
            holder.users.discard(self)
        for at, holder in mine:
            if not holder.users:
                del HOLDERS[at]
                holder.undo()

    def _holder(self, thing: Any) -> Holder:
        at = id(thing)
        if at not in HOLDERS:
            HOLDERS[at] = Holder(weakref.ref(thing, lambda _: HOLDERS.pop(at, None)), weakref.WeakSet())
        HOLDERS[at].users.add(self)
        return HOLDERS[at]

    def _shadow(self, thing: Any, name: str, method: Callable[..., Any]) -> None:
        self._holder(thing).replace(name, method)

    def send(self, session: Any, request: Any, **options: Any) -> Any:
        """A request comes in; each step of a redirect is one of its own."""
        holder = HOLDERS.get(id(session))
        if holder is None or holder.attached() is not self:  # undone, but another tool has put its own before this
            return self._send(request, **options)
        outer = _SENDING.get()
        sent = self._begins(request)
        token = CURRENT.set((sent and sent.journey) or Passing(self.metering))
        sending = _SENDING.set(sent)
        try:
            response = self._send(request, **options)
        except BaseException:
            if sent is not None and sent.journey is not None:
                sent.journey.raised()
            raise
        finally:
            _SENDING.reset(sending)
            CURRENT.reset(token)
        if sent is not None and sent.journey is not None:
            self._answered(sent.journey, sent, request, response)
        if outer is not None:
            self._follows(outer, response)
        return response

    @quiet
    def _follows(self, outer: _Sent, response: Any) -> None:
        outer.followed += [response, *response.history]

    @quiet
    def _begins(self, request: Any) -> _Sent:
        sent = _Sent()
        try:
            asked = self._asked(self.metering, request.method, request.url, request.body)
            if asked is not None:
                token = CURRENT.set(None)
                try:
                    sent.journey, _ = started(self.metering, asked, request, layered=True)
                finally:
                    CURRENT.reset(token)
        except Exception as error:
            self.metering.fault(error)
        return sent

    @quiet
    def _answered(self, journey: Journey, sent: _Sent, request: Any, response: Any) -> None:
        try:
            own = _own(sent, request, response)
            if own is None:
                journey.left()
                return
            adapter = self._holder(self._get_adapter(url=own.request.url))
            adapter.reached = adapter.reached or bool(journey.calls)
            watch = journey.answered(
                own.status_code, own.headers, _from_cache(own), reached=adapter.reached,
                of=lambda call: watched_by(getattr(own, "raw", None)) is call,
            )  # fmt: skip
            if watch is not None:
                watch.chunk(content_of(own), decoded=True)
                watch.ended(whole=True)
        except Exception:
            journey.left()
            raise

    def get_adapter(self, session: Any, url: str) -> Any:
        """The adapter of an address, with its pools metered."""
        del session
        adapter = self._get_adapter(url=url)
        try:
            self._tap(adapter)
        except Exception as error:
            self.metering.fault(error)
        return adapter

    def _tap(self, adapter: Any) -> None:
        holder = self._holder(adapter)
        if "send" in holder.ours:
            return
        getters = [name for name in _GETTERS if hasattr(adapter, name)]
        for name in getters:
            self._shadow(adapter, name, self._getter(_method(adapter, name), holder))
        if not getters:
            self.metering.tell_once(f"inside {type(adapter).__qualname__}", UNSEEN, type(adapter).__qualname__)
        self._shadow(
            adapter, "send", self._sender(_method(adapter, "send"), holder, type(adapter) if getters else None)
        )
        self._shadow(adapter, "__getstate__", holder.state)

    def _getter(self, getter: Callable[..., Any], adapter: Holder) -> Callable[..., Any]:
        def found(*args: Any, **kwargs: Any) -> Any:
            pool = getter(*args, **kwargs)
            try:
                if id(pool) not in HOLDERS:
                    urlopen = self._urlopen(f"{pool.scheme}://{pool.host}", _method(pool, "urlopen"), adapter)
                    self._shadow(pool, "urlopen", urlopen)
                    HOLDERS[id(pool)].users = adapter.users
            except Exception as error:
                self.metering.fault(error)
            return pool

        return found

    def _urlopen(self, origin: str, urlopen: Callable[..., Any], adapter: Holder) -> Callable[..., Any]:
        """Each try of urllib3's `Retry` comes through here, the later ones from inside the first."""

        def call(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            def asked(metering: Metering) -> SeenRequest | None:
                whole = url if "://" in url else origin + url
                return self._asked(metering, method, whole, kwargs.get("body", args[0] if args else None))

            retries = kwargs.get("retries", args[2] if len(args) > 2 else None)
            sending = functools.partial(urlopen, method, url, *args, **kwargs)
            return self._through(asked, sending, _raw, adapter, retries)

        return call

    def _sender(self, send: Callable[..., Any], adapter: Holder, kind: type | None) -> Callable[..., Any]:
        """The answers of an adapter; of a request whose call is not seen at a pool, that too.

        *kind* is its class if it has pools.
        """

        def call(request: Any, *args: Any, **kwargs: Any) -> Any:
            def asked(metering: Metering) -> SeenRequest | None:
                return self._asked(metering, request.method, request.url, request.body)

            sending = functools.partial(send, request, *args, **kwargs)
            if self._foreign():
                return self._elsewhere(asked, sending)
            hidden = kind is None or self._bypasses(kind, request)
            response = self._through(asked, sending, _response, adapter) if hidden else sending()
            sent = _SENDING.get()
            if sent is not None:
                sent.answer = response
            return response

        return call

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

    def _elsewhere(self, asked: Callable[[Metering], SeenRequest | None], call: Callable[[], Any]) -> Any:
        found = self._named(asked)
        if found is not None:
            _ELSEWHERE.add(found)
        token = CURRENT.set(Passing(None))
        try:
            return call()
        finally:
            CURRENT.reset(token)
            _ELSEWHERE.discard(found)

    @quiet
    def _named(self, asked: Callable[[Metering], SeenRequest | None]) -> SeenRequest | None:
        return asked(self.metering)

    def _through(
        self,
        asked: Callable[[Metering], SeenRequest | None],
        call: Callable[[], Any],
        body: Callable[[Watch, Any], None],
        adapter: Holder,
        retries: Any = None,
    ) -> Any:
        journey, watch = self._starts(asked, adapter, retries) or (None, None)
        if journey is None or watch is None:
            return call()
        token, leaving = CURRENT.set(journey), _CALL.set((watch, body is _raw))
        try:
            answer = call()
        except BaseException as error:
            watch.failed(error)
            raise
        finally:
            _CALL.reset(leaving)
            CURRENT.reset(token)
        if not watch.over:  # else a later try, from inside, has been watched
            try:
                body(watch, answer)
            except Exception as error:
                self.metering.fault(error)
                watch.dropped()
        return answer

    @quiet
    def _starts(
        self, asked: Callable[[Metering], SeenRequest | None], adapter: Holder, retries: Any
    ) -> tuple[Journey | None, Watch | None] | None:
        current, outer = CURRENT.get(), _CALL.get()
        metering = _metering(asked, adapter) if current is None else current.metering
        found = None if metering is None else asked(metering)
        if metering is None or found is None:
            return None
        if outer is not None and outer[0].journey is current:
            if not outer[1]:
                return None
            _tell(outer[0], retries)
            outer[0].dropped()
        return started(metering, found, found, layered=False, below=True)

    @staticmethod
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


def _metering(asked: Callable[[Metering], SeenRequest | None], adapter: Holder) -> Metering | None:
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


def _own(sent: _Sent, request: Any, response: Any) -> Any:
    """The answer to the request itself: not that of a redirect's later steps, or to what a hook sent.

    None where only other requests were answered.
    """
    answers = [*response.history, response]
    own = next((each for each in reversed(answers) if all(each is not other for other in sent.followed)), None)
    if own is None or (request.hooks.get("response") and _from_cache(own) is not True and sent.answer is not None):
        return sent.answer  # a hook may give anything for it
    return own


def _method(holder: Any, name: str) -> Callable[..., Any]:
    """A method of an object, looked up when it is called: another tool may replace that of the class meanwhile."""
    own = vars(holder).get(name)
    if own is not None:
        return cast(Callable[..., Any], own)
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


def _streams(response: Any) -> bool:
    """Whether its body is still to be read."""
    return getattr(response, "_content", False) is False


def _response(watch: Watch, response: Any) -> None:
    """The answer of an adapter that brings its own connections."""
    watch.heard(response.status_code, response.headers)
    watch.cached = _from_cache(response) is True
    if not _streams(response):
        watch.chunk(content_of(response), decoded=True)
        watch.ended(whole=True)
    else:
        watch_body(watch, response.raw)


def _raw(watch: Watch, answer: Any) -> None:
    """The answer of urllib3, whose body is still to be read."""
    watch.heard(answer.status, answer.headers)
    watch_body(watch, answer)
