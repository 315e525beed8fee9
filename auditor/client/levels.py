"""The levels of a cache: what this process has at hand, and what it shares with others.

The shared store may fail, or there is none, and then it is as if it were not there. A breaker stands in front. The
first failure opens it; from then on no caller waits, and one task alone asks now and then whether the store is back.
"""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from auditor.caches import Cache, Entry, Lease, Slot, is_key
from auditor.caches.files import BUCKETS
from auditor.caches.memory import Memory
from auditor.client.clock import Clock
from auditor.client.meter import Meter
from auditor.model.errors import ConfigError
from auditor.registry import CACHES

log = logging.getLogger("auditor.client")
S = TypeVar("S")
T = TypeVar("T")
PROBE_EVERY = 5.0
"""Seconds between two looks at a store that failed."""
_MOST_FORGOTTEN = 4096
_SCHEMES = {"memory": "memory", "redis": "redis", "rediss": "redis", "unix": "redis", "file": "files"} | dict.fromkeys(
    BUCKETS, "files"
)
_KNOWN = "memory://, redis://host:6379/0, rediss://, unix://, file:///folder, s3://bucket, gs://, az://, or a folder"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://(?P<rest>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tiered:
    """Memory in front of a shared store; an image found in the store is kept in memory too."""

    near: Memory
    far: Cache


class Levels:
    """Memory, and a store behind a breaker: every method has an answer, whatever the store does."""

    def __init__(
        self, near: Memory | None, far: Cache | None, meter: Meter, clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], Any], longest: float,
    ) -> None:  # fmt: skip
        self.near, self._meter, self._clock, self._spawn = near, meter, clock, spawn
        self._there, self.far, self.lease = far is not None, cast(Cache, far), cast(Lease, far)
        self.peeking: Callable[[Slot], Entry | None] | None = getattr(far, "peek", None)
        """What `peek` asks; None where it has no answer at all."""
        self.longest = longest
        """The largest TTL that this process gives, in seconds: an entry that is to live longer is not one of ours."""
        self._turns: dict[str, int] = {}
        """The newest deleted names: years of deletes take no more room than a busy hour."""
        self._dropped = 0
        """The newest turn that is not remembered any more."""
        self.turn = 0
        """Of the newest purge."""
        self.up = self._there
        if far is not None:
            far.forked()  # what another renderer left open belongs to a loop that is gone

    def forked(self) -> None:
        """The child finds out for itself."""
        self.up = self._there
        for store in (self.near, self.far):
            if store is not None:
                store.forked()

    @property
    def leases(self) -> bool:
        """Whether hosts that share the store agree on who makes a call."""
        return self.up and hasattr(self.far, "acquire")

    async def get(self, slot: Slot) -> Entry | None:
        """The entry if it is there, whole and alive."""
        return await self._ask("get", lambda: self.far.get(slot), self._alive, None)

    def peek(self, slot: Slot) -> Entry | None:
        """As `get`, in the caller's own thread, where the store can do that: it saves the way to the background."""
        if self.peeking is not None and self.up:
            try:
                return self._alive(self.peeking(slot))
            except Exception as error:  # (a cache that fails must not fail the render)
                self._failed("get", error)
        return None

    async def put(self, slot: Slot, entry: Entry, seen: int) -> None:
        """Keep an entry, if that works; as `keep` in memory."""
        self.keep(slot, entry, seen)
        await self._ask("put", lambda: self.far.put(slot, entry), bool, otherwise=False)

    def keep(self, slot: Slot, entry: Entry, seen: int) -> None:
        """In memory, unless it was purged or deleted since the turn that was *seen*."""
        if self.near is not None and not self.gone(slot, seen):
            try:
                self.near.keep(slot, entry)
            except Exception:  # (what was paid for is delivered, kept or not)
                self._meter.cache_failed(self.near.name, "put")

    async def spare(self, slot: Slot) -> Entry | None:
        """The entry if it is there and whole, expired or not."""
        found = self.near.spare(slot.key) if self.near is not None else None
        return await self._ask("get", lambda: self.far.get(slot), self._sound, None) if found is None else found

    async def forget(self, name: str) -> int:
        """Forget a key or a group; how many entries that were. This one raises: who purges has to know."""
        gone = self.drop(name)
        try:
            if self._there:
                gone += await (self.far.delete(name) if is_key(name) else self.far.purge(name))
        finally:
            self.drop(name)  # what a request took from the store in the meantime
        return gone

    def drop(self, name: str) -> int:
        """Discard a key or a group in this process; what is being rendered is not kept."""
        self.turn += 1
        self._turns.pop(name, None)
        self._turns[name] = self.turn
        if len(self._turns) > _MOST_FORGOTTEN:
            self._dropped = self._turns.pop(next(iter(self._turns)))
        if self.near is None:
            return 0
        return self.near.drop(name) if is_key(name) else self.near.forget(name)

    def gone(self, slot: Slot, seen: int) -> bool:
        """Whether it was deleted since the turn that was *seen*; where that is too long ago to know, it may be."""
        return seen < self._dropped or any(self._turns.get(name, 0) > seen for name in (slot.group, slot.key))

    async def acquire(self, slot: Slot, token: str, seconds: float | None = None) -> bool:
        """Whether the lease is ours."""
        longer = {} if seconds is None else {"seconds": seconds}
        return await self._ask("acquire", lambda: self.lease.acquire(slot, token, **longer), bool, otherwise=False)

    async def renew(self, slot: Slot, token: str) -> bool:
        """Whether the lease is still ours."""
        return await self._ask("renew", lambda: self.lease.renew(slot, token), bool, otherwise=False)

    async def release(self, slot: Slot, token: str) -> None:
        """Give the lease back."""
        if self.leases:
            await self._ask("release", lambda: self.lease.release(slot, token), bool, otherwise=False)

    async def look(self, slot: Slot) -> tuple[Entry | None, bool]:
        """(the entry, whether it is being rendered)."""
        return await self._ask(
            "look", lambda: self.lease.look(slot), lambda found: (self._alive(found[0]), found[1]), (None, False)
        )

    async def close(self) -> None:
        """Close the store; the next use checks again whether it can be reached."""
        if self._there:
            self.up = True
            try:
                await self.far.close()
            except Exception as error:
                log.debug("closing the cache failed (%s)", type(error).__name__)

    def _alive(self, entry: Entry | None) -> Entry | None:
        sound = self._sound(entry)
        return sound if sound is not None and sound.expires_at > self._clock.now() else None

    def _sound(self, entry: Entry | None) -> Entry | None:
        return entry if entry is not None and entry.sound(self._clock.now(), self.longest) else None

    async def _ask(
        self, operation: str, work: Callable[[], Awaitable[S]], checked: Callable[[S], T], otherwise: T
    ) -> T:
        if not self.up:
            return otherwise
        try:
            async with asyncio.timeout(self.far.timeout):
                return checked(await work())
        except asyncio.CancelledError as error:  # by the store itself, unless it is the flight that ends
            if cast("asyncio.Task[Any]", asyncio.current_task()).cancelling():
                raise
            self._failed(operation, error)
        except Exception as error:
            self._failed(operation, error)
        return otherwise

    def _failed(self, operation: str, error: BaseException) -> None:
        self._meter.cache_failed(self.far.name, operation)
        if self.up:
            self.up = False
            # The kind only: the text of the error may hold an address with a password.
            log.warning("the %s cache fails (%s); rendering without it", self.far.name, type(error).__name__)
            self._spawn(self._probe())

    async def _probe(self) -> None:
        while True:
            await self._clock.sleep(PROBE_EVERY)
            try:
                async with asyncio.timeout(self.far.timeout):
                    await self.far.ping()
            except Exception as error:
                log.debug("the %s cache is still down (%s)", self.far.name, type(error).__name__)
            else:
                self.up = True
                log.info("the %s cache is back", self.far.name)
                return


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
    for store, fits in ((near, isinstance(near, Memory)), (far, hasattr(far, "get"))):
        if store is not None and not fits:
            raise ConfigError(f"cache= is no store but {type(store).__name__}; give one of {_KNOWN}, or a store object")
    return near, far


def _store_of(address: str) -> tuple[str, str]:
    """(the store's name, the address with its scheme in lower case)."""
    found = _SCHEME.match(address)
    if found is None:
        if not address.strip() or address.lower() in {*_SCHEMES, *CACHES, "none", "null"}:
            raise ConfigError(f"cache={address!r} names no place: write {_KNOWN}; None is for no cache")
        return "files", address
    written, rest = found[1], found["rest"]
    scheme = written.lower()
    if scheme not in _SCHEMES:
        raise ConfigError(f"cache= has the unknown scheme {written!r}; write {_KNOWN}")
    if rest is None or (scheme == "file" and not rest.startswith("/")):
        missing = "//" if rest is None else "/"
        raise ConfigError(f"cache= has to go on with {missing} after the scheme {written!r}; write {_KNOWN}")
    return _SCHEMES[scheme], scheme + address[len(scheme) :]
