"""Lines of logs in the cells of a table, as CloudWatch, Athena, BigQuery and Splunk export them.

Which column holds them is found by what its cells hold, whatever its name is. A cell that is not in quotes may hold the
delimiter itself: as many others stand before and behind it as in every row.
"""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

DELIMITERS = ("\t", ",", ";", "|")
_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a table."""

    delimiter: str
    columns: int
    index: int
    names: tuple[str, ...] | None
    """The header, if the table has one."""
    quoted: bool
    """Whether it stands in quotes, as nothing but a table writes it."""

    def line(self, row: bytes) -> bytes:
        """The line in a row; nothing for the header, and the row itself where its columns cannot be told."""
        text = _text(row)
        if is_hint(text) or _is_rest(text, self.delimiter):
            return b""
        cells = _split(text, self.delimiter)
        if self.names is not None and tuple(cells) == self.names:
            return b""
        more = len(cells) - self.columns
        if more > 0 and f'{self.delimiter}"' not in f"{self.delimiter}{text}":
            cells = text.split(self.delimiter)
            more = len(cells) - self.columns
            cells[self.index : self.index + more + 1] = [self.delimiter.join(cells[self.index : self.index + more + 1])]
        if not self.index < len(cells) <= self.columns:
            return row
        return cells[self.index].strip().encode(errors="surrogateescape")


def cells_in(lines: Sequence[bytes]) -> Iterator[Cells]:
    """The columns that may hold lines, if these are the first rows of a table."""
    every = [text for text in map(_text, lines) if not is_hint(text)]
    if 2 * sum(text[:1] == "{" for text in every) > len(every):
        return
    for delimiter in DELIMITERS:
        texts = [text for text in every if not _is_rest(text, delimiter)]
        if not texts:
            continue
        rows = [_split(text, delimiter) for text in texts]
        names = tuple(rows[0]) if all(map(_is_name, rows[0])) else None
        columns = len(rows[0]) if names else min(map(len, rows))
        for index in range(columns) if columns <= _COLUMNS else ():
            cells = [row[index] if index < len(row) else "" for row in rows]
            quoted = 2 * sum(_is_quoted(text, delimiter, cell) for text, cell in zip(texts, cells, strict=True))
            # More than words and numbers, in most rows.
            telling = [not _is_word(cell) for cell in cells[1:] or cells]
            if (columns > 1 or (delimiter == "," and quoted > len(rows))) and 2 * sum(telling) > len(telling):
                yield Cells(delimiter, columns, index, names, quoted > len(rows[1:]))


def _is_quoted(text: str, delimiter: str, cell: str) -> bool:
    return '{0}"{1}"{0}'.format(delimiter, cell.replace('"', '""')) in f"{delimiter}{text}{delimiter}"


def _is_word(cell: str) -> bool:
    return (len(cell) < 20 and set(cell).isdisjoint(",;\t|{")) or cell.replace(" ", "").isalnum()


def _is_name(cell: str) -> bool:
    """Whether a cell may be a column's name: `jsonPayload.message`, `@timestamp`, `log line`."""
    bare = cell.strip()
    return len(bare) <= 60 and bare[:1] not in "0123456789{[<#" and not set(bare) & set('":/{}[]=')


def _split(text: str, delimiter: str) -> list[str]:
    for whole in (text, f'{text}"'):
        # A cell may end with a line break.
        with suppress(csv.Error):
            return next(csv.reader([whole], delimiter=delimiter, strict=True), [])
    return []


def _text(line: bytes) -> str:
    return line.removeprefix(BOM_UTF8).rstrip(b"\r").decode(errors="surrogateescape")


def _is_rest(text: str, delimiter: str) -> bool:
    """Whether it is what is left of a row behind a cell that ended with a line break."""
    return not text.strip('" ') or (text.startswith(f'"{delimiter}') and text.count('"') % 2 == 1)


def is_hint(text: str) -> bool:
    """Whether a line is Excel's own hint."""
    return len(text) == 5 and text.lower().startswith("sep=")
