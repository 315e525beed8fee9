"""oversized-outputs: pictures are delivered with more pixels than the place where they are shown.

What it does
    Compares each picture with the limit of its template, else of its placement, and estimates the needless bytes:
    s = min(1, max_w x D / W, max_h x D / H), wasted = bytes x (1 - s^2), rounded half up picture by picture. Pictures
    that waste less than 4096 bytes are left out, and so are svg and pdf.

Why it matters
    Needless pixels are stored, sent and decoded again and again. With equal aspect ratios the figure is Lighthouse's.

Example:
    product_card, limit 400 px wide, delivered 1600 x 1200, 420,000 bytes: 393,750 bytes are needless

How to fix
    Render at the size that is shown (times the device pixel ratio), or let the template have a smaller variant.
    It is an estimate, since bytes are not proportional to pixels: measure before you promise a figure.

Options
    [limits.templates.NAME] or [limits.placements.NAME] with width, height (CSS px) and dpr
    [prices] egress_per_gb and storage_per_gb_month turn bytes into money; unset means unknown, not free
    [rules.oversized-outputs]
    enabled = true

"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from sqlalchemy import and_, func, or_, select

from auditor.audits.base import Case
from auditor.audits.placements import PLACEMENTS
from auditor.audits.words import plural
from auditor.engine.tables import events, limits
from auditor.events import DELIVERED, Outcome
from auditor.findings import Confidence, Finding, Money, severity_of
from auditor.numbers import number
from auditor.settings import Limit

SMALLEST = 4096
"""Bytes that a picture has to waste before it is worth a word."""
MONTH_DAYS = Fraction("30.4375")
DAY_US = 86_400 * 10**6


@dataclass(slots=True)
class _Sum:
    stored: int = 0
    delivered: int = 0
    pictures: int = 0
    requests: int = 0
    largest: tuple[int, int, int, int] = (0, 0, 0, 0)
    limit: Limit = field(default_factory=Limit)


class OversizedOutputs:
    """One finding for each template and placement."""

    id = "oversized-outputs"
    summary = "pictures have more pixels than the place where they are shown"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Bytes of a finding are the delivered ones."""
        sums: dict[tuple[str, str, str], _Sum] = defaultdict(_Sum)
        chosen = _load_limits(case)
        for stored, row in _pictures(case):
            labels = case.facts.labels(row["unit"])
            limit = chosen[row["unit"], row["placement"]]
            wasted = wasted_bytes(limit, row["width"], row["height"], row["bytes"])
            if wasted < SMALLEST:
                continue
            total = sums[labels["provider"], labels["template"], row["placement"]]
            total.limit = limit
            total.largest = max(total.largest, (wasted, row["bytes"], row["width"], row["height"]))
            if stored:
                total.stored += wasted * row["times"]
                total.pictures += row["times"]
            else:
                total.delivered += wasted * row["times"]
                total.requests += row["times"]
        delivered_bytes = sum(case.facts.usage.bytes)
        for (provider, template, placement), total in sums.items():
            subject = {"provider": provider, "template": template}
            wasted, size, width, height = total.largest
            yield Finding(
                rule=self.id,
                severity=severity_of(total.delivered, delivered_bytes),
                confidence=Confidence.MEDIUM,
                subject=subject | ({"placement": placement} if placement else {}),
                message=f"{plural(total.requests, 'request')} delivered more pixels than are shown, some "
                f"{total.delivered:,} bytes in vain",
                advice=f"Render at {_shown(total.limit)} px instead of {width} x {height}",
                bytes=total.delivered,
                money=_money(case, total),
                evidence={
                    "stored_wasted_bytes": total.stored,
                    "delivered_wasted_bytes": total.delivered,
                    "pictures": total.pictures,
                    "requests": total.requests,
                    "limit": {
                        "width": _side(total.limit.width),
                        "height": _side(total.limit.height),
                        "dpr": number(total.limit.dpr),
                        "source": total.limit.source,
                    },
                    "largest": {"width": width, "height": height, "bytes": size, "wasted_bytes": wasted},
                },
            )


def limit_for(case: Case, template: str, placement: str) -> Limit | None:
    """The limit by template, else by configured placement, else by built-in placement."""
    settings = case.facts.settings
    return (
        settings.template_limits.get(template) or settings.placement_limits.get(placement) or PLACEMENTS.get(placement)
    )


def wasted_bytes(limit: Limit, width: int, height: int, size: int) -> int:
    """Needless bytes of one picture, half up (semantics section 6)."""
    scale = Fraction(1)
    if limit.width is not None:
        scale = min(scale, Fraction(limit.width) * Fraction(limit.dpr) / width)
    if limit.height is not None:
        scale = min(scale, Fraction(limit.height) * Fraction(limit.dpr) / height)
    return int(size * (1 - scale**2) + Fraction(1, 2))


def _load_limits(case: Case) -> dict[tuple[int, str], Limit]:
    """(unit, placement) -> limit, for those that have one; also as table `limits` with whole device pixels."""
    placement = func.coalesce(events.c.placement, "").label("placement")
    pairs = case.facts.engine.run(select(events.c.unit, placement).group_by(events.c.unit, placement)).to_pylist()
    chosen = {}
    for pair in pairs:
        template = case.facts.labels(pair["unit"])["template"]
        limit = limit_for(case, template, pair["placement"])
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
            schema=pa.schema(
                [
                    ("unit", pa.int32()),
                    ("placement", pa.string()),
                    ("max_width", pa.int64()),
                    ("max_height", pa.int64()),
                ]
            ),
        ),
    )
    return chosen


def _device(side: Decimal | None, dpr: Decimal) -> int | None:
    return None if side is None else min(int(Fraction(side) * Fraction(dpr)), 2**62)


def _pictures(case: Case) -> Iterator[tuple[bool, dict[str, Any]]]:
    """(stored?, unit, placement, width, height, bytes, how often) of pictures beyond their limit."""
    too_large = and_(
        events.c.unit == limits.c.unit,
        func.coalesce(events.c.placement, "") == limits.c.placement,
        or_(events.c.width > limits.c.max_width, events.c.height > limits.c.max_height),
        events.c.width.is_not(None),
        events.c.height.is_not(None),
        events.c.bytes.is_not(None),
        func.coalesce(events.c.format, "").not_in(("svg", "pdf")),
    )
    columns = (events.c.unit, limits.c.placement, events.c.width, events.c.height, events.c.bytes)
    delivered = (
        select(*columns, func.sum(events.c.weight).label("times"))
        .join(limits, too_large)
        .where(events.c.outcome.in_([str(outcome) for outcome in DELIVERED]))
        .group_by(*columns)
    )
    order = func.row_number().over(
        partition_by=(events.c.key_high, events.c.key_low), order_by=(events.c.ts_us.desc(), events.c.id.desc())
    )
    renders = select(events.c.row, order.label("place")).where(events.c.outcome == Outcome.RENDER).subquery()
    last = select(renders.c.row).where(renders.c.place == 1)
    stored = (
        select(*columns, func.count().label("times"))
        .join(limits, too_large)
        .where(events.c.row.in_(last))
        .group_by(*columns)
    )
    for is_stored, query in ((False, delivered), (True, stored)):
        for batch in case.facts.engine.sorted_stream(query):
            for row in batch.to_pylist():
                yield is_stored, {**row, "times": int(row["times"])}


def _money(case: Case, total: _Sum) -> Money:
    prices = case.facts.settings.prices
    window = case.facts.window
    if prices.egress_per_gb is None or prices.storage_per_gb_month is None or window is None:
        return Money(currency=prices.currency)
    months = Fraction((window[1] - window[0]) // timedelta(microseconds=1), DAY_US) / MONTH_DAYS
    cost = Fraction(total.stored, 10**9) * months * Fraction(prices.storage_per_gb_month) + Fraction(
        total.delivered, 10**9
    ) * Fraction(prices.egress_per_gb)
    amount = Decimal(cost.numerator) / Decimal(cost.denominator)
    return Money(now=amount, after_plan_change=amount, currency=prices.currency)


def _side(side: Decimal | None) -> int | float | None:
    return None if side is None else number(side)


def _shown(limit: Limit) -> str:
    sides = [str(number(side * limit.dpr)) for side in (limit.width, limit.height) if side is not None]
    if len(sides) == 2:
        return " x ".join(sides)
    return f"{sides[0]} {'wide' if limit.width is not None else 'high'},"
