"""How many requests of each sender are answered: so many a second, and some more at once after a pause."""

import math
import time
from collections.abc import Callable

PER_SECOND = 50.0
AT_ONCE = 200.0
SENDERS = 1000
"""Senders that are counted; the one that has been quiet for the longest time goes first."""


class Rates:
    """One bucket a sender."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._left: dict[str, tuple[float, float]] = {}
        """(requests that it may still send at once, when that was)."""

    def wait(self, sender: str) -> int:
        """0 if the sender may send now, which is counted; else the whole seconds after which it may."""
        now = self._steady()
        left, when = self._left.pop(sender, (AT_ONCE, now))
        left = min(AT_ONCE, left + (now - when) * PER_SECOND)
        may = left >= 1
        self._left[sender] = (left - may, now)
        if len(self._left) > SENDERS:
            del self._left[next(iter(self._left))]
        return 0 if may else max(1, math.ceil((1 - left) / PER_SECOND))
