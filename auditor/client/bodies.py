"""Bodies of answers that are watched as they come: streams of httpx and httpx2, and bodies of urllib3 that are read."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from auditor.client.metering import quiet
from auditor.client.unread import UNREAD
from auditor.client.watch import Watch

_WATCH = "_auditor_watch"
Method = Callable[..., Any]


class WatchedStream:
    """A body that is watched while it passes by; mixed with the stream class of the library that it came from."""

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._auditor_watch = inner, watch
        UNREAD.add(watch)

    def __del__(self) -> None:
        watch = vars(self).get(_WATCH)
        if watch is not None and not watch.over:
            UNREAD.gone(watch)

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # not made yet, as where it is copied
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._auditor_watch.chunk(chunk)
                yield chunk
        except Exception as error:
            self._auditor_watch.failed(error)
            raise
        self._auditor_watch.ended(whole=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._inner.__aiter__()
        try:
            async for chunk in pieces:
                self._auditor_watch.chunk(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._auditor_watch.failed(error)
            raise
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()
        self._auditor_watch.ended(whole=True)

    def close(self) -> None:
        """Its reader has had enough."""
        self._auditor_watch.ended(whole=bool(self._auditor_watch.complete()))
        if hasattr(self._inner, "close"):
            self._inner.close()

    async def aclose(self) -> None:
        """Its reader has had enough."""
        self._auditor_watch.ended(whole=bool(self._auditor_watch.complete()))
        if hasattr(self._inner, "aclose"):
            await self._inner.aclose()


@functools.cache
def mixed(own: Callable[..., Any], *others: type) -> Any:
    """A class that is *own* and *others*, made once."""
    kinds: Any = (own, *others)
    return type(own.__name__, kinds, {})


def bases(value: object, names: tuple[str, ...]) -> list[type]:
    """Classes of these names that a value has, of whichever package."""
    return [kind for kind in type(value).__mro__ if kind.__name__ in names]


def watch_body(watch: Watch, raw: Any) -> None:
    """Watch a body that is read by methods: its class is exchanged, so that it goes when it went before."""
    try:
        vars(raw)[_WATCH] = watch
        kind: Any = type(raw)
        raw.__class__ = _watched(kind)
    except TypeError:  # of a class that is written in C, or without a dict: nothing will be known of it
        watch.dropped()
    else:
        UNREAD.add(watch)


def watched_by(raw: Any) -> Watch | None:
    """The watch over a body."""
    watch = getattr(raw, "__dict__", {}).get(_WATCH)
    return watch if isinstance(watch, Watch) else None


@functools.cache
def _watched(kind: Any) -> Any:
    """A class like *kind* whose bodies are watched."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    methods = {
        name: functools.wraps(method)(around(method))
        for name, around in _METHODS.items()
        if (method := getattr(kind, name, None)) is not None
    }
    return type(kind.__name__, (kind,), {**names, **methods, "__del__": _deleted})


@quiet
def _passed(watch: Watch, raw: Any, data: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """A piece."""
    asked = args[1] if len(args) > 1 else options.get("decode_content")
    decoded = getattr(raw, "decode_content", True) if asked is None else asked
    watch.chunk(data, decoded=bool(decoded))


@quiet
def _read(watch: Watch, data: Any, amount: int | None, rest: bool) -> None:
    """So much was asked for; *rest* if that is all of it where no amount is given."""
    everything = rest and (amount is None or amount < 0)
    if everything or not (data or amount == 0) or watch.complete():
        watch.ended(whole=True)


def _reading(method: Method, rest: bool = True) -> Method:
    """Of `read`: the whole, or a piece; of `read1`, without *rest*: what is there."""

    def call(raw: Any, /, *args: Any, **kwargs: Any) -> Any:
        watch: Watch = vars(raw)[_WATCH]
        if watch.inside:
            return method(raw, *args, **kwargs)
        watch.inside = True
        try:
            data = method(raw, *args, **kwargs)
        except BaseException as error:
            watch.failed(error)
            raise
        finally:
            watch.inside = False
        _passed(watch, raw, data, args, kwargs)
        _read(watch, data, args[0] if args else kwargs.get("amt"), rest)
        return data

    return call


def _streaming(method: Method) -> Method:
    """Of `stream`: piece by piece."""

    def call(raw: Any, /, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        watch: Watch = vars(raw)[_WATCH]
        pieces = iter(method(raw, *args, **kwargs))
        outer = not watch.inside
        while True:
            watch.inside = True
            try:
                piece = next(pieces)
            except StopIteration:
                break
            except BaseException as error:
                watch.failed(error)
                raise
            finally:
                watch.inside = not outer
            if outer:
                _passed(watch, raw, piece, args, kwargs)
            yield piece
        if outer:
            watch.ended(whole=True)

    return call


def _closing(method: Method) -> Method:
    """Of `close`."""

    def call(raw: Any, /, *args: Any, **kwargs: Any) -> Any:
        watch: Watch = vars(raw)[_WATCH]
        if not watch.inside:
            watch.ended(whole=bool(watch.complete()))
        return method(raw, *args, **kwargs)

    return call


def _deleted(raw: Any) -> None:
    watch: Watch = vars(raw)[_WATCH]
    watch.inside = True  # what is called from here on writes nothing itself
    if not watch.over:
        UNREAD.gone(watch)
    original = getattr(super(type(raw), raw), "__del__", None)
    if original is not None:
        original()


_METHODS: dict[str, Callable[[Method], Method]] = {
    "read": _reading, "read1": functools.partial(_reading, rest=False), "stream": _streaming,
    "read_chunked": _streaming, "close": _closing, "release_conn": _closing,
}  # fmt: skip
