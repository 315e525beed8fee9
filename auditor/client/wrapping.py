"""Around a function: the same kind of function, whose calls are observed. What it gives is given on."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from auditor.client.observed import Call, Observed


def around(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    """A function of the same kind: sync, async, a generator, an async generator."""
    called = getattr(type(function), "__call__", None)  # noqa: B004 (of an object whose `__call__` is async)

    def is_kind(test: Callable[[Any], bool]) -> bool:
        return test(function) or test(called)

    if is_kind(inspect.isasyncgenfunction):
        return _async_generator(function, observed.begun)
    if is_kind(inspect.iscoroutinefunction):
        return _async(function, observed)
    return _generator(function, observed) if is_kind(inspect.isgeneratorfunction) else _sync(function, observed)


def _sync(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        begun = observed.begun(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            if begun is not None:
                begun.raised(error)
            raise
        return result if begun is None else _given(result, begun)

    return call


def _given(result: Any, call: Call) -> Any:
    """A result; where it is still to come, it is watched as it comes."""
    if inspect.iscoroutine(result):
        return _awaiting(result, call)
    if inspect.isgenerator(result):
        return _yielding(result, call)
    if inspect.isasyncgen(result):
        return _async_generator(lambda: result, lambda *_: call)()
    if asyncio.isfuture(result) or isinstance(result, Future):
        result.add_done_callback(lambda future: _done(future, call))
        return result
    call.returned(result)
    return result


def _done(future: Any, call: Call) -> None:
    try:
        result = future.result()
    except BaseException as error:  # (cancelled, too)
        call.raised(error)
    else:
        call.returned(result)


def _async(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        begun = observed.begun(args, kwargs)
        running = function(*args, **kwargs)
        return await (running if begun is None else _awaiting(running, begun))

    return call


async def _awaiting(running: Coroutine[Any, Any, Any], call: Call) -> Any:
    try:
        result = await running
    except BaseException as error:
        call.raised(error)
        raise
    call.returned(result)
    return result


def _generator(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        begun = observed.begun(args, kwargs)  # at the first step, as the function itself
        running = function(*args, **kwargs)
        return (yield from running if begun is None else _yielding(running, begun))

    return call


class _Kept:
    """A generator whose items are kept."""

    def __init__(self, inner: Generator[Any, Any, Any], items: list[Any]) -> None:
        self._inner, self._items = inner, items
        self.close = inner.close

    def __iter__(self) -> "_Kept":
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        return self._keep(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._keep(self._inner.throw(*error))

    def _keep(self, item: Any) -> Any:
        self._items.append(item)
        return item


@contextmanager
def _watched(call: Call | None, items: list[Any]) -> Iterator[None]:
    """The time in which a generator works; whoever leaves it early has paid for all of it."""
    try:
        yield
    except GeneratorExit:
        if call is not None:
            call.returned(None, whole=False)
        raise
    except BaseException as error:
        if call is not None:
            call.raised(error)
        raise
    if call is not None:
        call.returned(items)


def _yielding(running: Generator[Any, Any, Any], call: Call) -> Generator[Any, Any, Any]:
    items: list[Any] = []
    with _watched(call, items):
        return (yield from _Kept(running, items) if call.collects else running)


def _async_generator(function: Callable[..., Any], begin: Callable[[Any, Any], Call | None]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        begun = begin(args, kwargs)
        running = function(*args, **kwargs)
        items: list[Any] = []
        sent = thrown = None
        with _watched(begun, items):
            try:
                while True:
                    item = await (running.asend(sent) if thrown is None else running.athrow(thrown))
                    if begun is not None and begun.collects:
                        items.append(item)
                    sent = thrown = None
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await running.aclose()
                        raise
                    except BaseException as error:
                        thrown = error
            except StopAsyncIteration:
                pass

    return call
