"""DuckDB, the embedded engine. Selectables are compiled by SQLAlchemy's PostgreSQL dialect and run natively.

Traps that are ruled out here, each with a test: `//` is made integer division; parameters are numbered;
`preserve_insertion_order` stays true, since without it an ordered stream came out of order.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import Column, MetaData, SelectBase, Table
from sqlalchemy.dialects import postgresql

from auditor.engines import LINE_BITS, declared

MEMORY_LIMIT = "900MB"
IN_MEMORY = 64 << 20
"""Bytes of records up to which no file is written and synced; beyond, tables that outgrow memory spill more slowly."""
STREAM_ROWS = 500_000


class DuckDB:
    """One database, in memory or in a folder of its own, which is removed with it."""

    def __init__(self, folder: Path, size: int) -> None:
        self._fresh = count(1)
        self._dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        self._connection = duckdb.connect(
            str(folder / "audit.duckdb") if size > IN_MEMORY else ":memory:",
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(folder / "spill"),
                "integer_division": True,
                "preserve_insertion_order": True,
            },
        )
        self._connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def read(self, folder: Path) -> Table:
        """Show the Parquet files in *folder*, those of the moment at which it is asked."""
        name = self._named("taken")
        number = "parse_filename(filename, true)::BIGINT"
        self._connection.execute(
            f"CREATE VIEW {name} AS SELECT ({number} << {LINE_BITS}) + line AS row, * EXCLUDE (line, filename) "
            f"FROM read_parquet('{folder / '*.parquet'}', filename = true)"
        )
        return declared(name, self._connection.table(name).limit(0).to_arrow_table().schema)

    def run(self, selectable: SelectBase) -> pa.Table:
        """All rows of a selectable."""
        return self._relation(selectable).to_arrow_table()

    def sorted_stream(self, selectable: SelectBase) -> Iterator[pa.RecordBatch]:
        """The rows of an ordered selectable in batches."""
        yield from self._relation(selectable).to_arrow_reader(STREAM_ROWS)

    def store(self, name: str, selectable: SelectBase) -> Table:
        """CREATE TABLE AS."""
        text, values = self._compile(selectable)
        name = self._named(name)
        self._connection.execute(f"CREATE TABLE {name} AS {text}", values)
        return _selected(name, selectable)

    def view(self, name: str, selectable: SelectBase) -> Table:
        """CREATE VIEW; views take no parameters, so numbers stand in it literally."""
        text = selectable.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True})
        name = self._named(name)
        self._connection.execute(f"CREATE VIEW {name} AS {text}")
        return _selected(name, selectable)

    def load(self, name: str, table: pa.Table) -> Table:
        """Keep an Arrow table."""
        name = self._named(name)
        self._connection.from_arrow(table).create(name)
        return declared(name, table.schema)

    def _named(self, name: str) -> str:
        return f"{name}_{next(self._fresh)}"

    def _relation(self, selectable: SelectBase) -> duckdb.DuckDBPyRelation:
        text, values = self._compile(selectable)
        return self._connection.sql(text, params=values)

    def _compile(self, selectable: SelectBase) -> tuple[str, list[Any]]:
        compiled = selectable.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        return str(compiled), [compiled.params[name] for name in compiled.positiontup or []]


def _selected(name: str, selectable: SelectBase) -> Table:
    """The table with the columns of a selectable."""
    return Table(name, MetaData(), *(Column(column.name, column.type) for column in selectable.selected_columns))
