"""Ingest: files into the ledger, each line exactly once, the checkpoint in the transaction that has the lines.

Killed at any point, the next run finds either both or neither. What cannot be read is kept with its reason. A line or
a file that nobody foresaw is set aside, and keeps no other away.
"""

import errno
import gc
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from auditor.analysis.oddtime import bounds, odd
from auditor.ledger.booking import Booking, count
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.record import Record, plain_records
from auditor.ledger.rows import put
from auditor.ledger.schema import facts, rejections
from auditor.ledger.sources import SetAside, Sources, textual
from auditor.ledger.state import fact, state_of
from auditor.ledger.tail import TailedFile, numbered
from auditor.ledger.upkeep import HEARTBEAT, HORIZON, forget, report, source_of
from auditor.model.errors import ConfigError
from auditor.model.events import MIN_TS_US, BadRecordError, Reason
from auditor.model.settings import Settings
from auditor.reading.lines import EXCERPT, MAX_LINE, dense
from auditor.reading.secrets import find, redact
from auditor.system.clock import present
from auditor.system.files import FileStamp

BEAT_EVERY = 10.0
BULK_FROM = 1 << 20
"""Bytes of a piece from which the compiled reader is worth its start."""
SET_ASIDE = "set_aside"
"""Of a line that nobody foresaw, among the reasons of rejected ones."""
NO_MEMORY = "not enough memory"
"""Why a file cannot be read now; it can when others need less."""
_Wrong = tuple[int, bytes, str, str]
"""(number, line, reason, detail) of a line that was not booked."""
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
        with self._ledger.read() as connection:
            tail = TailedFile(path, connection)
        for piece, first_number in tail.pieces():
            with _uncollected(), self._ledger.write() as connection:
                if not tail.unmoved(connection):
                    return False
                counts, rejected = self._piece(tail, dense(piece), first_number, connection)
            done.counts += counts
            done.rejected += rejected
            self._sources.mark()
        if tail.damage:
            done.damaged.append((str(path), tail.damage))
            self._put_aside(path, "cut off or damaged")
        elif path in self._aside:
            with self._ledger.write() as connection:
                self._aside.remove(connection, path)
        return True

    def _piece(
        self, tail: TailedFile, piece: bytes, first_number: int, connection: Connection
    ) -> tuple[Counter[str], list[tuple[str, int, str]]]:
        bulk = len(piece) >= BULK_FROM
        records, others = plain_records(piece, first_number) if bulk else ([], numbered(piece, first_number))
        counts = Counter(lines=len(records) + len(others))
        wrong: list[_Wrong] = []
        for number, line in others:
            try:
                if len(line) > MAX_LINE:
                    raise BadRecordError(Reason.TOO_LONG, "the line is longer than 1 MiB")
                records.append((number, Record.of(_without_secrets(line), self._settings.timezone)))
            except BadRecordError as bad:
                wrong.append((number, line, bad.reason.value, bad.detail))
            except Exception as error:
                if not of_the_data(error):
                    raise
                wrong.append((number, line, SET_ASIDE, type(error).__name__))
        first, last = limits = bounds(present(lambda: datetime.fromtimestamp(self._clock(), UTC)))
        for number, record in records:
            if not first <= record.ts_us <= last:  # however it was read
                strange = odd(record.ts_us, limits)
                wrong.append((number, record.line, strange.reason.value, strange.detail))
        usual = [(number, record) for number, record in records if first <= record.ts_us <= last]
        wrong += self._booked(usual, connection, counts)
        for number, line, reason, detail in wrong:
            counts["set_aside" if reason == SET_ASIDE else "rejected"] += 1
            excerpt = redact(line[: EXCERPT * 8])[:EXCERPT].decode(errors="replace").replace("\0", "\\0")
            row = {"path": textual(tail.path), "line": number, "reason": reason, "detail": detail, "excerpt": excerpt}
            connection.execute(insert(rejections), row)
        count(connection, {name: counts[name] for name in ("lines", "rejected", "set_aside")})
        tail.save(connection)
        return counts, [(str(tail.path), number, detail) for number, _, _, detail in wrong]

    def _booked(self, records: list[tuple[int, Record]], connection: Connection, counts: Counter[str]) -> list[_Wrong]:
        """Book what can be booked; (number, line, reason, detail) of what cannot, found by halves."""
        try:
            with connection.begin_nested():
                state, horizon_us = state_of(connection), int(fact(connection, HORIZON) or MIN_TS_US)
                booking = Booking(connection, self._settings, state, self._now_us, horizon_us)
                booking.book([record for _, record in records])
        except Exception as error:
            small = isinstance(error, MemoryError) and len(records) > 1
            if not small and not of_the_data(error):
                raise
            if len(records) == 1:
                return [(records[0][0], records[0][1].line, SET_ASIDE, f"cannot be booked ({type(error).__name__})")]
            half = len(records) // 2
            wrong = self._booked(records[:half], connection, counts)
            return wrong + self._booked(records[half:], connection, counts)
        counts.update(booking.counts)
        return []


@contextmanager
def _uncollected() -> Iterator[None]:
    """What a batch makes lives to its end: looking through it for garbage took a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def of_the_data(error: Exception) -> bool:
    """Whether what was read is to blame, and would fail again; a database that is away, and memory, come back."""
    if isinstance(error, DBAPIError):
        limit = str(getattr(error.orig, "sqlstate", "")).startswith("54")  # (PostgreSQL's limits, on a row's size say)
        return limit or isinstance(error, DataError | IntegrityError)
    return not isinstance(error, OSError | MemoryError | LedgerError | ConfigError)


def _stamp(path: Path) -> FileStamp:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would keep its reader for ever
        raise OSError(errno.EINVAL, "it is no regular file")
    return FileStamp.of(status)


def _without_secrets(line: bytes) -> bytes:
    """The ledger is no place for keys that leaked into a log; the audit of the log itself finds and counts them."""
    for _, value in find(line):
        line = line.replace(value, b"****")
    return line
