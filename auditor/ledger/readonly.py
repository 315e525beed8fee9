"""Reading a SQLite file without writing: also where the reader may make no file, and a writer comes later."""

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from auditor.system.files import FileStamp


@dataclass(frozen=True, slots=True)
class Alone:
    """A connection that knows nothing of others: it answers rightly as long as nobody writes."""

    path: Path
    file: FileStamp | None
    log: int | None
    """Its size; None, as for the file, where there is none."""

    @classmethod
    def at(cls, path: Path) -> "Alone":
        """Nobody has written since now."""
        with suppress(OSError):
            return cls(path, FileStamp.of(path.stat()), _size(log_of(path)))
        return cls(path, None, None)

    def written(self) -> bool:
        """Whether the file has changed: what was read may be half old, half new."""
        return self.at(self.path).file != self.file

    def over(self) -> bool:
        """Whether somebody writes, into the file or into a log beside it, which this connection does not know."""
        return self.at(self.path) != self


def log_of(path: Path) -> Path:
    """SQLite's write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_size
    return None


def connect(path: Path, patience: float) -> tuple[sqlite3.Connection, Alone | None]:
    """A connection that cannot write, and until when it may be used; *patience* in seconds."""
    log, own, alone = log_of(path), os.access(path, os.W_OK), Alone.at(path)

    def opened(mode: str) -> sqlite3.Connection:
        address = f"file:{quote(str(path.resolve()))}?{mode}"
        connection = sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)
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
        if _size(log):  # what it holds would be passed over
            raise
    return opened("mode=ro&immutable=1"), alone
