"""Faults on request: by rate, or the very next calls in an order."""

import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import accumulate


class Fault(StrEnum):
    """What may go wrong. The last three are billed, though the client gets no image in time."""

    SERVER = "500"
    GATEWAY = "502"
    UNAVAILABLE = "503"
    THROTTLE = "429"
    HANG = "hang"
    CLOSE = "close"
    BILLED_HANG = "billed-hang"
    BILLED_CLOSE = "billed-close"
    DRIP = "drip"


BILLED = frozenset({Fault.BILLED_HANG, Fault.BILLED_CLOSE, Fault.DRIP})

FREE = frozenset({Fault.SERVER, Fault.GATEWAY, Fault.UNAVAILABLE, Fault.HANG, Fault.CLOSE})


class Faults:
    """Decides for each call; the same seed decides the same."""

    def __init__(self, rates: Mapping[str, float] | None = None, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self._next: deque[Fault | None] = deque()
        self.rates: dict[Fault, float] = {}
        self.drawn: Counter[Fault] = Counter()
        """How often each was met."""
        self.set(rates or {})

    def set(self, rates: Mapping[str, float]) -> None:
        """Shares of calls by fault, 0–1 each and at most 1 together; `ValueError` names what is wrong."""
        checked = {Fault(name): float(share) for name, share in rates.items()}
        if any(not 0 <= share <= 1 for share in checked.values()) or sum(checked.values()) > 1:
            raise ValueError("shares of faults are from 0 to 1, and at most 1 together")
        self.rates = checked

    def queue(self, faults: Iterable[str | None]) -> None:
        """What the next calls meet; None is an ordinary answer."""
        self._next.extend(None if fault is None else Fault(fault) for fault in faults)

    def draw(self) -> Fault | None:
        """What this call meets."""
        if self._next:
            fault = self._next.popleft()
        else:
            drawn = self._random.random()
            ends = zip(self.rates, accumulate(self.rates.values()), strict=True)
            fault = next((each for each, end in ends if drawn < end), None)
        if fault is not None:
            self.drawn[fault] += 1
        return fault
