"""JSON report, as `docs/report-json.md` describes it."""

from typing import TextIO

from auditor.results.audit import Result
from auditor.results.document import written
from auditor.system.indented import indented


class Json:
    """`--format json`."""

    name = "json"
    suffix, media_type = "json", "application/json"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the report, keys in the order of the schema, and a newline."""
        out.write(indented(written(result.report)) + "\n")
