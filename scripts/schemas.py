"""The JSON Schemas in the package, generated from types of results and events: `python -m scripts.docs` writes them."""

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from msgspec import Struct

from auditor.model.event_reader import MAX_CREDITS
from auditor.model.events import FIELDS, REQUIRED, SCHEMA_VERSION, Field, UsageEvent
from auditor.results.estimate import Estimated
from auditor.results.header import schema_of
from auditor.results.plan import Advised
from auditor.results.reconciliation import Reconciled
from auditor.results.report import Report
from auditor.results.selfhosted import Compared
from auditor.results.simulation import Simulated

SCHEMAS: Mapping[str, tuple[type[Struct], str]] = {
    "estimate_v1": (Estimated, "Estimates of auditor estimate"),
    "plan_v1": (Advised, "Advice of auditor plan"),
    "reconciliation_v1": (Reconciled, "An invoice held against the count by auditor reconcile"),
    "report_v2": (Report, "Render Auditor report, version 2"),
    "selfhosted_v1": (Compared, "The comparison of auditor compare self-hosted"),
    "simulation_v1": (Simulated, "Render Auditor simulation, version 1"),
}
"""Name of the file before `.schema.json` -> the type of the document, and its title."""


_YEAR = "(?:000[2-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
_TIME = (
    rf"^{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?$(?!\n)"
)
_NAME = {"type": "string", "minLength": 1}


def schema_files() -> dict[str, str]:
    """Path -> content of each schema."""
    results = {f"auditor/results/{name}": schema_of(kind, title) for name, (kind, title) in SCHEMAS.items()}
    return {
        f"{path}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for path, schema in {**results, "auditor/usage_event_v1": event_schema()}.items()
    }


def event_schema() -> dict[str, Any]:
    """The schema of a usage event, from the declaration of its fields."""
    words = dict(_descriptions())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "render-auditor/usage-event/v1",
        "title": "Usage event, version 1",
        "description": "One line of a log of usage events: one request, or one call. Unknown fields are ignored. "
        "A null optional field is an absent one, except credits.",
        "type": "object",
        "required": list(REQUIRED),
        "properties": {
            "v": {"description": "The version of this schema.", "const": SCHEMA_VERSION},
            **{name: {"description": words[field.attribute], **_value(field)} for name, field in FIELDS.items()},
        },
        "allOf": [
            _only({"count": {"type": "integer", "minimum": 2}}, "hit"),
            _only({"retried": {"const": True}}, "error"),
        ],
    }


def _descriptions() -> Iterator[tuple[str, str]]:
    """(field of the event, its docstring)."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(UsageEvent)).body if isinstance(node, ast.ClassDef))
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            yield field.target.id, " ".join(ast.literal_eval(text.value).split())


def _value(field: Field) -> dict[str, Any]:
    """What may stand in a field; null is an optional field that is absent."""
    kinds: dict[str, dict[str, Any]] = {
        "time": {**_NAME, "pattern": _TIME},
        "id": {**_NAME, **({"maxLength": field.most} if field.name == "id" else {})},
        "name": _NAME,
        "text": {"type": "string"},
        "word": {"enum": list(field.choices)},
        "whole": {"type": "integer", "minimum": field.least, "maximum": field.most},
        "milliseconds": {"type": "number", "minimum": 0, "maximum": field.most},
        "credits": {"type": "number", "minimum": 0, "exclusiveMaximum": int(MAX_CREDITS)},
        "flag": {"type": "boolean"},
        "digest": {"type": "string", "pattern": r"^sha256:[0-9a-fA-F]{64}$(?!\n)"},
        "digests": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    made = dict(kinds[field.kind])
    if not field.required:
        made |= {"enum": [*made["enum"], None]} if "enum" in made else {"type": [made["type"], "null"]}
    return made


def _only(having: dict[str, Any], outcome: str) -> dict[str, Any]:
    """Such a field is only for that outcome."""
    return {
        "if": {"properties": having, "required": list(having)},
        "then": {"properties": {"outcome": {"const": outcome}}},
    }
