"""short-cache-lifetime: browsers may not keep an image, or not for long, and load it again at the next visit.

What it does
    Reads the headers of the answers in a browser's HAR file as a browser does (RFC 9111): `Cache-Control` with
    `max-age`, `no-cache` and `no-store`, else `Expires`. Images are counted by what they lack: *unstated* (neither
    header, so that each browser guesses), *stale* (forbidden, or over at once), *short* (less than `least`). Answers
    without any header in the file, and those to other methods than GET, are unknown and left out, and so are images of
    less than 4096 bytes, such as tracking pixels. Bytes of a finding are what was loaded of these images.
    Images that no provider or `[sources]` table knows count by their media type and are grouped by host: no renders, no
    credits.

Why it matters
    A visitor who comes back loads them again, and so does the next page; each load asks your server or the provider.

Example
    img   /img/hero.png   Cache-Control: max-age=60   loaded again at each visit

How to fix
    Give each version of an image an address of its own and answer with `Cache-Control: public, max-age=31536000,
    immutable`. Google's PageSpeed Insights recommends a week at least for what hardly changes. Keep it short where the
    address stays and the image changes.

Options

"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from auditor.analysis.case import Case, Rule
from auditor.analysis.downloads import Downloaded, by_subject
from auditor.analysis.pictures import SMALLEST
from auditor.model.events import UNSTATED
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.options import Option
from auditor.model.words import plural, ttl_words


@dataclass(frozen=True, slots=True)
class Options:
    """`[rules.short-cache-lifetime]`."""

    least: Annotated[timedelta, Option("how long browsers should keep an image")] = timedelta(days=7)


class ShortCacheLifetime(Rule):
    """One finding for each template with an image that browsers may not keep for long."""

    id = "short-cache-lifetime"
    Options = Options
    summary = "browsers may not keep images, or not for long (HAR)"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Of several answers with one image the shortest lifetime counts."""
        least = case.facts.settings.options_of(self.id, Options).least
        known = [
            image for image in case.facts.downloads if image.lifetime_s is not None and (image.bytes or 0) >= SMALLEST
        ]
        for subject, group in by_subject(case.facts, known):
            lifetimes = {image.row: image.lifetime_s or 0 for image in group}
            brief = [image for image in group if timedelta(seconds=lifetimes[image.row]) < least]
            if not brief:
                continue
            seconds = [lifetimes[image.row] for image in brief]
            unstated, stale = seconds.count(UNSTATED), seconds.count(0)
            lacks = {"without a lifetime": unstated, "stale at once": stale, "short": len(brief) - unstated - stale}
            loaded = sum(image.fetched_bytes for image in brief)
            largest = max(brief, key=lambda image: image.bytes or 0)
            request = case.requests([largest.row]).get(largest.row)
            yield Finding(
                rule=self.id,
                severity=severity_of(loaded, case.facts.loaded_bytes),
                confidence=Confidence.MEDIUM,
                subject=subject,
                message=f"browsers may keep {len(brief):,} of {plural(len(group), 'image')} for less than "
                f"{ttl_words(least // timedelta(microseconds=1))}: "
                + ", ".join(f"{images:,} {lack}" for lack, images in lacks.items() if images)
                + (f"; largest {request}" if request else ""),
                advice="Answer with Cache-Control: public, max-age=31536000, immutable, and change the address when "
                "the image changes",
                bytes=loaded,
                evidence={
                    "least_seconds": least // timedelta(seconds=1),
                    "images": len(group),
                    "unstated": unstated,
                    "stale": stale,
                    "short": lacks["short"],
                    "shortest_seconds": min((each for each in seconds if each > 0), default=None),
                    "largest": {"request": request, "bytes": largest.bytes, "lifetime_seconds": _told(largest)},
                },
            )


def _told(image: Downloaded) -> int | None:
    return None if image.lifetime_s == UNSTATED else image.lifetime_s
