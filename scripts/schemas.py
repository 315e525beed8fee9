"""The JSON Schemas in the package, generated from the types of the results: `python -m scripts.docs` writes them."""

import json
from collections.abc import Mapping

from msgspec import Struct

from auditor.results.estimate import Estimated
from auditor.results.header import schema_of
from auditor.results.reconciliation import Reconciled
from auditor.results.report import Report
from auditor.results.selfhosted import Compared
from auditor.results.simulation import Simulated

SCHEMAS: Mapping[str, tuple[type[Struct], str]] = {
    "estimate_v1": (Estimated, "Estimates of auditor estimate"),
    "reconciliation_v1": (Reconciled, "An invoice held against the count by auditor reconcile"),
    "report_v1": (Report, "Render Auditor report, version 1"),
    "selfhosted_v1": (Compared, "The comparison of auditor compare self-hosted"),
    "simulation_v1": (Simulated, "Render Auditor simulation, version 1"),
}
"""Name of the file before `.schema.json` -> the type of the document, and its title."""


def schema_files() -> dict[str, str]:
    """Path -> content of each schema."""
    return {
        f"auditor/results/{name}.schema.json": json.dumps(schema_of(kind, title), indent=2) + "\n"
        for name, (kind, title) in SCHEMAS.items()
    }
