"""The same demand at other providers: their plans, what an image costs there, and what is not known of them."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from auditor.analysis.basis import Basis, basis_of
from auditor.analysis.bills import Bill
from auditor.analysis.sizes import Sizes
from auditor.model.plans import Plan, Unadvised, billed, cheapest, comparable, total_bill
from auditor.model.provider import Provider
from auditor.results.plan import OfferedPlan


def offers(
    bill: Bill, sizes: Sizes, providers: Sequence[Provider], catalogue: Mapping[str, tuple[Plan, ...]]
) -> list[OfferedPlan]:
    """The offer of each provider for one account, cheapest first, unknown ones last; none where there is no advice."""
    own, basis = bill.payer.provider, basis_of(bill.payer)
    if isinstance(basis, Unadvised):
        return []
    plans = {each.name: comparable(catalogue.get(each.name, ())) for each in providers} | {own: bill.payer.plans}
    found = [_offer(bill, basis, sizes, each, plans[each.name]) for each in providers]
    return sorted(
        found,
        key=lambda offer: (
            offer.monthly_bill is None,
            offer.sold_in != bill.currency,  # sums in another currency cannot be put in one order with these
            offer.monthly_bill or 0,
            offer.provider,
        ),
    )


def _offer(bill: Bill, basis: Basis, sizes: Sizes, provider: Provider, plans: tuple[Plan, ...]) -> OfferedPlan:
    factors, unsized = _factors(bill, sizes, provider)

    def best(loads: Sequence[tuple[Fraction, Fraction]], *, fixed: bool) -> tuple[Plan | None, Fraction | None]:
        if not loads:
            return None, None
        there = [
            (credits * factors[index], credits * factors[index] + (demand - credits))
            for index, (credits, demand) in zip(basis.places, loads, strict=True)
        ]
        must_hold = []
        for index in basis.others:
            use = bill.uses[index]
            must_hold.append((use.credits - use.wasted * fixed) * factors[index] + use.demand - use.credits)
        plan = cheapest(plans, there, must_hold, bill.idle)
        total = None if plan is None else total_bill(plan, there, idle=bill.idle)
        return plan, None if total is None else total / len(there)

    now, monthly = best(bill.loads, fixed=False)
    after, monthly_after = best(bill.after_fixes.loads if bill.fixes_known else (), fixed=True)
    plan, billing = now or after, provider.billing
    return OfferedPlan(
        provider=provider.name,
        plan=now.name if now else None,
        monthly_bill=monthly,
        plan_after_fixes=after.name if after else None,
        monthly_bill_after_fixes=monthly_after,
        currency=now.currency if now else None,
        pictures_of_unknown_price=unsized,
        failed_renders_billed=billing.failed,
        repeats_billed=billing.repeats,
        period=now.period if now else None,
        grade=now.grade.value if now else None,
        source=now.source if now else None,
        checked=now.checked if now else None,
        notes=provider.notes,
        sold_in=plans[0].currency if plans else None,
        known_from="" if plan is None else _known_from(plan),
    )


def _known_from(plan: Plan) -> str:
    checked = f", {plan.checked}" if plan.checked else ""
    return f"{plan.grade.value}{checked}{billed(plan.period)}"


def _factors(bill: Bill, sizes: Sizes, provider: Provider) -> tuple[list[Fraction], int]:
    """Credits there for one credit here, by cycle, and the images whose price there is not known."""
    if provider.name == bill.payer.provider:
        return [Fraction(1)] * len(bill.uses), 0
    factors, unsized = [], 0
    for index, use in enumerate(bill.uses):
        credits = Fraction(0)
        for (kind, width, height), renders in sizes.get((bill.payer.code, index), {}).items():
            each = provider.billing.credits(width, height, kind)
            unsized += renders if each is None else 0
            credits += renders * (Fraction(1) if each is None else Fraction(each))
        factors.append(credits / use.credits if use.credits else Fraction(1))
    return factors, unsized
