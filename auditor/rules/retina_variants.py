"""retina-variants: the same picture is rendered at two sizes, each for a credit.

What it does
    Finds equal template and inputs rendered at two sizes with the same aspect ratio (within 1 %) where the larger
    has at least 1.5 times the width.

Why it matters
    The larger one serves both places: browsers and CDNs scale down for free, a second render costs a credit.

Example
    og-card  600 x 315 and 1200 x 630 for the same title

How to fix
    Render the larger size once and scale it down yourself, or drop the smaller variant.

Options

"""

from collections.abc import Iterable

import pandas as pd
from sqlalchemy import and_, func, select

from auditor.analysis.case import Case, Rule
from auditor.analysis.facts import frame_of, hashed
from auditor.engines.tables import events, records, units
from auditor.model.events import DELIVERED, Outcome
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.words import plural


class RetinaVariants(Rule):
    """One finding for each template."""

    id = "retina-variants"
    summary = "the same picture is rendered at two sizes where the larger would do"

    def findings(self, case: Case) -> Iterable[Finding]:
        """The pair of sizes that most inputs share stands in the evidence."""
        pairs = _pairs(case)
        if pairs.empty:
            return
        sizes = case.facts.paid_by(_sizes(case)).groupby(["provider", "template", "width", "height"])[
            ["requests", "bytes"]
        ]
        traffic = sizes.sum()
        total = case.facts.delivered_bytes
        for (provider, template), group in pairs.groupby(["provider", "template"], sort=True):
            variants = group.groupby(["width", "height", "large_width", "large_height"]).inputs.sum()
            ranked = sorted(variants.items(), key=lambda item: (-int(item[1]), [-int(side) for side in item[0]]))
            width, height, large_width, large_height = (int(side) for side in ranked[0][0])
            larger = traffic.loc[(provider, template, large_width, large_height)]
            requests, size = int(larger.requests), int(larger.bytes)
            yield Finding(
                rule=self.id,
                severity=severity_of(size, total),
                confidence=Confidence.MEDIUM,
                subject={"provider": str(provider), "template": str(template)},
                message=f"{plural(int(ranked[0][1]), 'picture')} rendered both at {width} x {height} and at "
                f"{large_width} x {large_height}",
                advice=f"Render {large_width} x {large_height} once and scale it down for the smaller place",
                bytes=size,
                evidence={
                    "smaller": {"width": width, "height": height},
                    "larger": {"width": large_width, "height": large_height},
                    "pictures": int(ranked[0][1]),
                    "requests": requests,
                    "bytes": size,
                    "size_pairs": len(ranked),
                },
            )


def _pairs(case: Case) -> pd.DataFrame:
    """provider, template, the two sizes, and how many inputs were rendered at both, in any account and environment."""
    variants = (
        select(
            units.c.provider,
            units.c.template,
            events.c.width,
            events.c.height,
            hashed(records.c.inputs).label("high"),
            hashed(records.c.template, records.c.inputs).label("low"),
        )
        .join(records, records.c.row == events.c.row)
        .join(units, units.c.unit == events.c.unit)
        .where(
            events.c.outcome == Outcome.RENDER,
            events.c.has_inputs,
            events.c.width.is_not(None),
            events.c.height.is_not(None),
        )
        .distinct()
    )
    small, large = variants.cte("small"), variants.cte("large")
    same = and_(
        small.c.provider == large.c.provider,
        small.c.template == large.c.template,
        small.c.high == large.c.high,
        small.c.low == large.c.low,
        large.c.width * 2 >= small.c.width * 3,
        100 * func.abs(small.c.width * large.c.height - large.c.width * small.c.height)
        <= large.c.width * small.c.height,
    )
    columns = (
        small.c.provider,
        small.c.template,
        small.c.width,
        small.c.height,
        large.c.width.label("large_width"),
        large.c.height.label("large_height"),
    )
    return frame_of(
        case.facts.engine.run(select(*columns, func.count().label("inputs")).join(large, same).group_by(*columns))
    )


def _sizes(case: Case) -> pd.DataFrame:
    """unit, width, height: requests that delivered this size, and their bytes."""
    columns = (events.c.unit, events.c.width, events.c.height)
    return frame_of(
        case.facts.engine.run(
            select(
                *columns,
                func.sum(events.c.weight).label("requests"),
                func.sum(func.coalesce(events.c.bytes, 0) * events.c.weight).label("bytes"),
            )
            .where(
                events.c.outcome.in_([str(outcome) for outcome in DELIVERED]),
                events.c.width.is_not(None),
                events.c.height.is_not(None),
            )
            .group_by(*columns)
        )
    )
