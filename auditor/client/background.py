"""One event loop in a thread of its own, where all flights of a renderer run.

A flight belongs to nobody who waits for it: callers of any thread or event loop come and go, are cancelled or run out
of patience, and the render, which is paid for, goes on. That is also why sync and async callers share one core.
"""

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """What the loop waits with.

    A forked child shares the kernel's list of descriptors with its parent: what it drops of the parent's connections
    would take them off that list, and the parent would wait for them without end. So the child's copy begins empty.
    """

    def renew(self) -> None:
        super().__init__()


class Background:
    """Starts at the first need, and again after a fork."""

    def __init__(self) -> None:
        self._selector: _Selector | None = None
        self.forked()

    def forked(self) -> None:
        """The thread stayed in the parent."""
        if self._selector is not None:
            self._selector.renew()
        self._lock = threading.Lock()
        self._selector = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def spawn(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine there."""
        with self._lock:  # so that `stop` cannot come between finding the loop and handing it the work
            return asyncio.run_coroutine_threadsafe(work, self._running())

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

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._selector = _Selector()
            loop = self._loop = asyncio.SelectorEventLoop(self._selector)
            self._thread = threading.Thread(target=_run, args=(loop,), name="auditor-client", daemon=True)
            self._thread.start()
        return self._loop

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
