"""Parquet files of big inputs that were read before, in the user's own cache folder.

Not beside the log: anyone who may write there could forge figures. A cache is taken only if the folder and the file
are this user's alone, if a MAC with this user's key fits every byte of it, and if it is of the same input, reader and
settings. It is written elsewhere and renamed, so that two processes may do so at once.
"""

import hashlib
import hmac
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from auditor.intake.columns import SCHEMA
from auditor.intake.sources import Source
from auditor.system.files import FileStamp, replacing

READER = 11
"""Raise it with every change of what reading gives: records, rejections, assumptions. Older caches are then no use."""
FROM = 64 << 20
"""Bytes from which an input is worth a cache."""
MOST = 4 << 30
"""Bytes of all caches together; the least recently used go first."""
SUFFIX = ".parquet"
_ASIDE = ".new-"
_KEY = b"render_auditor"


def folder() -> Path:
    """Where caches are: below XDG_CACHE_HOME, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "render-auditor"


class IntakeCache:
    """The cache of one input; *identity* is all that its records depend on, apart from its bytes."""

    def __init__(self, source: Source, identity: Mapping[str, str]) -> None:
        self._source = source
        self._identity = {"reader": str(READER), **identity}
        self._status = _status(source)
        # The time of the last change of an inode cannot be set back; it is too coarse only for what just happened.
        self._stamp = self._status if time.time_ns() - source.path.stat().st_ctime_ns > 2 * 10**9 else ""
        self._folder = folder()
        self._key = _key(self._folder)
        # An export whose ids repeat in another one is also read without them: both readings stay.
        name = os.fsencode(os.path.realpath(source.path)) + b"\0" + self._identity.get("ids", "").encode()
        self._name = hashlib.sha256(name).hexdigest()[:32]

    def load(self) -> tuple[Path, Any] | None:
        """The Parquet file and what was kept with it; None if it is absent, damaged, not ours or of other bytes."""
        for path in self._kept() if self._key is not None else ():
            found = self._opened(path)
            if found is not None:
                with suppress(OSError):
                    os.utime(path)
                return path, found
        return None

    def metadata(self, intake: Any) -> dict[bytes, bytes]:
        """What has to stand in a file that is kept."""
        known = {**self._identity, "stamp": self._stamp, "digest": _digest(self._source)}
        return {_KEY: msgspec.msgpack.encode({"identity": known, "intake": intake})}

    def keep(self, made: Path) -> Path | None:
        """Keep a copy of a Parquet file; None where that cannot be, or the input was written to meanwhile."""
        if self._key is None or self._status != _status(self._source):
            return None
        with suppress(OSError):
            kept = self._folder / f"{self._name}-{_mac(self._key, made)}{SUFFIX}"
            older = self._kept()
            with replacing(kept, prefix=_ASIDE) as out, made.open("rb") as data:
                shutil.copyfileobj(data, out, 1 << 20)
            for path in older:
                if path != kept:
                    path.unlink(missing_ok=True)
            _prune(self._folder)
            return kept
        return None

    def _kept(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._name}-*{SUFFIX}"))

    def _opened(self, path: Path) -> Any:
        assert self._key is not None
        try:
            if not _is_mine(path, stat.S_ISREG):
                return None
            if not hmac.compare_digest(path.stem.partition("-")[2], _mac(self._key, path)):
                return None
            stored = msgspec.msgpack.decode((pq.read_metadata(path).metadata or {})[_KEY])
            known = stored["identity"]
            fits: bool = pq.read_schema(path).remove_metadata().equals(SCHEMA)
            if not fits or any(known[name] != value for name, value in self._identity.items()):
                return None
            same = bool(self._stamp) and known["stamp"] == self._stamp
            return stored["intake"] if same or known["digest"] == _digest(self._source) else None
        except (OSError, KeyError, TypeError, msgspec.MsgspecError, pa.ArrowException):
            return None


def _key(place: Path) -> bytes | None:
    """The key of this user, made at the first time; None where the folder or the key is not this user's alone."""
    path = place / "key"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_mine(place, stat.S_ISDIR):
            return None
        if not path.exists():
            handle, name = tempfile.mkstemp(prefix=_ASIDE, dir=place)
            with os.fdopen(handle, "wb") as out:
                out.write(secrets.token_bytes(32))
            with suppress(FileExistsError):  # another process was first
                os.link(name, path)
            Path(name).unlink()
        key = path.read_bytes() if _is_mine(path, stat.S_ISREG) else b""
    except (OSError, RuntimeError):  # (no home)
        return None
    return key if len(key) == 32 else None


def _is_mine(path: Path, kind: Any) -> bool:
    """Whether it is of this kind, no link, of this user, and closed to all others."""
    status = path.lstat()
    mine = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o077)
    return bool(kind(status.st_mode)) and mine


def _mac(key: bytes, path: Path) -> str:
    with path.open("rb") as file:
        return hmac.new(key, hashlib.file_digest(file, "sha256").digest(), "sha256").hexdigest()


def _prune(place: Path) -> None:
    """Drop the least recently used until what is left has room, and what a killed process left behind."""
    room, now = MOST, time.time()
    for status, path in sorted(
        ((path.stat(), path) for path in place.glob(f"*{SUFFIX}")), key=lambda one: -one[0].st_mtime
    ):
        room -= status.st_size
        if room < 0:
            path.unlink(missing_ok=True)
    for path in place.glob(f"{_ASIDE}*"):
        if now - path.stat().st_mtime > 86_400:
            path.unlink(missing_ok=True)


def _status(source: Source) -> str:
    """What changes with every write, so that unchanged bytes need not be hashed."""
    status = source.path.stat()
    return ":".join(map(str, (*FileStamp.of(status), status.st_ctime_ns)))


def _digest(source: Source) -> str:
    with source.open() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
