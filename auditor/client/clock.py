"""Where the client takes its time from; tests bring their own."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


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
