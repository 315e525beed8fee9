"""Billing: what each account pays, what it would pay, and which plan it needs (semantics section 7).

Every saving goes through the plan function: a credit saved inside an allowance that has to be paid anyway saves
nothing until a smaller plan fits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from auditor.analysis.facts import Facts, Payer
from auditor.analysis.walk import Replayed
from auditor.model.allowance import Balance, Grant, Purchase, Stretch, fold
from auditor.model.events import Outcome
from auditor.model.findings import Money
from auditor.model.numbers import is_unknown
from auditor.model.plans import Cycle, Gap, Plan, Unadvised, cheapest, cycle_number, cycle_numbered, total_bill
from auditor.replay.walk import Verdict


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


def terms_of(payer: Payer) -> tuple[Terms, ...]:
    """The terms of each cycle: the account's plans by date, and its top-ups in the cycle in which they were bought."""
    return tuple(_terms(payer, cycle) for cycle in payer.cycles)


def _terms(payer: Payer, cycle: Cycle) -> Terms:
    account = payer.settings
    plan = account.plan_of(cycle)
    grant = Grant() if plan is None else plan.grant
    if not account.topups:
        return Terms(plan, grant, Fraction(0))
    start, end, first = (account.day(each) for each in (cycle.start, cycle.end, payer.cycles[0].start))
    bought = [each for each in account.topups if start <= each.day < end]
    zero = cycle_number(first, account.anchor_day)
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
        return _sum(bills)


def _gap_use(payer: Payer, gap: Gap) -> GapUse:
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
            (end - start, _terms(payer, cycle_numbered(start, account.anchor_day, account.timezone)))
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


WEEK_US = 7 * 86_400 * 10**6
"""What has to have passed of a cycle before it is projected."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """A plan and what it was chosen on."""

    plan: Plan | None
    loads: tuple[tuple[Fraction, Fraction], ...] = ()
    """(credits, demand) of the complete cycles, or the one that is projected."""
    must_hold: tuple[Fraction, ...] = ()
    """Demands so far of the other cycles."""
    idle: Mapping[int, int] = field(default_factory=dict)
    """See `auditor.model.plans.Idle`."""
    projected: bool = False
    unadvised: Unadvised | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """One account: its cycles and what follows for its plan."""

    payer: Payer
    terms: tuple[Terms, ...]
    uses: tuple[CycleUse, ...]
    gaps: tuple[GapUse, ...]
    recommended: Plan | None
    recommended_after_fixes: Plan | None
    projected: bool
    """Whether the advice rests on a projection, since no cycle is complete."""
    loads: tuple[tuple[Fraction, Fraction], ...]
    """(credits, demand) of the cycles that the advice rests on."""
    loads_after_fixes: tuple[tuple[Fraction, Fraction], ...]
    must_hold: tuple[Fraction, ...]
    """Demands so far of the other cycles."""
    idle: Mapping[int, int]
    """Position in `loads` -> cycles of a gap before it."""
    unadvised: Unadvised | None = None
    """Why there is no advice; None where there is, or no plan is known."""
    blind: bool = False
    """Whether the log tells of no render which image it was: what a fix by image saves is unknown."""

    @property
    def unpriced(self) -> bool:
        """Whether no call of the log says what it cost."""
        credits = sum((use.credits for use in self.uses), Fraction(0))
        renders, uncertain = sum(use.renders for use in self.uses), sum(use.uncertain for use in self.uses)
        return is_unknown(credits, renders, uncertain)

    @property
    def fixes_known(self) -> bool:
        """Whether the log tells what all fixes would save together."""
        return any(use.wasted for use in self.uses) or not (self.blind or self.unpriced)

    @property
    def complete(self) -> list[int]:
        """The places of the cycles that count in sums of money."""
        return self.payer.complete_cycles

    @property
    def currency(self) -> str | None:
        """The configured plan's currency, else that of the provider's catalogue."""
        if self.payer.plan is not None:
            return self.payer.plan.currency
        return self.payer.plans[0].currency if self.payer.plans else None

    def saving(self, plan: Plan | None, loads: Sequence[tuple[Fraction, Fraction]]) -> Fraction | None:
        """Bills now less the bills of *plan* over *loads*, for one cycle on average; None where unknown."""
        if self.payer.plan is None or plan is None or not loads:
            return None
        now, then = (
            total_bill(each, [(credits, credits) for credits, _ in rest], idle=self.idle)
            for each, rest in ((self.payer.plan, self.loads), (plan, loads))
        )
        return None if now is None or then is None else (now - then) / len(loads)

    def holds_demand(self, plan: Plan) -> bool:
        """Whether *plan* holds what every cycle needed."""
        idle = {use.gap.before: use.gap.cycles for use in self.gaps}
        return total_bill(plan, [(use.demand, use.demand) for use in self.uses], idle=idle) is not None

    def money(self, saved: Mapping[int, Fraction]) -> Money:
        """What saving so many credits, by cycle, changes on the bills: now, and on the plan that is then enough.

        Only complete cycles have bills.
        """
        if self.payer.plan is None or not self.complete:
            return Money(currency=self.currency)
        left = [use.credits - saved.get(index, Fraction(0)) for index, use in enumerate(self.uses)]
        balances = self.balances(left)
        before = _sum(self.uses[index].bill for index in self.complete)
        after = _sum(terms.bill(balance) for terms, balance in (balances[index] for index in self.complete))
        best = recommend(self.payer, self.uses, saved)
        billed = [(left[index], left[index]) for index in self.complete]
        smaller = None if best.plan is None else total_bill(best.plan, billed, idle=best.idle)
        return Money(
            now=_difference(before, after),
            after_plan_change=_difference(before, smaller),
            currency=self.payer.plan.currency,
        )

    def balances(self, credits: Sequence[Fraction]) -> list[tuple[Terms, Balance]]:
        """The terms and the balance of each cycle, had it used so many credits."""
        return list(zip(self.terms, _fold(self.terms, credits, self.gaps), strict=True))


def _fold(terms: Sequence[Terms], credits: Sequence[Fraction], gaps: Sequence[GapUse]) -> list[Balance]:
    return fold([each.grant for each in terms], credits, {use.gap.before: use.stretches for use in gaps})


def _difference(before: Fraction | None, after: Fraction | None) -> Fraction | None:
    return None if before is None or after is None else before - after


def _sum(bills: Iterable[Fraction | None]) -> Fraction | None:
    known = list(bills)
    return None if None in known else sum((bill for bill in known if bill is not None), Fraction(0))


def bills(facts: Facts, replayed: Replayed) -> tuple[Bill, ...]:
    """The bill of every account."""
    usage = facts.paid_by(facts.usage)
    found: dict[int, dict[int, _Used]] = defaultdict(lambda: defaultdict(_Used))
    for row in usage.itertuples():
        used = found[row.payer][row.cycle]
        used.credits += row.credits
        used.demand += row.credits + extra_demand(row)
        used.renders += row.events if row.outcome == Outcome.RENDER else 0
        used.uncertain += row.events if row.outcome == Outcome.ATTEMPT else row.unknown
    payers = dict(zip(facts.units.unit, facts.units.payer, strict=True))
    wasted = replayed.waste.by_payer_cycle(payers)
    images = replayed.verdicts.verdict != Verdict.UNKNOWN
    blind, sighted = ({payers[unit] for unit in replayed.verdicts.unit[which]} for which in (~images, images))
    return tuple(
        _bill(payer, found[payer.code], wasted.get(payer.code, {}), blind=payer.code in blind - sighted)
        for payer in facts.payers
    )


@dataclass(slots=True)
class _Used:
    """Sums of one cycle."""

    credits: Fraction = Fraction(0)
    demand: Fraction = Fraction(0)
    renders: int = 0
    uncertain: int = 0


def extra_demand(row: Any) -> int:
    """Events that may still need a credit: unknown, unresolved, refused, out of quota; each once.

    A failed call that was billed needs none beyond what it cost.
    """
    if row.outcome in (Outcome.ATTEMPT, Outcome.REFUSED):
        return int(row.events)
    if row.outcome == Outcome.ERROR and row.error == "quota" and not row.retried:
        return int(row.events - row.billed)
    return int(row.unknown)


def _bill(payer: Payer, used: Mapping[int, _Used], wasted: Mapping[int, Fraction], *, blind: bool) -> Bill:
    sums = [used.get(index, _Used()) for index in range(len(payer.cycles))]
    terms = terms_of(payer)
    gaps = tuple(_gap_use(payer, gap) for gap in payer.gaps)
    balances = _fold(terms, [each.credits for each in sums], gaps)
    uses = [
        CycleUse(
            cycle=cycle,
            complete=complete,
            credits=sums[index].credits,
            demand=sums[index].demand,
            renders=sums[index].renders,
            uncertain=sums[index].uncertain,
            wasted=wasted.get(index, Fraction(0)),
            plan=terms[index].plan,
            balance=balance,
            bill=terms[index].bill(balance) if complete else None,
        )
        for index, (cycle, balance) in enumerate(zip(payer.cycles, balances, strict=True))
        for complete in [payer.complete(cycle)]
    ]
    now = recommend(payer, uses, {})
    after = recommend(payer, uses, wasted) if wasted else now
    return Bill(
        payer, terms, tuple(uses), gaps, now.plan, after.plan, now.projected, now.loads, after.loads, now.must_hold,
        now.idle, now.unadvised, blind,
    )  # fmt: skip


def recommend(payer: Payer, uses: Sequence[CycleUse], saved: Mapping[int, Fraction]) -> Recommended:
    """The plan once *saved* credits, by cycle, are gone."""
    if payer.mostly_filtered:
        return Recommended(None, unadvised=Unadvised.MOSTLY_FILTERED)
    left = [
        (use.credits - gone, use.demand - gone)
        for index, use in enumerate(uses)
        for gone in [saved.get(index, Fraction(0))]
    ]
    complete = payer.complete_cycles
    if complete:
        loads = tuple(left[index] for index in complete)
        must_hold = tuple(demand for (_, demand), use in zip(left, uses, strict=True) if not use.complete)
        return Recommended(cheapest(payer.plans, loads, must_hold, payer.idle), loads, must_hold, payer.idle)
    newest = uses[-1].cycle
    elapsed = payer.last_us - max(newest.start_us, payer.first_us)
    if elapsed < WEEK_US:
        return Recommended(None, unadvised=Unadvised.TOO_LITTLE_DATA)
    projected = left[-1][1] * Fraction(newest.end_us - newest.start_us, elapsed)
    must_hold = tuple(demand for _, demand in left)
    plan = cheapest(payer.plans, [(projected, projected)], must_hold)
    return Recommended(plan, ((projected, projected),), must_hold, projected=True)
