"""Meter any function that renders, by a decorator. No cache, and nothing changes for the caller.

Around it comes the same kind of function, whose calls are observed. What it gives is given on.
"""

import contextlib
import functools
import inspect
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, coroutine
from typing import Any, TypeVar, Unpack

from auditor.client.call_rules import Number, Price
from auditor.client.metering import Metering, MeteringOptions, quiet, shared
from auditor.client.observed import Observed, ObservedCall
from auditor.client.standin import awaited, stand_in
from auditor.model.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def metered(
    template: str,
    *,
    provider: str = "imejis",
    metering: Metering | None = None,
    key: Callable[..., Any] | None = None,
    picture: Callable[[Any], bytes | None] | None = None,
    units: Number | Callable[[Any], Any] = 1,
    credits: Number | Callable[[Any], Any] = 1,
    **options: Unpack[MeteringOptions],
) -> Callable[[F], F]:
    """Meter a function that renders: sync, async, a generator of either kind, a method of any kind, a partial.

    The key is made of the arguments by name, but for `self` and `cls`. Where one has no stable form (a session, a
    file), it is unknown, which a warning says once: *key*, called with the function's arguments, says what the image
    depends on. Size and digest are those of the bytes that come back, or that *image* takes from the result; without
    bytes there are none. *units* is how many images a call makes and *credits* what each costs; as functions they are
    called with the result, and *credits* then says what the whole call costs. Of a generator the result is the list of
    what it gave. The function as it was is `__wrapped__`. *options* are those of `Metering`.
    """
    for name, value in (("template", template), ("provider", provider)):
        if not isinstance(value, str) or not value:
            raise ConfigError(
                f'metered: {name} must be a non-empty string, as in @metered("og-card", provider="imejis")'
            )
    price = Price(units, credits).checked()
    common = shared(metering, **options)

    def decorate(function: Any, receiver: bool = False) -> Any:
        if isinstance(function, classmethod | staticmethod):
            inner = decorate(function.__func__, isinstance(function, classmethod))
            return type(function)(inner)
        if isinstance(function, functools.partialmethod):
            return functools.partialmethod(decorate(function.func), *function.args, **function.keywords)
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"metered cannot decorate {type(function).__name__}: put it on the function that renders")
        observed = Observed(function, template, provider, common, key, picture, price, receiver)
        return _around(function, observed)

    return decorate


def _around(function: Callable[..., Any], observed: Observed) -> Any:
    """A function of the same kind: sync, async, a generator, an async generator; of another callable a stand-in."""
    called: Any = getattr(type(function), "__call__", None)  # noqa: B004 (of an object whose `__call__` is async)

    def is_kind(test: Callable[[Any], bool]) -> bool:
        return test(function) or test(called)

    if is_kind(inspect.isasyncgenfunction):
        made: Any = _async_generator(function, observed)
    elif is_kind(inspect.iscoroutinefunction):
        made = _async(function, observed)
    elif is_kind(inspect.isgeneratorfunction):
        made = _generator(function, observed)
        if is_kind(lambda each: _is_iterable_coroutine(getattr(each, "__code__", None))):
            made = coroutine(made)
    else:
        made = _sync(function, observed)
    if isinstance(function, FunctionType):
        return functools.wraps(function)(made)
    named: Any = function
    while isinstance(named, functools.partial):
        named = named.func
    named = named if hasattr(named, "__qualname__") else called  # as coroutines are called, in warnings too
    return stand_in(function, functools.update_wrapper(made, named))


def _is_iterable_coroutine(code: Any) -> bool:
    """Whether a generator is awaited: that of a function marked by `types.coroutine`."""
    return bool(getattr(code, "co_flags", 0) & inspect.CO_ITERABLE_COROUTINE)


def _sync(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        begun = observed.begun(args, kwargs) or observed.nothing
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            begun.raised(error)
            raise
        watched = None if begun.over else _watched(begun, result)
        return result if watched is None else watched

    return call


@quiet
def _watched(call: ObservedCall, result: Any) -> Any:
    """What stands in for a result that is still to come, and is watched as it comes; None for any other."""
    kind = type(result)  # not the class that it says: a proxy may have to look, and fail
    made: Any = None
    if issubclass(kind, AsyncGeneratorType):
        made = _async_generator(lambda: result, call)()
    elif issubclass(kind, GeneratorType) and not _is_iterable_coroutine(result.gi_code):
        made = _generator(lambda: result, call)()
    elif issubclass(kind, Future) or hasattr(kind, "_asyncio_future_blocking"):
        result.add_done_callback(functools.partial(_done, call))
    elif issubclass(kind, CoroutineType | GeneratorType) or hasattr(kind, "__await__"):
        return awaited(result, call)
    elif issubclass(kind, contextlib._GeneratorContextManager):
        result.gen = _generator(lambda inner=result.gen: inner, call, call.returned)()
    elif issubclass(kind, contextlib._AsyncGeneratorContextManager):
        result.gen = _async_generator(lambda inner=result.gen: inner, call, call.returned)()
    else:
        call.returned(result)
    if made is not None:
        made.__name__, made.__qualname__ = result.__name__, result.__qualname__
    return made


@quiet
def _done(call: ObservedCall, future: Any) -> None:
    if future.cancelled():
        call.raised(CancelledError())
        return
    # Not `exception()` or `result()`: they would take an error as seen, which asyncio reports as never retrieved.
    error = future._exception
    call.returned(future._result) if error is None else call.raised(error)


def _async(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        begun = observed.begun(args, kwargs) or observed.nothing
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            begun.raised(error)
            raise
        begun.returned(result)
        return result

    return call


def _generator(
    function: Callable[..., Any], observed: Observed | ObservedCall, seen: Callable[[Any], object] | None = None
) -> Callable[..., Any]:
    """Of a call that begins at the first step, as the function itself, or that has begun; *seen* takes each item."""

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        begun = observed if isinstance(observed, ObservedCall) else observed.begun(args, kwargs) or observed.nothing
        running = function(*args, **kwargs)
        is_awaited = call.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE  # by us, or by its owner
        items: list[Any] = []
        note = seen or (begun.collects and not is_awaited and items.append)
        sent: Any = None
        thrown: list[BaseException] = []  # taken out as it is thrown on: a frame that holds its own error is a cycle
        try:
            while note:
                item = running.throw(thrown.pop()) if thrown else running.send(sent)
                note(item)
                sent = None
                try:
                    sent = yield item
                except GeneratorExit:
                    running.close()
                    raise
                except BaseException as error:
                    thrown.append(error)
            value = yield from running
        except StopIteration as end:
            value = end.value
        except BaseException as error:
            begun.raised(error) if is_awaited else begun.left(error)
            raise
        begun.returned(value if is_awaited else items)
        return value

    return call


def _async_generator(
    function: Callable[..., Any], observed: Observed | ObservedCall, seen: Callable[[Any], object] | None = None
) -> Callable[..., Any]:
    """As `_generator`."""

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        begun = observed if isinstance(observed, ObservedCall) else observed.begun(args, kwargs) or observed.nothing
        running = function(*args, **kwargs)
        items: list[Any] = []
        note = seen or (begun.collects and items.append)
        sent: Any = None
        thrown: list[BaseException] = []  # as above
        try:
            while True:
                item = await (running.athrow(thrown.pop()) if thrown else running.asend(sent))
                if note:
                    note(item)
                sent = None
                try:
                    sent = yield item
                except GeneratorExit:
                    await running.aclose()
                    raise
                except BaseException as error:
                    thrown.append(error)
        except StopAsyncIteration:
            begun.returned(items)
        except BaseException as error:
            begun.left(error)
            raise

    return call
