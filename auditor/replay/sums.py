"""Sums of a simulation: exact whatever their size, in arrays of 64-bit integers that compiled code can add to.

One row of `WIDTH` integers for each (group, setting). Sums that may outgrow 64 bits stand in limbs of base `BASE`,
the lowest first; `carry` keeps each below it, and within one batch of `MAX_ROWS` rows none overflows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

BASE = 10**12
MAX_ROWS = 5_000_000
CREDIT_SCALE = 10**19
"""Credits are counted in units of 10^-19: the 18 decimals that they may have, and the half that a median may add."""
CREDIT_LIMBS = 3

RENDERED, WAITED, STALE = 0, 6, 12
"""Where the sums of the rendered, the concurrent and the stale requests of a row begin."""
CREDITS, BYTES = 1, 4
"""Where credits and bytes begin in those of the rendered and the concurrent ones, behind their number."""
WIDTH = 14
_CARRIES = (*(first + limb for first in (RENDERED, WAITED) for limb in (CREDITS, CREDITS + 1, BYTES)), STALE)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sum:
    """What one group had to pay under one setting. Concurrent requests are renders too where nothing coalesces."""

    renders: int = 0
    concurrent: int = 0
    """Requests that came while a render of their key was under way."""
    credits: Fraction = Fraction(0)
    """Of the renders."""
    concurrent_credits: Fraction = Fraction(0)
    """What the concurrent requests would cost if each were a render of its own."""
    bytes: int = 0
    concurrent_bytes: int = 0
    stale: int = 0
    """Hits whose own image, as logged, was another than the stored one."""


def carry(sums: Any) -> None:
    """Bring each limb but the highest below `BASE`; *sums* has rows of `WIDTH`, one after the other."""
    rows = np.asarray(sums, np.int64).reshape(-1, WIDTH)
    for limb in _CARRIES:
        rows[:, limb + 1] += rows[:, limb] // BASE
        rows[:, limb] %= BASE
    if isinstance(sums, list):
        sums[:] = rows.ravel().tolist()


def limbs(amounts: Iterable[Fraction]) -> list[int]:
    """`CREDIT_LIMBS` integers for each amount of credits, one after the other."""
    flat: list[int] = []
    for amount in amounts:
        units = amount * CREDIT_SCALE
        if units.denominator != 1:
            raise ValueError(f"{amount} credits are no multiple of 10^-19")
        flat += (int(units) % BASE, int(units) // BASE % BASE, int(units) // BASE**2)
    return flat


def read(row: Sequence[int]) -> Sum:
    """The sums of one row of `WIDTH` integers."""

    def whole(first: int, count: int) -> int:
        return sum(int(row[first + place]) * BASE**place for place in range(count))

    def part(first: int) -> tuple[int, Fraction, int]:
        return int(row[first]), Fraction(whole(first + CREDITS, CREDIT_LIMBS), CREDIT_SCALE), whole(first + BYTES, 2)

    (renders, credits, size), (concurrent, waited, waited_size) = part(RENDERED), part(WAITED)
    return Sum(renders, concurrent, credits, waited, size, waited_size, whole(STALE, 2))
