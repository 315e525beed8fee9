"""Sessions of requests, metered: a request comes in at the session, and each of its calls leaves at urllib3's pool.

Only attributes of the objects at hand are set, so that classes, and other sessions, stay as they were.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any, cast

from auditor.client.call_rules import SeenRequest
from auditor.client.holders import HOLDERS, Holder, attached_to
from auditor.client.metering import UNSEEN, Metering, quiet
from auditor.client.passage import CURRENT, Passage, sender
from auditor.client.sending import SENDING, Foreign, Leaving, Sending, asked_of

Method = Callable[..., Any]


class MeteredSession:
    """What is attached to one session."""

    def __init__(self, session: Any, metering: Metering) -> None:
        self.metering = metering
        self._send, self._get_adapter = _method(session, "send"), _method(session, "get_adapter")

    def attach(self, session: Any) -> None:
        """Meter from here on, adapters that are mounted later too."""
        holder = self._holder(session)
        holder.attached = weakref.ref(self)
        for name in ("send", "get_adapter"):
            holder.replace(name, functools.partial(getattr(self, name), session))
        holder.replace("__getstate__", holder.state)
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

    def send(self, session: Any, request: Any, /, **options: Any) -> Any:
        """A request comes in; each step of a redirect is one of its own."""
        holder = HOLDERS.get(id(session))
        if holder is None or holder.attached() is not self:  # undone, but another tool has put its own before this
            return self._send(request, **options)
        passage = Sending(self.metering, lambda url: self._holder(self._get_adapter(url=url)), request)
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
            holder.replace(name, functools.partial(self._found, _method(adapter, name), holder))
        kind = type(adapter)
        if not getters:
            self.metering.tell_once(f"inside {kind.__qualname__}", UNSEEN, kind.__qualname__)
        send = functools.partial(self._sent, _method(adapter, "send"), holder, kind if getters else None)
        holder.replace("send", send)
        holder.replace("__getstate__", holder.state)

    _tapped = quiet(_tap)

    def _found(self, getter: Method, adapter: Holder, /, *args: Any, **kwargs: Any) -> Any:
        pool = getter(*args, **kwargs)
        try:
            if id(pool) not in HOLDERS:
                origin, urlopen = f"{pool.scheme}://{pool.host}", _method(pool, "urlopen")
                self._holder(pool).replace("urlopen", functools.partial(self._urlopen, origin, urlopen, adapter))
                HOLDERS[id(pool)].users = adapter.users
        except Exception as error:
            self.metering.fault(error)
        return pool

    def _urlopen(
        self, origin: str, urlopen: Method, adapter: Holder, /, method: str, url: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Each try of urllib3's `Retry` comes through here, the later ones from inside the first."""

        def asked(metering: Metering) -> SeenRequest | None:
            whole = url if "://" in url else origin + url
            return asked_of(metering, method, whole, kwargs.get("body", args[0] if args else None))

        retries = kwargs.get("retries", args[2] if len(args) > 2 else None)
        passage = Leaving(self.metering, asked, adapter, at_pool=True, retries=retries)
        with passage:
            passage.answer = urlopen(method, url, *args, **kwargs)
        return passage.answer

    def _sent(
        self, send: Method, adapter: Holder, kind: type | None, /, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """The answers of an adapter; of a request whose call is not seen at a pool, that too.

        *kind* is its class if it has pools.
        """

        def asked(metering: Metering) -> SeenRequest | None:
            return asked_of(metering, request.method, request.url, request.body)

        if self._foreign():
            with Foreign(self.metering, asked):
                return send(request, *args, **kwargs)
        passage = Passage(self.metering)
        if kind is None or self._bypasses(kind, request):
            passage = Leaving(self.metering, asked, adapter, at_pool=False)
        with passage:
            passage.answer = send(request, *args, **kwargs)
        sent = SENDING.get()
        if sent is not None:
            sent.newest = passage.answer
        return passage.answer

    @quiet
    def _foreign(self) -> bool:
        """Whether it is a session that is not metered, or no known one, which sends here."""
        session = sender()
        return CURRENT.get() is None if session is None else attached_to(session) is None

    @quiet
    def _bypasses(self, kind: type, request: Any) -> bool:
        """Whether a call does not pass `urlopen`: for a body of unknown length, old requests take a connection."""
        if request.body is None or "Content-Length" in request.headers:
            return False
        sends = [vars(each)["send"] for each in kind.__mro__ if "send" in vars(each)]
        return any("_get_conn" in getattr(getattr(send, "__code__", None), "co_names", ()) for send in sends)


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
