"""The levels of a cache: which a `cache=` argument stands for, and what is kept in them."""

import os
import re
from dataclasses import dataclass
from typing import Any

from auditor.caches import Cache, Entry, Slot, is_key
from auditor.caches.files import BUCKETS
from auditor.caches.memory import Memory
from auditor.client.clock import Clock
from auditor.client.far import Far
from auditor.client.meter import Meter
from auditor.model.errors import ConfigError
from auditor.registry import CACHES

_MOST_FORGOTTEN = 4096
_SCHEMES = {"memory": "memory", "redis": "redis", "rediss": "redis", "unix": "redis", "file": "files"} | dict.fromkeys(
    BUCKETS, "files"
)
_KNOWN = "memory://, redis://host:6379/0, rediss://, unix://, file:///folder, s3://bucket, gs://, az://, or a folder"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://(?P<rest>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tiered:
    """Memory in front of a shared store; a picture found in the store is kept in memory too."""

    near: Memory
    far: Cache


class Levels:
    """What this process has at hand, and what it shares with others; what is forgotten on its way is not kept."""

    def __init__(self, near: Memory | None, far: Far, meter: Meter) -> None:
        self.near, self.far, self._meter = near, far, meter
        self._turns: dict[str, int] = {}
        """The newest names that were forgotten: years of deletes take no more room than a busy hour."""
        self._dropped = 0
        """The newest turn that is not remembered any more."""
        self.turn = 0
        """Of the newest purge."""

    def forked(self) -> None:
        """Go on in a child process."""
        if self.near is not None:
            self.near.forked()
        self.far.forked()

    def peek(self, slot: Slot) -> Entry | None:
        """What the shared store has, in the caller's own thread, where that can be told."""
        seen = self.turn
        return self.keep(slot, self.far.peek(slot), seen)

    async def get(self, slot: Slot) -> Entry | None:
        """What the shared store has."""
        seen = self.turn
        return self.keep(slot, await self.far.get(slot), seen)

    def keep(self, slot: Slot, entry: Entry | None, seen: int) -> Entry | None:
        """Itself, put in memory, unless it was purged or deleted since the turn that was *seen*."""
        if self.near is not None and entry is not None and not self.gone(slot, seen):
            try:
                self.near.keep(slot, entry)
            except Exception:  # (what was paid for is delivered, kept or not)
                self._meter.cache_failed(self.near.name, "put")
        return entry

    async def spare(self, slot: Slot) -> Entry | None:
        """The entry, expired or not."""
        entry = self.near.spare(slot.key) if self.near is not None else None
        return await self.far.spare(slot) if entry is None else entry

    async def forget(self, name: str) -> int:
        """Forget a key or a group; how many entries that were. What is on its way is not kept."""
        gone = self.drop(name)
        try:
            return gone + await self.far.forget(name)
        finally:
            self.drop(name)  # what a request took from the store in the meantime

    def drop(self, name: str) -> int:
        """Forget a key or a group in this process."""
        self.turn += 1
        self._turns.pop(name, None)
        self._turns[name] = self.turn
        if len(self._turns) > _MOST_FORGOTTEN:
            self._dropped = self._turns.pop(next(iter(self._turns)))
        if self.near is None:
            return 0
        return self.near.drop(name) if is_key(name) else self.near.forget(name)

    def gone(self, slot: Slot, seen: int) -> bool:
        """Whether it was forgotten since the turn that was *seen*; where that is too long ago to know, it may be."""
        return seen < self._dropped or any(self._turns.get(name, 0) > seen for name in (slot.group, slot.key))


def stores_of(
    cache: Cache | Tiered | str | os.PathLike[str] | None, clock: Clock
) -> tuple[Memory | None, Cache | None]:
    """(what this process has at hand, what it shares with others); a shared store by URL has memory in front.

    `ConfigError` for an address that no store has.
    """
    if isinstance(cache, str | os.PathLike):
        kind, address = _store_of(os.fspath(cache))
        store: Any = CACHES[kind].from_url(address, clock.now)
        cache = store if isinstance(store, Memory) else Tiered(Memory(clock=clock.now), store)
    near, far = (cache.near, cache.far) if isinstance(cache, Tiered) else (None, cache)
    if isinstance(far, Memory) and near is None:
        near, far = far, None
    for store, needs in ((near, Memory), (far, None)):
        if store is not None and not (isinstance(store, needs) if needs else hasattr(store, "get")):
            raise ConfigError(f"cache= is no store but {type(store).__name__}; give one of {_KNOWN}, or a store object")
    return near, far


def _store_of(address: str) -> tuple[str, str]:
    """(the store's name, the address with its scheme in lower case)."""
    found = _SCHEME.match(address)
    if found is None:
        if not address.strip() or address.lower() in {*_SCHEMES, *CACHES, "none", "null"}:
            raise ConfigError(f"cache={address!r} names no place: write {_KNOWN}; None is for no cache")
        return "files", address
    scheme, rest = found[1], found["rest"]
    kind = _SCHEMES.get(scheme.lower())
    if kind is None:
        raise ConfigError(f"cache= has the unknown scheme {scheme!r}; write {_KNOWN}")
    if rest is None or (scheme.lower() == "file" and not rest.startswith("/")):
        raise ConfigError(f"cache= has to go on with {'/' if rest is not None else '//'} after the scheme {scheme!r}; "
                          f"write {_KNOWN}")  # fmt: skip
    return kind, scheme.lower() + address[len(scheme) :]
