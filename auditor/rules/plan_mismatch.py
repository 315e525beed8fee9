"""plan-mismatch: the account's plan is not the cheapest one that holds what it needs.

What it does
    Puts every complete billing cycle on every plan of the catalog. The recommended plan has the least total bill
    among those that hold the demand of every cycle: the credits, and each call or request that may still need one
    (unknown, unresolved, refused, out of quota). Without a complete cycle the newest one is projected to its end,
    once 7 days of it have passed.

Why it matters
    Credits do not roll over: a plan that is too large is paid for nothing, one that is too small cuts you off.

Example
    Pro $24.99 holds 10,000 credits, 3,000 are used; Basic holds 1,000 and would not do: Pro is right
    Pro $24.99, 700 used each month: Basic at $14.99 saves $10.00 a month

How to fix
    Change the plan at the next renewal. `recommended_after_fixes` says which plan is enough once the waste is gone.

Options
    [accounts.NAME] plan, anchor_day, timezone    [plans.PROVIDER.NAME] for what you negotiated

"""

from collections.abc import Iterable
from fractions import Fraction

from auditor.analysis.bills import Bill
from auditor.analysis.case import Case, Rule
from auditor.fixes.other_plan import other_plan
from auditor.model.findings import Confidence, Finding, Severity
from auditor.model.numbers import number
from auditor.model.plans import Plan, Unadvised, billed, cents, total_bill
from auditor.model.words import prices_unknown, too_little


class PlanMismatch(Rule):
    """One finding for each account."""

    id = "plan-mismatch"
    summary = "the plan is not the cheapest one that holds the demand"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Accounts without a configured plan cannot be judged."""
        for bill in case.bills:
            plan = bill.payer.plan
            # Without advice no other plan is known to be better, only that this one is too small.
            if plan is None or ((plan == bill.recommended or bill.unadvised) and bill.holds_demand(plan)):
                continue
            yield Finding(
                rule=self.id,
                severity=_severity(bill, plan),
                confidence=Confidence.LOW if bill.projected else Confidence.HIGH,
                subject=bill.payer.names,
                message=_message(bill, plan),
                advice=_advice(bill, plan),
                payer=bill.payer.code,
                changes_plan=True,
                snippet=other_plan(bill.payer, bill.recommended) if bill.recommended not in (None, plan) else None,
                evidence={
                    "plan": plan.name,
                    "recommended": bill.recommended.name if bill.recommended else None,
                    "holds_demand": bill.holds_demand(plan),
                    "projected": bill.projected,
                    "cycles": [
                        {
                            "start": use.cycle.start,
                            "complete": use.complete,
                            "credits": number(use.credits),
                            "demand": number(use.demand),
                            "included": number(plan.included),
                        }
                        for use in bill.uses
                    ],
                },
            )


def _severity(bill: Bill, plan: Plan) -> Severity:
    saving = bill.saving(bill.recommended, bill.loads)
    now = total_bill(plan, [(credits, credits) for credits, _ in bill.loads])
    if saving is None or not now:
        return Severity.MEDIUM
    return Severity.HIGH if abs(saving) * len(bill.loads) * 4 >= now else Severity.MEDIUM


def _message(bill: Bill, plan: Plan) -> str:
    most = max((use.demand for use in bill.uses), default=Fraction(0))
    were = "was" if most == 1 else "were"
    if not bill.holds_demand(plan):
        return f"{plan.name} holds {number(plan.included):,} credits, the demand reached {number(most):,}"
    # What was needed so far is not what the advice rests on.
    ahead = f" so far; projected, a whole cycle needs {round(bill.loads[0][1]):,}" if bill.projected else ""
    return f"{plan.name} holds {number(plan.included):,} credits, at most {number(most):,} {were} needed{ahead}"


def _advice(bill: Bill, plan: Plan) -> str:
    best = bill.recommended
    if bill.unadvised is Unadvised.TOO_LITTLE_DATA:
        return f"{plan.name} is too small already; no plan is advised: {too_little(bill.payer.covered)}"
    if bill.unadvised:
        return f"{plan.name} is too small already; most of the log is filtered, so it does not show which plan fits"
    if best is None:
        largest = max(bill.payer.plans, key=lambda offer: (offer.included, offer.name), default=None)
        if largest is None:
            return prices_unknown(bill.payer.provider)
        return f"No plan holds the demand; the largest is {largest.name} with {number(largest.included):,} credits"
    saving = bill.saving(best, bill.loads)
    if best == plan:
        return f"{plan.name} is the right plan for whole cycles; watch the cycle that exceeds it"
    words = f"Change to {best.name} ({cents(best.monthly)} {best.currency} a month{billed(best.period)})"
    if saving is not None and saving >= 0:
        words += f", which saves {cents(saving)} {plan.currency} a month"
    elif saving is not None:
        words += f", which costs {cents(-saving)} {plan.currency} a month more"
    return words + ("; projected from a part of a cycle" if bill.projected else "")
