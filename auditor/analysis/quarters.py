"""Use by quarter of an hour, from which the days of any calendar are added up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from auditor.analysis.facts import Facts, OutcomeUsage
from auditor.model.plans import moment

QUARTER_US = 15 * 60 * 10**6
"""All zones of today are whole quarters of an hour from UTC, so that quarters never straddle a midnight."""


@dataclass(frozen=True, slots=True)
class Quarter(OutcomeUsage):
    """What the events of an account in one quarter of an hour used."""

    payer: int
    quarter: int
    """Counted from 1970."""

    @property
    def start_us(self) -> int:
        """When it began."""
        return self.quarter * QUARTER_US


def quarters(facts: Facts) -> list[Quarter]:
    """Of all accounts."""
    return facts.usage_by(Quarter, facts.events.c.payer, (facts.events.c.ts_us // QUARTER_US).label("quarter"))


@dataclass(slots=True)
class Days:
    """One account, by local date."""

    demand: dict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    credits: dict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))

    def seen(self, day: date) -> bool:
        """Whether the log has any event of the account on that day."""
        return day in self.demand

    def silent(self, first: date, end: date) -> list[date]:
        """The days from *first* to before *end* without any event."""
        return [day for day in days_between(first, end) if not self.seen(day)]


def days_between(first: date, end: date) -> list[date]:
    """The days from *first* to before *end*."""
    return [first + timedelta(days=number) for number in range((end - first).days)]


def days_of(facts: Facts, used: Iterable[Quarter]) -> Mapping[int, Days]:
    """The days of each account, by the payer's code."""
    found: dict[int, Days] = defaultdict(Days)
    for quarter in used:
        day = facts.payers[quarter.payer].settings.day(moment(quarter.start_us))
        days = found[quarter.payer]
        days.credits[day] += quarter.credits
        days.demand[day] += quarter.demand
    return found
