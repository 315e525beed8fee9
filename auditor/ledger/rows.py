"""Many rows at once, found by their keys and put where they belong, in few statements of either database.

SQLite takes rows as parameters of one prepared statement. PostgreSQL takes columns as arrays: planning a statement of a
thousand parameters costs ten times as much as running it.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Table

from auditor.ledger.schema import Exact, Name, Whole, with_nul, without_nul

_CHUNK = 500
"""Keys in one query of SQLite, which takes 32,766 parameters and keeps the plan of a text that it knows."""
_MANY = 5_000
"""Rows in one statement of PostgreSQL."""

Row = tuple[Any, ...]
_Converters = tuple[tuple[int, Callable[[Any], Any]], ...]
"""(column, what its values pass through)."""


def find(connection: Connection, table: Table, keys: Sequence[Row]) -> Iterator[Row]:
    """The rows with those primary keys, in any order, as tuples of all columns."""
    arrays = connection.dialect.name == "postgresql"
    out, back = _converters(table, arrays)
    width = len(table.primary_key)
    for chunk in _chunks([_converted(key, out, width) for key in keys], _MANY if arrays else _CHUNK):
        if arrays:
            found = connection.exec_driver_sql(_find_arrays(table), _columns(chunk))
        else:
            found = connection.exec_driver_sql(_find_values(table, len(chunk)), tuple(_flat(chunk)))
        for row in found.cursor.fetchall():
            yield _converted(row, back, len(row))


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of all columns, or write them over the ones with their keys."""
    arrays = connection.dialect.name == "postgresql"
    out, _ = _converters(table, arrays)
    converted = [_converted(row, out, len(row)) for row in rows]
    if not arrays and converted:
        connection.exec_driver_sql(_put_values(table), converted)
    elif arrays:
        for chunk in _chunks(converted, _MANY):
            connection.exec_driver_sql(_put_arrays(table), _columns(chunk))


def _chunks(rows: list[Row], size: int) -> Iterator[list[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _columns(rows: list[Row]) -> tuple[list[Any], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


def _flat(rows: list[Row]) -> Iterator[Any]:
    return (value for row in rows for value in row)


def _converted(row: Row, converters: _Converters, width: int) -> Row:
    if not converters:
        return row
    values = list(row)
    for index, convert in converters:
        if index < width and values[index] is not None:
            values[index] = convert(values[index])
    return tuple(values)


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


def _arrays(table: Table, count: int) -> str:
    kinds = {BigInteger: "bigint", Integer: "integer", LargeBinary: "bytea"}
    return ", ".join(f"%b::{kinds.get(type(each.type), 'text')}[]" for each in list(table.columns)[:count])
