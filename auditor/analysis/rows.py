"""The results of the engine as typed rows, and rows as its tables.

Credits are `Fraction` in every row, so that no sum is ever rounded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from fractions import Fraction
from itertools import groupby
from typing import Any, TypeVar

import pyarrow as pa
from sqlalchemy import SelectBase, Table

from auditor.engines import Engine

Row = TypeVar("Row")
Key = TypeVar("Key")


def rows_of(engine: Engine, kind: type[Row], selectable: SelectBase) -> list[Row]:
    """The rows of a selectable as *kind*, a dataclass whose fields are named like its columns."""
    found = engine.run(selectable)
    columns = (_exact(found.column(field.name)) for field in fields(kind))  # type: ignore[arg-type]
    return list(map(kind, *columns))


def _exact(column: pa.ChunkedArray) -> list[Any]:
    """Decimals as Fractions (credits) or ints (sums of integers), 0 where there is none."""
    values: list[Any] = column.to_pylist()
    if not pa.types.is_decimal(column.type):
        return values
    exact = int if column.type.scale == 0 else Fraction
    return [exact(value or 0) for value in values]


def loaded(engine: Engine, name: str, rows: Iterable[Sequence[Any]], **columns: pa.DataType) -> Table:
    """Rows as a table of the engine with *columns*."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pa.array(column, kind) for column, kind in zip(values, columns.values(), strict=True)]
    return engine.load(name, pa.Table.from_arrays(arrays, list(columns)))


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """The rows of each key, the keys in order."""
    return {each: list(own) for each, own in groupby(sorted(rows, key=key), key)}  # type: ignore[arg-type]
