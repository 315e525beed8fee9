"""Files: entries in a folder or an object store, by way of obstore (local disk, S3, GCS, Azure).

Names are keyed hashes, never what a caller typed. Files appear whole or not at all; what is damaged is a miss.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from auditor.caches.base import Entry, Slot, decode, encode
from auditor.errors import MissingExtraError


class Files:
    """A folder, or a bucket by URL (`s3://bucket/prefix`, `gs://…`, `az://…`), with credentials of the environment."""

    name = "files"
    timeout = 5.0

    def __init__(self, place: str | Path) -> None:
        if find_spec("obstore") is None:
            raise MissingExtraError("the file cache", "objectstore", "obstore")
        self._place = str(place)
        self._store: Any = None

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
            found = await self._opened().get_async(_path(slot))
            data = bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        return decode(slot, data)

    async def put(self, slot: Slot, entry: Entry) -> None:
        """Written aside and renamed, which is obstore's way too."""
        await self._opened().put_async(_path(slot), encode(slot, entry))

    async def purge(self, group: str) -> int:
        """Delete what stands under the group."""
        store, gone = self._opened(), 0
        async for batch in store.list(prefix=group):
            paths = [found["path"] for found in batch]
            await store.delete_async(paths)
            gone += len(paths)
        return gone

    async def ping(self) -> None:
        """Raises if the place cannot be read."""
        await asyncio.to_thread(self._opened)
        with suppress(FileNotFoundError):
            await self._opened().head_async("0")

    async def close(self) -> None:
        """Let go of the store."""
        self._store = None

    def forked(self) -> None:
        """The store's threads stayed in the parent."""
        self._store = None

    def _opened(self) -> Any:
        if self._store is None:
            from obstore.store import LocalStore, from_url

            place = self._place.removeprefix("file://")
            if "://" in place:
                self._store = from_url(place)
            else:
                Path(place).mkdir(parents=True, exist_ok=True, mode=0o700)
                self._store = LocalStore(place)
        return self._store


def _path(slot: Slot) -> str:
    name = slot.key.rpartition(":")[2]
    return f"{slot.group}/{name[:2]}/{name}"
