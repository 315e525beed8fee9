"""Results that are still to come, and are awaited: watched as they come, and used as what they are."""

from collections.abc import Callable, Generator
from contextlib import suppress
from types import CoroutineType, GeneratorType
from typing import Any
from weakref import WeakKeyDictionary

from auditor.client.observed import ObservedCall
from auditor.client.standin import stand_in_class


def awaited(result: Any, call: ObservedCall) -> Any:
    """What is awaited in place of an awaitable object; it is everything else that the object is."""
    kind = type(result)
    made = _CLASSES.get(kind)
    if made is None:
        own = {name: method for name, method in _OWN.items() if name == "__await__" or hasattr(kind, name)}
        if not issubclass(kind, GeneratorType):
            own.pop("__iter__", None)
        if not issubclass(kind, CoroutineType | GeneratorType):  # others may go on by themselves
            own.pop("__del__", None)
        made = _CLASSES[kind] = stand_in_class(kind, own)
    return made(result, call)


def _await(self: Any) -> Generator[Any, Any, Any]:
    thing, call = self._auditor_thing, self._auditor_call
    try:
        result = yield from (type(thing).__await__(thing) if hasattr(type(thing), "__await__") else thing)
    except BaseException as error:
        call.raised(error)
        raise
    call.returned(result)
    return result


async def _enter(self: Any) -> Any:
    thing, call = self._auditor_thing, self._auditor_call
    try:
        result = await type(thing).__aenter__(thing)
    except BaseException as error:
        call.raised(error)
        raise
    call.returned(result)
    return result


def _step(name: str) -> Callable[..., Any]:
    """One step of a coroutine, as event loops make them."""

    def step(self: Any, *args: Any) -> Any:
        thing, call = self._auditor_thing, self._auditor_call
        given, args = list(args), ()  # a frame that holds its own error is a cycle
        try:
            return getattr(type(thing), name)(thing, *[given.pop(0) for _ in range(len(given))])
        except StopIteration as end:
            call.returned(end.value)
            raise
        except BaseException as error:
            call.raised(error)
            raise

    return step


def _close(self: Any) -> None:
    thing, call = self._auditor_thing, self._auditor_call
    type(thing).close(thing)
    call.raised(GeneratorExit())


def _deleted(self: Any) -> None:
    """A coroutine that nobody awaits any more."""
    with suppress(AttributeError):  # of one that was never finished
        object.__getattribute__(self, "_auditor_call").raised(GeneratorExit())


_OWN: dict[str, Callable[..., Any]] = {
    "__await__": _await, "__aenter__": _enter, "__iter__": lambda self: self, "__next__": _step("__next__"),
    "send": _step("send"), "throw": _step("throw"), "close": _close,
    "__del__": _deleted,
}  # fmt: skip
_CLASSES: WeakKeyDictionary[type, Callable[..., Any]] = WeakKeyDictionary()
