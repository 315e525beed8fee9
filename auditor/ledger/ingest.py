"""Ingest: files into the ledger, each line exactly once, the checkpoint in the transaction that has the lines.

Killed at any point, the next run finds either both or neither. What cannot be read is kept with its reason.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select

from auditor.events import MIN_TS_US, BadRecordError, Reason
from auditor.formats.lines import EXCERPT, MAX_LINE
from auditor.formats.secrets import find, redact
from auditor.ledger.booking import Booking
from auditor.ledger.database import Ledger
from auditor.ledger.record import Record
from auditor.ledger.schema import facts, rejections
from auditor.ledger.tail import Piece, Tail
from auditor.ledger.upkeep import HORIZON, beat, recut
from auditor.oddtime import bounds, check, present
from auditor.settings import Settings

BEAT_EVERY = 10.0
SHOWN = 5
"""Rejected lines that are named; all are kept."""


@dataclass(slots=True)
class Ingested:
    """What a run did, by the words of the conservation line, and what it met."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, int, str]] = field(default_factory=list)
    """(path, line, reason) of the first ones."""
    damaged: list[tuple[str, str]] = field(default_factory=list)
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
        for path in self.truncated:
            yield f"{path} was emptied in place: lines written since the last look may be missing; feed its copy too"
        for path in self.gone:
            yield f"{path} vanished before it was read"
        for path, reason in self.unread:
            yield f"{path} cannot be read ({reason}); what it holds is missing"


class Ingest:
    """Reads files into a ledger."""

    def __init__(self, ledger: Ledger, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._settings, self._clock = ledger, settings, clock
        self._beaten = 0.0
        with ledger.write() as connection:
            recut(connection, settings)
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def run(self, paths: Iterable[Path], progress: Callable[[Path], None] = lambda _: None) -> Ingested:
        """Everything that is new in *paths*."""
        done = Ingested()
        for path in paths:
            progress(path)
            self.run_one(path, done)
        self.beat()
        return done

    def beat(self) -> None:
        """Tell the ledger that somebody looks, every few seconds at most, and at once when the clock was set back."""
        now = self._clock()
        if abs(now - self._beaten) >= BEAT_EVERY:
            self._beaten = now
            with self._ledger.write() as connection:
                beat(connection, int(now * 1_000_000))

    def run_one(self, path: Path, done: Ingested) -> None:
        """Everything that is new in one file, added to *done*; one that cannot be read keeps no others away."""
        try:
            self._file(path, done)
        except FileNotFoundError:
            done.gone.append(str(path))
        except OSError as error:
            done.unread.append((str(path), error.strerror or type(error).__name__))

    def _file(self, path: Path, done: Ingested) -> None:
        status = path.stat()
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._seen.get(path) == stamp:
            return
        while not self._read_on(path, done):
            pass
        self._seen[path] = stamp

    def _read_on(self, path: Path, done: Ingested) -> bool:
        """To the end; False where another process has read on meanwhile, so that it has to be looked at anew."""
        with self._ledger.read() as connection:
            tail = Tail(path, connection)
        for piece in tail.pieces():
            with self._ledger.write() as connection:
                assert tail.checkpoint is not None
                if not tail.checkpoint.unmoved(connection):
                    return False
                counts, rejected = self._piece(tail, piece, connection)
            done.counts += counts
            done.rejected += rejected
        if tail.damage:
            done.damaged.append((str(path), tail.damage))
        return True

    def _piece(
        self, tail: Tail, piece: Piece, connection: Connection
    ) -> tuple[Counter[str], list[tuple[str, int, str]]]:
        rejected: list[tuple[str, int, str]] = []
        booking = Booking(connection, self._settings, _horizon(connection))
        records: list[Record] = []
        limits = bounds(present(lambda: datetime.fromtimestamp(self._clock(), UTC)))
        for number, line in piece.lines():
            booking.counts["lines"] += 1
            try:
                if len(line) > MAX_LINE:
                    raise BadRecordError(Reason.TOO_LONG, "the line is longer than 1 MiB")
                record = Record.of(_without_secrets(line), self._settings.timezone)
                check(record.event.ts_us, limits)
                records.append(record)
            except BadRecordError as bad:
                booking.counts["rejected"] += 1
                _keep(connection, str(tail.path), number, bad, line)
                rejected.append((str(tail.path), number, bad.detail))
        booking.book(records)
        assert tail.checkpoint is not None
        tail.checkpoint.save(connection)
        return booking.counts, rejected


def _without_secrets(line: bytes) -> bytes:
    """The ledger is no place for keys that leaked into a log; the audit of the log itself finds and counts them."""
    for _, value in find(line):
        line = line.replace(value, b"****")
    return line


def _horizon(connection: Connection) -> int:
    found = connection.execute(select(facts.c.value).where(facts.c.name == HORIZON)).scalar()
    return int(found) if found is not None else MIN_TS_US


def _keep(connection: Connection, path: str, line: int, bad: BadRecordError, data: bytes) -> None:
    excerpt = redact(data[: EXCERPT * 8])[:EXCERPT].decode(errors="replace").replace("\0", "\\0")
    row = {"path": path, "line": line, "reason": bad.reason.value, "detail": bad.detail, "excerpt": excerpt}
    connection.execute(insert(rejections), [row])
