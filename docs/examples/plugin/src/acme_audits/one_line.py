"""The findings in one line, for a chat or a prompt."""

from typing import TextIO

from auditor.results.audit import Result


class OneLine:
    """How many findings there are, and the ids of their rules."""

    name = "one-line"
    suffix, media_type = "line.txt", "text/plain"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the whole report."""
        rules = sorted({finding.rule for finding in result.findings})
        out.write(f"{len(result.findings)} findings: {', '.join(rules)}\n")
