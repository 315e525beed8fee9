"""Use by quarter of an hour, from which the days of any calendar are added up."""

from dataclasses import dataclass

from sqlalchemy import select

from auditor.analysis.facts import Facts
from auditor.analysis.rows import rows_of
from auditor.analysis.usage import OutcomeUsage, kinds, usage

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
    events, units = facts.events, facts.located.units
    groups = (units.c.payer, (events.c.ts_us // QUARTER_US).label("quarter"), *kinds(events))
    sums = select(*groups, *usage(events)).join(units, units.c.unit == events.c.unit).group_by(*groups)
    return rows_of(facts.engine, Quarter, sums)
