r"""CSV, TSV and tables with `;` or `|` between the values, by the names in their first line.

Names may be spelled in any way (`Request URL`, `requestUrl`, `request_url`). Four kinds of tables are read:

- usage events: the columns are the fields of an event, an empty value is an absent one, `inputs` is JSON;
- access logs: `time` (or `timestamp`, `date` and `time`, …), `url` (or `request`, `path` and `query`), `status`, and
  as far as there are `method`, `host`, `bytes`, `duration_ms` or [any duration](../formats.md#durations),
  `cache_status`, `content_type`; the time is that of the end;
- Cloudflare's, CloudFront's and W3C extended logs under their own names, as databases hand them out;
- what a provider exports of its renders: `template`, `created_at`, and as far as there are `id`, `status`, `credits`,
  `width`, `height`, `size`, `format`, `duration`, `modifications`, `workspace`, `environment`. The provider is that of
  a column `provider`, or the one that the file's name holds. Without a column of inputs no two renders are told to be
  the same.

Numbers are read as [their columns](../formats.md#numbers-in-tables) spell them, tables of sums are refused, and ids
count [within their provider and account](../formats.md#ids). Values in quotes may hold line breaks. A row with more or
fewer values than the first line is rejected.
"""

import csv
import io
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor.model.events import BadRecordError, Reason
from auditor.reading.cells import DELIMITERS, is_hint
from auditor.reading.format import Sample
from auditor.reading.lines import MAX_LINE, Line, LineReader
from auditor.reading.rows import reader_of
from auditor.reading.table import Table

MAX_ROW_LINES = 100
"""Lines that one row may have; a quote that is not closed by then was none."""
MAX_COLUMNS = 10_000
"""Columns that a table may have: more are no log's, and each row of them costs more than a thousand of a log's."""


class CsvTable(Table):
    """A header and rows."""

    name = "csv"
    title = "CSV or TSV with a header"
    unknown = "the first line names no columns that are known"
    _delimiter = ","
    names: list[str] | None = None
    """Of the columns, once the first line was read."""

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """The share of the rows that it can read, more than the header alone."""
        reader = cls(ZoneInfo("UTC"))
        rows = [row.data for row in _rows(Line(number, line) for number, line in enumerate(sample.lines, 1))]
        read = sum(reader._vote(row) != 0 for row in rows)
        return read / len(rows) if reader.made is not None else 0.0

    def records(self, path: Path, reader: LineReader) -> Iterator[Line]:
        """Its rows, each by its first line."""
        self.hint = path.name
        yield from _rows(iter(reader))

    def row(self, data: bytes) -> dict[str, str] | None:
        """The values of one row by the names of the header."""
        text = data.removeprefix(BOM_UTF8).decode(errors="backslashreplace").rstrip("\r")
        if self.names is None:
            self._header(text)
            return None
        values = self._values(text)
        if values == self.names:
            return None
        if len(values) != len(self.names):
            raise BadRecordError(Reason.NO_MATCH, f"{len(values)} values for {len(self.names)} columns")
        return dict(zip(self.names, values, strict=True))

    def remember(self, data: bytes) -> None:
        """The header."""
        if self.names is None:
            self.parse(data)

    def _header(self, text: str) -> None:
        if is_hint(text):
            return
        self._delimiter = max(DELIMITERS, key=text.count)
        if text.count(self._delimiter) >= MAX_COLUMNS:
            raise BadRecordError(Reason.NO_MATCH, f"the first line names more than {MAX_COLUMNS:,} columns")
        self.names = self._values(text)
        found, own = reader_of(self.names, self.hint, self.zone)
        if found is None or len(set(self.names)) != len(self.names):
            raise BadRecordError(Reason.NO_MATCH, "the first line names no columns that are known, or one twice")
        self.made, self.own, self.local = found, own, self._delimiter != ","

    def _values(self, text: str) -> list[str]:
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            raise BadRecordError(Reason.BAD_VALUE, f"not a row of a table: {error}") from None
        if len(rows) != 1:
            raise BadRecordError(Reason.NO_MATCH, "a quote is not closed")
        return [value.strip() for value in rows[0]]


def _rows(lines: Iterator[Line]) -> Iterator[Line]:
    """Rows of lines: one goes on while a quote is open, but not forever."""
    ahead: deque[Line] = deque()
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        if line.data.count(b'"') % 2 == 0:
            yield line
            continue
        held, size = [line], len(line.data)
        while len(held) < MAX_ROW_LINES and size <= MAX_LINE:
            following = ahead.popleft() if ahead else next(lines, None)
            if following is None:
                break
            held.append(following)
            size += len(following.data) + 1
            if following.data.count(b'"') % 2:
                break
        data = b"\n".join(each.data for each in held)
        if data.count(b'"') % 2 == 0 and size <= MAX_LINE:
            yield Line(line.number, data)
        else:
            yield line
            ahead.extendleft(reversed(held[1:]))
