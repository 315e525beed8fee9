"""The same demand at other providers: their plans, what a picture costs there, and what is not known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from auditor.analysis.bills import Bill
from auditor.analysis.pictures import Sizes
from auditor.model.plans import Plan, cheapest, comparable, total_bill
from auditor.model.provider import Provider


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider would ask for the cycles that the advice rests on."""

    provider: Provider
    plans: tuple[Plan, ...]
    now: Plan | None
    """The cheapest plan that holds the demand; None where none does, or none is known."""
    monthly: Fraction | None
    after_fixes: Plan | None
    monthly_after_fixes: Fraction | None
    unsized: int
    """Pictures of which it is not known what they cost there; they are counted as one credit."""

    @property
    def currency(self) -> str | None:
        """Of both bills."""
        return self.plans[0].currency if self.plans else None


def offers(
    bill: Bill, sizes: Sizes, providers: Sequence[Provider], catalogue: Mapping[str, tuple[Plan, ...]]
) -> list[Offer]:
    """The offer of each provider for one account, cheapest first, unknown ones last."""
    own = bill.payer.provider
    found = [
        _offer(bill, sizes, each, bill.payer.plans if each.name == own else comparable(catalogue.get(each.name, ())))
        for each in providers
    ]
    return sorted(
        found,
        key=lambda offer: (
            offer.monthly is None,
            offer.currency != bill.currency,  # sums in another currency cannot be put in one order with these
            offer.monthly or 0,
            offer.provider.name,
        ),
    )


def _offer(bill: Bill, sizes: Sizes, provider: Provider, plans: tuple[Plan, ...]) -> Offer:
    factors, unsized = _factors(bill, sizes, provider)
    basis = bill.payer.complete_cycles or [len(bill.uses) - 1] * bill.projected
    others = [index for index in range(len(bill.uses)) if bill.projected or index not in basis]

    def best(loads: Sequence[tuple[Fraction, Fraction]], *, fixed: bool) -> tuple[Plan | None, Fraction | None]:
        if not loads:
            return None, None
        there = [
            (credits * factors[index], credits * factors[index] + (demand - credits))
            for index, (credits, demand) in zip(basis, loads, strict=True)
        ]
        must_hold = []
        for index in others:
            use = bill.uses[index]
            must_hold.append((use.credits - use.wasted * fixed) * factors[index] + use.demand - use.credits)
        plan = cheapest(plans, there, must_hold, bill.idle)
        total = None if plan is None else total_bill(plan, there, idle=bill.idle)
        return plan, None if total is None else total / len(there)

    now, monthly = best(bill.loads, fixed=False)
    after, monthly_after = best(bill.after_fixes.loads if bill.fixes_known else (), fixed=True)
    return Offer(provider, plans, now, monthly, after, monthly_after, unsized)


def _factors(bill: Bill, sizes: Sizes, provider: Provider) -> tuple[list[Fraction], int]:
    """Credits there for one credit here, by cycle, and the pictures whose price there is not known."""
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
