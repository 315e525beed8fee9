"""Stand-ins: objects that are used like another, of which one thing is done otherwise.

A callable that is no plain function has attributes and a type that its users rely on (`cache_clear` of an
`lru_cache`), and so has an object that is awaited. What is done to a stand-in is done to the object behind it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import Any

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


def stand_in_class(kind: type, own: Mapping[str, Any]) -> Callable[..., Any]:
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
    return stand_in_class(kind, own)(thing)


def _attribute(name: str, stand_in: Any) -> Any:
    return getattr(stand_in._auditor_thing, name, None)


def _passed_on(name: str) -> Callable[..., Any]:
    def passed_on(self: Any, *args: Any, **kwargs: Any) -> Any:
        thing = self._auditor_thing
        return getattr(type(thing), name)(thing, *args, **kwargs)

    return passed_on
