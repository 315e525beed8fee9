"""Plan advice: every past cycle on every plan, before and after each fix, and how the running cycle will end."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from auditor.analysis.bills import Bill, Recommendation, recommend
from auditor.analysis.case import Case
from auditor.analysis.quarters import days_of, quarters
from auditor.analysis.sizes import sizes_of
from auditor.analysis.terms import CycleUse
from auditor.analysis.walk import Replayed, replay
from auditor.model.allowance import Stretch, fold
from auditor.model.plans import Plan, moment, total_bill
from auditor.model.provider import Provider
from auditor.model.waste import Cause
from auditor.model.words import ttl_words
from auditor.planning.forecast import forecast
from auditor.planning.offers import offers
from auditor.results.audit import gaps_of
from auditor.results.plan import AccountAdvice, Cell, FixedCycle, Scenario, UsedCycle
from auditor.results.plans import KnownPlan, known_plan

_BY_IMAGE = frozenset({"dedupe", "ttl", "coalescing", "volatile", "all"})
"""Fixes whose savings follow from which image each render was."""


def advise(
    case: Case, accounts: Iterable[Bill], longer_ttl_us: int, providers: Sequence[Provider], until: datetime | None
) -> tuple[AccountAdvice, ...]:
    """The advice for some accounts. Walks the renders a second time, with the longer TTL."""
    facts = case.facts
    days, sizes = days_of(facts, quarters(facts)), sizes_of(facts)
    longer = replay(facts, longer_ttl_us) if longer_ttl_us > facts.settings.ttl_us else None
    found = []
    for bill in accounts:
        as_of = until if until is not None and until <= bill.uses[-1].cycle.end else moment(bill.payer.last_us)
        found.append(
            AccountAdvice(
                provider=bill.payer.provider,
                account=bill.payer.account,
                plan=bill.payer.plan.name if bill.payer.plan else None,
                currency=bill.currency,
                projected=bill.projected,
                advice=bill.unadvised,
                gaps=gaps_of(bill),
                plans=tuple(known_plan(plan, KnownPlan) for plan in bill.payer.plans),
                cycles=tuple(_cycle(bill, use) for use in bill.uses),
                scenarios=tuple(_scenario(bill, *fix) for fix in _fixes(case, longer, bill, longer_ttl_us)),
                forecast=forecast(bill, days[bill.payer.code], as_of),
                providers=tuple(offers(bill, sizes, providers, facts.settings.catalogue)),
                covered=bill.payer.covered,
                blind=bill.blind,
                fixes_known=bill.fixes_known,
            )
        )
    return tuple(found)


def _cycle(bill: Bill, use: CycleUse) -> UsedCycle:
    return UsedCycle(
        start=use.cycle.start,
        end=use.cycle.end,
        complete=use.complete,
        plan=use.plan.name if use.plan else None,
        credits=use.credits if use.known else None,
        demand=use.demand,
        wasted=use.wasted if use.wasted or (use.known and not bill.blind) else None,
        included=use.balance.included if use.plan else None,
        carried=use.balance.carried,
        bought=use.balance.bought,
        beyond=use.balance.beyond if use.plan else None,
        ended_unused=use.balance.ended,
        left=use.balance.left,
        bill=use.bill,
        day=bill.payer.settings.day(use.cycle.start),
    )


def _fixes(
    case: Case, longer: Replayed | None, bill: Bill, longer_ttl_us: int
) -> Iterable[tuple[str, str, Mapping[int, Fraction]]]:
    """(fix, what it does, credits saved by cycle)."""
    facts, replayed = case.facts, case.replayed
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
    cells = {plan.name: _cells(bill, plan, credits, demand) for plan in bill.payer.plans}
    return Scenario(
        fix=fix,
        description=words,
        credits_saved=sum(saved.values(), Fraction(0)) if known else None,
        recommended_plan=best.name if best else None,
        monthly_bill=None if total is None else total / len(loads),
        monthly_bill_current_plan=None if staying is None else staying / len(loads),
        monthly_saving=bill.saving(best, loads),
        cycles=tuple(
            FixedCycle(
                use.cycle.start,
                credits[index] if use.known else None,
                demand[index],
                {name: column[index] for name, column in cells.items()},
            )
            for index, use in enumerate(bill.uses)
        ),
    )


def _cells(bill: Bill, plan: Plan, credits: Sequence[Fraction], demand: Sequence[Fraction]) -> list[Cell]:
    grants = [plan.grant] * len(credits)
    idle = {use.gap.before: [Stretch(use.gap.cycles, plan.grant)] for use in bill.gaps}
    folded = zip(bill.uses, fold(grants, credits, idle), fold(grants, demand, idle), strict=True)
    return [
        Cell(
            plan.charge(billed.beyond) if use.complete else None,
            plan.charge(billed.beyond) is not None and plan.charge(needed.beyond) is not None,
            needed.available - needed.used,
        )
        for use, billed, needed in folded
    ]
