"""The waterfall: one cause for each wasted credit (semantics section 4).

staging  >  concurrent  >  repeat  >  volatile
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction


class Cause(StrEnum):
    """Why a credit was wasted, in the order in which they are asked."""

    STAGING = "staging"
    CONCURRENT = "concurrent"
    REPEAT = "repeat"
    VOLATILE = "volatile"


@dataclass(slots=True)
class Waste:
    """Wasted credits by (unit, cycle, cause)."""

    credits: dict[tuple[int, int, Cause], Fraction] = field(default_factory=lambda: defaultdict(Fraction))

    def add(self, unit: int, cycle: int, cause: Cause, credits: Fraction) -> None:
        """Book credits on their one cause."""
        self.credits[unit, cycle, cause] += credits

    def total(self, cause: Cause | None = None, units: Iterable[int] | None = None) -> Fraction:
        """All wasted credits, or those of a cause, of some units."""
        chosen = None if units is None else set(units)
        return sum(
            (
                amount
                for (unit, _, why), amount in self.credits.items()
                if (cause is None or why is cause) and (chosen is None or unit in chosen)
            ),
            Fraction(0),
        )

    def by_cycle(self, units: Collection[int], causes: Collection[Cause] = tuple(Cause)) -> dict[int, Fraction]:
        """Cycle -> wasted credits of some units and causes."""
        sums: dict[int, Fraction] = defaultdict(Fraction)
        for (unit, cycle, cause), amount in self.credits.items():
            if unit in units and cause in causes:
                sums[cycle] += amount
        return sums


def cause_of(staging: bool, concurrent: bool, repeat: bool) -> Cause | None:
    """The first cause that fits a billed render; volatile inputs are asked after the others."""
    if staging:
        return Cause.STAGING
    if concurrent:
        return Cause.CONCURRENT
    return Cause.REPEAT if repeat else None


def allot(saved: Fraction, renders: Iterable[tuple[int, Fraction]]) -> Iterator[tuple[int, Fraction]]:
    """Give *saved* credits to renders, pairs of (position, its credits), in order until they are used up."""
    for position, credits in renders:
        if saved <= 0:
            return
        part = min(saved, credits)
        saved -= part
        yield position, part
