"""repeated-downloads: a page fetches the same image over the network more than once.

What it does
    Counts the answers with an image in one page load of a browser's HAR file (`pageref`) that came over the network,
    whether a CDN had the image or not: all but one for each image are too many. What the browser took from its own
    cache and what the server confirmed (304) does not count, and neither do entries that name no page. Images of which
    less than 4096 bytes were loaded too often are left out. Bytes of a finding are what was loaded too often.
    Images that no provider or `[sources]` table knows count by their media type and are grouped by host: no renders, no
    credits.

Why it matters
    The visitor waits and pays for the same bytes twice, and your server or CDN sends them twice. `duplicate-renders` is
    about what was rendered twice; this is about what was sent twice.

Example
    page_1   /img/hero.png   3 downloads of 400,000 bytes: 800,000 bytes too many

How to fix
    Let the answer be kept (no `no-store`, a `max-age`), use one address for one image, and do not fetch it with a
    script that bypasses the cache. Record the file with the browser's cache switched on: DevTools' "Disable cache"
    makes pages fetch images again.

Options

"""

from collections.abc import Iterable

from auditor.analysis.case import Case, Rule
from auditor.analysis.downloads import by_subject
from auditor.analysis.pictures import SMALLEST
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.words import plural


class RepeatedDownloads(Rule):
    """One finding for each template with an image that a page fetched again."""

    id = "repeated-downloads"
    summary = "a page fetches the same image over the network more than once (HAR)"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Of downloads that differ in size the largest is the one that was needed."""
        again = [image for image in case.facts.downloads if image.again_bytes >= SMALLEST]
        for subject, group in by_subject(case.facts, again):
            lost, times = sum(image.again_bytes for image in group), sum(image.again for image in group)
            most = max(group, key=lambda image: image.again_bytes)
            request = case.requests([most.row]).get(most.row)
            yield Finding(
                rule=self.id,
                severity=severity_of(lost, case.facts.loaded_bytes),
                confidence=Confidence.MEDIUM,
                subject=subject,
                message=f"pages fetched {plural(len(group), 'image')} again: {plural(times, 'download')} too many, "
                + plural(lost, "byte")
                + (f"; most for {request}" if request else ""),
                advice="Let browsers keep the image, and use one address for it",
                bytes=lost,
                evidence={
                    "images": len(group),
                    "downloads": times,
                    "most": {"request": request, "bytes": most.bytes, "downloads": most.again},
                },
            )
