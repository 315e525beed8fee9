"""Terms: what each billing cycle was paid under, gaps between the listed ones included."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from auditor.analysis.accounts import Payer
from auditor.model.allowance import Balance, Grant, Purchase, Stretch
from auditor.model.numbers import is_unknown
from auditor.model.plans import Cycle, Gap, Plan, cycle_number, cycle_numbered


@dataclass(frozen=True, slots=True)
class Terms:
    """What one cycle was paid under: its plan, the credits that came with it, and what top-ups cost."""

    plan: Plan | None
    grant: Grant
    topups: Fraction

    def bill(self, balance: Balance) -> Fraction | None:
        """The bill of the cycle; None without a plan, or where the hard cap forbids it."""
        charged = None if self.plan is None else self.plan.charge(balance.beyond)
        return None if charged is None else charged + self.topups


def terms_of(payer: Payer, cycle: Cycle) -> Terms:
    """The terms of a cycle: the account's plans by date, and its top-ups in the cycle in which they were bought."""
    account = payer.settings
    plan = account.plan_of(cycle)
    grant = Grant() if plan is None else plan.grant
    if not account.topups:
        return Terms(plan, grant, Fraction(0))
    bought = account.bought(cycle)
    zero = cycle_number(account.day(payer.cycles[0].start), account.anchor_day)
    purchases = tuple(
        Purchase(
            Fraction(each.credits),
            None if each.expires is None else cycle_number(each.expires, account.anchor_day) - zero,
        )
        for each in bought
    )
    return Terms(
        plan,
        Grant(grant.included, grant.lives, grant.limit, purchases),
        sum((Fraction(each.price) for each in bought), Fraction(0)),
    )


@dataclass(frozen=True, slots=True)
class GapUse:
    """Successive cycles without an event that are not listed."""

    gap: Gap
    parts: tuple[tuple[int, Terms], ...]
    """(cycles, their terms), in order."""

    @property
    def stretches(self) -> list[Stretch]:
        """How the allowance runs through it."""
        return [Stretch(cycles, terms.grant) for cycles, terms in self.parts]

    @property
    def bill(self) -> Fraction | None:
        """What the plan cost all the same, and what was bought; None without a plan."""
        bills = [
            None if terms.plan is None else cycles * terms.plan.monthly + terms.topups for cycles, terms in self.parts
        ]
        return total(bills)


def gap_use(payer: Payer, gap: Gap) -> GapUse:
    """The gap, cut where its terms may change: there are as many parts as the configuration has dates."""
    account = payer.settings
    first = cycle_number(account.day(gap.start), account.anchor_day)
    dates = [*(since for since, _ in account.history), *(each.day for each in account.topups)]
    named = [cycle_number(day, account.anchor_day) for day in dates]
    inside = {at for number in named for at in (number, number + 1) if first < at < first + gap.cycles}
    edges = [first, *sorted(inside), first + gap.cycles]
    return GapUse(
        gap,
        tuple(
            (end - start, terms_of(payer, cycle_numbered(start, account.anchor_day, account.timezone)))
            for start, end in pairwise(edges)
        ),
    )


@dataclass(frozen=True, slots=True)
class CycleUse:
    """One billing cycle of one account."""

    cycle: Cycle
    complete: bool
    credits: Fraction
    demand: Fraction
    """Credits and every call or request that may still need one: what a plan has to hold."""
    renders: int
    uncertain: int
    """Calls that may have been billed."""
    wasted: Fraction
    plan: Plan | None
    """The plan that was in force."""
    balance: Balance
    """What was included, carried over, bought and left."""
    bill: Fraction | None
    """None without a plan, where its hard cap forbids the credits, and for a cycle that is not complete."""

    @property
    def known(self) -> bool:
        """Whether anything is known of what its renders cost."""
        return not is_unknown(self.credits, self.renders, self.uncertain)


def total(bills: Iterable[Fraction | None]) -> Fraction | None:
    """Of all bills together; None if one is unknown."""
    known = list(bills)
    return None if None in known else sum((bill for bill in known if bill is not None), Fraction(0))
