"""The shared store as the client sees it: it may fail, or there is none, and then it is as if it were not there.

A breaker stands in front. The first failure opens it; from then on nobody waits, and one task alone asks now and then
whether the store is back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from auditor.caches import Cache, Entry, Lease, Slot, is_key
from auditor.client.clock import Clock
from auditor.client.meter import Meter

log = logging.getLogger("auditor.client")
S = TypeVar("S")
T = TypeVar("T")
PROBE_EVERY = 5.0
"""Seconds between two looks at a store that failed."""


class Far:
    """A store behind a breaker; every method has an answer, whatever the store does."""

    def __init__(
        self, store: Cache | None, meter: Meter, clock: Clock, spawn: Callable[[Coroutine[Any, Any, None]], Any],
        longest: float,
    ) -> None:  # fmt: skip
        self._there, self._meter, self._clock, self._spawn = store is not None, meter, clock, spawn
        self.cache, self.lease = cast(Cache, store), cast(Lease, store)
        self._peek: Callable[[Slot], Entry | None] | None = getattr(store, "peek", None)
        self.peeks = self._peek is not None
        """Whether `peek` has an answer at all."""
        self.longest = longest
        """The largest TTL that this process gives, in seconds: an entry that is to live longer is not one of ours."""
        self.forked()

    def forked(self) -> None:
        """The child finds out for itself."""
        self.up = self._there
        if self._there:
            self.cache.forked()

    @property
    def leases(self) -> bool:
        """Whether hosts that share the store agree on who makes a call."""
        return self.up and hasattr(self.cache, "acquire")

    async def get(self, slot: Slot) -> Entry | None:
        """The entry if it is there, whole and alive."""
        return await self._ask("get", lambda: self.cache.get(slot), self._alive, None)

    def peek(self, slot: Slot) -> Entry | None:
        """As `get`, in the caller's own thread, where the store can do that: it saves the way to the background."""
        if self._peek is None or not self.up:
            return None
        try:
            return self._alive(self._peek(slot))
        except Exception as error:  # (a cache that fails must not fail the render)
            self._failed("get", error)
            return None

    async def put(self, slot: Slot, entry: Entry) -> None:
        """Keep an entry, if that works."""
        await self._ask("put", lambda: self.cache.put(slot, entry), bool, otherwise=False)

    async def spare(self, slot: Slot) -> Entry | None:
        """The entry if it is there and whole, expired or not."""
        return await self._ask("get", lambda: self.cache.get(slot), self._sound, None)

    async def forget(self, name: str) -> int:
        """Forget a key, or else a group. This one raises: who purges has to know."""
        if not self._there:
            return 0
        return await (self.cache.delete(name) if is_key(name) else self.cache.purge(name))

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
        """(the entry, whether somebody renders it now)."""

        def alive(found: tuple[Entry | None, bool]) -> tuple[Entry | None, bool]:
            return self._alive(found[0]), found[1]

        return await self._ask("look", lambda: self.lease.look(slot), alive, (None, False))

    async def close(self) -> None:
        """Let go of the store; whoever uses it again finds out anew how it is."""
        if self._there:
            self.up = True
            try:
                await self.cache.close()
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
            async with asyncio.timeout(self.cache.timeout):
                return checked(await work())
        except asyncio.CancelledError as error:  # by the store itself, unless it is the flight that ends
            if cast("asyncio.Task[Any]", asyncio.current_task()).cancelling():
                raise
            self._failed(operation, error)
        except Exception as error:
            self._failed(operation, error)
        return otherwise

    def _failed(self, operation: str, error: BaseException) -> None:
        self._meter.cache_failed(self.cache.name, operation)
        if self.up:
            self.up = False
            # The kind only: the text of the error may hold an address with a password.
            log.warning("the %s cache fails (%s); rendering without it", self.cache.name, type(error).__name__)
            self._spawn(self._probe())

    async def _probe(self) -> None:
        while True:
            await self._clock.sleep(PROBE_EVERY)
            try:
                async with asyncio.timeout(self.cache.timeout):
                    await self.cache.ping()
            except Exception as error:
                log.debug("the %s cache is still down (%s)", self.cache.name, type(error).__name__)
            else:
                self.up = True
                log.info("the %s cache is back", self.cache.name)
                return
