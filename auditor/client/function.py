"""Meter any function that renders, by a decorator. No cache, and nothing changes for the caller."""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from auditor.caches.base import Entry
from auditor.client.attach import Metering, failure_of, picture_of
from auditor.client.meter import Meter, Try
from auditor.client.request import Request
from auditor.errors import RenderError
from auditor.fingerprint import canonical
from auditor.providers.base import Answer, Seen

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("auditor.client")


def metered(
    template: str,
    *,
    provider: str = "imejis",
    metering: Metering | None = None,
    **options: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Meter a function that renders: sync or async, called with what the picture depends on, returning its bytes.

    The key is made of the arguments by name; those that have no JSON form (a session, `self`) are left out. The
    function as it was is `__wrapped__`. *options* are those of `Metering`.
    """
    shared = metering or Metering(**options)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        def begin(args: Any, kwargs: Any) -> tuple[Meter, Request, Try] | None:
            try:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                seen = Seen(template, {n: v for n, v in bound.arguments.items() if _canonical(v)}, {})
                request = shared.request(provider, seen)
                its_meter = shared.meter(provider)
                made = its_meter.begin()
                its_meter.attempt(request, made)
            except Exception as error:
                log.debug("a call was not understood (%s)", type(error).__name__)
                return None
            return its_meter, request, made

        def returned(begun: tuple[Meter, Request, Try] | None, result: object) -> None:
            if begun is not None:
                its_meter, request, made = begun
                content = result if isinstance(result, bytes) else getattr(result, "content", None)
                data = content if isinstance(content, bytes) else b""
                entry = Entry.of(picture_of(Answer(200, _sniffed(data), data)), 0.0, 0.0)
                its_meter.rendered(request, entry, made, 200)

        def raised(begun: tuple[Meter, Request, Try] | None, error: BaseException) -> None:
            if begun is not None:
                known = isinstance(error, RenderError)
                begun[0].failed(begun[1], error if known else failure_of(error), begun[2])  # type: ignore[arg-type]

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def around(*args: P.args, **kwargs: P.kwargs) -> Any:
                begun = begin(args, kwargs)
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    raised(begun, error)
                    raise
                returned(begun, result)
                return result

            return around  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            begun = begin(args, kwargs)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                raised(begun, error)
                raise
            returned(begun, result)
            return result

        return call

    return decorate


_MAGIC = (
    (b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"%PDF", "application/pdf"),
)  # fmt: skip


def _sniffed(content: bytes) -> dict[str, str]:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return {"content-type": "image/webp"}
    return {"content-type": kind for magic, kind in _MAGIC if content.startswith(magic)}


def _canonical(value: Any) -> bool:
    try:
        canonical(value)
    except ValueError:
        return False
    return True
