"""Calls that were made again: keys rendered though a cache would have served them, and tries that failed before."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, and_, cast, func, or_, select

from auditor.analysis.facts import Facts
from auditor.analysis.rows import rows_of
from auditor.analysis.walk import Walked
from auditor.model.events import Outcome
from auditor.replay.walk import DUPLICATES


@dataclass(frozen=True, slots=True)
class Repeated:
    """One key of a unit."""

    unit: int
    key: str
    duplicates: int
    row: int
    """The first of its duplicates among the records."""
    bytes: int
    """That its duplicates sent."""
    sent: int
    """That all duplicates of the unit sent."""


def most_repeated(facts: Facts, walked: Walked, most: int) -> list[Repeated]:
    """The keys with the most duplicates of each unit, at most *most*, by unit and then in that order."""
    events, records, table = facts.events, facts.records.table, walked.table
    counts = (
        select(
            events.c.unit,
            func.min(records.c.key).label("key"),
            func.count().label("duplicates"),
            func.min(events.c.row).label("row"),
            func.sum(cast(events.c.bytes, BigInteger)).label("bytes"),
        )
        .join(table, table.c.row == events.c.row)
        .join(records, records.c.row == events.c.row)
        .where(walked.verdict(events).in_([int(verdict) for verdict in DUPLICATES]))
        .group_by(events.c.unit, events.c.key_high, events.c.key_low)
        .subquery()
    )
    place = func.row_number().over(partition_by=counts.c.unit, order_by=(counts.c.duplicates.desc(), counts.c.key))
    sent = func.sum(counts.c.bytes).over(partition_by=counts.c.unit)
    ranked = select(counts, place.label("place"), sent.label("sent")).subquery()
    chosen = select(ranked).where(ranked.c.place <= most).order_by(ranked.c.unit, ranked.c.place)
    return rows_of(facts.engine, Repeated, chosen)


@dataclass(frozen=True, slots=True)
class Ghosts:
    """Retry ghosts of one account and error: tries that may have been billed and whose key was rendered later."""

    payer: int
    error: str
    ghosts: int


def ghosts(facts: Facts) -> list[Ghosts]:
    """Of every account and error."""
    tries, renders = facts.events.alias("tries"), facts.events.alias("renders")
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
        select(tries.c.payer, error, func.count().label("ghosts"))
        .join_from(tries, last, later)
        .where(tries.c.outcome == Outcome.ERROR, tries.c.retried, perhaps_billed)
        .group_by(tries.c.payer, error),
    )
