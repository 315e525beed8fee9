"""Results -> JSON: exact in the struct, numbers and words where they are written.

A field of type `Fraction` is a JSON number, unless its `Meta` says by `extra={"places": n}` that it is an amount of
money, which is text with so many decimals. A field that is `UNSET` is left out, and so are the defaults of a struct
that omits them, and fields whose name in the document begins with `_`: only texts tell of them.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import Annotated, TypeAlias

from msgspec import NODEFAULT, UNSET, Meta, Struct
from msgspec.inspect import Field, Metadata, StructType, Type, UnionType, type_info

from auditor.model.findings import SnippetKind
from auditor.model.numbers import number
from auditor.model.plans import cents

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | None
Choices: TypeAlias = Mapping[str, str | float | list[str] | None]
"""What was asked for, by name."""

Count = Annotated[int, Meta(ge=0)]
Some = Annotated[int, Meta(ge=1)]
"""A count of something that there is."""
Share = Annotated[float, Meta(ge=0, le=1)]
Ratio = Annotated[float, Meta(ge=0)]
Credits = Annotated[Fraction, Meta(extra_json_schema={"minimum": 0})]
Amount = Annotated[
    Fraction, Meta(extra={"places": 2}, extra_json_schema={"type": "string", "pattern": r"^-?\d+\.\d{2}$"})
]
Price = Annotated[Fraction, Meta(extra={"places": 6}, extra_json_schema={"type": "string", "pattern": r"^\d+\.\d{6}$"})]
"""Six places: a render costs fractions of a cent."""
Time = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$"})]
Subject = Annotated[dict[str, str], Meta(min_length=1)]
"""What a finding or a figure is about: provider, account, environment, template, host, placement, field, …"""
Day = Annotated[date, Meta(extra_json_schema={"pattern": r"^\d{4}-\d\d-\d\d$"})]


class Snippet(Struct, frozen=True):
    """A fix to copy: code or configuration."""

    kind: SnippetKind
    text: Annotated[str, Meta(min_length=1)]


def only(*names: str) -> dict[str, Json]:
    """What the schema says of an object that has no other names than these."""
    return {"propertyNames": {"enum": [str(name) for name in names]}}


def written(result: Struct) -> dict[str, Json]:
    """A struct as plain data, by the names of its fields in their order."""
    found: dict[str, Json] = {}
    for name, called, places, omitted in _fields(type(result)):
        value = getattr(result, name)
        if value is not UNSET and (omitted is UNSET or value != omitted):
            found[called] = _plain(value, places)
    return found


def _plain(value: object, places: int | None = None) -> Json:
    """*value* as JSON has it; fractions with so many *places* as text, else as numbers."""
    if isinstance(value, Struct):
        return written(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each, places) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, places) for each in value]
    if isinstance(value, Fraction | Decimal):
        return number(value) if places is None else cents(value, places)
    if isinstance(value, date):
        return utc(value) if isinstance(value, datetime) else value.isoformat()
    found = value.value if isinstance(value, Enum) else value
    assert found is None or isinstance(found, str | int | float)
    return found


def plain(values: Mapping[str, object]) -> dict[str, Json]:
    """What no type describes, like the evidence of a rule, as it is written: times become text, at any depth."""
    return {name: _plain(value) for name, value in values.items()}


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def _fields(kind: type[Struct]) -> tuple[tuple[str, str, int | None, object], ...]:
    """(name, name in the document, decimal places, value with which it is left out) of each field that is written."""
    found = type_info(kind)
    assert isinstance(found, StructType)
    omit = kind.__struct_config__.omit_defaults
    return tuple(
        (each.name, each.encode_name, _places(each.type), _default(each) if omit and not each.required else UNSET)
        for each in found.fields
        if not each.encode_name.startswith("_")
    )


def _default(of: Field) -> object:
    return of.default_factory() if of.default is NODEFAULT else of.default


def _places(kind: Type) -> int | None:
    if isinstance(kind, Metadata):
        found = (kind.extra or {}).get("places")
        return found if isinstance(found, int) else _places(kind.type)
    if isinstance(kind, UnionType):
        return next((found for each in kind.types if (found := _places(each)) is not None), None)
    return None
