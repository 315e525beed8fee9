"""Answers that are read later, if at all: their calls end when the body is gone without being closed, or at exit.

A body may go during a garbage collection, in any thread, between any two steps, while that thread holds any lock. So
the end is written by another thread, and this one waits for it only for a moment.
"""

import _thread
import atexit
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from auditor.client.forks import renew_in_children

_START, _PATIENCE = 5.0, 0.25
"""Seconds that a thread may take to begin, and to write: if this thread holds a lock that it needs, it writes later."""


class Unfinished(Protocol):
    """A call whose answer has begun."""

    def dropped(self) -> None:
        """The rest will not be read."""


class Unread:
    """The calls of this process whose answers may still be read."""

    def __init__(self) -> None:
        self._calls: set[Unfinished] = set()
        self.discard = self._calls.discard
        """It has ended."""
        self._ending: set[_thread.LockType] = set()
        """Each held by a thread that is writing an end."""
        self._late: list[Callable[[], object]] = []
        """For which there was no thread."""
        self._ends_at_exit = False
        renew_in_children(self)
        atexit.register(self.end)

    def forked(self) -> None:
        """What the parent reads, the parent ends."""
        self._calls.clear()
        self._ending.clear()
        self._late.clear()
        self._ends_at_exit = False

    def add(self, call: Unfinished) -> None:
        """Its answer is there to be read."""
        self._calls.add(call)
        self._catch_up()
        # Children of multiprocessing leave without atexit.
        if not self._ends_at_exit and (util := sys.modules.get("multiprocessing.util")) is not None:
            self._ends_at_exit = True
            util.Finalize(None, self.end, exitpriority=1)

    def gone(self, call: Unfinished) -> None:
        """Its answer cannot be read any more."""
        if call in self._calls:
            self.apart(call.dropped)

    def apart(self, write: Callable[[], object]) -> None:
        """Write an end from a finalizer, as said above; what *write* raises is its own matter."""
        if sys.is_finalizing():  # there are no other threads any more
            write()
            return
        begun, done = _thread.allocate_lock(), _thread.allocate_lock()
        begun.acquire()
        done.acquire()
        self._ending.add(done)

        def end() -> None:
            begun.release()
            write()
            self._ending.discard(done)
            done.release()

        try:
            _thread.start_new_thread(end, ())  # (`threading` would take locks of its own)
        except RuntimeError:  # there are no more threads
            self._ending.discard(done)
            self._late.append(write)
        else:
            with suppress(Exception):  # (greenlets in place of threads may not wait here)
                begun.acquire(timeout=_START)
                done.acquire(timeout=_PATIENCE)

    def end(self) -> None:
        """The process ends."""
        for call in list(self._calls):
            call.dropped()
        self.wait()

    def wait(self) -> None:
        """Until all that is gone has ended, for a while."""
        self._catch_up()
        for done in list(self._ending):
            if done.acquire(timeout=_START):
                done.release()

    def _catch_up(self) -> None:
        """From where no lock of others is held."""
        while self._late:
            with suppress(IndexError):  # another thread was faster
                self._late.pop()()


UNREAD = Unread()
