"""Files: entries in a folder, or in an object store by way of obstore (S3, GCS, Azure).

Names are keyed hashes, never what a caller typed. Files appear whole or not at all; what is damaged is a miss.
"""

import asyncio
import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from auditor.caches import Cache, Entry, Slot, decode, encode
from auditor.model.errors import ConfigError, MissingExtraError
from auditor.system.files import replacing

BUCKETS = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "http", "https")
"""Schemes of object stores."""
_LOOSE = stat.S_IWGRP | stat.S_IWOTH


class Files(Cache):
    """A folder of this user alone, or a bucket by URL (`s3://bucket/prefix`, `gs://…`, `az://…`).

    Buckets need the extra `objectstore`, and take their credentials from the environment. `ConfigError` for a folder
    that belongs to another user or that others may write to.
    """

    name = "files"
    timeout = 5.0

    def __init__(self, place: str | Path) -> None:
        text = os.fspath(place)
        self._store: Folder | Bucket = (
            Bucket(text) if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) and not text.startswith("file://")
            else Folder(Path(text.removeprefix("file://")))
        )  # fmt: skip

    def __repr__(self) -> str:
        return "Files()"

    @classmethod
    def from_url(cls, url: str, clock: Callable[[], float] = time.time) -> "Files":
        """`file:///var/cache/renders`, or any URL that obstore takes."""
        del clock  # what has expired is for the client to see
        return cls(url)

    async def get(self, slot: Slot) -> Entry | None:
        """The file's content, checked."""
        try:
            data = await self._store.read(_path(slot))
        except FileNotFoundError:
            return None
        return decode(slot, data)

    async def put(self, slot: Slot, entry: Entry) -> None:
        """Written aside and renamed."""
        await self._store.write(_path(slot), encode(slot, entry))

    async def purge(self, group: str) -> int:
        """Delete what stands under the group."""
        return await self._store.remove(group, None)

    async def delete(self, key: str) -> int:
        """Delete it under whichever group it stands."""
        return await self._store.remove("", _name(key))

    async def ping(self) -> None:
        """Raises if the place cannot be read."""
        with suppress(FileNotFoundError):
            await self._store.read("0")


class Folder:
    """A folder on this host; its files are read and written in threads."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()  # so that a process that changes its directory keeps its images
        if os.path.lexists(self._root):
            self._check()

    def _check(self) -> None:
        found = self._root.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise ConfigError(f"{self._root} is not a folder; name one for the cache")
        if found.st_uid != os.geteuid():
            raise ConfigError(f"{self._root} belongs to another user; name a folder of your own for the cache")
        if found.st_mode & _LOOSE:
            raise ConfigError(f"others may write to {self._root}; run chmod 700 on it, or name another folder")

    async def read(self, path: str) -> bytes:
        """The bytes; `FileNotFoundError` where there are none."""

        def read() -> bytes:
            self._check()
            # Neither a link out of the folder, nor a FIFO that never answers.
            file = os.open(self._root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(file, "rb") as opened:
                return opened.read() if stat.S_ISREG(os.fstat(file).st_mode) else b""

        return await asyncio.to_thread(read)

    async def write(self, path: str, data: bytes) -> None:
        """All of them or none."""

        def write() -> None:
            target = self._root / path
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check()
            target.parent.parent.mkdir(exist_ok=True, mode=0o700)
            target.parent.mkdir(exist_ok=True, mode=0o700)
            with replacing(target) as file:
                file.write(data)

        await asyncio.to_thread(write)

    async def remove(self, group: str, name: str | None) -> int:
        """Delete all of a group, or what is called *name* in any; how many that were."""

        def remove() -> int:
            gone = 0
            for path in list(self._root.glob(f"{group or '*'}/{'*' if name is None else name[:2]}/{name or '*'}")):
                with suppress(FileNotFoundError):
                    path.unlink()
                    gone += 1
            return gone

        return await asyncio.to_thread(remove)


class Bucket:
    """An object store."""

    user: ClassVar[int | None] = None
    """The process in which obstore's threads run: in one that is forked from it, they cannot be started again."""

    def __init__(self, url: str) -> None:
        if find_spec("obstore") is None:
            raise MissingExtraError("the file cache", "objectstore", "obstore")
        from obstore.store import from_url

        try:
            self._store: Any = from_url(url)
        except Exception as error:  # (its text may hold credentials)
            scheme = url.partition("://")[0]
            raise ConfigError(f"the address {scheme}://… of the cache cannot be used ({type(error).__name__}); write "
                              "s3://bucket/prefix, gs://… or az://…") from None  # fmt: skip

    def _ready(self) -> Any:
        own = os.getpid()
        if Bucket.user not in (None, own):  # waiting for those threads would take until the timeout, each time
            raise OSError("an object store cannot be used after a fork of the process that used it")
        Bucket.user = own
        return self._store

    async def read(self, path: str) -> bytes:
        """The bytes; `FileNotFoundError` where there are none."""
        found = await self._ready().get_async(path)
        return bytes(await found.bytes_async())

    async def write(self, path: str, data: bytes) -> None:
        """All of them or none."""
        await self._ready().put_async(path, data)

    async def remove(self, group: str, name: str | None) -> int:
        """Delete all of a group, or what is called *name* in any; how many that were."""
        store, gone = self._ready(), 0
        async for batch in store.list(prefix=group or None):
            paths = [found["path"] for found in batch if name is None or found["path"].endswith(f"/{name}")]
            await store.delete_async(paths)
            gone += len(paths)
        return gone


def _name(key: str) -> str:
    return key.rpartition(":")[2]


def _path(slot: Slot) -> str:
    name = _name(slot.key)
    return f"{slot.group}/{name[:2]}/{name}"
