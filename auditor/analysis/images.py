"""What the rules about pictures share: the stored ones, the least waste that counts, and what bytes cost."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, func, select

from auditor.analysis.case import Case
from auditor.engines.tables import events
from auditor.model.events import Outcome
from auditor.model.findings import Money

SMALLEST = 4096
"""Bytes that a picture has to waste before it is worth a word."""
MONTH_DAYS = Fraction("30.4375")
DAY_US = 86_400 * 10**6


def last_renders() -> Select[Any]:
    """Rows of the last render of each key, billed or not: the pictures that are stored."""
    order = func.row_number().over(
        partition_by=(events.c.key_high, events.c.key_low), order_by=(events.c.ts_us.desc(), events.c.id.desc())
    )
    renders = select(events.c.row, order.label("place")).where(events.c.outcome == Outcome.RENDER).subquery()
    return select(renders.c.row).where(renders.c.place == 1)


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
