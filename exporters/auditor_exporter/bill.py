"""What the current billing period costs in the end, if the rest of it goes as the last week went."""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from auditor.model.plans import Plan, cheapest, comparable


class PeriodBill(NamedTuple):
    """A plan, and what the period costs on it."""

    plan: Plan
    amount: Fraction


def bill_of(
    credits: Fraction, plan: Plan, available: Fraction, topups: Fraction, offered: Iterable[Plan]
) -> PeriodBill | None:
    """The bill of a period that needs *credits*, with *topups*, the money paid for bought ones in the period.

    On *plan* as long as it gives so many: *available* are included, carried over and bought. Beyond a hard cap, on the
    cheapest of the plans *offered* in its currency that holds the rest; None where there is none.
    """
    charged = plan.charge(max(Fraction(0), credits - available))
    if charged is not None:
        return PeriodBill(plan, charged + topups)
    needed = credits - (available - plan.grant.included)
    larger = cheapest(comparable(tuple(offered), plan), [(needed, needed)])
    total = None if larger is None else larger.bill(needed)
    return None if larger is None or total is None else PeriodBill(larger, total + topups)
