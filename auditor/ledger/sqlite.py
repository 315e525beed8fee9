"""A ledger in a file: where it lies, or why there can be none, and its connections.

A reader writes nothing, also where it may make no file, and a writer comes later.
"""

import os
import sqlite3
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from auditor.model.errors import ConfigError
from auditor.system.files import FileStamp

PATIENCE = 60.0
"""Seconds that a writer waits for another."""
_KINDS = {
    stat.S_IFDIR: ("a folder", "a file"),
    stat.S_IFIFO: ("a named pipe", "a regular file"),
    stat.S_IFSOCK: ("a socket", "a regular file"),
    **dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK), ("a device", "a regular file")),
}


class PlaceError(ConfigError):
    """There can be no ledger at a path until the user changes what is there."""


def look(path: Path, name: str, *, links: bool = False) -> os.stat_result | None:
    """The file; None where there is none. It opens nothing: a pipe would keep its reader forever.

    *links* may lead to a file that is still to be made. `PlaceError` with the cause where *name* can be no ledger.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        lost = next((each for each in (path, *path.parents) if each.is_symlink() and not each.exists()), None)
        if lost is None or (links and lost == path and Path(os.path.realpath(path)).parent.is_dir()):
            return None
        wrong = f"{lost} is a link to {lost.readlink()}, which is not there; correct the link"
    except NotADirectoryError:
        between = next(each for each in path.parents if each.exists() and not each.is_dir())
        wrong = f"{between} is a file and not a folder; correct the path"
    except PermissionError:
        closed = next((each for each in reversed(path.parents) if not os.access(each, os.X_OK)), path.parent)
        wrong = f"this user may not search the folder {closed}; allow it (chmod +x), or run as its owner"
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long, a disk that fails
        wrong = f"the path cannot be followed ({getattr(error, 'strerror', None) or error}); correct it"
    else:
        if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
            return status
        kind, file = _KINDS.get(stat.S_IFMT(status.st_mode), ("no file", "a regular file"))
        wrong = f"{kind} is not a ledger; name {file}, as in --ledger auditor.db"
        if stat.S_ISREG(status.st_mode):
            wrong = "this user may not read the file; allow it (chmod +r), or run as its owner"
    raise PlaceError(f"{name}: {wrong}")


def make(path: Path, name: str) -> None:
    """An empty file, if there is none; readable by its user alone, as the usage in it: SQLite's own would be by all."""
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        fix = f"make the folder {target.parent} writable, or name another path"
        raise PlaceError(f"{name}: the file cannot be made ({error.strerror}); {fix}") from None


@dataclass(frozen=True, slots=True)
class Alone:
    """A connection that knows nothing of others: its answers hold as long as nothing is written."""

    path: Path
    file: FileStamp | None
    log: int | None
    """Its size; None, as for the file, where there is none."""

    @classmethod
    def at(cls, path: Path) -> "Alone":
        """Nothing was written since now."""
        with suppress(OSError):
            return cls(path, FileStamp.of(path.stat()), _log_size(path))
        return cls(path, None, None)

    def written(self) -> bool:
        """Whether the file has changed: what was read may be half old, half new."""
        return self.at(self.path).file != self.file

    def over(self) -> bool:
        """Whether a process writes, into the file or into a log beside it, which this connection does not know."""
        return self.at(self.path) != self


def _log_size(path: Path) -> int | None:
    """Of SQLite's write-ahead log of a database."""
    with suppress(OSError):
        return path.with_name(f"{path.name}-wal").stat().st_size
    return None


def connect(path: Path) -> tuple[sqlite3.Connection, Alone | None]:
    """A connection that cannot write, and until when it may be used."""
    own, alone = os.access(path, os.W_OK), Alone.at(path)

    def opened(mode: str) -> sqlite3.Connection:
        address = f"file:{quote(str(path.resolve()))}?{mode}"
        connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA query_only=1")
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    try:
        # SQLite shares its log by files beside the database. Where there is none, one who only reads has to make them,
        # and only `rw` takes them away again. Files of a reader who is another user would keep the writer out.
        if alone.log is not None:
            return opened("mode=ro" if own else "mode=ro&readonly_shm=1"), None
        if own:
            return opened("mode=rw"), None
    except sqlite3.OperationalError:
        if _log_size(path):  # what it holds would be passed over
            raise
    return opened("mode=ro&immutable=1"), alone


def engine_of(url: URL, name: str, *, reader: bool) -> Engine:
    """The engine of a ledger in a file; a *reader* makes none, and writes nothing."""
    path = Path(url.database or "")
    if not reader:
        make(path, name)
    # With this isolation level the driver sends no BEGIN of its own: `write` and `read` send the one they need.
    asked = {"timeout": PATIENCE, "isolation_level": None}
    engine = create_engine(url, connect_args=asked, hide_parameters=True)
    opened: tuple[int, int] | None = None

    @event.listens_for(engine, "do_connect")
    def _still_there(_: Any, record: ConnectionPoolEntry, *__: Any) -> sqlite3.Connection | None:
        # SQLite would make an empty file in the place of one that is gone.
        if opened is not None and _identity(path, name) is None:
            raise ConfigError(f"{name}: the file is gone; put it back, or restart to begin a new ledger")
        if not reader:
            return None
        connection, record.info["alone"] = connect(path)
        return connection

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: ConnectionPoolEntry) -> None:
        nonlocal opened
        writing = () if reader else ("journal_mode=WAL", "synchronous=FULL")
        for pragma in (*writing, "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = opened = _identity(path, name)

    @event.listens_for(engine, "checkout")
    def _still_the_same(_: Any, record: ConnectionPoolEntry, __: Any) -> None:
        # An open connection would go on reading, and writing, a file that a restore has replaced.
        alone = record.info.get("alone")
        if _identity(path, name) != record.info["file"] or (alone and alone.over()):
            raise DisconnectionError

    return engine


def _identity(path: Path, name: str) -> tuple[int, int] | None:
    """Device and inode of a database in a file; None where there is none. `PlaceError` where there can be none."""
    status = look(path, name)
    return status and FileStamp.of(status).file
