"""What followers can look at: the sources that each was told to follow, and the files that cannot be read to their end.

One heartbeat of the whole ledger hides a dead host behind the living ones; a source has its own. A file that is set
aside is counted until it can be read, or is gone.
"""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, func, select, update

from auditor.feed.sources import textual
from auditor.ledger.rows import find, put
from auditor.ledger.schema import set_aside, sources
from auditor.ledger.upkeep import RECENT_US


def tell_sources(connection: Connection, seen: Mapping[str, bool], now_us: int) -> None:
    """Note that a process follows these sources, and which of them it could look at now."""
    known = {name: seen_us for name, seen_us, _ in find(connection, sources, [(name,) for name in seen])}
    put(connection, sources, [(name, now_us if there else known.get(name, 0), now_us) for name, there in seen.items()])


def last_seen(connection: Connection, now_us: int) -> dict[str, int]:
    """When each source was last looked at, in microseconds since 1970; 0 for never.

    One that no process has followed for a day is gone: a host that was taken away does not warn forever.
    """
    rows = connection.execute(select(sources).where(sources.c.told_us > now_us - RECENT_US).order_by(sources.c.name))
    return {row.name: row.seen_us for row in rows}


class SetAside:
    """Those of this host. What this process met counts as long as it runs; what others did, as long as they do.

    A text is the name of an object, which is there until it is removed.
    """

    def __init__(self, connection: Connection) -> None:
        self._host = textual(platform.node())
        rows = connection.execute(select(set_aside).where(set_aside.c.host == self._host))
        self._known = {row.path: (row.reason, row.since_us) for row in rows}
        self._own: dict[str, Path | str] = {}

    def __contains__(self, path: Path | str) -> bool:
        return _name(path) in self._known

    def told(self, path: Path | str, reason: str) -> bool:
        """Whether this process has set the file aside for that reason already."""
        name = _name(path)
        return name in self._own and self._known[name][0] == reason

    def add(self, connection: Connection, path: Path | str, reason: str, now_us: int) -> None:
        """Set a file aside; it stays so since the first time that it was."""
        name = _name(path)
        _, since_us = self._known.get(name, (reason, now_us))
        self._known[name] = (reason, since_us)
        self._own[name] = path if isinstance(path, str) else path.absolute()
        put(connection, set_aside, [(self._host, name, reason, since_us, now_us)])

    def remove(self, connection: Connection, path: Path | str) -> None:
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
        if "://" in name:
            return True
        if isinstance(own := self._own.get(name), Path):
            return not _gone(own)
        raw = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), os.fsencode(name))
        return not (_gone(Path(name)) and _gone(Path(os.fsdecode(raw))))


def files_set_aside(connection: Connection, now_us: int) -> int:
    """How many there are on all hosts; a host that has not said so for a day is gone."""
    query = select(func.count()).select_from(set_aside).where(set_aside.c.seen_us > now_us - RECENT_US)
    return int(connection.execute(query).scalar_one())


def _name(path: Path | str) -> str:
    """What a file is called in the ledger; processes on a host have folders of their own."""
    return path if isinstance(path, str) else textual(path.absolute())


def _gone(path: Path) -> bool:
    """Whether nothing is there. What may not be looked at is not gone, nor is a name without its folder."""
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError) and path.is_absolute()
    return False
