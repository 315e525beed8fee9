"""Memory: the entries of one process, the least recently used go first.

A hit is two operations on an `OrderedDict`, each atomic under CPython's lock, so that reading takes no lock of its own:
that is the difference between 0.4 and 1.5 µs for each hit, which is why this is not cachetools.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from auditor.caches import AHEAD, Cache, Entry, Slot
from auditor.model.errors import ConfigError

ENTRY_BYTES = 1024
"""What an entry takes beside its image (the key, the digest, times, objects): 957 as measured by tracemalloc."""


class Memory(Cache):
    """At most *entries* images, and *bytes* bytes of memory; *ttl* seconds at most, whatever the renderer's is.

    An entry counts as its image, or address, and 1,024 bytes for all that comes with it.
    """

    name = "memory"
    timeout = 1.0

    def __init__(
        self,
        bytes: int = 256 << 20,
        *,
        entries: int = 100_000,
        ttl: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if bytes < 1 or entries < 1:
            raise ConfigError("a memory cache needs room: bytes and entries have to be 1 or more")
        self.max_bytes, self.max_entries, self.ttl = bytes, entries, ttl
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, Entry, str, float]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @classmethod
    def from_url(cls, url: str, clock: Callable[[], float] = time.time) -> "Memory":
        """`memory://`, `memory://?bytes=67108864&entries=1000`."""
        wanted = {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
        if unknown := wanted.keys() - {"bytes", "entries"}:
            raise ConfigError(f"memory:// knows bytes= and entries=, not {min(unknown)}=")
        if not all(value.isdecimal() for value in wanted.values()):
            raise ConfigError("bytes= and entries= of memory:// are whole numbers, as in memory://?bytes=67108864")
        return cls(**{name: int(value) for name, value in wanted.items()}, clock=clock)

    def find(self, key: str) -> Entry | None:
        """The entry if it is alive."""
        found = self._entries.get(key)
        if found is None or not found[3] < self._clock() < found[0]:
            return None
        try:  # noqa: SIM105 (suppress() costs more than the rest of this method)
            self._entries.move_to_end(key)
        except KeyError:  # evicted by another thread in between: what was found is still good
            pass
        return found[1]

    def spare(self, key: str) -> Entry | None:
        """The entry, expired or not."""
        found = self._entries.get(key)
        return None if found is None else found[1]

    def keep(self, slot: Slot, entry: Entry) -> None:
        """Admit an entry, and let go of others if there is no room; larger ones than all the room are not admitted."""
        ends = entry.expires_at if self.ttl is None else min(entry.expires_at, self._clock() + self.ttl)
        with self._lock:
            self._drop(slot.key)
            if _weight(entry) > self.max_bytes:
                return
            # Its fourth part: a clock that was ahead when it was stored, and is not any more, makes it a miss.
            self._entries[slot.key] = (ends, entry, slot.group, entry.stored_at - AHEAD)
            self._bytes += _weight(entry)
            while self._bytes > self.max_bytes or len(self._entries) > self.max_entries:
                # In one step: readers move entries without the lock, which an iterator would not survive.
                _, gone = self._entries.popitem(last=False)
                self._bytes -= _weight(gone[1])

    def _drop(self, key: str) -> int:
        found = self._entries.pop(key, None)
        if found is None:
            return 0
        self._bytes -= _weight(found[1])
        return 1

    def forget(self, group: str) -> int:
        """Drop a group; how many entries that were."""
        with self._lock:
            keys = list(self._entries)  # in one step, as above
            return sum(self._drop(key) for key in keys if self._entries[key][2] == group)

    def drop(self, key: str) -> int:
        """Forget a key; how many entries that were."""
        with self._lock:
            return self._drop(key)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Bytes of memory that its entries take, as it counts them."""
        return self._bytes

    async def get(self, slot: Slot) -> Entry | None:
        """As `find`."""
        return self.find(slot.key)

    async def put(self, slot: Slot, entry: Entry) -> None:
        """As `keep`."""
        self.keep(slot, entry)

    async def purge(self, group: str) -> int:
        """As `forget`."""
        return self.forget(group)

    async def delete(self, key: str) -> int:
        """As `drop`."""
        return self.drop(key)

    def forked(self) -> None:
        """A lock that another thread held at the fork would never be free again, nor its count be finished."""
        self._lock = threading.Lock()
        self._bytes = sum(_weight(kept[1]) for kept in list(self._entries.values()))


def _weight(entry: Entry) -> int:
    return ENTRY_BYTES + (entry.size or 0) + len(entry.picture.url or "")
