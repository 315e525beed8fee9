"""Engine: the seam between the stages of an audit, which speak SQLAlchemy Core and Arrow, and a database.

Every table has a fresh name, which only the handle that is returned for it knows: nothing is replaced under a reader.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Numeric, SelectBase, SmallInteger, String, Table
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType


class Engine(Protocol):
    """A database that holds the records of one audit."""

    def __init__(self, folder: Path, size: int) -> None:
        """An empty database for *size* bytes of records, which may keep files in *folder*."""

    def read(self, folder: Path) -> Table:
        """The rows of the Parquet files in *folder*, named by their number, with `row` (`auditor.intake.columns`)."""

    def run(self, selectable: SelectBase) -> pa.Table:
        """All rows of a selectable; for results that are small."""

    def sorted_stream(self, selectable: SelectBase) -> Iterator[pa.RecordBatch]:
        """The rows of an ordered selectable, batch by batch, in that order, in bounded memory."""

    def store(self, name: str, selectable: SelectBase) -> Table:
        """Keep the rows of a selectable; *name* says what they are."""

    def view(self, name: str, selectable: SelectBase) -> Table:
        """Show the rows of a selectable, without keeping them."""

    def load(self, name: str, table: pa.Table) -> Table:
        """Keep an Arrow table."""

    def close(self) -> None:
        """Let go of all files."""


class Wide(UserDefinedType[int]):
    """128-bit integers, for products that 64 bits do not hold."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The name of the type."""
        return "HUGEINT"


LINE_BITS = 40
"""Of a row of the records: those of its line; the others number its file."""

_TYPES: dict[pa.DataType, type[TypeEngine[Any]]] = {
    pa.int8(): SmallInteger,
    pa.int32(): Integer,
    pa.int64(): BigInteger,
    pa.string(): String,
    pa.bool_(): Boolean,
}


def declared(name: str, schema: pa.Schema) -> Table:
    """The table with the columns of an Arrow schema; columns of other types can be named, but not reckoned with."""
    return Table(name, MetaData(), *(Column(field.name, _type(field.type)) for field in schema))


def _type(kind: pa.DataType) -> TypeEngine[Any]:
    if pa.types.is_decimal(kind):
        return Numeric(kind.precision, kind.scale)
    return _TYPES.get(kind, NullType)()


def file_of(rows: Table) -> ColumnElement[int]:
    """The number of the file of each of the records."""
    return rows.c.row.op(">>")(LINE_BITS)
