"""Results -> JSON: exact in the struct, numbers and words where they are written.

A field of type `Fraction` is a JSON number, unless its `Meta` says by `extra={"places": n}` that it is an amount of
money, which is text with so many decimals. A field that is `UNSET`, or whose name there begins with `_`, is left out.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct
from msgspec.inspect import Metadata, StructType, Type, UnionType, type_info

from auditor.model.numbers import number
from auditor.model.plans import cents

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | None

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
Day = Annotated[date, Meta(extra_json_schema={"pattern": r"^\d{4}-\d\d-\d\d$"})]


def plain(value: object, places: int | None = None) -> Json:
    """*value* as JSON has it; fractions with so many *places* as text, else as numbers."""
    if isinstance(value, Struct):
        found = ((name, getattr(value, field), amount) for field, name, amount in _fields(type(value)))
        return {name: plain(each, amount) for name, each, amount in found if each is not UNSET}
    if isinstance(value, Mapping):
        return {str(key): plain(each, places) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, places) for each in value]
    return _leaf(value, places)


def _leaf(value: object, places: int | None) -> str | int | float | None:
    if isinstance(value, Fraction | Decimal):
        return number(value) if places is None else cents(value, places)
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    found = value.value if isinstance(value, Enum) else value
    assert found is None or isinstance(found, str | int | float)
    return found


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def _fields(kind: type[Struct]) -> tuple[tuple[str, str, int | None], ...]:
    """(attribute, name in the document, decimals of an amount) of each field, in order."""
    found = type_info(kind)
    assert isinstance(found, StructType)
    written = (field for field in found.fields if not field.encode_name.startswith("_"))
    return tuple((field.name, field.encode_name, _places(field.type)) for field in written)


def _places(kind: Type) -> int | None:
    if isinstance(kind, Metadata):
        found = (kind.extra or {}).get("places")
        return found if isinstance(found, int) else _places(kind.type)
    if isinstance(kind, UnionType):
        return next((found for each in kind.types if (found := _places(each)) is not None), None)
    return None
