"""Billing: what each account pays, what it would pay, and which plan it needs (semantics section 7).

Every saving goes through the plan function: a credit saved inside an allowance that has to be paid anyway saves
nothing until a smaller plan fits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from auditor.allowance import Balance, Grant, Purchase, fold
from auditor.events import Outcome
from auditor.facts import Facts, Payer
from auditor.findings import Money
from auditor.plans import Cycle, Plan, cheapest, total_bill
from auditor.replayed import Replayed


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
    days = [payer.settings.day(cycle.start) for cycle in payer.cycles]
    days.append(payer.settings.day(payer.cycles[-1].end))
    found = []
    for index, cycle in enumerate(payer.cycles):
        plan = payer.settings.plan_of(cycle)
        bought = [each for each in payer.settings.topups if days[index] <= each.day < days[index + 1]]
        grant = Grant() if plan is None else plan.grant
        purchases = tuple(
            Purchase(
                Fraction(each.credits),
                # One that ends after the last cycle can be used in all of them.
                None if each.expires is None else sum(day <= each.expires for day in days) - 1,
            )
            for each in bought
        )
        found.append(
            Terms(
                plan,
                Grant(grant.included, grant.lives, grant.limit, purchases),
                sum((Fraction(each.price) for each in bought), Fraction(0)),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class CycleUse:
    """One billing cycle of one account."""

    cycle: Cycle
    complete: bool
    credits: Fraction
    demand: Fraction
    """Credits and every call or request that may still need one: what a plan has to hold."""
    renders: int
    wasted: Fraction
    plan: Plan | None
    """The plan that was in force."""
    balance: Balance
    """What was included, carried over, bought and left."""
    bill: Fraction | None


@dataclass(frozen=True, slots=True)
class Bill:
    """One account: its cycles and what follows for its plan."""

    payer: Payer
    terms: tuple[Terms, ...]
    uses: tuple[CycleUse, ...]
    recommended: Plan | None
    recommended_after_fixes: Plan | None
    projected: bool
    """Whether the advice rests on a projection, since no cycle is complete."""
    loads: tuple[tuple[Fraction, Fraction], ...]
    """(credits, demand) of the cycles that the advice rests on."""
    loads_after_fixes: tuple[tuple[Fraction, Fraction], ...]
    must_hold: tuple[Fraction, ...]
    """Demands so far of the other cycles."""

    @property
    def advice(self) -> str | None:
        """Why there is no plan advice; None where there is."""
        return "mostly_filtered" if self.payer.mostly_filtered else None

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
        now = _sum_bills(self.payer.plan, (credits for credits, _ in self.loads))
        then = _sum_bills(plan, (credits for credits, _ in loads))
        return None if now is None or then is None else (now - then) / len(loads)

    def holds_demand(self, plan: Plan) -> bool:
        """Whether *plan* holds what every cycle needed."""
        return total_bill(plan, [(use.demand, use.demand) for use in self.uses]) is not None

    def money(self, saved: Mapping[int, Fraction]) -> Money:
        """What saving so many credits, by cycle, changes on the bills: now, and on the plan that is then enough."""
        if self.payer.plan is None:
            return Money(currency=self.currency)
        left = [use.credits - saved.get(index, Fraction(0)) for index, use in enumerate(self.uses)]
        before = _sum(use.bill for use in self.uses)
        after = _sum(terms.bill(balance) for terms, balance in self.balances(left))
        best, _, _, _ = recommend(self.payer, self.uses, saved)
        smaller = None if best is None else total_bill(best, [(credits, credits) for credits in left])
        return Money(
            now=_difference(before, after),
            after_plan_change=_difference(before, smaller),
            currency=self.payer.plan.currency,
        )

    def balances(self, credits: Sequence[Fraction]) -> list[tuple[Terms, Balance]]:
        """The terms and the balance of each cycle, had it used so many credits."""
        folded = fold([terms.grant for terms in self.terms], credits)
        return list(zip(self.terms, folded, strict=True))


def _difference(before: Fraction | None, after: Fraction | None) -> Fraction | None:
    return None if before is None or after is None else before - after


def _sum_bills(plan: Plan, credits: Iterable[Fraction]) -> Fraction | None:
    return total_bill(plan, [(load, load) for load in credits])


def _sum(bills: Iterable[Fraction | None]) -> Fraction | None:
    known = list(bills)
    return None if None in known else sum((bill for bill in known if bill is not None), Fraction(0))


def bills(facts: Facts, replayed: Replayed) -> tuple[Bill, ...]:
    """The bill of every account."""
    usage = facts.paid_by(facts.usage)
    usage["demand"] = usage.credits + [extra_demand(row) for row in usage.itertuples()]
    return tuple(_bill(payer, usage[usage.payer == payer.code], replayed) for payer in facts.payers)


def extra_demand(row: object) -> int:
    """Events that may still need a credit: unknown, unresolved, refused, out of quota; each once."""
    waiting = row.outcome in (Outcome.ATTEMPT, Outcome.REFUSED) or (  # type: ignore[attr-defined]
        row.outcome == Outcome.ERROR and row.error == "quota" and not row.retried  # type: ignore[attr-defined]
    )
    return int(row.events if waiting else row.unknown)  # type: ignore[attr-defined]


def _bill(payer: Payer, usage: pd.DataFrame, replayed: Replayed) -> Bill:
    own = {int(unit) for unit in usage.unit}
    wasted = replayed.waste.by_cycle(own)
    rows = [usage[usage.cycle == index] for index in range(len(payer.cycles))]
    credits = [sum(own.credits, Fraction(0)) for own in rows]
    terms = terms_of(payer)
    uses = [
        CycleUse(
            cycle=cycle,
            complete=payer.complete(cycle),
            credits=credits[index],
            demand=sum(rows[index].demand, Fraction(0)),
            renders=int(rows[index].loc[rows[index].outcome == Outcome.RENDER, "events"].sum()),
            wasted=wasted.get(index, Fraction(0)),
            plan=terms[index].plan,
            balance=balance,
            bill=terms[index].bill(balance),
        )
        for index, (cycle, balance) in enumerate(
            zip(payer.cycles, fold([each.grant for each in terms], credits), strict=True)
        )
    ]
    now, loads, must_hold, projected = recommend(payer, uses, {})
    after, loads_after, _, _ = recommend(payer, uses, dict(wasted))
    return Bill(payer, terms, tuple(uses), now, after, projected, tuple(loads), tuple(loads_after), tuple(must_hold))


Loads = list[tuple[Fraction, Fraction]]


def recommend(
    payer: Payer, uses: Sequence[CycleUse], saved: Mapping[int, Fraction]
) -> tuple[Plan | None, Loads, list[Fraction], bool]:
    """(plan, the loads it was chosen on, other demands it holds, whether projected) once *saved* credits are gone."""
    if payer.mostly_filtered:
        return None, [], [], False
    less = [saved.get(index, Fraction(0)) for index in range(len(uses))]
    loads = [(use.credits - gone, use.demand - gone) for use, gone in zip(uses, less, strict=True) if use.complete]
    if loads:
        must_hold = [use.demand - gone for use, gone in zip(uses, less, strict=True) if not use.complete]
        return cheapest(payer.plans, loads, must_hold), loads, must_hold, False
    if not uses:
        return None, [], [], False
    newest = uses[-1].cycle
    elapsed = payer.last_us - max(newest.start_us, payer.first_us)
    factor = Fraction(newest.end_us - newest.start_us, elapsed) if elapsed > 0 else Fraction(1)
    projected = (uses[-1].demand - less[-1]) * factor
    must_hold = [use.demand - gone for use, gone in zip(uses, less, strict=True)]
    return cheapest(payer.plans, [(projected, projected)], must_hold), [(projected, projected)], must_hold, True
