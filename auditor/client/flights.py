"""Coalescing: identical requests that are on their way at the same time share one call.

In one process they share a flight. Across processes and hosts one of them holds the lease and calls, the others look
once in a while: one process once for all of its callers. The lease is renewed while the render lasts, so that a slow
render is not made twice; a holder that dies lets it run out, and the next one takes over.

All flights of a renderer run in one event loop in a thread of its own. A flight belongs to none of its waiters:
callers of any thread or event loop come and go, are cancelled or time out, and the render, which is paid
for, goes on. That is also why sync and async callers share one core.
"""

import asyncio
import selectors
import threading
import uuid
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from auditor.caches import Entry, Slot
from auditor.client.clock import Clock
from auditor.client.levels import Levels
from auditor.model.errors import RenderError

T = TypeVar("T")
_CLOSED = "the renderer was closed while this was under way"
FIRST_LOOK, LAST_LOOK, SLOWER = 0.01, 0.15, 1.5
"""Seconds between looks: soon at first, then seldom."""


class Background:
    """Starts at the first need, and again after a fork."""

    def __init__(self) -> None:
        self._selector: selectors.DefaultSelector | None = None
        """What the loop waits with."""
        self.forked()

    def forked(self) -> None:
        """The thread stayed in the parent."""
        if self._selector is not None:
            # A forked child shares the kernel's list of descriptors with its parent: what it drops of the parent's
            # connections would take them off that list, and the parent would wait for them without end. So the child's
            # copy begins empty.
            selectors.DefaultSelector.__init__(self._selector)
        self._lock = threading.Lock()
        self._selector = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def spawn(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine there."""
        with self._lock:  # so that `stop` cannot come between finding the loop and handing it the work
            if self._loop is None:
                self._selector = selectors.DefaultSelector()
                self._loop = asyncio.SelectorEventLoop(self._selector)
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="auditor-client", daemon=True)
                try:
                    self._thread.start()
                except Exception:  # no more threads: the next call tries again, none waits. An interrupt leaves it
                    self._loop.close()
                    self._loop = self._thread = self._selector = None
                    work.close()
                    raise
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for it; who is interrupted meanwhile ends it."""
        running = self.spawn(work)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """As `run`, for event loops."""
        return await asyncio.wrap_future(self.spawn(work))

    @property
    def started(self) -> bool:
        """Whether there is a loop at all."""
        return self._loop is not None

    def stop(self, patience: float = 5.0) -> None:
        """End the loop and wait for its thread."""
        with self._lock:
            loop, self._loop, thread, self._thread = self._loop, None, self._thread, None
            if loop is not None:
                loop.call_soon_threadsafe(loop.stop)
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        while pending := asyncio.all_tasks(loop):
            for task in pending:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Flights(Generic[T]):
    """Flights by key; a finished one is dropped before any caller hears of it, so that the next call is fresh."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self.forked()

    def forked(self) -> None:
        """The parent's flights land in the parent."""
        self._lock = threading.Lock()
        self._flying: dict[str, Future[T]] = {}

    def join(self, key: str) -> "tuple[Future[T], bool]":
        """(the flight of *key*, whether this caller is the first and has to `launch` or `land` it).

        A flight cannot be cancelled; cancelling what waits for it leaves it alone.
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
        try:
            self._background.spawn(work).add_done_callback(lambda flown: self._ended(key, flight, flown))
        except BaseException as error:
            self._forget(key)
            flight.set_exception(error)
            work.close()

    def _ended(self, key: str, flight: "Future[T]", flown: "Future[T]") -> None:
        if flight.done():  # its first caller was interrupted after the work had begun
            return
        self._forget(key)
        error = RenderError(_CLOSED) if flown.cancelled() else flown.exception()
        if error is None:
            flight.set_result(flown.result())
        else:
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
async def turn(levels: Levels, slot: Slot, clock: Clock, looked: bool) -> AsyncIterator[tuple[Entry | None, bool]]:
    """The right to make the call; without a lease everybody has it.

    It gives (another process's entry, whether it had to be waited for); (None, …): it is our turn. What is in
    the store is found before anybody asks for the lease, unless the caller has *looked* there.
    """
    token, delay, waited, ours = uuid.uuid4().hex, FIRST_LOOK, False, False
    entry = None if looked else await levels.get(slot)
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
