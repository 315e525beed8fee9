"""Ingest: files into the ledger, each line exactly once, the checkpoint in the transaction that has the lines.

Killed at any point, the next run finds either both or neither. What cannot be read is kept with its reason. A line or
a file that nobody foresaw is set aside, and keeps no other away.
"""

import errno
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from auditor.ledger.checkpoints import alike, move
from auditor.ledger.database import Ledger
from auditor.ledger.piece import PieceBook, of_the_data
from auditor.ledger.rows import put
from auditor.ledger.schema import facts
from auditor.ledger.sources import SetAside, Sources, textual
from auditor.ledger.state import state_of
from auditor.ledger.upkeep import HEARTBEAT, forget, report, source_of
from auditor.model.settings import Settings
from auditor.reading.tail import TailedFile
from auditor.system.files import FileStamp

BEAT_EVERY = 10.0
NO_MEMORY = "not enough memory"
"""Why a file cannot be read now; it can when others need less."""
SHOWN = 5
"""Rejected lines that are named; all are kept."""


@dataclass(slots=True)
class Ingested:
    """What a run did, by the words of the conservation line, and what it met."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, int, str]] = field(default_factory=list)
    """(path, line, reason) of the first ones."""
    damaged: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(path, error) of files that were set aside."""
    gone: list[str] = field(default_factory=list)
    """Files that vanished before they were read."""
    unread: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of files that are there and cannot be read."""
    truncated: list[str] = field(default_factory=list)
    """Files that were emptied in place: lines may be missing."""

    def complaints(self) -> Iterator[str]:
        """A sentence for whatever somebody should look at."""
        for path, line, reason in self.rejected[:SHOWN]:
            yield f"{path} line {line}: {reason}"
        if len(self.rejected) > SHOWN:
            yield f"and {len(self.rejected) - SHOWN:,} more; the ledger keeps all of them in its table `rejections`"
        for path, damage in self.damaged:
            yield f"{path} is cut off or damaged ({damage}); the lines before the cut were taken"
        for path, error in self.failed:
            yield f"{path} was set aside ({error}); it is tried again when it changes, and after a restart"
        for path in self.truncated:
            yield f"{path} was emptied in place: lines written since the last look may be missing; feed its copy too"
        for path in self.gone:
            yield f"{path} vanished before it was read"
        for path, reason in self.unread:
            yield f"{path} cannot be read ({reason}); what it holds is missing"


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
        self._sources = Sources(ledger, clock)
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
        """Tell the ledger that somebody looks, every few seconds at most, and at once when the clock was set back.

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
        self._sources = Sources(self._ledger, self._clock, names)
        return self._sources

    def run_one(self, path: Path, done: Ingested) -> None:
        """Everything that is new in one file, added to *done*; one that cannot be read keeps no others away."""
        self._sources.mark()
        try:
            stamp = _stamp(path)
            if self._seen.get(path) != stamp:
                while not self._read_on(path, done):
                    pass
                self._seen[path] = stamp
        except FileNotFoundError:
            done.gone.append(str(path))
        except (OSError, MemoryError) as error:
            reason = NO_MEMORY if isinstance(error, MemoryError) else error.strerror or type(error).__name__
            done.unread.append((str(path), reason))
            self._put_aside(path, reason)
        except Exception as error:
            if not of_the_data(error):
                raise
            done.failed.append((str(path), type(error).__name__))
            self._put_aside(path, type(error).__name__)
            self._seen[path] = _stamp(path)

    def _put_aside(self, path: Path, reason: str) -> None:
        nameless = path.parent == Path("/dev/fd")  # nobody can read it again
        if not nameless and not self._aside.told(path, reason):
            with self._ledger.write() as connection:
                self._aside.add(connection, path, reason, self._now_us)

    def _read_on(self, path: Path, done: Ingested) -> bool:
        """To the end; False where another process has read on meanwhile, so that it has to be looked at anew."""
        tail = TailedFile(path)
        with self._ledger.read() as connection:
            known = alike(connection, tail.first_line) if tail.begun else {}
        name, seen = textual(path), max(known, default=0)
        for piece in tail.pieces(tail.furthest(known.values())):
            with self._ledger.write() as connection:
                if not move(connection, tail.first_line, name, piece.start, piece.end, seen):
                    return False
                booked = self._book.book(connection, name, piece.data, piece.start.lines + 1)
            done.counts += booked.counts
            done.rejected += [(str(path), each.number, each.detail) for each in booked.wrong]
            self._sources.mark()
        if tail.damage:
            done.damaged.append((str(path), tail.damage))
            self._put_aside(path, "cut off or damaged")
        elif path in self._aside:
            with self._ledger.write() as connection:
                self._aside.remove(connection, path)
        return True


def _stamp(path: Path) -> FileStamp:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would keep its reader for ever
        raise OSError(errno.EINVAL, "it is no regular file")
    return FileStamp.of(status)
