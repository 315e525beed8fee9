"""Pictures: which are stored and delivered, how large, what of their bytes was needless, and what bytes cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any, TypeVar

import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, Table, and_, case, cast, func, or_, select

from auditor.analysis.facts import Facts
from auditor.analysis.identities import hashed
from auditor.analysis.rows import grouped, loaded, rows_of
from auditor.engines import Wide
from auditor.model.events import DELIVERED, Outcome
from auditor.model.findings import Money

SMALLEST = 4096
"""Bytes that a picture has to waste before it is worth a word."""
SCALE = 1000
"""Limits are whole thousandths of a pixel, so that every sum is exact."""
MONTH_DAYS = Fraction("30.4375")
DAY_US = 86_400 * 10**6
_DELIVERED = [str(outcome) for outcome in DELIVERED]


def _stored(events: Table) -> ColumnElement[bool]:
    """Whether it is the last render of its key, billed or not: the pictures that are stored."""
    order = func.row_number().over(
        partition_by=(events.c.key_high, events.c.key_low), order_by=(events.c.ts_us.desc(), events.c.id.desc())
    )
    renders = select(events.c.row, order.label("place")).where(events.c.outcome == Outcome.RENDER).subquery()
    return events.c.row.in_(select(renders.c.row).where(renders.c.place == 1))


@dataclass(frozen=True, slots=True)
class Saved:
    """What measured pictures of a unit and placement would save in a format."""

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
    """*trials* are (digest, place, format, bytes that it saves) of measured pictures."""
    columns = {"digest": pa.string(), "picture": pa.int32(), "format": pa.string(), "saved": pa.int64()}
    tried = loaded(facts.engine, "trials", trials, **columns)
    events, records = facts.events, facts.records.table
    placement = func.coalesce(events.c.placement, "").label("placement")
    one = (
        select(events.c.unit, placement, tried.c.format, tried.c.picture, tried.c.saved, events.c.weight)
        .add_columns(_stored(events).label("stored"))
        .join(records, records.c.row == events.c.row)
        .join(tried, tried.c.digest == records.c.digest)
        .where(events.c.outcome.in_(_DELIVERED))
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


def placements(facts: Facts) -> list[tuple[int, str]]:
    """Every (unit, placement) that there is; the placement may be empty."""
    events = facts.events
    groups = events.c.unit, func.coalesce(events.c.placement, "").label("placement")
    found = facts.engine.run(select(*groups).group_by(*groups)).to_pylist()
    return [(row["unit"], row["placement"]) for row in found]


@dataclass(frozen=True, slots=True)
class Oversized:
    """Pictures of a unit and placement with more pixels than its limit."""

    unit: int
    placement: str
    requests: int
    delivered: int
    """Needless bytes over all requests."""
    pictures: int
    """The stored ones."""
    stored: int
    """Needless bytes of these."""
    largest: tuple[int, int, int, int]
    """Needless bytes, bytes, width and height of the one with the most."""


Limits = Mapping[tuple[int, str], tuple[int | None, int | None]]
"""(unit, placement) -> the largest width and height, in `SCALE` parts of a device pixel; None does not limit."""


def oversized(facts: Facts, limits: Limits) -> list[Oversized]:
    """Pictures beyond their limits that waste at least `SMALLEST` bytes each."""
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


def _beyond(events: Table, limits: Table) -> Select[Any]:
    """Each delivered picture beyond its limit, its needless bytes, and whether it is stored."""
    beyond = and_(
        events.c.unit == limits.c.unit,
        func.coalesce(events.c.placement, "") == limits.c.placement,
        or_(events.c.width * SCALE > limits.c.max_width, events.c.height * SCALE > limits.c.max_height),
        *(column.is_not(None) for column in (events.c.width, events.c.height, events.c.bytes)),
        func.coalesce(events.c.format, "").not_in(("svg", "pdf")),
    )
    width, height, size = (cast(column, Wide) for column in (events.c.width, events.c.height, events.c.bytes))
    # s is the smaller of the two ratios; an unset side does not limit.
    by_width = func.coalesce(limits.c.max_width * height <= limits.c.max_height * width, limits.c.max_height.is_(None))
    shown = cast(case((by_width, limits.c.max_width), else_=limits.c.max_height), Wide)
    whole = case((by_width, width), else_=height) * SCALE
    # bytes × (1 − s²), half up, in whole numbers: floor((2 × bytes × (whole² − shown²) + whole²) ÷ (2 × whole²))
    wasted = cast((2 * size * (whole * whole - shown * shown) + whole * whole) // (2 * whole * whole), BigInteger)
    return (
        select(events.c.unit, limits.c.placement, events.c.width, events.c.height, events.c.bytes, events.c.weight)
        .add_columns(wasted.label("wasted"), _stored(events).label("stored"))
        .join(limits, beyond)
        .where(events.c.outcome.in_(_DELIVERED))
    )


@dataclass(frozen=True, slots=True)
class Variants:
    """Two sizes of one shape in which a template was rendered."""

    provider: str
    template: str
    width: int
    height: int
    large_width: int
    large_height: int
    inputs: int
    """How many inputs were rendered at both."""
    requests: int
    """Those that delivered the larger one, whatever its inputs."""
    bytes: int
    """What these delivered."""


def variants(facts: Facts) -> list[Variants]:
    """Of every template, in any account and environment."""
    events, records, units = facts.events, facts.records.table, facts.by_unit
    sizes = (
        select(units.c.provider, units.c.template, events.c.width, events.c.height)
        .add_columns(hashed(records.c.inputs).label("high"), hashed(records.c.template, records.c.inputs).label("low"))
        .join(records, records.c.row == events.c.row)
        .join(units, units.c.unit == events.c.unit)
        .where(events.c.outcome == Outcome.RENDER, events.c.has_inputs)
        .where(events.c.width.is_not(None), events.c.height.is_not(None))
        .distinct()
    )
    small, large = sizes.cte("small"), sizes.cte("large")
    same = and_(
        *(small.c[name] == large.c[name] for name in ("provider", "template", "high", "low")),
        large.c.width * 2 >= small.c.width * 3,
        100 * func.abs(small.c.width * large.c.height - large.c.width * small.c.height)
        <= large.c.width * small.c.height,
    )
    columns = (
        *(small.c[name] for name in ("provider", "template", "width", "height")),
        large.c.width.label("large_width"),
        large.c.height.label("large_height"),
    )
    pairs = select(*columns, func.count().label("inputs")).join(large, same).group_by(*columns).subquery()
    larger = and_(
        *(units.c[name] == pairs.c[name] for name in ("provider", "template")),
        *(events.c[name] == pairs.c[f"large_{name}"] for name in ("width", "height")),
        events.c.outcome.in_(_DELIVERED),
    )
    requests = func.sum(events.c.weight).label("requests")
    size = func.sum(func.coalesce(events.c.bytes, 0) * events.c.weight).label("bytes")
    delivered = select(*pairs.c, requests, size).join_from(events, units, units.c.unit == events.c.unit)
    return rows_of(facts.engine, Variants, delivered.join(pairs, larger).group_by(*pairs.c))


Sizes = Mapping[tuple[int, int], Mapping[tuple[str | None, int | None, int | None], int]]
"""(payer, cycle) -> (format, width, height) -> billed renders."""


def sizes_of(facts: Facts) -> Sizes:
    """What was rendered, by size."""
    events = facts.events
    groups = (events.c.payer, events.c.cycle, events.c.format, events.c.width, events.c.height)
    rows = facts.engine.run(
        select(*groups, func.count().label("renders"))
        .where(events.c.outcome == Outcome.RENDER, func.coalesce(events.c.credits, 1) > 0)
        .group_by(*groups)
    ).to_pylist()
    found: dict[tuple[int, int], dict[tuple[str | None, int | None, int | None], int]] = {}
    for row in rows:
        size = row["format"], row["width"], row["height"]
        found.setdefault((row["payer"], row["cycle"]), {})[size] = int(row["renders"])
    return found


Placed = TypeVar("Placed", Saved, Oversized)


def by_place(facts: Facts, rows: Iterable[Placed]) -> dict[tuple[str, str, str], list[Placed]]:
    """(provider, template, placement) -> rows, in any account and environment."""
    units = facts.units
    return grouped(rows, lambda row: (units[row.unit].provider, units[row.unit].template, row.placement))


def price_of_bytes(facts: Facts, rows: Iterable[Placed], delivered: int) -> Money:
    """Storage over the window and egress; unknown, never 0, where a price is unset.

    The *rows* tell what their accounts store; in a gap of its cycles an account keeps nothing.
    """
    prices, window = facts.settings.prices, facts.window
    if prices.egress_per_gb is None or prices.storage_per_gb_month is None or window is None:
        return Money(currency=prices.currency)
    micro = timedelta(microseconds=1)
    kept = Fraction(0)
    for row in rows:
        gaps = sum((gap.end - gap.start) // micro for gap in facts.payers[facts.units[row.unit].payer].gaps)
        kept += Fraction(row.stored, 10**9) * Fraction((window[1] - window[0]) // micro - gaps, DAY_US) / MONTH_DAYS
    cost = kept * Fraction(prices.storage_per_gb_month) + Fraction(delivered, 10**9) * Fraction(prices.egress_per_gb)
    return Money(now=cost, after_plan_change=cost, currency=prices.currency)
