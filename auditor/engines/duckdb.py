"""DuckDB, the embedded engine. Selectables are compiled by SQLAlchemy's PostgreSQL dialect and run natively.

Traps that are ruled out here, each with a test: `//` is made integer division; parameters are numbered;
`preserve_insertion_order` stays true, since without it an ordered stream came out of order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import SelectBase
from sqlalchemy.dialects import postgresql

from auditor.engines.tables import metadata

MEMORY_LIMIT = "900MB"
STREAM_ROWS = 500_000


class DuckDB:
    """One database in a folder of its own, which is removed with it."""

    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        self._dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        self._connection = duckdb.connect(str(folder / "audit.duckdb"))
        for setting in (
            f"memory_limit = '{MEMORY_LIMIT}'",
            "integer_division = true",
            "preserve_insertion_order = true",
            "TimeZone = 'UTC'",
            "enable_progress_bar = false",
            f"temp_directory = '{folder / 'spill'}'",
        ):
            self._connection.execute(f"SET {setting}")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def read(self, folder: Path) -> None:
        """Make `taken` of the Parquet files in *folder*, named by their number (see `formats.columns`)."""
        columns = ", ".join(f'"{c.name}"' for c in metadata.tables["taken"].columns if c.name != "row")
        number = "parse_filename(filename, true)::BIGINT"
        self._connection.execute(
            f"CREATE VIEW taken AS SELECT ({number} << 40) + line AS row, {columns} "
            f"FROM read_parquet('{folder / '*.parquet'}', filename = true)"
        )

    def run(self, selectable: SelectBase) -> pa.Table:
        """All rows of a selectable."""
        return self._relation(selectable).to_arrow_table()

    def sorted_stream(self, selectable: SelectBase) -> Iterator[pa.RecordBatch]:
        """The rows of an ordered selectable in batches."""
        yield from self._relation(selectable).to_arrow_reader(STREAM_ROWS)

    def store(self, name: str, selectable: SelectBase) -> None:
        """CREATE TABLE AS."""
        text, values = self._compile(selectable)
        self._connection.execute(f"CREATE TABLE {metadata.tables[name].name} AS {text}", values)

    def view(self, name: str, selectable: SelectBase) -> None:
        """CREATE VIEW; views take no parameters, so numbers stand in it literally."""
        text = selectable.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True})
        self._connection.execute(f"CREATE VIEW {metadata.tables[name].name} AS {text}")

    def load(self, name: str, table: pa.Table) -> None:
        """Keep an Arrow table."""
        self._connection.register("arrow_input", table)
        self._connection.execute(f"CREATE OR REPLACE TABLE {metadata.tables[name].name} AS SELECT * FROM arrow_input")
        self._connection.unregister("arrow_input")

    def _relation(self, selectable: SelectBase) -> duckdb.DuckDBPyRelation:
        text, values = self._compile(selectable)
        return self._connection.sql(text, params=values)

    def _compile(self, selectable: SelectBase) -> tuple[str, list[Any]]:
        compiled = selectable.compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        return str(compiled), [compiled.params[name] for name in compiled.positiontup or []]
