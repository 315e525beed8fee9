"""Usage: what events of one kind used together, wherever they are added up."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func

from auditor.model.events import Outcome


@dataclass(frozen=True, slots=True)
class Used:
    """Events of one outcome."""

    outcome: str
    events: int
    credits: Fraction
    unknown: int
    """Those of which it is not known what they cost, attempts aside."""

    @property
    def uncertain(self) -> int:
        """Calls that may have been billed."""
        return self.events if self.outcome == Outcome.ATTEMPT else self.unknown


@dataclass(frozen=True, slots=True)
class OutcomeUsage(Used):
    """Events of one outcome and error."""

    error: str
    """Empty for none."""
    retried: bool
    billed: int
    """Those that are known to have cost something."""

    @property
    def demand(self) -> Fraction:
        """Credits, and one for each event that may still need it: unknown, unresolved, refused, out of quota; once.

        A failed call that was billed needs none beyond what it cost.
        """
        if self.outcome in (Outcome.ATTEMPT, Outcome.REFUSED):
            return self.credits + self.events
        if self.outcome == Outcome.ERROR and self.error == "quota" and not self.retried:
            return self.credits + self.events - self.billed
        return self.credits + self.unknown


def used(events: Table) -> tuple[ColumnElement[Any], ...]:
    """The sums of `Used`, for a query that groups by `outcome`."""
    unknown = and_(events.c.credits.is_(None), events.c.outcome != Outcome.ATTEMPT)
    return (
        func.count().label("events"),
        func.sum(events.c.credits).label("credits"),
        func.count().filter(unknown).label("unknown"),
    )


def kinds(events: Table) -> tuple[ColumnElement[Any], ...]:
    """What tells the kinds of `OutcomeUsage` apart."""
    return events.c.outcome, func.coalesce(events.c.error, "").label("error"), events.c.retried


def usage(events: Table) -> tuple[ColumnElement[Any], ...]:
    """The sums of `OutcomeUsage`, for a query that groups by `kinds`."""
    return (*used(events), func.count().filter(events.c.credits > 0).label("billed"))
