"""Rows go into both databases and come back as they are, new ones and known ones, few and many."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from auditor.ledger import schema
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.rows import add, find, put

MANY = 1_234
"""More than what is worth a COPY, more than a chunk, and no multiple of one."""


def rollup(number: int, credits: str = "0.1") -> tuple[Any, ...]:
    """A row with what databases stumble over."""
    names = ("nul\0 and \uffff", f"tab\t{number}", "line\nback\\slash \\N", "", "\U0001f5bc")
    return (number, *names, 2**70 + number, 0, -number, 2**63, 0, 1, Decimal(credits))


def picture(number: int) -> tuple[Any, ...]:
    """A row that may have no digest."""
    return ("imejis", "main", "production", f"k{number}", -(2**60) + number, None if number % 2 else "sha256:x")


@pytest.mark.parametrize("count", [0, 1, 99, 100, MANY])
@pytest.mark.parametrize("way", [add, put])
def test_rows_come_back_as_they_went(ledger: Ledger, count: int, way: Any) -> None:
    """Names of any text, numbers of any size, what is null and what is bytes."""
    rows = [rollup(number, "1E-9" if number % 3 else "12345678901234567890.1") for number in range(count)]
    lines = [(f"id{number}", number, 1, 2, bytes(range(256)) + b"%d" % number) for number in range(count)]
    pictures = [picture(number) for number in range(count)]
    for table, given in ((schema.rollups, rows), (schema.events, lines), (schema.pictures, pictures)):
        width = len(table.primary_key)
        with ledger.write() as connection:
            way(connection, table, given)
        with ledger.read() as connection:
            keys = [row[:width] for row in given]
            assert sorted(find(connection, table, keys)) == sorted(given)
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == count


def test_a_row_that_is_there_after_all_is_an_error_and_nothing_is_kept(ledger: Ledger) -> None:
    """The savepoint takes all of them back, the transaction goes on, and the error tells no value."""
    rows = [(f"secret{number}", number, 1, 0, b"line") for number in range(MANY)]
    changed = [(*row[:4], b"other") for row in rows]
    if ledger.engine.dialect.name == "sqlite":  # it has one way for both
        with ledger.write() as connection:
            put(connection, schema.events, rows)
            add(connection, schema.events, changed)
            assert {row[4] for row in find(connection, schema.events, [row[:1] for row in rows])} == {b"other"}
        return
    with ledger.write() as connection:
        add(connection, schema.events, rows[-1:])
        with pytest.raises(IntegrityError) as caught, connection.begin_nested():
            add(connection, schema.events, rows)
        assert "secret" not in str(caught.value).splitlines()[0]
        add(connection, schema.events, rows[:-1])
    with ledger.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.events)).scalar_one() == MANY


def test_a_connection_that_breaks_is_the_database_s_fault(ledger: Ledger) -> None:
    """Not the data's: the batch is tried again, on a new connection."""
    if ledger.engine.dialect.name == "sqlite":
        pytest.skip("it has no connection that breaks")
    rows = [(f"e{number}", number, 1, 0, b"line") for number in range(MANY)]
    with pytest.raises(LedgerError), ledger.write() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with ledger.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})
        with pytest.raises(DBAPIError):
            add(connection, schema.events, rows)
        add(connection, schema.events, rows)
    with ledger.write() as connection:
        add(connection, schema.events, rows)
    with ledger.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.events)).scalar_one() == MANY
