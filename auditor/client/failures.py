"""What an exception of foreign code says about the bill.

HTTP libraries are known by the names of their classes, so that none of them has to be installed, or imported.
"""

import re
from collections.abc import Iterator
from typing import Any

from auditor.model.errors import NotSentError, RenderError, UncertainError
from auditor.model.provider import Answer, error_of
from auditor.registry import PROVIDERS

_HTTPX = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL", "ProxyError")
_NOT_SENT: dict[str, tuple[str, ...]] = {
    "httpx": _HTTPX, "httpcore": _HTTPX,
    "requests": ("ConnectTimeout", "InvalidURL", "MissingSchema", "InvalidSchema", "InvalidHeader"),
    "urllib3": (
        "NewConnectionError", "ConnectTimeoutError", "EmptyPoolError", "LocationValueError", "ClosedPoolError",
    ),
    "aiohttp": ("ClientConnectorError", "ConnectionTimeoutError", "InvalidURL"),
    "builtins": ("ConnectionRefusedError",), "socket": ("gaierror",), "ssl": ("SSLCertVerificationError",),
}  # fmt: skip
"""By the package of a class: errors that come before anything has left."""
_TIMED_OUT: dict[str, tuple[str, ...]] = {
    "httpx": ("TimeoutException",), "httpcore": ("TimeoutException",), "requests": ("Timeout",),
    "urllib3": ("TimeoutError",), "builtins": ("TimeoutError",),
}  # fmt: skip
_BROKEN: dict[str, tuple[str, ...]] = {
    "httpx": ("TransportError",), "httpcore": ("NetworkError", "ProtocolError"), "urllib3": ("ProtocolError",),
    "http": ("HTTPException",), "aiohttp": ("ClientConnectionError", "ClientPayloadError"), "builtins": ("OSError",),
}  # fmt: skip
_GIVEN_UP = re.compile(r"too many ([1-5]\d\d) error responses")
_DEEPEST = 8


def failure_of(error: BaseException, provider: str = "") -> RenderError:
    """The failure that an exception stands for: by its status, else by how far the call came.

    What wraps another error (`raise … from`, urllib3's `reason`, requests' first argument) is looked through.
    """
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, RenderError):
            return each
        status = _status(each)
        if status is not None and status < 300:  # it refused nothing, so what failed came after it, or with it
            return UncertainError(type(error).__name__, word="other", status=status)
        if status is not None:
            response: Any = getattr(each, "response", None)
            return failed_with(answer_of(each if response is None else response, status), provider)
    if precedes_sending(error):
        return NotSentError(type(error).__name__)
    for kinds, word in ((_TIMED_OUT, "timeout"), (_BROKEN, "connection")):
        if any(_is(each, kinds) for each in chain):
            return UncertainError(type(error).__name__, word=word)
    return UncertainError(type(error).__name__, word="other")


def precedes_sending(error: BaseException) -> bool:
    """Whether it can only come before anything has left."""
    return any(_is(each, _NOT_SENT) for each in _chain(error))


def failed_with(answer: Answer, provider: str) -> RenderError:
    """What an answer that is not an image means, as its provider declares."""
    known = PROVIDERS.get(provider)
    return error_of(answer.status, f"HTTP {answer.status}") if known is None else known.error(answer)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it says it was made of, outermost first."""
    current: object = error
    for _ in range(_DEEPEST):
        if not isinstance(current, BaseException):
            return
        yield current
        inside = (
            current.__cause__, getattr(current, "reason", None), getattr(current, "original_error", None),
            *current.args[:1],
        )  # fmt: skip
        current = next((each for each in inside if isinstance(each, BaseException)), None)


def _is(error: BaseException, kinds: dict[str, tuple[str, ...]]) -> bool:
    for kind in type(error).__mro__:
        package = kind.__module__.partition(".")[0].removesuffix("2")  # httpx2 and httpcore2 name theirs as httpx does
        if kind.__name__ in kinds.get(package, ()):
            return True
    return False


def status_of(value: object) -> int | None:
    """The HTTP status of an answer: `status_code` of httpx and requests, `status` of aiohttp and urllib."""
    for name in ("status_code", "status"):
        found = getattr(value, name, None)
        if isinstance(found, int) and not isinstance(found, bool) and 100 <= found <= 599:
            return int(found)
    return None


def _status(error: BaseException) -> int | None:
    """Of an error that an answer led to."""
    return status_of(getattr(error, "response", None)) or status_of(error) or _said(error)


def given_up_at(error: BaseException) -> int | None:
    """The status of the last answer, where urllib3's `Retry` allowed no further try."""
    return next((status for each in _chain(error) if (status := _said(each)) is not None), None)


def _said(error: BaseException) -> int | None:
    """Of urllib3's `ResponseError`, which keeps the status in its message alone."""
    found = _GIVEN_UP.fullmatch(str(error)) if _is(error, {"urllib3": ("ResponseError",)}) else None
    return None if found is None else int(found[1])


def answer_of(response: Any, status: int) -> Answer:
    """The answer in an object of some library, as far as it has been read; nothing is read for it."""
    try:
        headers = {str(name).lower(): str(value) for name, value in dict(response.headers or {}).items()}
    except Exception:
        headers = {}
    return Answer(status, headers, content_of(response))


def content_of(value: Any) -> bytes:
    """The bytes that an object holds as its content, of httpx's and requests' answers too; empty for none.

    Properties are not asked: one of them might read a stream that is the caller's.
    """
    held = getattr(value, "__dict__", {})
    content = held.get("_content", held.get("content"))
    return content if isinstance(content, bytes) else b""
