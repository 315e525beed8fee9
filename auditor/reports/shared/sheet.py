"""Sheet: a report that is a table for spreadsheets; RFC 4180, UTF-8.

A spreadsheet takes a cell that begins like a formula for one, also behind quotes. Such cells get an apostrophe in
front, as OWASP advises, and only cells of words do: a number stays a number.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import TextIO

from auditor.results.audit import Result
from auditor.system.terminal import plain

FORMULA = re.compile(r"""(^|;)(?=[\s"']*[=+\-@|%＝＋－＠])""")
"""Where a formula would begin: at the start, and after a semicolon, which many countries' spreadsheets split at."""


def word(text: object) -> str:
    """A word that came from outside, as a cell that no spreadsheet evaluates or turns into something else."""
    return FORMULA.sub(r"\1'", plain(str(text)))


class Number(str):
    """A number, date or word of our own, which goes into its cell as it is."""

    __slots__ = ()


def own(value: object) -> Number | None:
    """A figure or a word of this package as a cell; None stays None."""
    return None if value is None else Number(str(value).lower() if isinstance(value, bool) else value)


class Sheet:
    """A report that is a table, as RFC 4180 has it."""

    media_type = "text/csv"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the table."""
        writer = csv.writer(out, lineterminator="\r\n")
        rows = self.rows(result)
        writer.writerow(next(rows))
        for row in rows:
            writer.writerow(["" if cell is None else cell if isinstance(cell, Number) else word(cell) for cell in row])

    def rows(self, result: Result) -> Iterator[Sequence[str | None]]:
        """The head and what is below it: numbers as they are, None as nothing, everything else as a word."""
        raise NotImplementedError
