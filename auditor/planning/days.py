"""Demand by local day: what each account needed on each day of its own calendar."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from auditor.analysis.facts import Facts
from auditor.analysis.quarters import Quarter
from auditor.model.plans import moment


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
