"""The tables that selectables speak of, as engines declare them, and the types that SQLAlchemy lacks."""

from typing import Any

import pyarrow as pa
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Numeric, SmallInteger, String, Table
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType


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
