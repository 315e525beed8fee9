"""Images: which are stored and delivered, where they stand, and what bytes cost."""

from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, Table, func, select

from auditor.analysis.facts import Facts
from auditor.analysis.rows import grouped
from auditor.model.events import DELIVERED, Outcome
from auditor.model.findings import Money

SMALLEST = 4096
"""Bytes that an image has to waste before it is worth a word."""
MONTH_DAYS = Fraction("30.4375")
DAY_US = 86_400 * 10**6
DELIVERING = [str(outcome) for outcome in DELIVERED]
"""Outcomes with an image, as the tables have them."""


def stored(events: Table) -> ColumnElement[bool]:
    """Whether it is the last render of its key, billed or not: the images that are stored."""
    order = func.row_number().over(
        partition_by=(events.c.key_high, events.c.key_low), order_by=(events.c.ts_us.desc(), events.c.id.desc())
    )
    renders = select(events.c.row, order.label("place")).where(events.c.outcome == Outcome.RENDER).subquery()
    return events.c.row.in_(select(renders.c.row).where(renders.c.place == 1))


class Placed(Protocol):
    """Images of a unit and placement."""

    @property
    def unit(self) -> int:
        """Its number."""

    @property
    def placement(self) -> str:
        """Its name; it may be empty."""

    @property
    def stored(self) -> int:
        """Wasted bytes of the stored ones."""


_Placed = TypeVar("_Placed", bound=Placed)


def by_place(facts: Facts, rows: Iterable[_Placed]) -> dict[tuple[str, str, str], list[_Placed]]:
    """(provider, template, placement) -> rows, in any account and environment."""
    units = facts.units
    return grouped(rows, lambda row: (units[row.unit].provider, units[row.unit].template, row.placement))


def price_of_bytes(facts: Facts, rows: Iterable[Placed], delivered: int) -> Money:
    """Storage over the window and egress; unknown, never 0, where a price is unset.

    The *rows* tell what their accounts store; in a gap of its cycles an account keeps nothing.
    """
    prices, window = facts.settings.prices, facts.window
    if prices.egress_per_gb is None or prices.storage_per_gb_month is None or window is None:
        return Money(currency=prices.currency)
    micro = timedelta(microseconds=1)
    kept = Fraction(0)
    for row in rows:
        gaps = sum((gap.end - gap.start) // micro for gap in facts.payers[facts.units[row.unit].payer].gaps)
        kept += Fraction(row.stored, 10**9) * Fraction((window[1] - window[0]) // micro - gaps, DAY_US) / MONTH_DAYS
    cost = kept * Fraction(prices.storage_per_gb_month) + Fraction(delivered, 10**9) * Fraction(prices.egress_per_gb)
    return Money(now=cost, after_plan_change=cost, currency=prices.currency)
