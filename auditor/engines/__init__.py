"""Engine: the seam between the stages of an audit, which speak SQLAlchemy Core and Arrow, and a database.

Every table has a fresh name, which only the handle that is returned for it knows: nothing is replaced under a reader.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from sqlalchemy import SelectBase, Table


class Engine(Protocol):
    """A database that holds the records of one audit."""

    def __init__(self, folder: Path) -> None:
        """An empty database that may keep files in *folder*."""

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
