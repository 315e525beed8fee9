"""Load: inputs -> the records of all of them in one engine, of which those with one id are told apart."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Table

from auditor.analysis.identities import Records, drop_replaced
from auditor.analysis.oddtime import bounds, drop_odd, is_usual, odd, present
from auditor.analysis.repeats import repeating
from auditor.engines import Engine
from auditor.engines.tables import LINE_BITS
from auditor.intake.lookup import read_records
from auditor.intake.read import Intake
from auditor.intake.sources import Note, Source
from auditor.model.errors import InputError
from auditor.model.events import Reason
from auditor.model.settings import Settings
from auditor.reading.ids import IdChoice
from auditor.reading.lines import Line
from auditor.reading.reader import MAX_REJECTIONS, TRY_BITS, rejection_of
from auditor.registry import ENGINES

Progress = Callable[[str, int, int], None]
"""Called with (what is going on, done, of how many); bytes while reading."""


@dataclass(frozen=True, slots=True)
class Load:
    """Some inputs and how they are read."""

    sources: Sequence[Source]
    settings: Settings
    input_format: str | None
    """A registered format, one of auditor.toml, or an nginx log_format string; None detects it."""
    cache: bool
    now: Callable[[], datetime]
    note: Note
    progress: Progress

    @contextmanager
    def records(self) -> Iterator[tuple[Records, list[Intake]]]:
        """The records, while their engine is open, and what became of each input.

        Raises `InputError` where there is nothing to read.
        """
        if not self.sources:
            raise InputError("nothing to audit: name files, folders or globs, or - for standard input")
        with tempfile.TemporaryDirectory(prefix="auditor-") as name:
            folder = Path(name) / "records"
            folder.mkdir()
            intakes = self._read(folder)
            engine: Engine = ENGINES["duckdb"](Path(name))
            try:
                table = self._judged(engine, folder, intakes)
                yield (
                    drop_replaced(engine, table, partial(read_records, self.sources, self.settings, self.input_format)),
                    intakes,
                )
            finally:
                engine.close()

    def _read(self, folder: Path) -> list[Intake]:
        """Every input as a Parquet file in *folder*, named by its number."""
        total, done, intakes = sum(source.size for source in self.sources), 0, []
        for index, source in enumerate(self.sources):
            intakes.append(self._taken(source, _path(folder, index), self.settings, done, total))
            done += source.size
        return intakes

    def _taken(self, source: Source, path: Path, settings: Settings, done: int, total: int) -> Intake:
        def told(read: int) -> None:
            self.progress("Reading", done + read, total)

        return Intake.of(source, path, settings, self.input_format, self.cache, told, self.note)

    def _judged(self, engine: Engine, folder: Path, intakes: list[Intake]) -> Table:
        """The records of usual times; *intakes* whose ids or times turned out to be wrong are corrected."""
        taken = engine.read(folder)
        limits = bounds(present(self.now))
        relative = {index for index, intake in enumerate(intakes) if intake.format == "cache-trace"}
        scopes = {index: intake.scopes for index, intake in enumerate(intakes) if intake.scopes}
        staged = [index for index in scopes if intakes[index].stages]
        labels = [source.label for source in self.sources]
        for index in repeating(engine, taken, is_usual(taken, limits, relative), scopes, staged, labels):
            intakes[index] = self._by_rows(self.sources[index], _path(folder, index))
        self.progress("Replaying", 0, 0)
        return self._drop_odd(engine, taken, intakes, limits, relative)

    def _by_rows(self, source: Source, path: Path) -> Intake:
        """Read once more an input whose ids turned out to be none beside the others: each row is an event."""
        path.unlink()  # it may be a name of what is kept for the next audit, and is not written over
        by_rows = replace(self.settings, ids=IdChoice.REPEAT.value)
        return self._taken(source, path.with_stem(f"0{path.stem}"), by_rows, 0, source.size)

    def _drop_odd(
        self,
        engine: Engine,
        taken: Table,
        intakes: Sequence[Intake],
        limits: tuple[int, int],
        relative: Collection[int],
    ) -> Table:
        """Reject the lines of odd times, whether they were just read or come from a cache."""
        records, counts, first = drop_odd(engine, taken, limits, relative, MAX_REJECTIONS)
        lines = read_records(self.sources, self.settings, self.input_format, [row for row, _ in first])
        for row, ts_us in first:
            index, number = row >> LINE_BITS, row & (1 << TRY_BITS) - 1
            bad = rejection_of(self.sources[index].label, Line(number, lines.get(row, b"")), odd(ts_us, limits))
            intakes[index].tally.rejections.append(bad)
        for index, lost in counts.items():
            tally = intakes[index].tally
            tally.reasons[Reason.ODD_TIME] += lost
            tally.rejections = sorted(tally.rejections, key=lambda each: each.line)[:MAX_REJECTIONS]
        return records


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:08d}.parquet"
