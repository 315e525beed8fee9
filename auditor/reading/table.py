"""What the formats of tables share: their numbers are read as their columns as a whole say."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from auditor.exchanges.exchange import Exchange, Exported
from auditor.model.events import BadRecordError, Reason, UsageEvent
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.lines import LineReader
from auditor.reading.number_columns import columns_of, is_nothing, is_numeric, is_sum, marks_of, plain, singles
from auditor.reading.rows import Read
from auditor.reading.unread import Head, counted


class Table(Format):
    """Records that are rows of named columns."""

    marks: Mapping[str, str] = {}
    """Column -> decimal mark, of one table that was looked at."""
    own: bool = False
    """Whether the rows are usage events, which may say how many hits they stand for."""
    hint: str = ""
    """The file's name, which may name the provider that exported it."""
    made: Read | None = None
    """What reads a row, once the columns are known."""
    unknown: ClassVar[str]
    """Why rows are refused where no column is known."""
    local: bool = False
    """Whether the table comes from a program that writes numbers as people of its country do."""

    def row(self, data: bytes) -> Mapping[str, Any] | None:
        """The values of one record by the names of their columns, as they are; None for a header."""
        raise NotImplementedError

    def parse(self, data: bytes) -> Exchange | UsageEvent | Exported | None:
        """One row; None for the header."""
        row = self.row(data)
        if row is None:
            return None
        if self.made is None:
            raise BadRecordError(Reason.NO_MATCH, self.unknown)
        return self.read(row, self.made)

    def read(self, row: Mapping[str, Any], made: Read) -> Exchange | UsageEvent | Exported:
        """What *made* makes of a row; one that stands for no render tells of no request."""
        if not self.own and is_nothing(row):
            return NO_REQUEST
        return counted(made(plain(row, self.marks)), row, self.unread)

    @classmethod
    def surveyed(cls, label: str, path: Path, reader: LineReader, zone: ZoneInfo, told: str | None) -> type[Any]:
        """The format of this one table. *told* is the decimal mark of columns that do not tell.

        Raises `InputError` where nothing tells, and for a table of sums.
        """
        table, head = cls(zone), Head()
        columns = columns_of(singles(label, table._rows(path, reader, head)))
        table.marks = marks = marks_of(label, columns, told, local=table.local)
        unread = () if table.made is None else head.unread(partial(table.read, made=table.made))
        return type(cls.__name__, (cls,), {"marks": marks, "unread": unread})

    @classmethod
    def whole(cls, path: Path) -> bool:
        """Whether a table has to be looked at as a whole; else its head tells all."""
        del path
        return True

    def _rows(self, path: Path, reader: LineReader, head: Head) -> Iterator[tuple[int, Mapping[str, Any]]]:
        whole = self.whole(path)
        for line in self.records(path, reader):
            with suppress(BadRecordError):
                row = self.row(line.data)
                if row is None:
                    continue
                sums = not self.own
                looked_at = {name: value for name, value in row.items() if is_numeric(name) or (sums and is_sum(name))}
                if sums:
                    head.look(row)
                if not (whole and looked_at) and (self.own or head.full):
                    return
                yield line.number, looked_at
