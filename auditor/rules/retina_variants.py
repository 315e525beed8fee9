"""retina-variants: the same image is rendered at two sizes, each for a credit.

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

from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.analysis.sizes import variants
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.words import plural


class RetinaVariants(Rule):
    """One finding for each template."""

    id = "retina-variants"
    summary = "the same image is rendered at two sizes where the larger would do"

    def findings(self, case: Case) -> Iterable[Finding]:
        """The pair of sizes that most inputs share stands in the evidence."""
        pairs = grouped(variants(case.facts), lambda pair: (pair.provider, pair.template))
        for (provider, template), group in pairs.items():
            most = min(
                group,
                key=lambda pair: (-pair.inputs, -pair.width, -pair.height, -pair.large_width, -pair.large_height),
            )
            yield Finding(
                rule=self.id,
                severity=severity_of(most.bytes, case.facts.delivered_bytes),
                confidence=Confidence.MEDIUM,
                subject={"provider": provider, "template": template},
                message=f"{plural(most.inputs, 'image')} rendered both at {most.width} x {most.height} and at "
                f"{most.large_width} x {most.large_height}",
                advice=f"Render {most.large_width} x {most.large_height} once and scale it down for the smaller place",
                bytes=most.bytes,
                evidence={
                    "smaller": {"width": most.width, "height": most.height},
                    "larger": {"width": most.large_width, "height": most.large_height},
                    "pictures": most.inputs,
                    "requests": most.requests,
                    "bytes": most.bytes,
                    "size_pairs": len(group),
                },
            )
