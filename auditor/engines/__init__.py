"""Engine: the seam between audits, which speak SQLAlchemy Core and Arrow, and a database."""

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa
from sqlalchemy import SelectBase


class Engine(Protocol):
    """A database that holds the records of one audit."""

    def run(self, selectable: SelectBase) -> pa.Table:
        """All rows of a selectable; for results that are small."""

    def sorted_stream(self, selectable: SelectBase) -> Iterator[pa.RecordBatch]:
        """The rows of an ordered selectable, batch by batch, in that order, in bounded memory."""

    def store(self, name: str, selectable: SelectBase) -> None:
        """Keep the rows of a selectable as table *name*."""

    def view(self, name: str, selectable: SelectBase) -> None:
        """Show the rows of a selectable as table *name*, without keeping them."""

    def load(self, name: str, table: pa.Table) -> None:
        """Keep an Arrow table as table *name*."""
