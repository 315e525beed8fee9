"""heavy-images: a page loads images that are larger than an image of a page needs to be.

What it does
    Looks at the images that a browser fetched over the network, as its HAR file tells, each once: those larger than
    `most`, with their format, their pixels and, where the browser sent it (Sec-CH-Width), the width at which the page
    shows them. The evidence has the formats of all of them, too. Bytes of a finding are what is beyond `most`.
    Images that no provider or `[sources]` table knows count by their media type and are grouped by host: no renders, no
    credits.

Why it matters
    Images are most of what a page weighs, and visitors on phones wait and pay for each byte.

Example
    img   3 of 24 images are larger than 200,000 bytes; largest /img/hero.png (1,400,000 bytes, png, 2400 x 1600)

How to fix
    Render, or serve, at the size that is shown, and as webp or avif. `most` is a budget and no measurement, so
    confidence is low: `auditor inspect` measures what another format or size saves.

Options

"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from auditor.analysis.case import Case, Rule
from auditor.analysis.downloads import Downloaded, by_subject, heaviest
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.options import Option
from auditor.model.words import image_words, plural


@dataclass(frozen=True, slots=True)
class Options:
    """`[rules.heavy-images]`."""

    most: Annotated[int, Option("bytes that an image may have", least=1)] = 200_000


class HeavyImages(Rule):
    """One finding for each template with an image of too many bytes."""

    id = "heavy-images"
    Options = Options
    summary = "pages load images of more bytes than an image needs (HAR)"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Bytes of a finding are what is beyond the budget, for each download."""
        most = case.facts.settings.options_of(self.id, Options).most
        fetched = [image for image in case.facts.downloads if image.fetched]
        for subject, group in by_subject(case.facts, fetched):
            heavy = [image for image in group if (image.bytes or 0) > most]
            if not heavy:
                continue
            told = _told(case, heavy)
            how = "Serve" if "host" in subject else "Render"
            beyond = sum(max(0, image.fetched_bytes - image.fetched * most) for image in heavy)
            formats: dict[str, Counter[str]] = {}
            for image in group:
                of_format = formats.setdefault(image.format or "unknown", Counter())
                of_format.update(images=1, bytes=image.bytes or 0)
            yield Finding(
                rule=self.id,
                severity=severity_of(beyond, case.facts.loaded_bytes),
                confidence=Confidence.LOW,
                subject=subject,
                message=f"{len(heavy):,} of {plural(len(group), 'image')} {'is' if len(heavy) == 1 else 'are'} larger "
                f"than {plural(most, 'byte')}; largest {image_words(*told[0].values())}; formats: "
                + ", ".join(f"{name} {formats[name]['images']:,}" for name in sorted(formats)),
                advice=f"{how} at the size that is shown, as webp or avif; measure first with auditor inspect",
                bytes=beyond,
                evidence={
                    "most": most,
                    "images": len(group),
                    "heavy": len(heavy),
                    "heavy_bytes": sum(image.bytes or 0 for image in heavy),
                    "formats": {name: dict(formats[name]) for name in sorted(formats)},
                    "heaviest": told,
                },
            )


def _told(case: Case, heavy: list[Downloaded]) -> list[dict[str, Any]]:
    """The heaviest of some images, with their requests where the log tells them."""
    chosen = heaviest(heavy)
    requests = case.requests([image.row for image in chosen])
    names = ("bytes", "format", "width", "height", "shown_width")
    return [{"request": requests.get(image.row), **{name: getattr(image, name) for name in names}} for image in chosen]
