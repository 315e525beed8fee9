"""A form in JSON for arguments that have none, so that equal ones have equal keys and different ones never do.

What is plain JSON already stays as it is. Everything else carries its type: `date(2026, 9, 1)` is
`["(date)", "2026-09-01"]`, a dataclass `{"(type)": "blog.Post", "title": …}`, so that its fields are inputs of their
own. Values whose state cannot be seen (sessions, files, functions) have no such form, and a guess would make two
different images one. Nor have those that hold more than their fields: attributes set beside them, kept `InitVar`s,
private ones.

The form is of what a value holds, not of its `==`: fields that a class does not compare count, and so do the offset and
the zone of a time. Order counts where it is part of the value (lists, `OrderedDict`), not in a dict or a set.
"""

import hashlib
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath, PureWindowsPath
from struct import calcsize
from types import MemberDescriptorType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from auditor.model.fingerprint import canonical

_EXACT = 2**53 - 1
_TYPE = "(type)"


class UnstableError(ValueError):
    """A value without a stable form; the message is its type, never the value."""


def stable(value: Any) -> Any:
    """The JSON form of a value; `UnstableError` for what has none."""
    try:
        return _form(value)
    except UnstableError:
        raise
    except Exception:  # a property that raises, a list that holds itself
        raise UnstableError(type(value).__name__) from None


def _form(value: Any) -> Any:
    kind = type(value)
    if (form := _PLAIN.get(kind)) is not None:
        return form(value)
    for known, form in _KNOWN:
        if isinstance(value, known):
            # Enums name their members, and what they hold beside them.
            derived = known is not Enum and kind.__module__ != known.__module__
            if derived and _beside(value, kind, dir(known)):
                raise UnstableError(kind.__name__)
            # Of what cannot be seen, what pickle would keep.
            kept = [form(value), _form(list(value.__reduce__()[1:]))] if derived and _extended(kind, known) else None
            return form(value) if kept is None else _tagged(_name(kind), kept)
    return _object(value, kind)


def _tagged(name: str, form: Any) -> list[Any]:
    return [f"({name})", form]


def _name(kind: type) -> str:
    """With its module, but for the script's, which is called otherwise in each kind of worker."""
    module = kind.__module__
    return kind.__qualname__ if module in ("__main__", "__mp_main__") else f"{module}.{kind.__qualname__}"


def _integer(value: int) -> Any:
    return value if -_EXACT <= value <= _EXACT else _tagged("int", str(value))


def _real(value: float) -> Any:
    return value if math.isfinite(value) else _tagged("float", str(value))


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return _tagged("str", value.encode("utf-8", "surrogatepass").hex())
    return value


def _items(value: Iterable[Any]) -> list[Any]:
    found = [_form(item) for item in value]
    # A list that looks like a tagged value must not be one.
    looks = bool(found) and isinstance(found[0], str) and found[0].startswith("(")
    return _tagged("list", found) if looks else found


def _mapping(value: Mapping[Any, Any]) -> Any:
    if all(type(name) is str and _text(name) is name for name in value) and _TYPE not in value:
        return {name: _form(item) for name, item in value.items()}
    return _tagged("dict", sorted(([_form(name), _form(item)] for name, item in value.items()), key=canonical))


def _set(value: set[Any] | frozenset[Any]) -> Any:
    items = set.copy(value) if isinstance(value, set) else frozenset.copy(value)  # whatever its own methods show
    return _tagged("set", sorted(map(_form, items), key=canonical))


def _enum(value: Enum) -> Any:
    held = _beside(value, type(value), ())
    own = {name: item for name, item in held.items() if not (name.startswith("_") and name.endswith("_"))}  # not enum's
    for plain in (str, int):
        # It is its value, and had a JSON form all along.
        if isinstance(value, plain) and not own and type(value.value) is plain and plain.__eq__(value, value.value):
            return _form(value.value)
    content = [_form(read(value)) for base, read in _READ.items() if isinstance(value, base)]
    # The name is not enough: an attribute may have changed since, and a class may be made by a function.
    return _tagged(_name(type(value)), [value.name, _form(value.value), *content, *([_mapping(own)] if own else [])])


def _bytes(value: bytes | bytearray) -> Any:
    return _tagged("bytes", hashlib.sha256(value).hexdigest())


def _view(value: memoryview) -> Any:
    if value.format == "B" and value.ndim == 1:
        return _bytes(value.tobytes())
    return _tagged("memoryview", [value.format, list(value.shape or ()), hashlib.sha256(value.tobytes()).hexdigest()])


def _zone(value: tzinfo | None) -> str | None:
    """Its name; `UnstableError` for one that has none but its address in memory."""
    kind = type(value)
    nameless = kind.__str__ is object.__str__ and kind.__repr__ in (object.__repr__, tzinfo.__repr__)
    if nameless or (isinstance(value, ZoneInfo) and value.key is None):
        raise UnstableError(kind.__name__)
    return None if value is None else str(value)


def _moment(spell: Callable[[Any], str]) -> Callable[[Any], Any]:
    # The zone too: an offset alone would be another input after the clocks change.
    return lambda value: _tagged(type(value).__name__, [spell(value), value.fold, _zone(value.tzinfo)])


def _spelled(name: str, spell: Callable[[Any], str]) -> Callable[[Any], Any]:
    """Spelled by the type that is known: one derived from it may show less than it holds."""
    return lambda value: _tagged(name, _text(spell(value)))


_PARTS: tuple[Any, ...] = (timedelta.days, timedelta.seconds, timedelta.microseconds)
_PLAIN: dict[Any, Callable[[Any], Any]] = {
    type(None): lambda value: value, bool: lambda value: value, int: _integer, float: _real, str: _text, list: _items,
    tuple: _items, dict: _mapping,
}  # fmt: skip
_KNOWN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (Enum, _enum),
    (datetime, _moment(datetime.isoformat)),
    (date, _spelled("date", date.isoformat)),
    (time, _moment(time.isoformat)),
    (timedelta, lambda value: _tagged("timedelta", [part.__get__(value) for part in _PARTS])),
    (Decimal, _spelled("Decimal", Decimal.__str__)),
    (Fraction, _spelled("Fraction", Fraction.__str__)),
    (UUID, _spelled("UUID", UUID.__str__)),
    (PureWindowsPath, _spelled("WindowsPath", PurePath.__str__)),
    (PurePath, _spelled("Path", PurePath.__str__)),
    (ZoneInfo, lambda value: _tagged("ZoneInfo", _zone(value))),
    (timezone, lambda value: _tagged("timezone", [_form(value.utcoffset(None)), str(value)])),
    (IPv4Address, _spelled("ip", str)),
    (IPv6Address, _spelled("ip", str)),
    (bytes, _bytes),
    (bytearray, _bytes),
    (memoryview, _view),
    (range, lambda value: _tagged("range", [_form(end) for end in (value.start, value.stop, value.step)])),
    (set, _set),
    (frozenset, _set),
)
"""The first that fits; `datetime` is a `date`."""
_READ: dict[Any, Callable[[Any], Any]] = {
    int: int.__int__, float: float.__float__, str: str.__str__, list: list.copy,
    tuple: lambda value: tuple.__getitem__(value, slice(None)), dict: dict.copy, bytes: bytes.__bytes__,
}  # fmt: skip
"""What one of a type derived from these holds as one of them, whatever its own methods show."""


def _object(value: Any, kind: type) -> Any:
    """What a class says of its fields, or a subclass of a built-in type with its name."""
    if isinstance(value, type):
        raise UnstableError("a class")
    if kind.__module__ == "numpy":
        return _numpy(value, kind)
    names = _fields(value, kind)
    if names is not None:
        _only(value, kind, names)
        shown = {name: _form(getattr(value, name)) for name in names}
        shown |= {name: _form(item) for name, item in (getattr(value, "__pydantic_extra__", None) or {}).items()}
        named = {_TYPE: _name(kind), **shown}
        return named if _TYPE not in shown else _tagged(_name(kind), _mapping(shown))
    for base, read in _READ.items():
        if isinstance(value, base):
            own = _beside(value, kind, ())
            if isinstance(value, defaultdict):
                if value.default_factory not in (*_PLAIN, set, None):
                    raise UnstableError("defaultdict")
                own["default_factory"] = getattr(value.default_factory, "__name__", None)
            ordered = isinstance(value, OrderedDict)  # which compares its order too
            plain = list(OrderedDict.items(value)) if ordered else read(value)
            return _tagged(_name(kind), [_form(plain), *([_mapping(own)] if own else [])])
    raise UnstableError(kind.__name__)


def _beside(value: Any, kind: type, names: Collection[str]) -> dict[str, Any]:
    """What an object holds but for these attributes, in `__dict__` and slots. Cached properties come of the rest."""
    held = dict(getattr(value, "__dict__", None) or {})
    for each in kind.__mro__:
        if vars(each).get("__slots__"):
            for name, slot in vars(each).items():
                if isinstance(slot, MemberDescriptorType):
                    with suppress(AttributeError):  # nothing was set
                        held[name] = slot.__get__(value, kind)
    return {
        name: item
        for name, item in held.items()
        if name not in names and name not in _BOOKS and not isinstance(getattr(kind, name, None), cached_property)
    }


_BOOKS = {"__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__", "__pydantic_initialised__",
          "__fields_set__", "_attrs_cached_hash"}  # fmt: skip
"""What libraries note of an object; extra and private attributes are looked at where they are."""


def _extended(kind: type, known: type) -> bool:
    """Whether a type derived from a known one has room that neither slots, `__dict__` nor weak references take.

    A library's own C code keeps there what no attribute tells: pandas' nanoseconds.
    """
    members = [each for base in kind.__mro__ for each in vars(base).values() if isinstance(each, MemberDescriptorType)]
    places = len(members) + (kind.__weakrefoffset__ > 0) + (kind.__dictoffset__ > 0)
    return kind.__basicsize__ - known.__basicsize__ > calcsize("P") * (places + bool(known.__itemsize__))


def _only(value: Any, kind: type, names: Collection[str]) -> None:
    """`UnstableError` for an object that holds more than its fields, or has a built-in type's content too."""
    content = isinstance(value, (*_PLAIN, BaseException)) and not (
        isinstance(value, tuple) and getattr(kind, "_fields", None) is names
    )
    if content or _beside(value, kind, names) or getattr(value, "__pydantic_private__", None):
        raise UnstableError(kind.__name__)


def _fields(value: Any, kind: type) -> Collection[str] | None:
    """Names of fields of a dataclass, an attrs class, a Pydantic model (1 and 2), a named tuple, a msgspec struct."""
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    if (declared := getattr(kind, "__attrs_attrs__", None)) is not None:
        return [field.name for field in declared]
    for name in ("__pydantic_fields__", "__fields__", "__struct_fields__"):
        if (named := getattr(kind, name, None)) is not None:
            return tuple(named)
    return getattr(kind, "_fields", None) if isinstance(value, tuple) else None


def _numpy(value: Any, kind: type) -> Any:
    if getattr(value, "shape", None) == () and value.dtype.kind in "biufU":
        return _form(value.item())
    if value.dtype.hasobject:
        raise UnstableError(f"numpy.{kind.__name__} of objects")
    name = "numpy.matrix" if kind.__name__ == "matrix" else "numpy"  # which calculates in another way
    return _tagged(name, [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()])
