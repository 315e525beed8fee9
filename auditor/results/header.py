"""What every document begins with, and the one writer of all of them."""

from collections.abc import Mapping
from typing import ClassVar, TextIO

from msgspec import Struct

from auditor.results.document import Json, Time, written
from auditor.results.inputs import Inputs
from auditor.results.report import Window
from auditor.results.schema import Schema, schema
from auditor.system.indented import indented
from auditor.version import __version__


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
    options: dict[str, str | float | list[str] | None]
    inputs: Inputs


def document(result: Document) -> dict[str, Json]:
    """The result as plain data, keys in the order of the schema."""
    return {"schema": result.SCHEMA, "tool_version": __version__, **written(result)}


def write(result: Document, out: TextIO) -> None:
    """Write the document and a newline."""
    out.write(indented(document(result)) + "\n")


def schema_of(kind: type[Struct], title: str) -> Schema:
    """The schema of the documents of one kind, with its header."""
    found = schema(kind, title)
    if not issubclass(kind, Document):
        return found
    head: Mapping[str, Schema] = {"schema": {"const": kind.SCHEMA}, "tool_version": {"type": "string"}}
    return found | {
        "$id": kind.SCHEMA,
        "required": [*head, *found["required"]],
        "properties": {**head, **found["properties"]},
    }
