"""What every document begins with, the one writer of all of them, and the JSON Schema 2020-12 of each kind.

A document has the fields of its struct and no others.
"""

from fractions import Fraction
from typing import Any, ClassVar, TextIO

from msgspec import Struct
from msgspec.json import schema as described

from auditor.results.document import Choices, Json, Time, written
from auditor.results.inputs import Inputs
from auditor.results.report import Window
from auditor.system.indented import indented
from auditor.version import __version__

Schema = dict[str, Json]
ANYTHING: Schema = {"_anything": True}
"""Of values that may be whatever JSON can hold: nothing is said of them."""


class Document(Struct, frozen=True, kw_only=True):
    """A result of a command. Of fields whose name in the document begins with `_` only texts tell."""

    SCHEMA: ClassVar[str]


class Edges(Struct, frozen=True):
    """From when on, and until when."""

    start: Time
    end: Time


class Run(Document, frozen=True, kw_only=True):
    """A result that was found in logs."""

    generated_at: Time
    window: Window
    options: Choices
    inputs: Inputs


def document(result: Document) -> dict[str, Json]:
    """The result as plain data, keys in the order of the schema."""
    return {"schema": result.SCHEMA, "tool_version": __version__, **written(result)}


def write(result: Document, out: TextIO) -> None:
    """Write the document and a newline."""
    out.write(indented(document(result)) + "\n")


def schema_of(kind: type[Struct], title: str) -> Schema:
    """The schema of the documents that *kind* is written as, in one piece: each part stands where it is used."""
    found: dict[str, Any] = described(kind, schema_hook=_number)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_inlined(found, found.pop("$defs"))}
    whole["title"] = title
    if issubclass(kind, Document):
        head = {"schema": {"const": kind.SCHEMA}, "tool_version": {"type": "string"}}
        whole["$id"], whole["required"] = kind.SCHEMA, [*head, *whole["required"]]
        whole["properties"] = {**head, **whole["properties"]}
    return whole


def _number(kind: type) -> Schema:
    if kind is Fraction:
        return {"type": "number"}
    if kind is object:
        return ANYTHING
    raise NotImplementedError(f"{kind} has no form in JSON")


def _inlined(value: Any, parts: dict[str, Any]) -> Any:
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
    return {name: _inlined(each, parts) for name, each in value.items() if _written(name) and each != ANYTHING}


def _written(name: object) -> bool:
    return not (isinstance(name, str) and name.startswith("_"))
