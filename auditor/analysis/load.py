"""Load: inputs -> the records of all of them in one engine, of which those with one id are told apart.

Odd times, of clocks that were never set, or that are far ahead, are named and left out. They are judged at each run
and not when a line is read, since a cache of records outlives the day on which it was written.
"""

import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import ColumnElement, Table, and_, func, not_, or_, select

from auditor.analysis.identities import Records, drop_replaced
from auditor.analysis.repeats import repeating
from auditor.engines import LINE_BITS, Engine, file_of
from auditor.intake.lookup import read_records
from auditor.intake.read import Intake
from auditor.intake.sources import Note, Source
from auditor.model.errors import ConfigError, InputError
from auditor.model.events import EPOCH, BadRecordError, Reason
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
            total, done, intakes = sum(source.size for source in self.sources), 0, []
            for index, source in enumerate(self.sources):
                intakes.append(self._taken(source, _path(folder, index), self.settings, done, total))
                done += source.size
            engine: Engine = ENGINES["duckdb"](Path(name))
            try:
                table = self._judged(engine, folder, intakes)
                yield (
                    drop_replaced(engine, table, partial(read_records, self.sources, self.settings, self.input_format)),
                    intakes,
                )
            finally:
                engine.close()

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
        usual = is_usual(taken, limits, relative)
        for index in repeating(engine, taken, usual, scopes, staged, labels):
            intakes[index] = self._by_rows(self.sources[index], _path(folder, index))
        self.progress("Replaying", 0, 0)
        return self._drop_odd(engine, taken, intakes, limits, usual)

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
        usual: ColumnElement[bool],
    ) -> Table:
        """Reject the lines of odd times, whether they were just read or come from a cache."""
        records = engine.view("records", select(taken).where(usual))
        file = file_of(taken)
        counted = select(file.label("file"), func.count().label("lines")).where(not_(usual)).group_by(file)
        counts = engine.run(counted).to_pylist()
        if not counts:
            return records
        odd_ones = select(taken.c.row, taken.c.ts_us).where(not_(usual)).order_by(taken.c.row).limit(MAX_REJECTIONS)
        first = engine.run(odd_ones).to_pylist()
        lines = read_records(self.sources, self.settings, self.input_format, [each["row"] for each in first])
        for each in first:
            row, why = each["row"], odd(each["ts_us"], limits)
            index, number = row >> LINE_BITS, row & (1 << TRY_BITS) - 1
            bad = rejection_of(self.sources[index].label, Line(number, lines.get(row, b"")), why)
            intakes[index].tally.rejections.append(bad)
        for each in counts:
            tally = intakes[each["file"]].tally
            tally.reasons[Reason.ODD_TIME] += each["lines"]
            tally.rejections = sorted(tally.rejections, key=lambda one: one.line)[:MAX_REJECTIONS]
        return records


def _path(folder: Path, index: int) -> Path:
    """The file of an input, named by its number."""
    return folder / f"{index:08d}.parquet"


OLDEST = datetime(2000, 1, 2, tzinfo=UTC)
"""Clocks that were never set start at 1970 or 2000-01-01."""
AHEAD = timedelta(hours=48)
_MICRO = timedelta(microseconds=1)
_LATEST = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp())
"""Whatever is reckoned from now, such as the end of a cycle, is still a date."""


def present(now: Callable[[], datetime]) -> datetime:
    """Now in whole seconds, or SOURCE_DATE_EPOCH where the same input has to give the same report.

    Raises `ConfigError` if that is no time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return now().astimezone(UTC).replace(microsecond=0)
    if not re.fullmatch("[0-9]{1,12}", epoch) or int(epoch) > _LATEST:
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is not a whole number from 0 to {_LATEST}; set the seconds since 1970, or unset it"
        )
    return datetime.fromtimestamp(int(epoch), UTC)


def bounds(now: datetime) -> tuple[int, int]:
    """The first and the last microsecond since 1970 that an event may have."""
    return (OLDEST - EPOCH) // _MICRO, (now + AHEAD - EPOCH) // _MICRO


def odd(ts_us: int, limits: tuple[int, int]) -> BadRecordError:
    """What is said of an odd time."""
    said = f"ts is {(EPOCH + ts_us * _MICRO).isoformat().replace('+00:00', 'Z')}"
    why = "before 2000-01-02: was its clock ever set?" if ts_us < limits[0] else "more than 48 h ahead of now"
    return BadRecordError(Reason.ODD_TIME, f"{said}, {why}")


def is_usual(taken: Table, limits: tuple[int, int], exempt: Collection[int]) -> ColumnElement[bool]:
    """The rows whose times are not odd; *exempt* are the numbers of files whose times are relative."""
    return or_(and_(taken.c.ts_us >= limits[0], taken.c.ts_us <= limits[1]), file_of(taken).in_(sorted(exempt)))
