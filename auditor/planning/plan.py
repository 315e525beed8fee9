"""Plan advice: every past cycle on every plan, before and after each fix, and how the running cycle will end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from auditor.analysis.bills import Bill, Recommendation, bills, recommend
from auditor.analysis.facts import Facts
from auditor.analysis.pictures import sizes_of
from auditor.analysis.quarters import days_of, quarters
from auditor.analysis.walk import Replayed, replay
from auditor.model.allowance import Stretch, fold
from auditor.model.plans import Plan, Unadvised, moment, total_bill
from auditor.model.provider import Provider
from auditor.model.waste import Cause
from auditor.model.words import ttl_words
from auditor.planning.forecast import Forecast, forecast
from auditor.planning.offers import Offer, offers

_BY_IMAGE = frozenset({"dedupe", "ttl", "coalescing", "volatile", "all"})
"""Fixes whose savings follow from which image each render was."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cycle on one plan."""

    bill: Fraction | None
    """None where the plan does not hold the credits, and for a cycle that is not complete."""
    holds: bool
    """Whether it holds the credits and the demand."""
    headroom: Fraction
    """Credits of the plan less the demand; below 0 is what is missing, or bought beyond."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The cycles without what a fix saves."""

    fix: str
    words: str
    saved: Mapping[int, Fraction]
    """Credits by cycle."""
    table: Mapping[str, tuple[Cell, ...]]
    """By plan, a cell a cycle."""
    recommended: Plan | None
    monthly: Fraction | None
    """The mean bill of the recommended plan, over the cycles that the advice rests on."""
    staying: Fraction | None
    """The same of the current plan."""
    saving: Fraction | None
    """Bills now less those of the recommended plan, for one cycle on average."""
    known: bool = True
    """Whether the log tells what it saves; otherwise no plan follows from it."""

    @property
    def total_saved(self) -> Fraction:
        """Credits over all cycles."""
        return sum(self.saved.values(), Fraction(0))


@dataclass(frozen=True, slots=True)
class Advice:
    """What there is to say of one account."""

    bill: Bill
    scenarios: tuple[Scenario, ...]
    forecast: Forecast | None
    offers: tuple[Offer, ...]


def advise(
    facts: Facts, replayed: Replayed, longer_ttl_us: int, providers: Sequence[Provider], until: datetime | None
) -> tuple[Advice, ...]:
    """The advice for every account. Walks the renders a second time, with the longer time-to-live."""
    known, days, sizes = bills(facts, replayed), days_of(facts, quarters(facts)), sizes_of(facts)
    longer = replay(facts, longer_ttl_us) if longer_ttl_us > facts.settings.ttl_us else None
    found = []
    for bill in known:
        as_of = until if until is not None and until <= bill.uses[-1].cycle.end else moment(bill.payer.last_us)
        found.append(
            Advice(
                bill,
                tuple(_scenario(bill, *fix) for fix in _fixes(facts, replayed, longer, bill, longer_ttl_us)),
                forecast(bill, days[bill.payer.code], as_of),
                ()
                if bill.unadvised is Unadvised.MOSTLY_FILTERED
                else tuple(offers(bill, sizes, providers, facts.settings.catalogue)),
            )
        )
    return tuple(found)


def _fixes(
    facts: Facts, replayed: Replayed, longer: Replayed | None, bill: Bill, longer_ttl_us: int
) -> Iterable[tuple[str, str, Mapping[int, Fraction]]]:
    """(fix, what it does, credits saved by cycle)."""
    own = facts.units_of(bill.payer.code)
    ttl = ttl_words(facts.settings.ttl_us)

    def saved(by: Replayed, *causes: Cause) -> Mapping[int, Fraction]:
        return by.waste.by_cycle(own, causes)

    yield "none", "as it was", {}
    yield "dedupe", f"a cache serves repeats for {ttl}", saved(replayed, Cause.REPEAT)
    if longer is not None:
        yield "ttl", f"a cache serves repeats for {ttl_words(longer_ttl_us)}", saved(longer, Cause.REPEAT)
    yield "coalescing", "simultaneous identical calls share one", saved(replayed, Cause.CONCURRENT)
    free = facts.settings.free_plan(bill.payer.provider)
    if free is not None and bill.payer.costs_money:
        staging = saved(replayed, Cause.STAGING)
        moved = {cycle: min(credits, Fraction(free.included)) for cycle, credits in staging.items()}
        yield "staging", f"test traffic on a {free.name} account, as far as it fits there", moved
    yield "volatile", "inputs that never change the image are left out", saved(replayed, Cause.VOLATILE)
    if replayed.waste.total(Cause.FAILED, own):
        yield "failed", "no call that fails is billed", saved(replayed, Cause.FAILED)
    yield "all", "everything that the audit calls waste", saved(replayed, *Cause)


def _scenario(bill: Bill, fix: str, words: str, saved: Mapping[int, Fraction]) -> Scenario:
    known = bool(saved) or fix == "none" or not (bill.unpriced or (bill.blind and fix in _BY_IMAGE))
    found = recommend(bill.payer, bill.uses, saved) if known else Recommendation(None)
    best, loads = found.recommended, found.loads
    total = None if best is None else total_bill(best, loads, idle=found.idle)
    current, billed = bill.payer.plan, [(credits, credits) for credits, _ in loads]
    staying = None if current is None or not loads else total_bill(current, billed, idle=found.idle)
    less = [saved.get(index, Fraction(0)) for index in range(len(bill.uses))]
    credits = [use.credits - gone for use, gone in zip(bill.uses, less, strict=True)]
    demand = [use.demand - gone for use, gone in zip(bill.uses, less, strict=True)]
    return Scenario(
        fix,
        words,
        {cycle: amount for cycle, amount in sorted(saved.items()) if amount},
        {plan.name: _cells(bill, plan, credits, demand) for plan in bill.payer.plans},
        best,
        None if total is None else total / len(loads),
        None if staying is None else staying / len(loads),
        bill.saving(best, loads),
        known,
    )


def _cells(bill: Bill, plan: Plan, credits: Sequence[Fraction], demand: Sequence[Fraction]) -> tuple[Cell, ...]:
    grants = [plan.grant] * len(credits)
    idle = {use.gap.before: [Stretch(use.gap.cycles, plan.grant)] for use in bill.gaps}
    folded = zip(bill.uses, fold(grants, credits, idle), fold(grants, demand, idle), strict=True)
    return tuple(
        Cell(
            plan.charge(billed.beyond) if use.complete else None,
            plan.charge(billed.beyond) is not None and plan.charge(needed.beyond) is not None,
            needed.available - needed.used,
        )
        for use, billed, needed in folded
    )
