"""Plans then: which plan each account needs under a simulated cache, and how far it is from a cheaper one.

A cache saves the bill on the plan that is right for what was logged less the bill on the one that is right then: that a
plan is too large today is no merit of the cache.
"""

from collections.abc import Sequence
from fractions import Fraction

from auditor.analysis.accounts import Payer
from auditor.analysis.basis import Basis, basis_of
from auditor.model.plans import Plan, Unadvised, cheapest, shortfall, total_bill
from auditor.results.simulation import PlanThen
from auditor.simulation.outcomes import NOTHING, DemandOutcome


def plan_then(payer: Payer, logged: Sequence[DemandOutcome], then: Sequence[DemandOutcome]) -> PlanThen:
    """For one account, by cycle what was logged and what a cache makes of it."""
    basis, known = basis_of(payer), sum(logged, NOTHING).known
    now = after = closest = saving = None
    if not isinstance(basis, Unadvised):
        credits = [each.credits for each in then]
        after, bill = _right(payer, basis, credits, credits)
        closest = _closest(payer, basis, credits, after)
        if known:
            demand = [each.credits + each.uncertain for each in logged]
            now, before = _right(payer, basis, [each.credits for each in logged], demand)
            saving = None if before is None or bill is None else before - bill
    return PlanThen(
        provider=payer.provider,
        account=payer.account,
        plan=payer.plan.name if payer.plan else None,
        advice=basis if isinstance(basis, Unadvised) else None,
        projected=isinstance(basis, Basis) and basis.projected,
        currency=next((each.currency for each in (payer.plan, *payer.plans) if each is not None), None),
        plan_logged=now.name if now else None,
        plan_then=after.name if after else None,
        monthly_saving=saving,
        closest_plan=closest[0].name if closest else None,
        short_by=closest[1] if closest else None,
        priced=bool(payer.plans),
        known=known,
        covered=payer.covered,
    )


def _right(
    payer: Payer, basis: Basis, credits: Sequence[Fraction], demand: Sequence[Fraction]
) -> tuple[Plan | None, Fraction | None]:
    """The plan that holds the demand for the least sum, and its mean bill."""
    loads = list(zip(basis.whole(credits), basis.whole(demand), strict=True))
    # Of a projected cycle the audit compares the bills of its demand, so that both name one plan.
    compared = [(each, each) for _, each in loads] if basis.projected else loads
    plan = cheapest(payer.plans, compared, basis.so_far(demand), basis.idle)
    total = None if plan is None else total_bill(plan, loads, idle=basis.idle)
    return plan, None if total is None else total / len(loads)


def _closest(
    payer: Payer, basis: Basis, credits: Sequence[Fraction], right: Plan | None
) -> tuple[Plan, Fraction] | None:
    """Of the plans that are cheaper than the *right* one and do not hold the credits, the one that lacks least."""
    found = [
        (plan, lacks)
        for plan in payer.plans
        if right is None or plan.monthly < right.monthly
        for lacks in [shortfall(plan, basis.whole(credits), basis.so_far(credits), basis.idle)]
        if lacks
    ]
    return min(found, key=lambda each: (each[1], each[0].monthly, each[0].name), default=None)
