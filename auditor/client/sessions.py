"""Sessions of requests, metered: a request comes in at the session, and each of its calls leaves at urllib3's pool.

Only attributes of the objects at hand are set, so that classes, and other sessions, stay as they were.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

from auditor.client.failures import content_of
from auditor.client.metering import UNSEEN, Asked, Metering
from auditor.client.watch import CURRENT, Journey, Watch, quiet, started

_GETTERS = ("get_connection_with_tls_context", "get_connection")
"""Methods of an adapter that give the pool of an address; requests 2.32 brought the former."""


class _Holder:
    """An object of the application, some of whose attributes are replaced."""

    def __init__(self, ref: weakref.ref[Any]) -> None:
        self.ref = ref
        self.before: dict[str, Any] = {}
        """What these attributes were of the object itself; None where they were its class's."""
        self.reached = False
        """Of an adapter: whether its pools have been seen at work."""


class MeteredSession:
    """What is attached to one session."""

    def __init__(self, session: Any, metering: Metering) -> None:
        self._session, self.metering = session, metering
        self._send, self._get_adapter = _method(session, "send"), _method(session, "get_adapter")
        self._holders: dict[int, _Holder] = {}
        """By `id`, each as long as it lives: pools come and go."""

    def attach(self) -> None:
        """Meter from here on, adapters that are mounted later too."""
        for name in ("send", "get_adapter"):
            self._shadow(self._session, name, getattr(self, name))
        for adapter in self._session.adapters.values():
            self._tap(adapter)

    def detach(self) -> None:
        """Everything is as it was."""
        while self._holders:
            _, holder = self._holders.popitem()
            alive = holder.ref()
            for name, before in holder.before.items() if alive is not None else ():
                vars(alive).pop(name, None)
                if before is not None:
                    setattr(alive, name, before)

    def _holder(self, thing: Any) -> _Holder:
        at, holders = id(thing), self._holders
        if at not in holders:
            holders[at] = _Holder(weakref.ref(thing, lambda _: holders.pop(at, None)))
        return holders[at]

    def _shadow(self, thing: Any, name: str, method: Callable[..., Any]) -> None:
        self._holder(thing).before[name] = vars(thing).get(name)
        setattr(thing, name, method)

    def send(self, request: Any, **options: Any) -> Any:
        """A request comes in; each step of a redirect is one of its own."""
        journey = None
        try:
            asked = self._asked(request.method, request.url, request.body)
            if asked is not None:
                token = CURRENT.set(None)
                try:
                    journey, _ = started(self.metering, asked, request, layered=True)
                finally:
                    CURRENT.reset(token)
        except Exception as error:
            self.metering.fault(error)
        token = CURRENT.set(journey)
        try:
            response = self._send(request, **options)
        except BaseException:
            if journey is not None:
                journey.raised()
            raise
        finally:
            CURRENT.reset(token)
        if journey is not None:
            self._answered(journey, response)
        return response

    @quiet
    def _answered(self, journey: Journey, response: Any) -> None:
        first = (response.history or [response])[0]  # what followed a redirect were requests of their own
        adapter = self._holder(self._get_adapter(url=first.request.url))
        adapter.reached = adapter.reached or journey.last is not None
        watch = journey.answered(first.status_code, first.headers, _from_cache(first), reached=adapter.reached)
        if watch is not None:
            watch.chunk(content_of(first), decoded=True)
            watch.ended(whole=True)

    def get_adapter(self, url: str) -> Any:
        """The adapter of an address, with its pools metered."""
        adapter = self._get_adapter(url=url)
        try:
            self._tap(adapter)
        except Exception as error:
            self.metering.fault(error)
        return adapter

    def _tap(self, adapter: Any) -> None:
        getters = [name for name in _GETTERS if hasattr(adapter, name)]
        for name in getters:
            if name not in vars(adapter):
                self._shadow(adapter, name, self._getter(_method(adapter, name)))
        if not getters and "send" not in vars(adapter):
            self.metering.tell_once(f"inside {type(adapter).__qualname__}", UNSEEN, type(adapter).__qualname__)
            self._shadow(adapter, "send", self._sender(_method(adapter, "send")))

    def _getter(self, getter: Callable[..., Any]) -> Callable[..., Any]:
        def found(*args: Any, **kwargs: Any) -> Any:
            pool = getter(*args, **kwargs)
            try:
                if "urlopen" not in vars(pool):
                    self._shadow(pool, "urlopen", self._urlopen(pool, _method(pool, "urlopen")))
            except Exception as error:
                self.metering.fault(error)
            return pool

        return found

    def _urlopen(self, pool: Any, urlopen: Callable[..., Any]) -> Callable[..., Any]:
        """Each try of urllib3's `Retry` comes through here, the later ones from inside the first."""

        def call(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            def asked() -> Asked | None:
                whole = url if "://" in url else f"{pool.scheme}://{pool.host}{url}"
                return self._asked(method, whole, kwargs.get("body", args[0] if args else None))

            retries = kwargs.get("retries", args[2] if len(args) > 2 else None)
            return self._through(asked, lambda: urlopen(method, url, *args, **kwargs), _raw, retries)

        return call

    def _sender(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """For adapters that bring their own connections."""

        def call(request: Any, *args: Any, **kwargs: Any) -> Any:
            def asked() -> Asked | None:
                return self._asked(request.method, request.url, request.body)

            return self._through(asked, lambda: send(request, *args, **kwargs), _response)

        return call

    def _through(
        self,
        asked: Callable[[], Asked | None],
        call: Callable[[], Any],
        body: Callable[[Watch, Any], None],
        retries: Any = None,
    ) -> Any:
        journey, watch = self._starts(asked, retries) or (None, None)
        if journey is None or watch is None:
            return call()
        token = CURRENT.set(journey)
        try:
            answer = call()
        except BaseException as error:
            if journey.last is watch:
                watch.failed(error)
            raise
        finally:
            CURRENT.reset(token)
        if journey.last is watch:  # else a later try, from inside, has been watched
            try:
                body(watch, answer)
            except Exception as error:
                self.metering.fault(error)
                watch.dropped()
        return answer

    @quiet
    def _starts(self, asked: Callable[[], Asked | None], retries: Any) -> tuple[Journey | None, Watch | None]:
        found = asked()
        if found is None:
            return None, None
        journey = CURRENT.get()
        if journey is not None and journey.last is not None:
            _tell(journey.last, retries)
        return started(self.metering, found, found, layered=False)

    def _asked(self, method: str, url: str, body: Any) -> Asked | None:
        host = urlsplit(url).hostname or ""
        if not self.metering.knows(host):
            return None
        content = b"" if body is None else body.encode() if isinstance(body, str) else body
        return Asked(method, url, host, bytes(content) if isinstance(content, bytes | bytearray) else None)


def _method(holder: Any, name: str) -> Callable[..., Any]:
    """A method of an object, looked up when it is called: another tool may replace that of the class meanwhile."""
    own = vars(holder).get(name)
    if own is not None:
        return cast(Callable[..., Any], own)

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(type(holder), name)(holder, *args, **kwargs)

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
        _raw_body(watch, response.raw)


def _raw(watch: Watch, answer: Any) -> None:
    """The answer of urllib3, whose body is still to be read."""
    watch.heard(answer.status, answer.headers)
    _raw_body(watch, answer)


def _raw_body(watch: Watch, raw: Any) -> None:
    """Watch a body that is read by methods."""
    body = _Body(watch, raw)
    for names, around in (
        (("read", "read1"), body.reading), (("stream", "read_chunked"), body.streaming),
        (("close", "release_conn"), body.closing),
    ):  # fmt: skip
        for name in names:
            method = getattr(raw, name, None)
            if method is not None:
                setattr(raw, name, functools.wraps(method)(around(method)))


class _Body:
    """The methods of a body that is read; what one of them calls counts once."""

    def __init__(self, watch: Watch, raw: Any) -> None:
        self._watch, self._raw, self._inside = watch, raw, False
        self.metering = watch.metering

    @quiet
    def _passed(self, data: Any, options: dict[str, Any]) -> None:
        asked = options.get("decode_content")
        decoded = getattr(self._raw, "decode_content", True) if asked is None else asked
        self._watch.chunk(data, decoded=bool(decoded))

    def reading(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Of `read`: the whole, or a piece."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return method(*args, **kwargs)
            self._inside = True
            try:
                data = method(*args, **kwargs)
            except BaseException as error:
                self._watch.failed(error)
                raise
            finally:
                self._inside = False
            self._passed(data, kwargs)
            amount = args[0] if args else kwargs.get("amt")
            if amount is None or not data or self._watch.complete():
                self._watch.ended(whole=True)
            return data

        return call

    def streaming(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Of `stream`: piece by piece."""

        def call(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            pieces = iter(method(*args, **kwargs))
            outer = not self._inside
            while True:
                self._inside = True
                try:
                    piece = next(pieces)
                except StopIteration:
                    break
                except BaseException as error:
                    self._watch.failed(error)
                    raise
                finally:
                    self._inside = not outer
                if outer:
                    self._passed(piece, kwargs)
                yield piece
            if outer:
                self._watch.ended(whole=True)

        return call

    def closing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Of `close`."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._inside:
                self._watch.ended(whole=bool(self._watch.complete()))
            return method(*args, **kwargs)

        return call
