"""oversized-outputs: pictures are delivered with more pixels than the place where they are shown.

What it does
    Compares each picture with the limit of its template, else of its placement, and estimates the needless bytes:
    s = min(1, max_w x D / W, max_h x D / H), wasted = bytes x (1 - s^2), rounded half up picture by picture. Pictures
    that waste less than 4096 bytes are left out, and so are svg and pdf.

Why it matters
    Needless pixels are stored, sent and decoded again and again. With equal aspect ratios the figure is Lighthouse's.

Example
    product_card, limit 400 px wide, delivered 1600 x 1200, 420,000 bytes: 393,750 bytes are needless

How to fix
    Render at the size that is shown (times the device pixel ratio), or let the template have a smaller variant.
    It is an estimate, since bytes are not proportional to pixels: measure before you promise a figure.

Options
    [limits.templates.NAME] or [limits.placements.NAME] with width, height (CSS px) and dpr
    [prices] egress_per_gb and storage_per_gb_month turn bytes into money; unset means unknown, not free

"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, literal, or_, select
from sqlalchemy import case as sql_case

from auditor.analysis.case import Case, Rule
from auditor.analysis.facts import frame_of
from auditor.analysis.images import SMALLEST, last_renders, price_of_bytes
from auditor.analysis.placements import limit_for
from auditor.engines.tables import Wide, events, limits
from auditor.model.events import DELIVERED
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.numbers import number
from auditor.model.settings import Limit
from auditor.model.words import plural

SCALE = 1000
"""Limits are whole thousandths of a pixel, so that every sum is exact."""


class OversizedOutputs(Rule):
    """One finding for each template and placement."""

    id = "oversized-outputs"
    summary = "pictures have more pixels than the place where they are shown"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Bytes of a finding are the delivered ones."""
        chosen = _load_limits(case)
        sums = case.facts.paid_by(
            pd.concat(
                [_sums(case, _delivered()).assign(stored=False), _sums(case, _stored()).assign(stored=True)],
                ignore_index=True,
            )
        )
        whole = case.facts.delivered_bytes
        for (provider, template, placement), group in sums.groupby(["provider", "template", "placement"], sort=True):
            wasted, size, width, height = max(tuple(largest) for largest in group.largest)
            limit = chosen[int(group.unit.iloc[0]), str(placement)]
            kept, sent = group[group.stored], group[~group.stored]
            lost = int(sum(sent.wasted))
            subject = {"provider": str(provider), "template": str(template)}
            yield Finding(
                rule=self.id,
                severity=severity_of(lost, whole),
                confidence=Confidence.MEDIUM,
                subject=subject | ({"placement": str(placement)} if placement else {}),
                message=f"{plural(int(sum(sent.times)), 'request')} delivered more pixels than are shown, some "
                f"{lost:,} bytes in vain",
                advice=f"Render at {_shown(limit)} instead of {width} x {height}",
                bytes=lost,
                money=price_of_bytes(
                    case, {int(who): int(sum(own.wasted)) for who, own in kept.groupby("payer")}, lost
                ),
                evidence={
                    "stored_wasted_bytes": int(sum(kept.wasted)),
                    "delivered_wasted_bytes": lost,
                    "pictures": int(sum(kept.times)),
                    "requests": int(sum(sent.times)),
                    "limit": {
                        "width": _side(limit.width),
                        "height": _side(limit.height),
                        "dpr": number(limit.dpr),
                        "source": limit.source,
                    },
                    "largest": {
                        "width": int(width),
                        "height": int(height),
                        "bytes": int(size),
                        "wasted_bytes": int(wasted),
                    },
                },
            )


def _load_limits(case: Case) -> dict[tuple[int, str], Limit]:
    """(unit, placement) -> limit, for those that have one; also as the table `limits`."""
    placement = func.coalesce(events.c.placement, "").label("placement")
    pairs = case.facts.engine.run(select(events.c.unit, placement).group_by(events.c.unit, placement)).to_pylist()
    chosen = {}
    for pair in pairs:
        limit = limit_for(case.facts.settings, case.facts.labels(pair["unit"])["template"], pair["placement"])
        if limit is not None:
            chosen[int(pair["unit"]), str(pair["placement"])] = limit
    case.facts.engine.load(
        "limits",
        pa.Table.from_pylist(
            [
                {
                    "unit": unit,
                    "placement": placement,
                    "max_width": _device(limit.width, limit.dpr),
                    "max_height": _device(limit.height, limit.dpr),
                }
                for (unit, placement), limit in chosen.items()
            ],
            schema=_LIMITS,
        ),
    )
    return chosen


_LIMITS = pa.schema(
    [("unit", pa.int32()), ("placement", pa.string()), ("max_width", pa.int64()), ("max_height", pa.int64())]
)


def _device(side: Decimal | None, dpr: Decimal) -> int | None:
    return None if side is None else int(side * dpr * SCALE)


def _pictures(times: ColumnElement[Any]) -> Select[Any]:
    """unit, placement, width, height, bytes, how often, needless bytes: of each picture beyond its limit."""
    beyond = and_(
        events.c.unit == limits.c.unit,
        func.coalesce(events.c.placement, "") == limits.c.placement,
        or_(events.c.width * SCALE > limits.c.max_width, events.c.height * SCALE > limits.c.max_height),
        events.c.width.is_not(None),
        events.c.height.is_not(None),
        events.c.bytes.is_not(None),
        func.coalesce(events.c.format, "").not_in(("svg", "pdf")),
    )
    width, height, size = (cast(column, Wide) for column in (events.c.width, events.c.height, events.c.bytes))
    # s is the smaller of the two ratios; an unset side does not limit.
    by_width = func.coalesce(limits.c.max_width * height <= limits.c.max_height * width, limits.c.max_height.is_(None))
    shown = cast(sql_case((by_width, limits.c.max_width), else_=limits.c.max_height), Wide)
    whole = sql_case((by_width, width), else_=height) * SCALE
    # bytes × (1 − s²), half up, in whole numbers: floor((2 × bytes × (whole² − shown²) + whole²) ÷ (2 × whole²))
    wasted = (2 * size * (whole * whole - shown * shown) + whole * whole) // (2 * whole * whole)
    return select(
        events.c.row,
        events.c.unit,
        limits.c.placement,
        events.c.width,
        events.c.height,
        events.c.bytes,
        times.label("times"),
        cast(wasted, BigInteger).label("wasted"),
    ).join(limits, beyond)


def _delivered() -> Select[Any]:
    """Every request that delivered a picture."""
    return _pictures(events.c.weight).where(events.c.outcome.in_([str(outcome) for outcome in DELIVERED]))


def _stored() -> Select[Any]:
    """The last render of each key, billed or not."""
    return _pictures(cast(literal(1), BigInteger)).where(events.c.row.in_(last_renders()))


def _sums(case: Case, pictures: Select[Any]) -> pd.DataFrame:
    """unit, placement: how often, needless bytes, and the largest as [needless bytes, bytes, width, height]."""
    one = pictures.subquery()
    groups = (one.c.unit, one.c.placement)
    return frame_of(
        case.facts.engine.run(
            select(
                *groups,
                func.sum(one.c.times).label("times"),
                func.sum(cast(one.c.wasted, Wide) * one.c.times).label("wasted"),
                func.max(func.list_value(one.c.wasted, one.c.bytes, one.c.width, one.c.height)).label("largest"),
            )
            .where(one.c.wasted >= SMALLEST)
            .group_by(*groups)
        )
    )


def _side(side: Decimal | None) -> int | float | None:
    return None if side is None else number(side)


def _shown(limit: Limit) -> str:
    sides = [f"{number(side * limit.dpr)} px" if side is not None else "" for side in (limit.width, limit.height)]
    if all(sides):
        return " x ".join(sides)
    return f"{sides[0]} wide" if sides[0] else f"{sides[1]} high"
