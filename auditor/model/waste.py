"""The waterfall: one cause for each wasted credit (semantics section 4).

staging  >  concurrent  >  repeat  >  volatile  >  failed
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from fractions import Fraction

from auditor.model.events import Outcome


class Cause(StrEnum):
    """Why a credit was wasted, in the order in which they are asked."""

    STAGING = "staging"
    CONCURRENT = "concurrent"
    REPEAT = "repeat"
    VOLATILE = "volatile"
    FAILED = "failed"
    """Billed though the call failed; renders have the others."""


class Use(StrEnum):
    """What became of a credit: needed or unknown, billed though nothing was rendered, or wasted for its one cause."""

    NEEDED = "needed"
    UNKNOWN = "unknown"
    """Of a render of which the log does not tell whether it was needed."""
    UNRENDERED = "unrendered"
    STAGING = Cause.STAGING.value
    CONCURRENT = Cause.CONCURRENT.value
    REPEAT = Cause.REPEAT.value
    VOLATILE = Cause.VOLATILE.value
    FAILED = Cause.FAILED.value


@dataclass(slots=True)
class Day:
    """One account on one local day."""

    payer: int
    date: date
    requests: dict[Outcome, int] = field(default_factory=lambda: defaultdict(int))
    """By outcome; retries and attempts are no requests."""
    credits: dict[Use, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    uncertain: int = 0
    """Calls that may have been billed."""

    @property
    def total(self) -> Fraction:
        """All credits of the day."""
        return sum(self.credits.values(), Fraction(0))


@dataclass(slots=True)
class Waste:
    """Wasted credits by unit, cycle and cause."""

    units: dict[int, dict[tuple[int, Cause], Fraction]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, unit: int, cycle: int, cause: Cause, credits: Fraction) -> None:
        """Book credits on their one cause."""
        booked = self.units[unit]
        booked[cycle, cause] = booked.get((cycle, cause), Fraction(0)) + credits

    def total(self, cause: Cause | None = None, units: Iterable[int] | None = None) -> Fraction:
        """All wasted credits, or those of a cause, of some units."""
        causes = tuple(Cause) if cause is None else (cause,)
        return sum(self.by_cycle(self.units if units is None else units, causes).values(), Fraction(0))

    def by_payer_cycle(self, payer_of: Mapping[int, int]) -> dict[int, dict[int, Fraction]]:
        """Payer -> cycle -> wasted credits, by the payer of each unit."""
        sums: dict[int, dict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for unit, booked in self.units.items():
            for (cycle, _), amount in booked.items():
                sums[payer_of[unit]][cycle] += amount
        return sums

    def by_cycle(self, units: Iterable[int], causes: Collection[Cause] = tuple(Cause)) -> dict[int, Fraction]:
        """Cycle -> wasted credits of some units and causes."""
        sums: dict[int, Fraction] = defaultdict(Fraction)
        for unit in units:
            for (cycle, cause), amount in self.units.get(unit, {}).items():
                if cause in causes:
                    sums[cycle] += amount
        return sums


def allot(saved: Fraction, renders: Iterable[tuple[int, Fraction]]) -> Iterator[tuple[int, Fraction]]:
    """Give *saved* credits to renders, pairs of (position, its credits), in order until they are used up."""
    for position, credits in renders:
        if saved <= 0:
            return
        part = min(saved, credits)
        saved -= part
        yield position, part
