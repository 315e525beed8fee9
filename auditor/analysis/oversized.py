"""Oversized: images with more pixels than their limits, and their wasted bytes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, Table, and_, case, cast, func, or_, select

from auditor.analysis.downloads import Downloaded
from auditor.analysis.facts import Facts
from auditor.analysis.pictures import DELIVERING, SMALLEST, stored
from auditor.analysis.rows import loaded, rows_of
from auditor.engines import Wide

SCALE = 1000
"""Limits are whole thousandths of a pixel, so that every sum is exact."""

_SCALABLE = ("svg", "pdf")
_Number = TypeVar("_Number", int, ColumnElement[int])


def placements(facts: Facts) -> list[tuple[int, str]]:
    """Every (unit, placement) that there is; the placement may be empty."""
    events = facts.events
    groups = events.c.unit, func.coalesce(events.c.placement, "").label("placement")
    found = facts.engine.run(select(*groups).group_by(*groups)).to_pylist()
    return [(row["unit"], row["placement"]) for row in found]


@dataclass(frozen=True, slots=True)
class Oversized:
    """Images of a unit and placement with more pixels than its limit."""

    unit: int
    """-1 for images that no account rendered."""
    placement: str
    requests: int
    delivered: int
    """Wasted bytes over all requests."""
    pictures: int
    """The stored ones."""
    stored: int
    """Wasted bytes of these."""
    largest: tuple[int, int, int, int]
    """Wasted bytes, bytes, width and height of the one with the most."""


Limits = Mapping[tuple[int, str], tuple[int | None, int | None]]
"""(unit, placement) -> the largest width and height, in `SCALE` parts of a device pixel; None does not limit."""


def oversized(facts: Facts, limits: Limits) -> list[Oversized]:
    """Images beyond their limits that waste at least `SMALLEST` bytes each."""
    columns = {"unit": pa.int32(), "placement": pa.string(), "max_width": pa.int64(), "max_height": pa.int64()}
    limit = loaded(facts.engine, "limits", ((*at, *sides) for at, sides in limits.items()), **columns)
    one = _beyond(facts.events, limit).subquery()
    groups = (one.c.unit, one.c.placement)
    sums = select(
        *groups,
        func.sum(one.c.weight).label("requests"),
        func.sum(cast(one.c.wasted, Wide) * one.c.weight).label("delivered"),
        func.count().filter(one.c.stored).label("pictures"),
        func.sum(one.c.wasted).filter(one.c.stored).label("stored"),
        func.max(func.list_value(one.c.wasted, one.c.bytes, one.c.width, one.c.height)).label("largest"),
    )
    return rows_of(facts.engine, Oversized, sums.where(one.c.wasted >= SMALLEST).group_by(*groups))


def _needless(size: _Number, whole: _Number, shown: _Number) -> _Number:
    """Bytes × (1 − s²), s = shown ÷ whole, half up: floor((2 bytes (whole² − shown²) + whole²) ÷ 2 whole²)."""
    return (2 * size * (whole * whole - shown * shown) + whole * whole) // (2 * whole * whole)


def beyond_shown(images: Iterable[Downloaded]) -> Iterator[tuple[Downloaded, Oversized]]:
    """Each image beyond the width at which browsers asked for it, and that as a stored image of its own."""
    for image in images:
        shown, width, height, size = image.shown_width, image.width, image.height, image.bytes
        if shown and width and height and size and shown < width and image.format not in _SCALABLE:
            wasted = _needless(size, width, shown)
            if wasted >= SMALLEST:
                largest = (wasted, size, width, height)
                lost, unit = wasted * image.requests, -1 if image.unit is None else image.unit
                yield image, Oversized(unit, image.placement, image.requests, lost, 1, wasted, largest)


def _beyond(events: Table, limits: Table) -> Select[Any]:
    """Each delivered image beyond its limit, its wasted bytes, and whether it is stored."""
    beyond = and_(
        events.c.unit == limits.c.unit,
        func.coalesce(events.c.placement, "") == limits.c.placement,
        or_(events.c.width * SCALE > limits.c.max_width, events.c.height * SCALE > limits.c.max_height),
        *(column.is_not(None) for column in (events.c.width, events.c.height, events.c.bytes)),
        func.coalesce(events.c.format, "").not_in(_SCALABLE),
    )
    width, height, size = (cast(column, Wide) for column in (events.c.width, events.c.height, events.c.bytes))
    # s is the smaller of the two ratios; an unset side does not limit.
    by_width = func.coalesce(limits.c.max_width * height <= limits.c.max_height * width, limits.c.max_height.is_(None))
    shown = cast(case((by_width, limits.c.max_width), else_=limits.c.max_height), Wide)
    whole = case((by_width, width), else_=height) * SCALE
    wasted = cast(_needless(size, whole, shown), BigInteger)
    return (
        select(events.c.unit, limits.c.placement, events.c.width, events.c.height, events.c.bytes, events.c.weight)
        .add_columns(wasted.label("wasted"), stored(events).label("stored"))
        .join(limits, beyond)
        .where(events.c.outcome.in_(DELIVERING))
    )
