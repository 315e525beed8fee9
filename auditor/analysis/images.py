"""What bytes of pictures cost."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction

from auditor.analysis.case import Case
from auditor.model.findings import Money

MONTH_DAYS = Fraction("30.4375")
DAY_US = 86_400 * 10**6


def price_of_bytes(case: Case, stored: Mapping[int, int], delivered: int) -> Money:
    """Storage over the window and egress; unknown, never 0, where a price is unset.

    *stored* are bytes by the code of the account that keeps them: in a gap of its cycles it keeps none.
    """
    prices, window = case.facts.settings.prices, case.facts.window
    if prices.egress_per_gb is None or prices.storage_per_gb_month is None or window is None:
        return Money(currency=prices.currency)
    micro = timedelta(microseconds=1)
    kept = Fraction(0)
    for payer, size in stored.items():
        gaps = sum((gap.end - gap.start) // micro for gap in case.facts.payers[payer].gaps)
        kept += Fraction(size, 10**9) * Fraction((window[1] - window[0]) // micro - gaps, DAY_US) / MONTH_DAYS
    cost = kept * Fraction(prices.storage_per_gb_month) + Fraction(delivered, 10**9) * Fraction(prices.egress_per_gb)
    return Money(now=cost, after_plan_change=cost, currency=prices.currency)
