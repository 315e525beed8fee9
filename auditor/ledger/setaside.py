"""Files that are set aside since they cannot be read to their end; they are counted until they can, or are gone."""

import os
import platform
import re
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, func, select, update

from auditor.ledger.configure import RECENT_US
from auditor.ledger.rows import put
from auditor.ledger.schema import set_aside


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
            known = set_aside.c.host == self._host, set_aside.c.path == bindparam("name")
            connection.execute(
                update(set_aside).where(*known).values(seen_us=now_us), [{"name": name} for name in self._own]
            )

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
    except (FileNotFoundError, NotADirectoryError):
        return path.is_absolute()
    except OSError:
        pass
    return False


def textual(path: Path | str) -> str:
    """A path as every database takes it: names need not be UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
