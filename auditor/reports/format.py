"""ReportFormat: what writes an audit, one file a format."""

from typing import Protocol, TextIO

from auditor.results.audit import Result


class ReportFormat(Protocol):
    """One output format."""

    name: str
    suffix: str
    """Ending of its files, without the first point."""
    media_type: str
    draws_curve: bool
    """Whether it wants `Result.curve`, which takes another walk over the log."""

    def write(self, result: Result, out: TextIO) -> None:
        """Write the whole report."""
