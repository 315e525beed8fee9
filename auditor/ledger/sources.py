"""Sources: what each follower was told to follow, on which host, and when it could last look there.

One heartbeat of the whole ledger hides a dead host behind the living ones; a source has its own.
"""

import platform
from collections.abc import Callable, Iterable, Set
from pathlib import Path

from sqlalchemy import Connection, select

from auditor.ledger.configure import RECENT_US
from auditor.ledger.database import Ledger
from auditor.ledger.record import short
from auditor.ledger.rows import put
from auditor.ledger.schema import sources
from auditor.ledger.setaside import textual

MARK_EVERY = 10.0
"""Seconds: a source that is looked at is never older than 15."""


class Sources:
    """Those of one follower: the files, folders and patterns that it was given."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float], names: Iterable[str] = ()) -> None:
        self._ledger, self._clock = ledger, clock
        self._names = {name: source_name(name) for name in names}
        self._there: Set[str] = frozenset()
        self._marked: float | None = None
        self._seen: dict[str, int] = {}
        if self._names:
            with ledger.read() as connection:
                self._seen = {row.name: row.seen_us for row in connection.execute(select(sources))}

    def see(self, there: Set[str]) -> None:
        """From now on these can be looked at, and the others cannot."""
        if there != self._there:
            self._there, self._marked = there, None
        self.mark()

    def mark(self) -> None:
        """Tell the ledger, every few seconds at most, and at once when the clock was set back."""
        now = self._clock()
        if not self._names or (self._marked is not None and 0 <= now - self._marked < MARK_EVERY):
            return
        now_us = int(now * 1_000_000)
        there = set(self._names.values()) - {self._names[name] for name in self._names.keys() - self._there}
        self._seen.update(dict.fromkeys(there, now_us))
        with self._ledger.write() as connection:
            put(
                connection,
                sources,
                [(name, self._seen.get(name, 0), now_us) for name in dict.fromkeys(self._names.values())],
            )
        self._marked = now


def last_seen(connection: Connection, now_us: int) -> dict[str, int]:
    """When each source was last looked at, in microseconds since 1970; 0 for never.

    One that no process has followed for a day is gone: a host that was taken away does not warn forever.
    """
    rows = connection.execute(select(sources).where(sources.c.told_us > now_us - RECENT_US).order_by(sources.c.name))
    return {row.name: row.seen_us for row in rows}


def source_name(name: str) -> str:
    """What it is called in the ledger: its host, and the path as every database and every label takes it."""
    text = textual(f"{platform.node()}:{Path(name).absolute()}")
    return short("".join(each if each.isprintable() else "?" for each in text))
