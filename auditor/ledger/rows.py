"""Many rows at once, found by their keys and put where they belong, in few statements of either database.

SQLite takes rows as parameters of one prepared statement. PostgreSQL takes columns as arrays, since planning a
statement of a thousand parameters costs ten times as much as running it; and rows that are known to be new by COPY, in
less than half of that time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

from auditor.ledger.schema import Written

_CHUNK = 500
"""Keys in one query of SQLite, which takes 32,766 parameters and keeps the plan of a text that it knows."""
_MANY = 5_000
"""Rows in one statement of PostgreSQL."""

_FEW = 100
"""New rows that are not worth a COPY, which takes more messages than a statement."""

Row = tuple[Any, ...]
_KINDS: Mapping[type, str] = {BigInteger: "bigint", Integer: "integer", LargeBinary: "bytea"}


def find(connection: Connection, table: Table, keys: Sequence[Row]) -> Iterator[Row]:
    """The rows with those primary keys, in any order, as tuples of all columns."""
    arrays = connection.dialect.name == "postgresql"
    back = [(index, kind.back) for index, kind in _written(table, connection.dialect.name)]
    for chunk in _chunks(keys, _MANY if arrays else _CHUNK):
        columns = _given(connection, table, chunk)
        values = columns if arrays else chain.from_iterable(zip(*columns, strict=True))
        found = connection.exec_driver_sql(_find(table, 0 if arrays else len(chunk)), tuple(values))
        rows = found.cursor.fetchall()
        yield from zip(*_converted(rows, back), strict=True) if rows and back else rows


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of all columns, or write them over the ones with their keys."""
    if connection.dialect.name == "postgresql":
        for chunk in _chunks(rows, _MANY):
            connection.exec_driver_sql(_put(table, arrays=True), tuple(_given(connection, table, chunk)))
    elif rows:
        given = list(zip(*_given(connection, table, rows), strict=True))
        connection.exec_driver_sql(_put(table, arrays=False), given)


def add(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of all columns whose keys the table does not have, as the caller found in this transaction."""
    if len(rows) < _FEW or connection.dialect.name != "postgresql":
        put(connection, table, rows)
        return
    driven: Any = connection.connection.driver_connection
    text = f"COPY {table.name} ({_listed(table.columns)}) FROM STDIN (FORMAT BINARY)"
    base = connection.dialect.loaded_dbapi.Error
    try:
        with driven.cursor() as cursor, cursor.copy(text) as copy:
            copy.set_types([_KINDS.get(type(each.type), "text") for each in table.columns])
            for row in zip(*_given(connection, table, rows), strict=True):
                copy.write_row(row)
    except base as error:  # (as for what goes through SQLAlchemy)
        raise DBAPIError.instance(text, None, error, base, hide_parameters=True, dialect=connection.dialect) from None


def merge(connection: Connection, table: Table, values: Mapping[Row, Any], into: Callable[[Any, Any], Any]) -> None:
    """Put the one value that each key has beside it, or what it makes *into* the one that the table has."""
    merged = dict(values)
    for *key, old in find(connection, table, list(values)):
        merged[tuple(key)] = into(old, merged[tuple(key)])
    put(connection, table, [(*key, value) for key, value in merged.items()])


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


@cache
def _written(table: Table, dialect: str) -> list[tuple[int, Written]]:
    """(column, type) of what does not stand in the database as it is."""
    kinds = [(index, each.type) for index, each in enumerate(table.columns)]
    return [(index, kind) for index, kind in kinds if isinstance(kind, Written) and kind.only in ("", dialect)]


def _given(connection: Connection, table: Table, rows: Sequence[Row]) -> list[list[Any]]:
    """The columns of rows as the database takes them."""
    return _converted(rows, [(index, kind.out) for index, kind in _written(table, connection.dialect.name)])


def _converted(rows: Sequence[Row], converters: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[list[Any]]:
    """Their columns; those that are converted are never null."""
    columns: list[list[Any]] = list(map(list, zip(*rows, strict=True)))
    for index, convert in converters:
        if index < len(columns):
            columns[index] = list(map(convert, columns[index]))
    return columns


@cache
def _find(table: Table, values: int) -> str:
    """For so many *values*, or for arrays."""
    keys = list(table.primary_key.columns)
    same = " AND ".join(f't."{key.name}" = k."{key.name}"' for key in keys)
    joined = f"{table.name} AS t ON {same}"
    chosen = ", ".join(f't."{each.name}"' for each in table.columns)
    if not values:
        return f"SELECT {chosen} FROM {_arrays(keys)} AS k({_listed(keys)}) JOIN {joined}"
    given = ", ".join([f"({', '.join('?' * len(keys))})"] * values)
    # CROSS JOIN fixes the order; with `IN (VALUES …)` SQLite takes fifteen times as long.
    return f"WITH k({_listed(keys)}) AS (VALUES {given}) SELECT {chosen} FROM k CROSS JOIN {joined}"


@cache
def _put(table: Table, *, arrays: bool) -> str:
    columns, keys = list(table.columns), list(table.primary_key.columns)
    source = f"SELECT * FROM {_arrays(columns)}" if arrays else f"VALUES ({', '.join('?' * len(columns))})"
    over = ", ".join(f'"{each.name}" = excluded."{each.name}"' for each in columns if not each.primary_key)
    over = f"UPDATE SET {over}" if over else "NOTHING"
    return f"INSERT INTO {table.name} ({_listed(columns)}) {source} ON CONFLICT ({_listed(keys)}) DO {over}"


def _listed(columns: Iterable["Column[Any]"]) -> str:
    return ", ".join(f'"{each.name}"' for each in columns)


def _arrays(columns: Sequence["Column[Any]"]) -> str:
    kinds = (_KINDS.get(type(each.type), "text") for each in columns)
    return f"unnest({', '.join(f'%b::{kind}[]' for kind in kinds)})"
