"""Load: inputs -> the records of all of them in one engine, of which those with one id are told apart."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import ColumnElement, Table, and_, func, not_, or_, select

from auditor.analysis.identities import Records, drop_replaced
from auditor.analysis.oddtime import bounds, is_usual, odd
from auditor.engines import LINE_BITS, Engine, file_of
from auditor.intake.lookup import read_records
from auditor.intake.read import Intake
from auditor.intake.sources import Note, Source
from auditor.model.errors import InputError
from auditor.model.events import NOBODY, Reason
from auditor.model.settings import Settings
from auditor.reading.ids import IdChoice
from auditor.reading.lines import NUMBER_BITS, Line
from auditor.reading.reader import MAX_REJECTIONS, rejection_of
from auditor.registry import ENGINES
from auditor.system.clock import present

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
            read_lines = partial(read_records, self.sources, self.settings, self.input_format)
            size = sum(path.stat().st_size for path in folder.iterdir())
            with closing(ENGINES["duckdb"](Path(name), size)) as engine:
                records, loaded = self._judged(engine, folder, intakes)
                yield replace(drop_replaced(engine, records, read_lines), loaded=loaded), intakes

    def _taken(self, source: Source, path: Path, settings: Settings, done: int, total: int) -> Intake:
        def told(read: int) -> None:
            self.progress("Reading", done + read, total)

        return Intake.of(source, path, settings, self.input_format, self.cache, told, self.note)

    def _judged(self, engine: Engine, folder: Path, intakes: list[Intake]) -> tuple[Table, Table | None]:
        """(records, images that pages loaded) of usual times; *intakes* with wrong ids or times are corrected."""
        taken, loaded = engine.read(folder), None
        if any(intake.tally.loaded for intake in intakes):  # (each view costs some milliseconds)
            every = taken
            taken = engine.view("taken", select(every).where(every.c.provider != NOBODY))
            loaded = engine.view("loaded", select(every).where(every.c.provider == NOBODY))
        limits = bounds(present(self.now))
        relative = {index for index, intake in enumerate(intakes) if intake.format == "cache-trace"}
        usual = is_usual(taken, limits, relative)
        for index in repeating(engine, taken, usual, intakes, [source.label for source in self.sources]):
            intakes[index] = self._by_rows(self.sources[index], _path(folder, index))
        self.progress("Replaying", 0, 0)
        records = self._drop_odd(engine, taken, intakes, limits, usual)
        if loaded is None:
            return records, None
        return records, engine.view("downloads", select(loaded).where(is_usual(loaded, limits, relative)))

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
            index, number = row >> LINE_BITS, row & (1 << NUMBER_BITS) - 1
            bad = rejection_of(self.sources[index].label, lines.get(row, Line(number, b"")), why)
            intakes[index].tally.rejections.append(bad)
        for each in counts:
            tally = intakes[each["file"]].tally
            tally.reasons[Reason.ODD_TIME] += each["lines"]
            tally.rejections = sorted(tally.rejections, key=lambda one: one.line)[:MAX_REJECTIONS]
        return records


def _path(folder: Path, index: int) -> Path:
    """The file of an input, named by its number."""
    return folder / f"{index:08d}.parquet"


MOST = 100
"""One row in so many may share its id with a row of another time."""


def repeating(
    engine: Engine,
    taken: Table,
    usual: ColumnElement[bool],
    intakes: Sequence[Intake],
    labels: Sequence[str],
) -> list[int]:
    """The files, by their numbers, whose ids are none (semantics section 11.5).

    A file whose rows share their ids with rows of other times, in it or in another file of the same format, provider
    and account, counted its rows. Of a table of finished renders such ids are dropped; elsewhere several records of one
    request may be meant, and the user is asked.

    *usual* chooses the rows of *taken* that may be events. *intakes* tell what the own ids of each file's records end
    with, and which files may have several records of one request. *labels* are the names of all files. Raises
    `InputError` where the user has to say.
    """
    scopes = {index: intake.scopes for index, intake in enumerate(intakes) if intake.scopes}
    if not scopes:
        return []
    staged = [index for index in scopes if intakes[index].stages]
    file = file_of(taken)
    ends = next(len(suffix) for suffixes in scopes.values() for suffix in suffixes)
    end = func.right(taken.c.id, ends)
    owned = or_(*(and_(file == each, end.in_(found)) for each, found in scopes.items()))
    own = select(file.label("file"), func.hash(taken.c.id).label("own"), taken.c.ts_us).where(usual, owned).cte("own")
    shared = (
        select(own.c.own, func.bool_or(own.c.file.in_(staged)).label("staged"))
        .group_by(own.c.own)
        .having(func.min(own.c.ts_us) != func.max(own.c.ts_us))
        .subquery()
    )
    found = engine.run(
        select(own.c.file, func.count().label("rows"), func.bool_or(shared.c.staged).label("staged"))
        .join_from(own, shared, own.c.own == shared.c.own)
        .group_by(own.c.file)
        .order_by(own.c.file)
    ).to_pylist()
    if not found:
        return []
    files = [row["file"] for row in found]
    counted = select(file.label("file"), func.count().label("rows")).where(usual, file.in_(files)).group_by(file)
    totals = {row["file"]: row["rows"] for row in engine.run(counted).to_pylist()}
    none = [row for row in found if row["rows"] * MOST > totals[row["file"]]]
    for row in none:
        if row["staged"]:
            raise InputError(
                f"{labels[row['file']]}: {row['rows']:,} of {totals[row['file']]:,} rows share an id with a row of "
                "another time; count each id once with --ids keep, or each row with --ids rows"
            )
    return [row["file"] for row in none]
