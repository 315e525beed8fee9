"""Coalescing across processes and hosts: one of them holds the lease and calls, the others look once in a while.

One process looks once for all of its callers, since they share a flight. The lease is renewed while the render lasts,
so that a slow render is not made twice; a holder that dies lets it run out, and the next one takes over.
"""

import asyncio
import uuid
from types import TracebackType

from auditor.caches import Entry, Slot
from auditor.client.clock import Clock
from auditor.client.far import Far

FIRST_LOOK, LAST_LOOK, SLOWER = 0.01, 0.15, 1.5
"""Seconds between looks: soon at first, then seldom."""


class Turn:
    """The right to make the call; without a lease everybody has it."""

    def __init__(self, far: Far | None, slot: Slot, clock: Clock) -> None:
        self._far = far if far is not None and far.lease is not None else None
        self._slot, self._clock = slot, clock
        self._token = uuid.uuid4().hex
        self._renewing: asyncio.Task[None] | None = None

    async def wait(self) -> tuple[Entry | None, bool]:
        """(an entry that somebody else made, whether it had to be waited for); (None, …): it is our turn."""
        far, delay, waited = self._far, FIRST_LOOK, False
        while far is not None and far.up:
            if await far.acquire(self._slot, self._token):
                # Between the look before and the lease, the holder before us may have finished.
                entry = await far.get(self._slot)
                if entry is not None:
                    await far.release(self._slot, self._token)
                    return entry, waited
                self._renewing = asyncio.get_running_loop().create_task(self._renew(far))
                return None, waited
            held = True
            while held and far.up:
                await self._clock.sleep(delay)
                delay, waited = min(delay * SLOWER, LAST_LOOK), True
                entry, held = await far.look(self._slot)
                if entry is not None:
                    return entry, waited
        return None, waited

    async def _renew(self, far: Far) -> None:
        assert far.lease is not None
        while True:
            await self._clock.sleep(far.lease.lease_seconds / 3)
            if not await far.renew(self._slot, self._token):
                return

    async def __aenter__(self) -> "Turn":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewing is not None and self._far is not None:
            self._renewing.cancel()
            await self._far.release(self._slot, self._token)
