"""Ingest: files into the ledger, each line exactly once, the checkpoint in the transaction that has the lines.

Killed at any point, the next run finds either both or neither. What cannot be read is kept with its reason. A line or
a file with an unforeseen fault is set aside, and holds up no other.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from auditor.feed.sources import Sources, textual
from auditor.feed.tail import Readable, TailedFile
from auditor.feed.taken import NO_MEMORY, Ingested, stamp
from auditor.intake.detect import around_in
from auditor.intake.piped import STDIN, Piped
from auditor.ledger.checkpoints import alike, move
from auditor.ledger.database import Ledger
from auditor.ledger.piece import Booked, PieceBook, of_the_data
from auditor.ledger.rows import put
from auditor.ledger.schema import facts
from auditor.ledger.sources import SetAside, tell_sources
from auditor.ledger.state import state_of
from auditor.ledger.upkeep import HEARTBEAT, forget, report, source_of
from auditor.model.settings import Settings
from auditor.system.files import FileStamp

BEAT_EVERY = 10.0


class Ingest:
    """Reads files into a ledger.

    *settings* are the process's own, from the auditor.toml at *where*; *tell* hears where the ledger has them
    otherwise, once.
    """

    def __init__(
        self, ledger: Ledger, settings: Settings, clock: Callable[[], float] = time.time, *, where: Path | None = None,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:  # fmt: skip
        self._ledger, self._settings, self._clock = ledger, settings, clock
        self._book = PieceBook(settings, clock)
        self._where, self._tell = where, tell
        self._told: set[str] = set()
        self._beaten, self._working = 0.0, True
        self._sources = Sources(self._told_sources, clock)
        self._seen: dict[Path, FileStamp] = {}
        with ledger.write() as connection:
            self._aside = SetAside(connection)
            self._compare(connection)

    @property
    def _now_us(self) -> int:
        return int(self._clock() * 1_000_000)

    def _compare(self, connection: Connection) -> None:
        if self._where is None and not self._settings.accounts:
            return
        differences = state_of(connection).differences(self._settings)
        report(connection, source_of(self._where), self._settings, differences, self._now_us)
        for text in differences.values():
            if text not in self._told:
                self._told.add(text)
                self._tell(
                    f"{self._where or 'auditor.toml'} differs from the ledger, which counts: {text}; correct the file, "
                    "or make it the ledger's with `auditor ledger configure`"
                )

    def run(self, paths: Iterable[Path], progress: Callable[[Path], None] = lambda _: None) -> Ingested:
        """Everything that is new in *paths*."""
        done = Ingested()
        for path in paths:
            progress(path)
            self.run_one(path, done)
        self.beat()
        return done

    def beat(self, *, working: bool = True) -> None:
        """Tell the ledger that a process looks, every few seconds at most, and at once when the clock was set back.

        There is no heartbeat unless all that should be read could be: *working*.
        """
        now = self._clock()
        if abs(now - self._beaten) >= BEAT_EVERY or working > self._working:
            self._beaten, self._working = now, working
            with self._ledger.write() as connection:
                if working:
                    put(connection, facts, [(HEARTBEAT, str(self._now_us))])
                self._aside.refresh(connection, self._now_us)
                self._compare(connection)
                forget(connection, self._now_us)

    def follows(self, names: Iterable[str]) -> Sources:
        """The sources of this process from now on; the ledger hears of them also while a long file is read."""
        self._sources = Sources(self._told_sources, self._clock, names)
        return self._sources

    def _told_sources(self, seen: Mapping[str, bool]) -> None:
        with self._ledger.write() as connection:
            tell_sources(connection, seen, self._now_us)

    def run_one(self, path: Path, done: Ingested) -> None:
        """Everything that is new in one file, added to *done*; one that cannot be read keeps no others away."""
        self._sources.mark()
        try:
            now = stamp(path)
            if self._seen.get(path) != now:
                settled = now.is_settled(self._clock())
                while (tail := self.read_on(path, textual(path), done, settled=settled)) is None:
                    pass
                self.look_again(path, tail.damage)
                if not tail.waits:
                    self._seen[path] = now
        except FileNotFoundError:
            done.gone.append(str(path))
        except (OSError, MemoryError) as error:
            reason = NO_MEMORY if isinstance(error, MemoryError) else error.strerror or type(error).__name__
            done.unread.append((str(path), reason))
            self.put_aside(path, reason)
        except Exception as error:
            if not of_the_data(error):
                raise
            done.failed.append((str(path), type(error).__name__))
            self.put_aside(path, type(error).__name__)
            self._seen[path] = stamp(path)

    def put_aside(self, path: Path | str, reason: str) -> None:
        """Count a file, or an object by its name, as one that cannot be read to its end."""
        nameless = isinstance(path, Path) and path.parent == Path("/dev/fd")  # it cannot be read again
        if not nameless and not self._aside.told(path, reason):
            with self._ledger.write() as connection:
                self._aside.add(connection, path, reason, self._now_us)

    def look_again(self, path: Path | str, damage: str = "") -> None:
        """Whether a file is set aside, now that it was read; an object that is gone is not."""
        if damage:
            self.put_aside(path, "cut off or damaged")
        elif path in self._aside:
            with self._ledger.write() as connection:
                self._aside.remove(connection, path)

    def run_stream(self, stream: BinaryIO, done: Ingested) -> None:
        """Everything in a stream that cannot be read again, such as standard input, as it comes.

        It has no checkpoint: events are identified by id alone.
        """
        piped, number = Piped(stream), 1
        for lines in piped.pieces():
            with self._ledger.write() as connection:
                booked = self._book.book(connection, STDIN, lines, number)
            number += lines.count(b"\n")
            self._tally(done, STDIN, booked)
        if piped.damage:
            done.damaged.append((STDIN, piped.damage))

    def read_on(
        self, path: Readable, name: str, done: Ingested, *, settled: bool = False, whole: bool = False
    ) -> TailedFile | None:
        """What is new in a file or object, to its end; None where another process has read on meanwhile: look again.

        It may be *settled*, or *whole*, as `TailedFile` has it.
        """
        tail = TailedFile(path, around_in(path), settled=settled, whole=whole)
        with self._ledger.read() as connection:
            known = alike(connection, tail.first_line) if tail.begun else {}
        seen = max(known, default=0)
        for piece in tail.pieces(tail.furthest(known.values())):
            with self._ledger.write() as connection:
                if not move(connection, tail.first_line, name, piece.start, piece.end, seen):
                    return None
                booked = self._book.book(connection, name, piece.data, piece.start.lines + 1)
            self._tally(done, str(path), booked)
        if tail.damage:
            done.damaged.append((str(path), tail.damage))
        return tail

    def _tally(self, done: Ingested, name: str, booked: Booked) -> None:
        done.counts += booked.counts
        done.rejected += [(name, each.number, each.detail) for each in booked.wrong]
        self._sources.mark()
