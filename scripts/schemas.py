"""The JSON Schemas in the package, generated from the types of the results: `python -m scripts.docs` writes them."""

import json
from collections.abc import Mapping

from msgspec import Struct

from auditor.results.report import Report
from auditor.results.schema import schema

SCHEMAS: Mapping[str, tuple[type[Struct], str]] = {
    "report_v1": (Report, "Render Auditor report, version 1"),
}
"""Name of the file before `.schema.json` -> the type of the document, and its title."""


def schema_files() -> dict[str, str]:
    """Path -> content of each schema."""
    return {
        f"auditor/results/{name}.schema.json": json.dumps(schema(kind, title), indent=2) + "\n"
        for name, (kind, title) in SCHEMAS.items()
    }
