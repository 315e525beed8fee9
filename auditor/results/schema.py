"""Results -> JSON Schema 2020-12: a document has the fields of its struct and no others."""

from fractions import Fraction
from typing import Any

from msgspec import Struct
from msgspec.json import schema as described

Schema = dict[str, Any]


def schema(kind: type[Struct], title: str) -> Schema:
    """The schema of the documents that *kind* is written as, in one piece: each part stands where it is used."""
    found = described(kind, schema_hook=_number)
    whole = _inlined(found, found.pop("$defs"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "title": title}


def _number(kind: type) -> Schema:
    if kind is Fraction:
        return {"type": "number"}
    raise NotImplementedError(f"{kind} has no form in JSON")


def _inlined(value: Any, parts: Schema) -> Any:
    """*value* with every reference replaced by the part that it names."""
    if isinstance(value, list):
        return [_inlined(each, parts) for each in value if _written(each)]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        part = parts[value["$ref"].removeprefix("#/$defs/")]
        # A part's title is the name of its class, and the closed list of its fields is what the document may hold.
        value = {name: each for name, each in part.items() if name != "title"} | {
            name: each for name, each in value.items() if name != "$ref"
        }
        value |= {"additionalProperties": False} if "properties" in part else {}
    return {name: _inlined(each, parts) for name, each in value.items() if _written(name)}


def _written(name: object) -> bool:
    return not (isinstance(name, str) and name.startswith("_"))
