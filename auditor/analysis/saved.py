"""Saved: what measured images would save in other formats."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import cast, func, select

from auditor.analysis.facts import Facts
from auditor.analysis.pictures import DELIVERING, stored
from auditor.analysis.rows import loaded, rows_of
from auditor.engines import Wide


@dataclass(frozen=True, slots=True)
class Saved:
    """What measured images of a unit and placement would save in a format."""

    unit: int
    placement: str
    format: str
    requests: int
    delivered: int
    """Bytes over all requests."""
    stored: int
    """Bytes of the stored ones."""
    pictures: list[int]
    """Which, by their places among the measured."""


def saved(facts: Facts, trials: Iterable[tuple[str, int, str, int]]) -> list[Saved]:
    """*trials* are (digest, place, format, bytes that it saves) of measured images."""
    columns = {"digest": pa.string(), "picture": pa.int32(), "format": pa.string(), "saved": pa.int64()}
    tried = loaded(facts.engine, "trials", trials, **columns)
    events, records = facts.events, facts.records.table
    placement = func.coalesce(events.c.placement, "").label("placement")
    one = (
        select(events.c.unit, placement, tried.c.format, tried.c.picture, tried.c.saved, events.c.weight)
        .add_columns(stored(events).label("stored"))
        .join(records, records.c.row == events.c.row)
        .join(tried, tried.c.digest == records.c.digest)
        .where(events.c.outcome.in_(DELIVERING))
        .subquery()
    )
    groups = (one.c.unit, one.c.placement, one.c.format)
    sums = select(
        *groups,
        func.sum(one.c.weight).label("requests"),
        func.sum(cast(one.c.saved, Wide) * one.c.weight).label("delivered"),
        func.sum(one.c.saved).filter(one.c.stored).label("stored"),
        func.list_sort(func.list_distinct(func.array_agg(one.c.picture))).label("pictures"),
    ).group_by(*groups)
    return rows_of(facts.engine, Saved, sums)
