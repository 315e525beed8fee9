"""Bodies of urllib3's answers that are watched as they are read."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from auditor.client.metering import quiet
from auditor.client.unread import UNREAD
from auditor.client.watch import Watch

_BODY = "_auditor_body"
Method = Callable[..., Any]


def watch_body(watch: Watch, raw: Any) -> None:
    """Watch a body that is read by methods: its class is exchanged, so that it goes when it went before."""
    try:
        vars(raw)[_BODY] = _Body(watch)
        kind: Any = type(raw)
        raw.__class__ = _watched(kind)
    except TypeError:  # of a class that is written in C, or without a dict: nothing will be known of it
        watch.dropped()
    else:
        UNREAD.add(watch)


def watched_by(raw: Any) -> Watch | None:
    """The watch over a body."""
    body = getattr(raw, "__dict__", {}).get(_BODY)
    return body.watch if isinstance(body, _Body) else None


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


class _Body:
    """A body that is read; what one of its methods calls counts once."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.metering, self.inside = watch, watch.metering, False

    @quiet
    def passed(self, raw: Any, data: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A piece."""
        asked = args[1] if len(args) > 1 else options.get("decode_content")
        decoded = getattr(raw, "decode_content", True) if asked is None else asked
        self.watch.chunk(data, decoded=bool(decoded))

    @quiet
    def read(self, data: Any, amount: int | None, rest: bool) -> None:
        """So much was asked for; *rest* if that is all of it where no amount is given."""
        everything = rest and (amount is None or amount < 0)
        if everything or not (data or amount == 0) or self.watch.complete():
            self.watch.ended(whole=True)


def _reading(method: Method, rest: bool = True) -> Method:
    """Of `read`: the whole, or a piece; of `read1`, without *rest*: what is there."""

    def call(raw: Any, /, *args: Any, **kwargs: Any) -> Any:
        body: _Body = vars(raw)[_BODY]
        if body.inside:
            return method(raw, *args, **kwargs)
        body.inside = True
        try:
            data = method(raw, *args, **kwargs)
        except BaseException as error:
            body.watch.failed(error)
            raise
        finally:
            body.inside = False
        body.passed(raw, data, args, kwargs)
        body.read(data, args[0] if args else kwargs.get("amt"), rest)
        return data

    return call


def _streaming(method: Method) -> Method:
    """Of `stream`: piece by piece."""

    def call(raw: Any, /, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        body: _Body = vars(raw)[_BODY]
        pieces = iter(method(raw, *args, **kwargs))
        outer = not body.inside
        while True:
            body.inside = True
            try:
                piece = next(pieces)
            except StopIteration:
                break
            except BaseException as error:
                body.watch.failed(error)
                raise
            finally:
                body.inside = not outer
            if outer:
                body.passed(raw, piece, args, kwargs)
            yield piece
        if outer:
            body.watch.ended(whole=True)

    return call


def _closing(method: Method) -> Method:
    """Of `close`."""

    def call(raw: Any, /, *args: Any, **kwargs: Any) -> Any:
        body: _Body = vars(raw)[_BODY]
        if not body.inside:
            body.watch.ended(whole=bool(body.watch.complete()))
        return method(raw, *args, **kwargs)

    return call


def _deleted(raw: Any) -> None:
    body: _Body = vars(raw)[_BODY]
    body.inside = True  # what is called from here on writes nothing itself
    if not body.watch.over:
        UNREAD.gone(body.watch)
    original = getattr(super(type(raw), raw), "__del__", None)
    if original is not None:
        original()


_METHODS: dict[str, Callable[[Method], Method]] = {
    "read": _reading, "read1": functools.partial(_reading, rest=False), "stream": _streaming,
    "read_chunked": _streaming, "close": _closing, "release_conn": _closing,
}  # fmt: skip
