"""A piece of a log into the ledger: each line is booked, or kept with the reason why it is not.

It is all one whether a file was read or the lines came over the network.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from auditor.analysis.oddtime import bounds, odd
from auditor.ledger.booking import Booking, count
from auditor.ledger.database import LedgerError
from auditor.ledger.record import Record, plain_records
from auditor.ledger.schema import rejections
from auditor.ledger.state import fact, state_of
from auditor.ledger.upkeep import HORIZON
from auditor.model.errors import ConfigError
from auditor.model.events import MIN_TS_US, BadRecordError, Reason
from auditor.model.settings import Settings
from auditor.reading.lines import EXCERPT, MAX_LINE, dense
from auditor.reading.parts import or_part
from auditor.reading.secrets import find, redact
from auditor.system.clock import present

BULK_FROM = 1 << 20
"""Bytes of a piece from which the compiled reader is worth its start."""
SET_ASIDE = "set_aside"
"""Of an unforeseen line, among the reasons of rejected ones."""


class WrongLine(NamedTuple):
    """A line that was not booked."""

    number: int
    line: bytes
    reason: str
    detail: str


@dataclass(slots=True)
class Booked:
    """What became of the lines of a piece, by the words of the conservation line."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[WrongLine] = field(default_factory=list)


class PieceBook:
    """Books pieces with a process's own *settings*, at the times that *clock* gives in seconds since 1970."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings, self._clock = settings, clock

    def book(self, connection: Connection, path: str, piece: bytes, first_number: int = 1) -> Booked:
        """Book the lines of a piece, in the caller's transaction; *path* is where it came from, for rejections."""
        with _uncollected():
            return self._book(connection, path, dense(piece), first_number)

    def _book(self, connection: Connection, path: str, piece: bytes, first_number: int) -> Booked:
        bulk = len(piece) >= BULK_FROM
        records, others = plain_records(piece, first_number) if bulk else ([], numbered(piece, first_number))
        done = Booked(Counter(lines=len(records) + len(others)))
        for number, line in others:
            try:
                if len(line) > MAX_LINE:
                    raise BadRecordError(Reason.TOO_LONG, "the line is longer than 1 MiB")
                records.append((number, Record.of(_without_secrets(line), self._settings.timezone)))
            except BadRecordError as error:
                bad = or_part(error, line)
                done.wrong.append(WrongLine(number, line, bad.reason.value, bad.detail))
            except Exception as error:
                if not of_the_data(error):
                    raise
                done.wrong.append(WrongLine(number, line, SET_ASIDE, type(error).__name__))
        first, last = limits = bounds(present(lambda: datetime.fromtimestamp(self._clock(), UTC)))
        for number, record in records:
            if not first <= record.ts_us <= last:  # however it was read
                strange = odd(record.ts_us, limits)
                done.wrong.append(WrongLine(number, record.line, strange.reason.value, strange.detail))
        self._records(connection, [each for each in records if first <= each[1].ts_us <= last], done)
        rows = []
        for number, line, reason, detail in done.wrong:
            done.counts["set_aside" if reason == SET_ASIDE else "rejected"] += 1
            excerpt = redact(line[: EXCERPT * 8])[:EXCERPT].decode(errors="replace").replace("\0", "\\0")
            rows.append({"path": path, "line": number, "reason": reason, "detail": detail, "excerpt": excerpt})
        if rows:
            connection.execute(insert(rejections), rows)
        count(connection, {name: done.counts[name] for name in ("lines", "rejected", "set_aside")})
        return done

    def _records(self, connection: Connection, records: list[tuple[int, Record]], done: Booked) -> None:
        """Book what can be booked; what cannot is found by halves."""
        try:
            with connection.begin_nested():
                state, horizon_us = state_of(connection), int(fact(connection, HORIZON) or MIN_TS_US)
                booking = Booking(connection, self._settings, state, int(self._clock() * 1_000_000), horizon_us)
                booking.book([record for _, record in records])
        except Exception as error:
            small = isinstance(error, MemoryError) and len(records) > 1
            if not small and not of_the_data(error):
                raise
            if len(records) == 1:
                ((number, record),) = records
                why = f"cannot be booked ({type(error).__name__})"
                done.wrong.append(WrongLine(number, record.line, SET_ASIDE, why))
                return
            half = len(records) // 2
            self._records(connection, records[:half], done)
            self._records(connection, records[half:], done)
            return
        done.counts.update(booking.counts)


def numbered(block: bytes, first_number: int) -> list[tuple[int, bytes]]:
    """(number, line without its end) of whole lines, numbered from *first_number*; blank ones are left out."""
    lines = enumerate(block.removesuffix(b"\n").split(b"\n"), first_number)
    return [(number, line) for number, line in lines if line.strip(b" \t\r")]


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


def _without_secrets(line: bytes) -> bytes:
    """The ledger is no place for keys that leaked into a log; the audit of the log itself finds and counts them."""
    for _, value in find(line):
        line = line.replace(value, b"****")
    return line
