"""Meter any function that renders, by a decorator. No cache, and nothing changes for the caller."""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from auditor.caches.base import Entry
from auditor.client.meter import Meter
from auditor.client.metering import Metering
from auditor.client.request import Request
from auditor.client.watch import failure_of, picture_of
from auditor.errors import RenderError
from auditor.fingerprint import canonical
from auditor.providers.base import Answer
from auditor.providers.facts import Seen

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("auditor.client")


class _Function:
    """A function that renders, and how its calls are read."""

    def __init__(self, function: Callable[..., Any], template: str, provider: str, metering: Metering) -> None:
        self._signature = inspect.signature(function)
        self._template, self._provider, self._metering = template, provider, metering

    def begun(self, args: Any, kwargs: Any) -> "_Call | None":
        """The call that begins; None if it cannot be understood, which is the function's to complain about."""
        try:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            inputs = {name: value for name, value in bound.arguments.items() if _has_json(value)}
            request = self._metering.request(self._provider, Seen(self._template, inputs, {}))
            return _Call(self._metering.meter(self._provider), request)
        except Exception as error:
            log.debug("a call was not understood (%s)", type(error).__name__)
            return None


class _Call:
    def __init__(self, meter: Meter, request: Request) -> None:
        self._meter, self._request, self._made = meter, request, meter.begin()
        meter.attempt(request, self._made)

    def returned(self, result: object) -> None:
        data = _bytes_of(result)
        entry = Entry.of(picture_of(Answer(200, _sniffed(data), data)), 0.0, 0.0)
        self._meter.rendered(self._request, entry, self._made, 200)

    def raised(self, error: BaseException) -> None:
        known = error if isinstance(error, RenderError) else failure_of(error)
        self._meter.failed(self._request, known, self._made)


def _bytes_of(result: object) -> bytes:
    """The picture in a result; empty where it holds none, or will not say so yet."""
    try:
        content = result if isinstance(result, bytes) else getattr(result, "content", None)
    except Exception:  # (a property that raises: an address instead of bytes, a body that was not read)
        return b""
    return content if isinstance(content, bytes) else b""


def metered(
    template: str, *, provider: str = "imejis", metering: Metering | None = None, **options: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Meter a function that renders: sync or async, called with what the picture depends on, returning its bytes.

    The key is made of the arguments by name; those that have no JSON form (a session, `self`) are left out. The
    function as it was is `__wrapped__`. *options* are those of `Metering`.
    """
    shared = metering or Metering(**options)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        observed = _Function(function, template, provider, shared)
        around = _async if inspect.iscoroutinefunction(function) else _sync
        return functools.wraps(function)(around(function, observed))

    return decorate


def _sync(function: Callable[..., Any], observed: _Function) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        begun = observed.begun(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            if begun is not None:
                begun.raised(error)
            raise
        if begun is not None:
            begun.returned(result)
        return result

    return call


def _async(function: Callable[..., Any], observed: _Function) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        begun = observed.begun(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            if begun is not None:
                begun.raised(error)
            raise
        if begun is not None:
            begun.returned(result)
        return result

    return call


_MAGIC = (
    (b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"%PDF", "application/pdf"),
    (b"RIFF", "image/webp"),
)  # fmt: skip


def _sniffed(content: bytes) -> dict[str, str]:
    found = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    return {} if found is None else {"content-type": found}


def _has_json(value: Any) -> bool:
    try:
        canonical(value)
    except ValueError:
        return False
    return True
