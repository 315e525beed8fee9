"""oversized-outputs: images are delivered with more pixels than the place where they are shown.

What it does
    Compares each image with the limit of its template, else of its placement, and estimates the wasted bytes:
    s = min(1, max_w x D / W, max_h x D / H), wasted = bytes x (1 - s^2), rounded half up image by image. Images
    that waste less than 4096 bytes are left out, and so are svg and pdf. Where there is no limit, the width counts at
    which a browser asked for the image (`Sec-CH-Width` in a HAR file, device pixels), the widest of several; the
    evidence then has that of the largest image. Images in a HAR file that no provider or `[sources]` table knows are
    grouped by host.

Why it matters
    Wasted pixels are stored, sent and decoded again and again. With equal aspect ratios the figure is Lighthouse's.

Example
    product_card, limit 400 px wide, delivered 1600 x 1200, 420,000 bytes: 393,750 bytes are wasted

How to fix
    Render at the size that is shown (times the device pixel ratio), or let the template have a smaller variant.
    It is an estimate, since bytes are not proportional to pixels: measure before you promise a figure.

Options
    [limits.templates.NAME] or [limits.placements.NAME] with width, height (CSS px) and dpr
    [prices] egress_per_gb and storage_per_gb_month turn bytes into money; unset means unknown, not free

"""

from collections.abc import Iterable
from decimal import Decimal

from auditor.analysis.case import Case, Rule
from auditor.analysis.downloads import by_subject
from auditor.analysis.oversized import SCALE, beyond_shown, oversized, placements
from auditor.analysis.pictures import by_place, price_of_bytes
from auditor.analysis.placements import limit_for
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.numbers import number
from auditor.model.settings import Limit
from auditor.model.words import plural


class OversizedOutputs(Rule):
    """One finding for each template and placement."""

    id = "oversized-outputs"
    summary = "images have more pixels than the place where they are shown"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Bytes of a finding are the delivered ones."""
        chosen = _limits(case)
        sides = {
            at: (_scaled(each.width, each.dpr * SCALE), _scaled(each.height, each.dpr * SCALE))
            for at, each in chosen.items()
        }
        found = oversized(case.facts, sides) if sides else []
        images = [
            image
            for image in case.facts.downloads
            if image.unit is not None and (image.unit, image.placement) not in chosen
        ]
        for image, one in sorted(beyond_shown(images), key=lambda pair: pair[1].largest):
            found.append(one)
            chosen[one.unit, one.placement] = Limit(width=Decimal(image.shown_width or 0), source="Sec-CH-Width")
        yield from self._loaded(case)
        whole = case.facts.delivered_bytes
        for (provider, template, placement), group in by_place(case.facts, found).items():
            most = max(group, key=lambda each: tuple(each.largest))
            wasted, size, width, height = most.largest
            limit = chosen[most.unit, placement]
            lost, requests = sum(each.delivered for each in group), sum(each.requests for each in group)
            subject = {"provider": provider, "template": template}
            yield Finding(
                rule=self.id,
                severity=severity_of(lost, whole),
                confidence=Confidence.MEDIUM,
                subject=subject | ({"placement": placement} if placement else {}),
                message=f"{plural(requests, 'request')} delivered more pixels than are shown, some "
                f"{plural(lost, 'byte')} wasted",
                advice=f"Render at {_shown(limit)} instead of {width} x {height}",
                bytes=lost,
                money=price_of_bytes(case.facts, group, lost),
                evidence={
                    "stored_wasted_bytes": sum(each.stored for each in group),
                    "delivered_wasted_bytes": lost,
                    "pictures": sum(each.pictures for each in group),
                    "requests": requests,
                    "limit": {
                        "width": None if limit.width is None else number(limit.width),
                        "height": None if limit.height is None else number(limit.height),
                        "dpr": number(limit.dpr),
                        "source": limit.source,
                    },
                    "largest": {"width": width, "height": height, "bytes": size, "wasted_bytes": wasted},
                },
            )

    def _loaded(self, case: Case) -> Iterable[Finding]:
        """Of images that no account rendered, one finding for each host."""
        wasted = dict(beyond_shown(image for image in case.facts.downloads if image.unit is None))
        for subject, group in by_subject(case.facts, wasted):
            lost = sum(wasted[image].delivered for image in group)
            most = max(group, key=lambda image: wasted[image].largest)
            request = case.requests([most.row]).get(most.row)
            yield Finding(
                rule=self.id,
                severity=severity_of(lost, case.facts.loaded_bytes),
                confidence=Confidence.MEDIUM,
                subject=subject,
                message=f"{plural(len(group), 'image')} had more pixels than the page showed, "
                f"some {plural(lost, 'byte')} wasted; most for {request}",
                advice=f"Serve it {most.shown_width} px wide instead of {most.width}, as srcset and sizes do",
                bytes=lost,
                evidence={
                    "images": len(group),
                    "delivered_wasted_bytes": lost,
                    "largest": {
                        "request": request,
                        "width": most.width,
                        "height": most.height,
                        "shown_width": most.shown_width,
                        "bytes": most.bytes,
                        "wasted_bytes": wasted[most].largest[0],
                    },
                },
            )


def _limits(case: Case) -> dict[tuple[int, str], Limit]:
    """(unit, placement) -> limit, for those that have one."""
    return {
        (unit, placement): limit
        for unit, placement in placements(case.facts)
        if (limit := limit_for(case.facts.settings, case.facts.units[unit].template, placement)) is not None
    }


def _scaled(side: Decimal | None, by: Decimal) -> int | None:
    return None if side is None else int(side * by)


def _shown(limit: Limit) -> str:
    sides = [f"{number(side * limit.dpr)} px" if side is not None else "" for side in (limit.width, limit.height)]
    if all(sides):
        return " x ".join(sides)
    return f"{sides[0]} wide" if sides[0] else f"{sides[1]} high"
