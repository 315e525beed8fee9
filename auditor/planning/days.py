"""Demand by local day: what each account needed on each day of its own calendar."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

import pandas as pd
from sqlalchemy import and_, func, select

from auditor.analysis.bills import extra_demand
from auditor.analysis.facts import Facts, frame_of
from auditor.engines.tables import events, units
from auditor.model.events import Outcome
from auditor.model.plans import moment

QUARTER_US = 15 * 60 * 10**6
"""All zones of today are whole quarters of an hour from UTC, so that quarters never straddle a midnight."""


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


def quarters(facts: Facts) -> pd.DataFrame:
    """payer, quarter (of an hour since 1970), outcome, error, retried: events, credits, unknown, billed."""
    quarter = (events.c.ts_us // QUARTER_US).label("quarter")
    error = func.coalesce(events.c.error, "").label("error")
    groups = (units.c.payer, quarter, events.c.outcome, error, events.c.retried)
    unknown = func.count().filter(and_(events.c.credits.is_(None), events.c.outcome != Outcome.ATTEMPT))
    return frame_of(
        facts.engine.run(
            select(
                *groups,
                func.count().label("events"),
                func.sum(events.c.credits).label("credits"),
                unknown.label("unknown"),
                func.count().filter(events.c.credits > 0).label("billed"),
            )
            .join(units, units.c.unit == events.c.unit)
            .group_by(*groups)
        )
    )


def days_of(facts: Facts, frame: pd.DataFrame) -> Mapping[int, Days]:
    """The days of each account, by the payer's code, from `quarters`."""
    found: dict[int, Days] = defaultdict(Days)
    payers = {payer.code: payer for payer in facts.payers}
    for row in frame.itertuples():
        day = payers[row.payer].settings.day(moment(int(row.quarter) * QUARTER_US))
        days = found[row.payer]
        days.credits[day] += row.credits
        days.demand[day] += row.credits + extra_demand(row)
    return found
