"""A form in JSON for arguments that have none, so that equal ones have equal keys and different ones never do.

What is plain JSON already stays as it is. Everything else carries its type: `date(2026, 9, 1)` is
`["(date)", "2026-09-01"]`, a dataclass `{"(type)": "Post", "title": …}`, so that its fields are inputs of their own.
Values whose state nobody can see (sessions, files, functions) have no such form, and a guess would make two different
images one. Nor have those that hold more than their fields: attributes set beside them, kept `InitVar`s, private ones.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from types import MemberDescriptorType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from auditor.fingerprint import canonical

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
            _all_told(value, kind, known)
            return form(value)
    return _object(value, kind)


def _tagged(name: str, form: Any) -> list[Any]:
    return [f"({name})", form]


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
    return _tagged("dict", _sorted([_form(name), _form(item)] for name, item in value.items()))


def _sorted(forms: Iterable[Any]) -> list[Any]:
    return sorted(forms, key=canonical)


def _set(value: Iterable[Any]) -> Any:
    return _tagged("set", _sorted(_form(item) for item in value))


def _enum(value: Enum) -> Any:
    if isinstance(value, str | int):
        return _form(value.value)  # it is its value, and had a JSON form all along
    return _tagged(type(value).__qualname__, value.name)


def _bytes(value: bytes | bytearray | memoryview) -> Any:
    return _tagged("bytes", hashlib.sha256(value).hexdigest())


def _zone(value: tzinfo | None) -> Any:
    return str(value) if value is None or isinstance(value, ZoneInfo) else None


def _moment(value: datetime | time) -> Any:
    # The zone too: an offset alone would be another input after the clocks change.
    return _tagged(type(value).__name__, [value.isoformat(), value.fold, _zone(value.tzinfo)])


def _spelled(name: str, spell: Callable[[Any], str]) -> Callable[[Any], Any]:
    """Spelled by the type that is known: one derived from it may show less than it holds."""
    return lambda value: _tagged(name, spell(value))


def _itself(value: Any) -> Any:
    return value


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    type(None): _itself, bool: _itself, int: _integer, float: _real, str: _text, list: _items, tuple: _items,
    dict: _mapping,
}  # fmt: skip
_KNOWN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (Enum, _enum),
    (datetime, _moment),
    (date, lambda value: _tagged("date", value.isoformat())),
    (time, _moment),
    (timedelta, lambda value: _tagged("timedelta", [value.days, value.seconds, value.microseconds])),
    (Decimal, _spelled("Decimal", Decimal.__str__)),
    (Fraction, _spelled("Fraction", Fraction.__str__)),
    (UUID, _spelled("UUID", UUID.__str__)),
    (PurePath, _spelled("Path", PurePath.__str__)),
    (ZoneInfo, lambda value: _tagged("ZoneInfo", _form(value.key))),
    (IPv4Address, _spelled("ip", str)),
    (IPv6Address, _spelled("ip", str)),
    (bytes, _bytes),
    (bytearray, _bytes),
    (memoryview, _bytes),
    (range, lambda value: _tagged("range", [_form(end) for end in (value.start, value.stop, value.step)])),
    (set, _set),
    (frozenset, _set),
)
"""The first that fits; `datetime` is a `date`."""


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
        named = {_TYPE: kind.__qualname__, **shown}
        return named if _TYPE not in shown else _tagged(kind.__qualname__, _mapping(shown))
    for base in _PLAIN:
        if isinstance(value, base):
            own = _beside(value, kind, ())
            if isinstance(value, defaultdict):
                own["default_factory"] = _default(value.default_factory)
            plain = str.__str__(value) if isinstance(value, str) else base(value)
            return _tagged(kind.__qualname__, [_form(plain), *([_mapping(own)] if own else [])])
    raise UnstableError(kind.__name__)


def _default(factory: Any) -> str | None:
    if factory is None:
        return None
    if factory in (*_PLAIN, set):
        return str(factory.__name__)
    raise UnstableError("defaultdict")


def _beside(value: Any, kind: type, names: Collection[str]) -> dict[str, Any]:
    """What an object holds but for these attributes, in `__dict__` and slots. Cached properties come of the rest."""
    held = dict(getattr(value, "__dict__", None) or {})
    for each in kind.__mro__:
        if vars(each).get("__slots__"):
            for name, slot in vars(each).items():
                if isinstance(slot, MemberDescriptorType) and hasattr(value, name):
                    held[name] = slot.__get__(value, kind)
    return {
        name: item
        for name, item in held.items()
        if name not in names and name not in _BOOKS and not isinstance(getattr(kind, name, None), cached_property)
    }


_BOOKS = {"__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__", "__pydantic_initialised__",
          "__fields_set__", "_attrs_cached_hash"}  # fmt: skip
"""What libraries note of an object; extra and private attributes are looked at where they are."""


def _all_told(value: Any, kind: type, known: type) -> None:
    """`UnstableError` for one of a known type that somebody has derived and given more; members of enums are named."""
    if known is not Enum and kind.__module__ != known.__module__ and _beside(value, kind, dir(known)):
        raise UnstableError(kind.__name__)


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
    return _tagged("numpy", [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()])
