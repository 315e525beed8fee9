"""Many rows at once, found by their keys and put where they belong, in few statements of either database.

SQLite takes rows as parameters of one prepared statement. PostgreSQL takes columns as arrays, since planning a
statement of a thousand parameters costs ten times as much as running it; and rows that are known to be new by COPY, in
less than half of that time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

from auditor.ledger.schema import Exact, Name, Whole, with_nul, without_nul

_CHUNK = 500
"""Keys in one query of SQLite, which takes 32,766 parameters and keeps the plan of a text that it knows."""
_MANY = 5_000
"""Rows in one statement of PostgreSQL."""

_FEW = 100
"""New rows that are not worth a COPY, which takes more messages than a statement."""

Row = tuple[Any, ...]
_Converters = tuple[tuple[int, Callable[[Any], Any]], ...]
"""(column, what its values pass through)."""


def find(connection: Connection, table: Table, keys: Sequence[Row]) -> Iterator[Row]:
    """The rows with those primary keys, in any order, as tuples of all columns."""
    arrays = connection.dialect.name == "postgresql"
    out, back = _converters(table, arrays)
    for chunk in _chunks(keys, _MANY if arrays else _CHUNK):
        columns = _converted(chunk, out)
        if arrays:
            found = connection.exec_driver_sql(_find_arrays(table), tuple(columns))
        else:
            found = connection.exec_driver_sql(
                _find_values(table, len(chunk)), tuple(chain.from_iterable(zip(*columns, strict=True)))
            )
        rows = found.cursor.fetchall()
        yield from zip(*_converted(rows, back), strict=True) if rows and back else rows


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of all columns, or write them over the ones with their keys."""
    arrays = connection.dialect.name == "postgresql"
    out, _ = _converters(table, arrays)
    if not arrays and rows:
        connection.exec_driver_sql(
            _put_values(table), list(zip(*_converted(rows, out), strict=True)) if out else list(rows)
        )
    elif arrays:
        for chunk in _chunks(rows, _MANY):
            connection.exec_driver_sql(_put_arrays(table), tuple(_converted(chunk, out)))


def add(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of all columns whose keys the table does not have, as the caller found in this transaction."""
    arrays = connection.dialect.name == "postgresql"
    if len(rows) < _FEW or not arrays:
        put(connection, table, rows)
        return
    out, _ = _converters(table, arrays)
    driven: Any = connection.connection.driver_connection
    text = f"COPY {table.name} ({', '.join(_names(table)[2])}) FROM STDIN (FORMAT BINARY)"
    base = connection.dialect.loaded_dbapi.Error
    try:
        with driven.cursor() as cursor, cursor.copy(text) as copy:
            copy.set_types([_KINDS.get(type(each.type), "text") for each in table.columns])
            for row in zip(*_converted(rows, out), strict=True):
                copy.write_row(row)
    except base as error:  # (as for what goes through SQLAlchemy)
        raise DBAPIError.instance(text, None, error, base, hide_parameters=True, dialect=connection.dialect) from None


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _converted(rows: Sequence[Row], converters: _Converters) -> list[list[Any]]:
    """Their columns; those that are converted are never null."""
    columns: list[list[Any]] = list(map(list, zip(*rows, strict=True)))
    for index, convert in converters:
        if index < len(columns):
            columns[index] = list(map(convert, columns[index]))
    return columns


@cache
def _converters(table: Table, postgresql: bool) -> tuple[_Converters, _Converters]:
    """To the database and back: what the column types do one value at a time."""
    kinds: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
        Whole: (str, int), Exact: ("{:f}".format, Decimal)
    }  # fmt: skip
    if postgresql:
        kinds[Name] = without_nul, with_nul
    known = [(index, kinds[type(each.type)]) for index, each in enumerate(table.columns) if type(each.type) in kinds]
    return tuple((index, out) for index, (out, _) in known), tuple((index, back) for index, (_, back) in known)


def _names(table: Table) -> tuple[list[str], list[str], list[str]]:
    """(primary key, other columns, all), quoted."""
    keys, names = set(table.primary_key.columns), list(table.columns)
    return (
        [f'"{each.name}"' for each in names if each in keys],
        [f'"{each.name}"' for each in names if each not in keys],
        [f'"{each.name}"' for each in names],
    )


@cache
def _find_values(table: Table, count: int) -> str:
    keys, _, _ = _names(table)
    one = f"({', '.join('?' * len(keys))})"
    # CROSS JOIN fixes the order; with `IN (VALUES …)` SQLite takes fifteen times as long.
    return f"WITH k({', '.join(keys)}) AS (VALUES {', '.join([one] * count)}) {_joined(table, 'k', 'CROSS JOIN')}"


@cache
def _put_values(table: Table) -> str:
    _, _, names = _names(table)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) {_over(table)}"


@cache
def _find_arrays(table: Table) -> str:
    keys, _, _ = _names(table)
    return _joined(table, f"unnest({_arrays(table, len(keys))}) AS k({', '.join(keys)})", "JOIN")


def _joined(table: Table, keyed: str, join: str) -> str:
    keys, _, names = _names(table)
    same = " AND ".join(f"t.{key} = k.{key}" for key in keys)
    return f"SELECT {', '.join(f't.{name}' for name in names)} FROM {keyed} {join} {table.name} AS t ON {same}"


@cache
def _put_arrays(table: Table) -> str:
    _, _, names = _names(table)
    columns = ", ".join(names)
    return f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({_arrays(table, len(names))}) {_over(table)}"


def _over(table: Table) -> str:
    keys, others, _ = _names(table)
    what = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}" if others else "NOTHING"
    return f"ON CONFLICT ({', '.join(keys)}) DO {what}"


_KINDS: Mapping[type, str] = {BigInteger: "bigint", Integer: "integer", LargeBinary: "bytea"}


def _arrays(table: Table, count: int) -> str:
    return ", ".join(f"%b::{_KINDS.get(type(each.type), 'text')}[]" for each in list(table.columns)[:count])
