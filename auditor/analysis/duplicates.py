"""The keys with the most needless renders."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, func, select

from auditor.analysis.facts import Facts
from auditor.analysis.rows import rows_of
from auditor.analysis.walk import Walked
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
    events, records, table = facts.events, facts.records, walked.table
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
        .where(table.c.verdict.in_([int(verdict) for verdict in DUPLICATES]))
        .group_by(events.c.unit, events.c.key_high, events.c.key_low)
        .subquery()
    )
    place = func.row_number().over(partition_by=counts.c.unit, order_by=(counts.c.duplicates.desc(), counts.c.key))
    sent = func.sum(counts.c.bytes).over(partition_by=counts.c.unit)
    ranked = select(counts, place.label("place"), sent.label("sent")).subquery()
    chosen = select(ranked).where(ranked.c.place <= most).order_by(ranked.c.unit, ranked.c.place)
    return rows_of(facts.engine, Repeated, chosen)
