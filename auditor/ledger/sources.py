"""What followers can look at: the sources that each was told to follow, and the files that cannot be read to their end.

One heartbeat of the whole ledger hides a dead host behind the living ones; a source has its own. A file that is set
aside is counted until it can be read, or is gone.
"""

import os
import platform
import re
from collections.abc import Callable, Iterable, Set
from fnmatch import fnmatch
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, func, select, update

from auditor.ledger.database import Ledger
from auditor.ledger.record import short
from auditor.ledger.rows import put
from auditor.ledger.schema import set_aside, sources
from auditor.ledger.upkeep import RECENT_US

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

    def see(self, unread: Set[str]) -> None:
        """From now on those can be looked at in which all that is there can be read."""
        there = {name for name in self._names if not any(_within(path, name) for path in unread)}
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
        rows = [(name, self._seen.get(name, 0), now_us) for name in dict.fromkeys(self._names.values())]
        with self._ledger.write() as connection:
            put(connection, sources, rows)
        self._marked = now


def _within(path: str, name: str) -> bool:
    """Whether a file belongs to a file, folder or pattern that is followed."""
    return path == name or Path(name) in Path(path).parents or fnmatch(path, name)


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


class SetAside:
    """Those of this host. What this process met counts as long as it runs; what others did, as long as they do."""

    def __init__(self, connection: Connection) -> None:
        self._host = textual(platform.node())
        rows = connection.execute(select(set_aside).where(set_aside.c.host == self._host))
        self._known = {row.path: (row.reason, row.since_us) for row in rows}
        self._own: dict[str, Path] = {}

    def __contains__(self, path: Path) -> bool:
        return _name(path) in self._known

    def told(self, path: Path, reason: str) -> bool:
        """Whether this process has set the file aside for that reason already."""
        name = _name(path)
        return name in self._own and self._known[name][0] == reason

    def add(self, connection: Connection, path: Path, reason: str, now_us: int) -> None:
        """Set a file aside; it stays so since the first time that it was."""
        name = _name(path)
        _, since_us = self._known.get(name, (reason, now_us))
        self._known[name] = (reason, since_us)
        self._own[name] = path.absolute()
        put(connection, set_aside, [(self._host, name, reason, since_us, now_us)])

    def remove(self, connection: Connection, path: Path) -> None:
        """It could be read."""
        name = _name(path)
        self._known.pop(name, None)
        self._own.pop(name, None)
        connection.execute(delete(set_aside).where(set_aside.c.host == self._host, set_aside.c.path == name))

    def refresh(self, connection: Connection, now_us: int) -> None:
        """They are set aside still, but for those that are gone."""
        for name in [name for name in self._known if not self._there(name)]:
            self.remove(connection, Path(name))
        if self._own:  # (a row that another process has removed stays away)
            known = update(set_aside).where(set_aside.c.host == self._host, set_aside.c.path == bindparam("name"))
            connection.execute(known.values(seen_us=now_us), [{"name": name} for name in self._own])

    def _there(self, name: str) -> bool:
        if name in self._own:
            return not _gone(self._own[name])
        raw = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), os.fsencode(name))
        return not (_gone(Path(name)) and _gone(Path(os.fsdecode(raw))))


def files_set_aside(connection: Connection, now_us: int) -> int:
    """How many there are on all hosts; a host that has not said so for a day is gone."""
    query = select(func.count()).select_from(set_aside).where(set_aside.c.seen_us > now_us - RECENT_US)
    return int(connection.execute(query).scalar_one())


def _name(path: Path) -> str:
    """What a file is called in the ledger; processes on a host have folders of their own."""
    return textual(path.absolute())


def _gone(path: Path) -> bool:
    """Whether nothing is there. What may not be looked at is not gone, nor is a name without its folder."""
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError) and path.is_absolute()
    return False


def textual(path: Path | str) -> str:
    """A path as every database takes it: names need not be UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
