"""Basis: the months that advice on a plan rests on (semantics sections 7 and 12).

They are an account's complete cycles. Without one it is the newest cycle, projected to its end, from `ENOUGH_US` on;
what is shorter says nothing of a month.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from auditor.analysis.accounts import Payer
from auditor.model.plans import Idle, Unadvised

ENOUGH_US = 7 * 86_400 * 10**6
"""What has to have passed of a cycle before it is projected."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Cycles of one account, by their places."""

    places: tuple[int, ...]
    others: tuple[int, ...]
    """Places of the cycles of which a plan has to hold what was needed so far."""
    idle: Idle = field(default_factory=dict)
    scale: Fraction = Fraction(1)
    """What makes a whole cycle of what the log has of it."""
    projected: bool = False

    def whole(self, by_cycle: Sequence[Fraction]) -> list[Fraction]:
        """Of an amount for each cycle of the account, those of the basis, as of whole cycles."""
        return [by_cycle[place] * self.scale for place in self.places]

    def so_far(self, by_cycle: Sequence[Fraction]) -> list[Fraction]:
        """The amounts of the other cycles."""
        return [by_cycle[place] for place in self.others]


def basis_of(payer: Payer) -> Basis | Unadvised:
    """The basis of an account's advice, or why there is none."""
    if payer.mostly_filtered:
        return Unadvised.MOSTLY_FILTERED
    every, complete = range(len(payer.cycles)), tuple(payer.complete_cycles)
    if complete:
        return Basis(complete, tuple(place for place in every if place not in complete), payer.idle)
    elapsed_us, whole_us = payer.covered_us
    if elapsed_us < ENOUGH_US:
        return Unadvised.TOO_LITTLE_DATA
    return Basis((every[-1],), tuple(every), scale=Fraction(whole_us, elapsed_us), projected=True)
