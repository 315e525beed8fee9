"""Sizes in which templates were rendered, and those in which they were rendered alike."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from auditor.analysis.facts import Facts
from auditor.analysis.identities import hashed
from auditor.analysis.pictures import DELIVERING
from auditor.analysis.rows import rows_of
from auditor.model.events import Outcome

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
    sides = (side.is_not(None) for side in (events.c.width, events.c.height))
    sized = (events.c.outcome == Outcome.RENDER, events.c.has_inputs, *sides)
    if not facts.engine.run(select(events.c.row).where(*sized).limit(1)).num_rows:
        return []
    sizes = (
        select(units.c.provider, units.c.template, events.c.width, events.c.height)
        .add_columns(hashed(records.c.inputs).label("high"), hashed(records.c.template, records.c.inputs).label("low"))
        .join(records, records.c.row == events.c.row)
        .join(units, units.c.unit == events.c.unit)
        .where(*sized)
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
        events.c.outcome.in_(DELIVERING),
    )
    requests = func.sum(events.c.weight).label("requests")
    size = func.sum(func.coalesce(events.c.bytes, 0) * events.c.weight).label("bytes")
    delivered = select(*pairs.c, requests, size).join_from(events, units, units.c.unit == events.c.unit)
    return rows_of(facts.engine, Variants, delivered.join(pairs, larger).group_by(*pairs.c))
