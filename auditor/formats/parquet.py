r"""Parquet, by the names of its columns: the same tables that [CSV](csv.md) is read for.

Records are numbered by their rows. Nested columns may hold `inputs`. Of times without a zone that of `--timezone` is
taken. A null is an absent value. Packed files (`.parquet.gz`) have to be unpacked first.
"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import orjson

from auditor.errors import InputError
from auditor.events import BadRecordError, Reason, UsageEvent
from auditor.exchanges.exchange import Exchange
from auditor.formats.base import Lines, Sample
from auditor.formats.json_lines import json_object
from auditor.formats.lines import Line, LineReader
from auditor.formats.rows import Read, reader_of

_MAGIC = b"PAR1"
_BATCH = 4096


class Parquet(Lines):
    """Rows, read in batches."""

    name: ClassVar[str] = "parquet"
    title: ClassVar[str] = "Parquet"

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__(zone)
        self._hint = ""
        self._readers: dict[tuple[str, ...], Read | None] = {}

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """By its first bytes."""
        return 1.0 if sample.data.startswith(_MAGIC) else 0.0

    def records(self, path: Path, reader: LineReader) -> Iterator[Line]:
        """Its rows as JSON."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        del reader
        self._hint = path.name
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_BATCH):
                    for row in _readable(batch).to_pylist():
                        number += 1
                        yield Line(number, orjson.dumps(row, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path.name}: not a whole Parquet file ({error}); get it once more") from None

    def parse(self, data: bytes) -> Exchange | UsageEvent:
        """One row."""
        row = json_object(data)
        names = tuple(row)
        if names not in self._readers:
            self._readers[names] = reader_of(names, self._hint, self.zone)
        found = self._readers[names]
        if found is None:
            raise BadRecordError(Reason.NO_MATCH, "the columns are those of no table that is known")
        return found(row)


def _readable(batch: Any) -> Any:
    """A batch without nanoseconds, for which Python has no type."""
    import pyarrow as pa

    for index, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            column = batch.column(index).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(index, field.name, column)
    return batch


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value)
