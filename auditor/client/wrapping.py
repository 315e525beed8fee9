"""Around a function: the same kind of function, whose calls are observed. What it gives is given on."""

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from auditor.client.observed import Call, Observed
from auditor.client.watch import quiet


def around(function: Callable[..., Any], observed: Observed) -> Callable[..., Any]:
    """A function of the same kind: sync, async, a generator, an async generator."""
    called = getattr(type(function), "__call__", None)  # noqa: B004 (of an object whose `__call__` is async)

    def is_kind(test: Callable[[Any], bool]) -> bool:
        return test(function) or test(called)

    if is_kind(inspect.isasyncgenfunction):
        return _async_generator(function, observed)
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
        watched = None if begun is None else _watched(begun, result)
        return result if watched is None else watched

    return call


@quiet
def _watched(call: Call, result: Any) -> Any:
    """What stands in for a result that is still to come, and is watched as it comes; None for any other."""
    kind = type(result)  # not the class that it says: a proxy may have to look, and fail
    if issubclass(kind, CoroutineType):
        return _awaiting(result, call)
    if issubclass(kind, GeneratorType):
        return _yielding(result, call)
    if issubclass(kind, AsyncGeneratorType):
        return _async_generator(lambda: result, call)()
    if issubclass(kind, Future) or hasattr(kind, "_asyncio_future_blocking"):
        result.add_done_callback(partial(_done, call))
    else:
        call.returned(result)
    return None


def _done(call: Call, future: Any) -> None:
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


def _yielding(running: Generator[Any, Any, Any], call: Call) -> Generator[Any, Any, Any]:
    items: list[Any] = []
    sent: Any = None
    thrown: list[BaseException] = []  # taken out as it is thrown on: a frame that holds its own error is a cycle
    try:
        while True:
            item = running.throw(thrown.pop()) if thrown else running.send(sent)
            if call.collects:
                items.append(item)
            sent = None
            try:
                sent = yield item
            except GeneratorExit:
                running.close()
                raise
            except BaseException as error:
                thrown.append(error)
    except StopIteration as end:
        call.returned(items)
        return end.value
    except BaseException as error:
        call.left(error)
        raise


def _async_generator(function: Callable[..., Any], observed: Observed | Call) -> Callable[..., Any]:
    """Of a call that begins at the first step, as the function itself, or that has begun."""

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        begun = observed if isinstance(observed, Call) else observed.begun(args, kwargs)
        running = function(*args, **kwargs)
        items: list[Any] = []
        sent: Any = None
        thrown: list[BaseException] = []  # as above
        try:
            while True:
                item = await (running.athrow(thrown.pop()) if thrown else running.asend(sent))
                if begun is not None and begun.collects:
                    items.append(item)
                sent = None
                try:
                    sent = yield item
                except GeneratorExit:
                    await running.aclose()
                    raise
                except BaseException as error:
                    thrown.append(error)
        except StopAsyncIteration:
            if begun is not None:
                begun.returned(items)
        except BaseException as error:
            if begun is not None:
                begun.left(error)
            raise

    return call
