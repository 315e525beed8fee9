"""Where the client takes its time from, and the ids that are sorted by it; tests bring their own."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from auditor.client.forks import renew_in_children


async def _sleep(seconds: float) -> None:
    import asyncio  # a renderer has loaded it; importing the client alone would pay a quarter of its time for it

    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time for events and expiry, steady time for durations, and how to wait."""

    wall_ns: Callable[[], int] = time.time_ns
    steady: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], Awaitable[None]] = _sleep

    def now(self) -> float:
        """Seconds since 1970."""
        return self.wall_ns() / 1e9


class ProcessIds:
    """UUIDv7 of one process: 26 random bits that stay, and 48 that begin anywhere and count up (RFC 9562, 6.2).

    They are unique over hosts, processes and forks. Counting costs a tenth of asking the system for new randomness each
    time, and two ids of one process never collide.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """A new start, or the child would count on from where the parent is."""
        bits = int.from_bytes(os.urandom(10))
        self._fixed = bits & 0xFFF, 0x8000 | (bits >> 12) & 0x3FFF
        self._next = count((bits >> 26) & 0x7FFFFFFFFFFF).__next__

    def __call__(self, wall_ns: int) -> str:
        """An id for this moment."""
        ms = wall_ns // 1_000_000
        a, b = self._fixed
        # One %-format of five numbers takes half the time of the f-string.
        return "%08x-%04x-7%03x-%04x-%012x" % (ms >> 16, ms & 0xFFFF, a, b, self._next() & 0xFFFFFFFFFFFF)  # noqa: UP031


NEW_ID = ProcessIds()
renew_in_children(NEW_ID)
