r"""Parquet, by the names of its columns: the same tables that [CSV](csv.md) is read for.

Records are numbered by their rows. Nested columns may hold `inputs`. Of times without a zone that of `--timezone` is
taken. A null is an absent value. Of a damaged file the rows before the damage are read, and a row over 1 MiB is
`too_long`. Packed files (`.parquet.gz`) have to be unpacked first.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from auditor.model.errors import InputError, TooLargeError
from auditor.reading.format import Sample
from auditor.reading.json_lines import json_object
from auditor.reading.lines import MAX_LINE, Line, LineReader
from auditor.reading.number_columns import is_numeric, is_sum
from auditor.reading.packed import FREE_RECORDS, Expansion
from auditor.reading.rows import reader_of
from auditor.reading.table import Table

with suppress(ModuleNotFoundError):  # `auditor formats` lists it without the packages of audits
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    _TEXTS = frozenset({pa.string(), pa.large_string(), pa.binary(), pa.large_binary()})
_MAGIC = b"PAR1"
_BATCH = 4096
_DATES = orjson.OPT_PASSTHROUGH_DATETIME
_PIECE = MAX_LINE
"""Bytes of rows that are made at once: what is larger in one row is no line of any log."""
_TOO_LONG = b" " * (MAX_LINE + 1)


class Parquet(Table):
    """Rows, read in batches."""

    name = "parquet"
    title = "Parquet"
    unknown = "the columns are those of no table that is known"
    _names: tuple[str, ...] = ()

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """By its first bytes."""
        return 1.0 if sample.data.startswith(_MAGIC) else 0.0

    @classmethod
    def whole(cls, path: Path) -> bool:
        """Where no number is text and no column counts renders, the head tells all."""
        with suppress(pa.ArrowException, OSError):
            schema = pq.read_schema(path)
            texts = {
                name for name, kind in zip(schema.names, schema.types, strict=True) if not pa.types.is_primitive(kind)
            }
            return any(is_sum(name) or (name in texts and is_numeric(name)) for name in schema.names)
        return True

    def records(self, path: Path, reader: LineReader) -> Iterator[Line]:
        """Its rows as JSON."""
        self.hint = path.name
        number, stored = 0, path.stat().st_size
        try:
            with pq.ParquetFile(path) as file:
                texts = [field.name for field in file.schema_arrow if field.type in _TEXTS]
                kept = _dictionaries(file.metadata)
            # As dictionaries: a text that stands in every row is held once, however long it is.
            with pq.ParquetFile(path, read_dictionary=[name for name in texts if name in kept]) as file:
                if file.metadata.num_rows > FREE_RECORDS:
                    # Arrow tells in a second what making rows of a bomb would take minutes to find out.
                    _measure(file, stored)
                for batch in _batches(file, stored):
                    for piece in _pieces(batch):
                        for row in [None] if piece is None else _readable(piece).to_pylist():
                            number += 1
                            yield Line(number, _TOO_LONG if row is None else orjson.dumps(row, _plain, _DATES))
        except (MemoryError, TooLargeError):
            raise
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            if "Failed to launch worker thread" in str(error):  # there was no memory for its stack
                raise MemoryError from None
            if number:
                reader.truncated, reader.damage = True, str(error)
                return
            raise InputError(f"{path.name}: not a whole Parquet file ({error}); get it once more, unpacked") from None

    def row(self, data: bytes) -> dict[str, Any]:
        """The values of one row."""
        row = json_object(data)
        names = tuple(row)
        if names != self._names:
            self._names = names
            self.made, self.own = reader_of(names, self.hint, self.zone)
        return row


def _batches(file: Any, stored: int) -> Iterator[Any]:
    """The rows of a file of *stored* bytes, as Arrow holds them; `TooLargeError` once they are too many for those."""
    expansion = Expansion()
    # Group by group: several at once are decoded before the first row is given.
    groups = (file.iter_batches(_BATCH, row_groups=[group]) for group in range(file.num_row_groups))
    for batch in chain.from_iterable(groups):
        expansion.grow(_size(batch), batch.num_rows, stored)
        yield batch


def _measure(file: Any, stored: int) -> None:
    """Raise `TooLargeError` for a bomb; what is damaged is told when it is read."""
    try:
        deque(_batches(file, stored), maxlen=0)
    except TooLargeError:
        raise
    except (pa.ArrowException, OSError):
        pass


def _dictionaries(metadata: Any) -> set[str]:
    """The columns that are stored as dictionaries; Arrow reads no others as such."""
    encodings: dict[str, set[str]] = {}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            encodings.setdefault(column.path_in_schema, set()).update(column.encodings)
    return {
        name
        for name, found in encodings.items()
        if any("DICTIONARY" in each for each in found) and not any("DELTA" in each for each in found)
    }


def _pieces(batch: Any) -> Iterator[Any]:
    """A batch in parts that may be made rows of at once; None for a row that is too long to be one."""
    if _size(batch) <= _PIECE:
        yield batch
    elif batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half))
        yield from _pieces(batch.slice(half))
    else:
        yield None


def _size(batch: Any) -> int:
    """Bytes of the values of a batch, each text as often as it occurs there."""
    size = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and column.type.value_type in _TEXTS:
            lengths = pc.binary_length(column.dictionary).cast(pa.int64())
            size += pc.sum(lengths.take(column.indices)).as_py() or 0
        else:
            size += column.nbytes
    return size


def _readable(batch: Any) -> Any:
    """A batch without dictionaries, and without nanoseconds, for which Python has no type."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type):
            batch = batch.set_column(index, field.name, batch.column(index).dictionary_decode())
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
