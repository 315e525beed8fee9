"""Stand-ins: objects that are used like another, of which one thing is done otherwise.

A callable that is not a plain function has attributes and a type that its users rely on (`cache_clear` of an
`lru_cache`), and so has an object that is awaited. What is done to a stand-in is done to the object behind it.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from types import CoroutineType, GeneratorType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from auditor.client.observed import ObservedCall

_OURS = frozenset((
    "__class__", "__class_getitem__", "__del__", "__delattr__", "__getattr__", "__getattribute__", "__getstate__",
    "__init__", "__init_subclass__", "__new__", "__setattr__", "__subclasshook__",
))  # fmt: skip


class _StandIn:
    """What all have in common: the object, and what watches it."""

    __slots__ = ("__weakref__", "_auditor_call", "_auditor_thing")
    _auditor_thing: Any
    _auditor_call: Any

    def __init__(self, thing: Any, call: Any = None) -> None:
        object.__setattr__(self, "_auditor_thing", thing)
        object.__setattr__(self, "_auditor_call", call)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """For `isinstance`."""
        return type(self._auditor_thing)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_auditor_thing"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._auditor_thing, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._auditor_thing, name)


def _class(kind: type, own: Mapping[str, Any]) -> Callable[..., Any]:
    """A class of stand-ins for objects of a type; *own* are the attributes that are otherwise."""
    special: dict[str, Any] = {}
    for name in dir(kind):
        if name.startswith("__") and name.endswith("__") and name not in _OURS:
            found = getattr(kind, name, None)
            if callable(found):
                special[name] = _passed_on(name)
            elif found is None and name != "__text_signature__":  # as Python says that a type cannot be hashed
                special[name] = None
    for name in ("__doc__", "__module__"):
        special[name] = property(partial(_attribute, name))
    return type(kind.__name__, (_StandIn,), {**special, **own, "__slots__": ()})


def stand_in(thing: Any, call: Callable[..., Any]) -> Any:
    """For a callable object: *call* is called in its place."""
    kind = type(thing)

    def bound(self: Any, instance: Any, owner: Any = None) -> Any:
        itself = instance is None or kind.__get__(thing, instance, owner) is thing
        return self if itself else MethodType(self, instance)

    own: dict[str, Any] = {"__call__": staticmethod(call), "__wrapped__": property(lambda _: thing)}
    if hasattr(kind, "__get__"):
        own["__get__"] = bound
    return _class(kind, own)(thing)


def _attribute(name: str, stand_in: Any) -> Any:
    return getattr(stand_in._auditor_thing, name, None)


def _passed_on(name: str) -> Callable[..., Any]:
    def passed_on(self: Any, *args: Any, **kwargs: Any) -> Any:
        thing = self._auditor_thing
        return getattr(type(thing), name)(thing, *args, **kwargs)

    return passed_on


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
        made = _CLASSES[kind] = _class(kind, own)
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
    """A coroutine that is no longer awaited."""
    with suppress(AttributeError):  # of one that was never finished
        object.__getattribute__(self, "_auditor_call").raised(GeneratorExit())


_OWN: dict[str, Callable[..., Any]] = {
    "__await__": _await, "__aenter__": _enter, "__iter__": lambda self: self, "__next__": _step("__next__"),
    "send": _step("send"), "throw": _step("throw"), "close": _close,
    "__del__": _deleted,
}  # fmt: skip
_CLASSES: WeakKeyDictionary[type, Callable[..., Any]] = WeakKeyDictionary()
