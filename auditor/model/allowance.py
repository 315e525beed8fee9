"""The balance of an account, cycle by cycle: what is included, carried over and bought, what is used, what runs out.

Credits are used in the order in which they end: the soonest first, those without an end last; among equals older ones
first, included before bought ones. That is the order in which least is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

NONE = Fraction(0)


@dataclass(frozen=True, slots=True)
class Purchase:
    """Credits that were bought beside the plan."""

    credits: Fraction
    last: int | None = None
    """The last cycle, by its index, in which they can be used; None: they do not end."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one cycle brings."""

    included: Fraction = NONE
    lives: int | None = 0
    """Further cycles in which unused included credits can still be used; None: in all of them."""
    limit: Fraction | None = None
    """The most that included and carried credits may be together at the start of a cycle; None: no limit."""
    bought: tuple[Purchase, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """Successive cycles without any use; each of them brings the same."""

    cycles: int
    grant: Grant


Idle = Mapping[int, Sequence[Stretch]]
"""Position in the list of cycles -> the stretches that passed before the cycle there, in order."""


@dataclass(slots=True)
class Balance:
    """What became of one cycle's credits."""

    included: Fraction
    carried: Fraction
    """Left from earlier cycles, included or bought."""
    bought: Fraction
    """Bought in this cycle."""
    used: Fraction
    beyond: Fraction
    """Used though there was nothing left: overage, or more than a hard cap allows."""
    ended: Fraction = NONE
    """Unused, and not to be had in the next cycle."""
    left: Fraction = NONE
    """Unused, and carried into the next cycle."""

    @property
    def available(self) -> Fraction:
        """All that could be used."""
        return self.included + self.carried + self.bought


@dataclass(slots=True)
class _Lot:
    credits: Fraction
    last: int | None
    bought: bool


def fold(grants: Sequence[Grant], used: Sequence[Fraction], idle: Idle | None = None) -> list[Balance]:
    """The balance of each cycle, in order; after the last one its grant is taken to be renewed once more.

    The cycles of *idle* count, so that credits carry and end in them, but have no balance of their own; work does not
    grow with their number.
    """
    lots: list[_Lot] = []
    balances: list[Balance] = []
    if not grants:
        return []
    stretches = [stretch.grant for own in (idle or {}).values() for stretch in own]
    if all(grant.lives == 0 and not grant.bought for grant in (*grants, *stretches)):  # every cycle stands alone
        unused = [grant.included - spent for grant, spent in zip(grants, used, strict=True)]
        return [
            Balance(grant.included, NONE, NONE, spent, max(NONE, -left), max(NONE, left))
            for grant, spent, left in zip(grants, used, unused, strict=True)
        ]
    renewed = [*grants, Grant(grants[-1].included, grants[-1].lives, grants[-1].limit)]
    index = 0
    for place, (grant, spent) in enumerate(zip(renewed, [*used, NONE], strict=True)):
        before = [*idle.get(place, ())] if idle else []
        lost = _cut(lots, before[0].grant if before else grant)
        carried = _total(lots)
        if balances:
            balances[-1].ended += lost
            balances[-1].left = carried
        for stretch in before:
            lots = _pass(lots, stretch, index)
            index += stretch.cycles
        if before:
            _cut(lots, grant)
            carried = _total(lots)
        lots += _granted(grant, index)
        bought = sum((each.credits for each in grant.bought), NONE)
        balance = Balance(grant.included, carried, bought, spent, _spend(lots, spent))
        balance.ended = sum((lot.credits for lot in lots if lot.last is not None and lot.last <= index), NONE)
        lots = _living(lots, index)
        balances.append(balance)
        index += 1
    return balances[:-1]


def _granted(grant: Grant, index: int) -> list[_Lot]:
    last = None if grant.lives is None else index + grant.lives
    return [
        _Lot(grant.included, last, bought=False),
        *(_Lot(each.credits, each.last, bought=True) for each in grant.bought),
    ]


def _living(lots: Sequence[_Lot], index: int) -> list[_Lot]:
    """What can still be used after a cycle."""
    return [lot for lot in lots if lot.credits and (lot.last is None or lot.last > index)]


def _pass(lots: list[_Lot], stretch: Stretch, index: int) -> list[_Lot]:
    """What is left after the cycles of *stretch*, the first of which is number *index*.

    What goes, by a limit or by its end, always goes from the soonest to end, so that only the cut of the last cycle and
    the last ends tell: earlier ones take nothing that these leave.
    """
    grant, last = stretch.grant, index + stretch.cycles - 1
    if grant.lives is None:
        lots = [*lots, _Lot(grant.included * (stretch.cycles - 1), None, bought=False)]
    else:
        # Credits of one cycle end together: only the last `lives` cycles have any left.
        first = max(index, last - grant.lives + 1)
        lots = [*lots, *(_Lot(grant.included, at + grant.lives, bought=False) for at in range(first, last))]
    _cut(lots, grant)
    return _living([*lots, *_granted(grant, last)], last)


def _cut(lots: Sequence[_Lot], grant: Grant) -> Fraction:
    """Take away what the plan of this cycle does not carry on; the soonest to end goes first."""
    included = [lot for lot in lots if not lot.bought]
    carried = _total(included)
    room = NONE if grant.lives == 0 else carried if grant.limit is None else max(NONE, grant.limit - grant.included)
    lost = max(NONE, carried - room)
    _spend(included, lost)
    return lost


def _spend(lots: Sequence[_Lot], spent: Fraction) -> Fraction:
    """Use credits up; what no lot could give."""
    for lot in sorted(lots, key=lambda lot: (lot.last is None, lot.last or 0)):  # stable: older lots first
        part = min(lot.credits, spent)
        lot.credits -= part
        spent -= part
    return spent


def _total(lots: Sequence[_Lot]) -> Fraction:
    return sum((lot.credits for lot in lots), NONE)
