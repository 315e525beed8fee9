"""Readers of whole blocks of lines, compiled ones where an input is worth their start."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pyarrow as pa

from auditor.exchanges.mapper import Mapper
from auditor.reading.lines import Line, read_exactly
from auditor.reading.log_template import LogTemplate
from auditor.reading.reader import Reading, Tally

BULK_FROM = 16 << 20
"""Bytes from which starting the compiled reader pays off; its start costs as much as 40,000 events."""
ReadBlock = Callable[[bytes, int], tuple[pa.RecordBatch | None, list[Line], int]]


class Switching:
    """Reads line by line until so much was read that the compiled reader pays off; packed logs do not tell before."""

    def __init__(self, size: int, compiled: Callable[[], ReadBlock]) -> None:
        self._compiled = compiled
        self._read: ReadBlock = compiled() if size >= BULK_FROM else read_exactly
        self._size = 0

    def __call__(self, block: bytes, before: int) -> tuple[pa.RecordBatch | None, list[Line], int]:
        """What the reader of the moment makes of a block."""
        self._size += len(block)
        if self._size >= BULK_FROM and self._read is read_exactly:
            self._read = self._compiled()
        return self._read(block, before)


# numba is heavy: imported only for inputs that are worth it.
def bulk_reader(tally: Tally) -> ReadBlock:
    """The reader of the client's own events, which counts the lines that it takes in *tally*."""
    from auditor.intake.columnar.bulk_columns import read_block

    def read(block: bytes, before: int) -> tuple[pa.RecordBatch | None, list[Line], int]:
        batch, rest, lines = read_block(block, before)
        tally.lines += len(batch)
        return batch, rest, lines

    return read


def template_reader(reading: Reading, mapper: Mapper, template: LogTemplate, zone: ZoneInfo) -> ReadBlock:
    """The reader of access-log lines that are written as *template* says."""
    from auditor.intake.columnar.template_columns import TemplateBlocks

    return TemplateBlocks(reading, mapper, template, reading.kind.blanks, zone).read
