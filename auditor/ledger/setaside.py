"""Files that are set aside since they cannot be read to their end; they are counted until they can, or are gone."""

import os
import platform
from pathlib import Path

from sqlalchemy import Connection, delete, func, select

from auditor.ledger.configure import RECENT_US
from auditor.ledger.rows import put
from auditor.ledger.schema import set_aside


class SetAside:
    """Those of this host."""

    def __init__(self, connection: Connection) -> None:
        self._host = textual(platform.node())
        rows = connection.execute(select(set_aside).where(set_aside.c.host == self._host))
        self._known = {row.path: (row.reason, row.since_us) for row in rows}

    def __contains__(self, path: Path) -> bool:
        return textual(path) in self._known

    def add(self, connection: Connection, path: Path, reason: str, now_us: int) -> None:
        """Set a file aside."""
        self._known[textual(path)] = (reason, now_us)
        self.refresh(connection, now_us)

    def remove(self, connection: Connection, path: Path) -> None:
        """It could be read."""
        self._known.pop(textual(path), None)
        connection.execute(delete(set_aside).where(set_aside.c.host == self._host, set_aside.c.path == textual(path)))

    def refresh(self, connection: Connection, now_us: int) -> None:
        """They are set aside still, but for those that are gone."""
        for name in [name for name in self._known if not os.path.lexists(name)]:
            self.remove(connection, Path(name))
        put(connection, set_aside, [(self._host, path, *known, now_us) for path, known in self._known.items()])


def files_set_aside(connection: Connection, now_us: int) -> int:
    """How many there are on all hosts; a host that has not said so for a day is gone."""
    query = select(func.count()).select_from(set_aside).where(set_aside.c.seen_us > now_us - RECENT_US)
    return int(connection.execute(query).scalar_one())


def textual(path: Path | str) -> str:
    """A path as every database takes it: names need not be UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
