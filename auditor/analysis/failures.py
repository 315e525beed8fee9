"""Retry ghosts: tries that may have been billed and whose key was rendered later."""

from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select

from auditor.analysis.facts import Facts
from auditor.analysis.rows import rows_of
from auditor.model.events import Outcome


@dataclass(frozen=True, slots=True)
class Ghosts:
    """Those of one account and error."""

    payer: int
    error: str
    ghosts: int


def ghosts(facts: Facts) -> list[Ghosts]:
    """Of every account and error."""
    tries, renders, units = facts.events.alias("tries"), facts.events.alias("renders"), facts.located.units
    last = (
        select(renders.c.key_high, renders.c.key_low, func.max(renders.c.ts_us).label("last_us"))
        .where(renders.c.outcome == Outcome.RENDER)
        .group_by(renders.c.key_high, renders.c.key_low)
        .subquery()
    )
    error = func.coalesce(tries.c.error, "other").label("error")
    perhaps_billed = or_(tries.c.credits.is_(None), tries.c.credits > 0)
    later = and_(
        last.c.key_high == tries.c.key_high, last.c.key_low == tries.c.key_low, last.c.last_us >= tries.c.ts_us
    )
    return rows_of(
        facts.engine,
        Ghosts,
        select(units.c.payer, error, func.count().label("ghosts"))
        .select_from(tries)
        .join(units, units.c.unit == tries.c.unit)
        .join(last, later)
        .where(tries.c.outcome == Outcome.ERROR, tries.c.retried, perhaps_billed)
        .group_by(units.c.payer, error),
    )
