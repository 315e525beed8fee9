"""Receive: lines that came over the network into the ledger, with the mark of their file in the same transaction.

A forwarder may not hear the answer to what was committed: the same part again is answered and counts nothing, and a
part that begins elsewhere is refused with the marks that the ledger has. Lines without a file are idempotent by the
ids of their events alone.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from auditor.feed.tail import Mark, digest
from auditor.feed.wire import Part
from auditor.ledger.checkpoints import alike, move
from auditor.ledger.database import Ledger
from auditor.ledger.piece import PieceBook
from auditor.ledger.rows import put
from auditor.ledger.schema import facts, rejections
from auditor.ledger.sources import tell_sources
from auditor.ledger.upkeep import HEARTBEAT, forget
from auditor.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the lines of a request, by the words of the conservation line."""

    counts: Counter[str]
    rejected: list[tuple[int, str, str]]
    """(line of the request from 1, reason, detail)."""
    again: bool = False
    """Whether the ledger had all of them already, so that nothing was counted."""


class Receiver:
    """Books what is sent to it. `LedgerError` where the database fails: nothing was committed then."""

    def __init__(self, ledger: Ledger, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._clock = ledger, clock
        self._book = PieceBook(settings, clock)

    @property
    def _now_us(self) -> int:
        return int(self._clock() * 1_000_000)

    def take(self, lines: bytes, sender: str, part: Part | None = None) -> Received | Mapping[int, Mark]:
        """Book lines of *sender*, or the marks of the files that begin alike if the *part* begins elsewhere.

        `ValueError` if the lines are not those of the part.
        """
        if part is not None:
            _check(lines, part)
        with self._ledger.write() as connection:
            path, before = (sender, 0) if part is None else (part.path, part.start.lines)
            if part is not None and not move(connection, part.first_line, path, part.start, part.end, part.seen):
                marks = alike(connection, part.first_line)
                return _again(connection, part) if part.end in marks.values() else marks
            booked = self._book.book(connection, path, lines, before + 1)
            put(connection, facts, [(HEARTBEAT, str(self._now_us))])
        rejected = [(each.number - before, each.reason, each.detail) for each in booked.wrong]
        return Received(booked.counts, sorted(rejected))

    def marks(self, first_line: str) -> Mapping[int, Mark]:
        """How far the ledger has each file that begins with the line of that digest."""
        with self._ledger.read() as connection:
            return alike(connection, first_line)

    def see(self, sources: Mapping[str, bool]) -> None:
        """Forwarders follow these sources, and could look at them or not."""
        with self._ledger.write() as connection:
            tell_sources(connection, sources, self._now_us)
            if any(sources.values()):
                put(connection, facts, [(HEARTBEAT, str(self._now_us))])
            forget(connection, self._now_us)


def _check(lines: bytes, part: Part) -> None:
    """Lines that were damaged in transit must not move a mark."""
    many = part.end.lines - part.start.lines
    if digest(lines) != part.content or not lines.endswith(b"\n") or lines.count(b"\n") != many:
        raise ValueError("the lines are not those that the query describes; were they changed on their way?")


def _again(connection: Connection, part: Part) -> Received:
    """The answer that was lost: what was rejected of it was kept."""
    of_it = rejections.c.path == part.path, rejections.c.line > part.start.lines, rejections.c.line <= part.end.lines
    found = connection.execute(select(rejections).where(*of_it).order_by(rejections.c.line))
    rejected = [(row.line - part.start.lines, row.reason, row.detail) for row in found]
    return Received(Counter(), rejected, again=True)
