"""Coalescing: identical requests that are on their way at the same time share one call.

In one process they share a flight. Across processes and hosts one of them holds the lease and calls, the others look
once in a while: one process once for all of its callers. The lease is renewed while the render lasts, so that a slow
render is not made twice; a holder that dies lets it run out, and the next one takes over.
"""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from auditor.caches import Entry, Slot
from auditor.client.background import Background
from auditor.client.clock import Clock
from auditor.client.levels import Levels
from auditor.model.errors import RenderError

T = TypeVar("T")
FIRST_LOOK, LAST_LOOK, SLOWER = 0.01, 0.15, 1.5
"""Seconds between looks: soon at first, then seldom."""


class Flights(Generic[T]):
    """Flights by key; a finished one is forgotten before anybody hears of it, so that the next call is fresh."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self.forked()

    def forked(self) -> None:
        """The parent's flights land in the parent."""
        self._lock = threading.Lock()
        self._flying: dict[str, Future[T]] = {}

    def join(self, key: str) -> "tuple[Future[T], bool]":
        """(the flight of *key*, whether this caller is the first and has to `launch` or `land` it).

        Nobody can cancel a flight; cancelling what waits for it leaves it alone.
        """
        with self._lock:
            flight = self._flying.get(key)
            if flight is not None:
                return flight, False
            flight = self._flying[key] = Future()
            flight.set_running_or_notify_cancel()
        return flight, True

    def launch(self, key: str, flight: "Future[T]", work: Coroutine[Any, Any, T]) -> None:
        """Let *work* bring what all wait for."""

        def landed(done: "Future[T]") -> None:
            self._forget(key)
            if done.cancelled():
                flight.set_exception(RenderError("the renderer was closed while this was under way"))
            elif (error := done.exception()) is not None:
                flight.set_exception(error)
            else:
                flight.set_result(done.result())

        try:
            self._background.spawn(work).add_done_callback(landed)
        except BaseException as error:
            work.close()
            self._forget(key)
            flight.set_exception(error)

    def land(self, key: str, flight: "Future[T]", result: T) -> None:
        """It was at hand after all."""
        self._forget(key)
        flight.set_result(result)

    def wait(self, patience: float) -> None:
        """Until all that fly now have landed, *patience* seconds at most."""
        with self._lock:
            flying = list(self._flying.values())
        wait(flying, patience)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._flying.pop(key, None)


@asynccontextmanager
async def turn(levels: Levels, slot: Slot, clock: Clock) -> AsyncIterator[tuple[Entry | None, bool]]:
    """The right to make the call; without a lease everybody has it.

    It gives (an entry that somebody else made, whether it had to be waited for); (None, …): it is our turn.
    """
    token, delay, waited, ours = uuid.uuid4().hex, FIRST_LOOK, False, False
    entry: Entry | None = None
    while entry is None and not ours and levels.leases:
        ours = await levels.acquire(slot, token)
        if ours:
            # Between the look before and the lease, the holder before us may have finished.
            entry = await levels.get(slot)
        held = not ours
        while entry is None and held and levels.leases:
            await clock.sleep(delay)
            delay, waited = min(delay * SLOWER, LAST_LOOK), True
            entry, held = await levels.look(slot)
    renewing = asyncio.create_task(_renew(levels, slot, token, clock)) if ours and entry is None else None
    try:
        yield entry, waited
    finally:
        if renewing is not None:
            renewing.cancel()
        if ours:
            await levels.release(slot, token)


async def _renew(levels: Levels, slot: Slot, token: str, clock: Clock) -> None:
    while True:
        await clock.sleep(levels.lease.lease_seconds / 3)
        if not await levels.renew(slot, token):
            return
