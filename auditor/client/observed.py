"""Calls of a metered function: what they were asked for, and what came of them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any

from auditor.caches import Entry
from auditor.client.binding import Binding, signature_of
from auditor.client.call_rules import Price, json_object
from auditor.client.failures import answer_of, content_of, failed_with, failure_of, status_of
from auditor.client.metering import Metering, quiet
from auditor.client.request import Request
from auditor.client.stable import UnstableError, stable
from auditor.client.unread import UNREAD
from auditor.client.watch import picture_of
from auditor.model.errors import RenderError
from auditor.model.media import is_picture
from auditor.model.provider import Answer, Picture


@dataclass(eq=False, repr=False)
class Observed:
    """A function that renders, and how its calls are read."""

    function: Callable[..., Any]
    template: str
    provider: str
    metering: Metering
    key: Callable[..., Any] | None
    picture: Callable[[Any], bytes | None] | None
    price: Price
    receiver: bool
    """Whether its first argument is what it is called on, whatever its name."""

    def __post_init__(self) -> None:
        function = self.function
        self.collects = self.picture is not None or self.price.asks
        """Whether the items of a generator have to be kept until its end."""
        self._name = getattr(function, "__qualname__", type(function).__name__)
        self._bindings = [Binding.of(function, follow=True)]
        if not self._bindings[0].sure:  # a decorator in between may take what the function's own does not
            self._bindings.append(Binding.of(function, follow=False))
        self.nothing = ObservedCall(self, None)
        """In place of a call that is not observed."""
        self.info = _info_of(function)
        """Of a function that keeps its results, as those of `functools.lru_cache`: what says how many it found."""
        own = signature_of(function, follow=True) or signature_of(function, follow=False)
        # Of a method in a partial, the object is what the partial gives.
        first, below = (next(iter(each.parameters), "") if each else "" for each in (own, self._bindings[0].signature))
        self._receiver = first if self.receiver or first in ("self", "cls") else ""
        self._receivers = {self._receiver, below} if below in ("self", "cls") else {self._receiver}

    @quiet
    def begun(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "ObservedCall | None":
        """The call that begins; None for arguments that do not fit, which is the function's to complain about."""
        fits = (each.bound(args, kwargs) for each in self._bindings)
        inputs = next((found for found in fits if found is not None), None)
        if inputs is None:
            return None

        def form() -> dict[str, Any]:
            if self.key is None:
                return {name: _stable(name, value) for name, value in inputs.items() if name not in self._receivers}
            found = _stable("what key= gave", self._called(self.key, args, kwargs))
            return found if isinstance(found, dict) else {"key": found}

        return ObservedCall(self, self.metering.named(self.provider, self.template, form, self._name))

    def _called(self, key: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """With the function's arguments; without the receiver where *key* does not take it."""
        signature = signature_of(key, follow=True)
        if self._receiver and args and signature is not None:
            try:
                signature.bind(*args, **kwargs)
            except TypeError:
                return key(*args[1:], **kwargs)
        return key(*args, **kwargs)


class ObservedCall:
    """One call; without *request* one that is not observed, which is over from the start."""

    def __init__(self, observed: Observed, request: Request | None) -> None:
        self._observed, self.metering = observed, observed.metering
        self.collects, self.over = request is not None and observed.collects, request is None
        if request is not None:
            self._request, self._meter = request, observed.metering.meter(observed.provider)
            self._made = self._meter.begin()
            self._before = self._counts()
            self._meter.attempt(request, self._made)

    def _counts(self) -> tuple[int, int] | None:
        """(hits, misses) of a function that keeps its results."""
        try:
            info: Any = self._observed.info and self._observed.info()
            return (int(info.hits), int(info.misses)) if info else None
        except Exception:  # it means something else
            return None

    def _kept(self) -> bool | None:
        """Whether the result was kept from an earlier call; None where others at the same time leave that open."""
        before, after = self._before, self._counts()
        if before is None or after is None:
            return False
        hits, misses = after[0] - before[0], after[1] - before[1]
        return None if min(hits, misses) < 0 or bool(hits) is bool(misses) else hits > 0

    @quiet
    def returned(self, result: object, *, whole: bool = True) -> None:
        """It gave a result; of a generator that was left early, not the whole."""
        if self.over:  # an object that was awaited twice
            return
        self.over = True
        answer = _answer(result)
        status = None if answer is None else answer.status
        kept = self._kept()
        if kept:
            self._meter.served(self._request, self._entry(result, answer), self._made, status)
        elif answer is not None and answer.status == 304:
            self._meter.served(self._request, Entry(picture_of(answer)), self._made, 304)
        elif answer is not None and not 200 <= answer.status < 300:
            self._meter.failed(self._request, failed_with(answer, self._observed.provider), self._made)
        else:
            entry = self._entry(result, answer) if whole else Entry(Picture(None))
            price, credits = self._observed.price, None
            if kept is not None and (whole or not price.asks):
                credits = self.metering.tried(price.of, result)
            self._meter.rendered(self._request, entry, self._made, status, credits)

    @quiet
    def raised(self, error: BaseException) -> None:
        """It failed."""
        if not self.over:
            self.over = True
            write = partial(self._failed, failure_of(error, self._observed.provider))
            # Apart where a garbage collection may have closed what ran.
            UNREAD.apart(write) if isinstance(error, GeneratorExit) else write()

    @quiet
    def _failed(self, failure: RenderError) -> None:
        self._meter.failed(self._request, failure, self._made)

    @quiet
    def left(self, error: BaseException) -> None:
        """A generator ended early: it failed, or its reader had enough, who has paid for all of it."""
        if isinstance(error, GeneratorExit) and not self.over:
            UNREAD.apart(partial(self.returned, None, whole=False))
        else:
            self.raised(error)

    def _entry(self, result: object, answer: Answer | None) -> Entry:
        picture = self._observed.picture
        if picture is not None:
            shown = self.metering.tried(lambda given: (picture(given), None), result)
            result, answer = (None, answer) if shown is None else shown
        data = _bytes_of(result, answer)
        headers = _sniffed(data) or ({} if answer is None else answer.headers)
        found = picture_of(Answer(200, headers, data))
        return Entry.of(found) if data else Entry(found)


def _info_of(function: Any) -> Any:
    """`cache_info` of a function, or of one below its decorators and partials."""
    passed: set[int] = set()
    while id(function) not in passed:
        passed.add(id(function))
        if inspect.getattr_static(function, "cache_info", None) is not None:  # a mock has whatever it is asked for
            return function.cache_info
        for kind, name in ((partial, "func"), (MethodType, "__func__"), (object, "__wrapped__")):
            if isinstance(function, kind):
                function = getattr(function, name, function)
                break
    return None


def _stable(name: str, value: Any) -> Any:
    try:
        return stable(value)
    except UnstableError as error:
        raise UnstableError(f"{name} ({error})") from None


def _answer(result: object) -> Answer | None:
    """The HTTP answer that a result is, if it is one."""
    try:
        status = status_of(result) if hasattr(result, "headers") else None
    except Exception:  # a property that raises
        return None
    return None if status is None else answer_of(result, status)


def _bytes_of(result: object, answer: Answer | None) -> bytes:
    """The image in a result; empty where it holds none, or will not say so yet."""
    if isinstance(result, bytes | bytearray | memoryview):
        data = bytes(result)
        is_json = data[:1] == b"[" or (data[:1] == b"{" and json_object(data) is not None)
        return b"" if is_json else data
    if answer is not None:
        return answer.content if is_picture(answer.media_type) or _sniffed(answer.content) else b""
    content = content_of(result)
    return content if _sniffed(content) else b""


_MAGIC = (
    (b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"%PDF", "application/pdf"),
    (b"RIFF", "image/webp"),
)  # fmt: skip


def _sniffed(content: bytes) -> dict[str, str]:
    found = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    return {} if found is None else {"content-type": found}
