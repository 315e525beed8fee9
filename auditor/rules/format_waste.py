"""format-waste: images are delivered in a format that takes more bytes than another one for the same looks.

What it does
    Speaks only of images that `auditor inspect` measured (`--measured FILE`), which the digest of their bytes ties to
    the events: nothing is estimated and nothing is carried over to other images. Of each template and placement it
    names the one format that saves most over all of them, at the delivered size and at equal visual quality (SSIM;
    docs/inspect.md says how). Images that save less than 4096 bytes are left out, and so are animated ones.

Why it matters
    Bytes are stored, sent and waited for with every view. The same image as WebP or AVIF often takes a fraction.

Example
    product_card: 120 images as png, 300,000 bytes each; as webp at quality 85 they look the same with 52,000

How to fix
    Ask the provider for that format, or convert the image where it is stored. The evidence says how many of the
    images keep every pixel (lossless), how many are transparent, and how many are drawings of at most 256 colors.
    Link previews, mail and uploads (the built-in placements) get advice for JPEG and PNG alone.
    What right-sizing would save is measured beside it, as `right_sized`; the two overlap and do not add up.

Options

"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from auditor.analysis.case import Case, Rule
from auditor.analysis.pictures import SMALLEST, by_place, price_of_bytes
from auditor.analysis.placements import COMPATIBLE, PLACEMENTS
from auditor.analysis.saved import saved
from auditor.model.findings import Confidence, Finding, severity_of
from auditor.model.measurements import Measured, Trial
from auditor.model.options import Option
from auditor.model.words import plural

FORMATS = ("webp", "avif", "jpeg", "png")


@dataclass(frozen=True, slots=True)
class Options:
    """`[rules.format-waste]`."""

    formats: Annotated[tuple[str, ...], Option("what you can deliver", choices=FORMATS, called="format to advise")] = (
        FORMATS
    )


class FormatWaste(Rule):
    """One finding for each template and placement with measured images that another format makes smaller."""

    id = "format-waste"
    Options = Options
    summary = "images take more bytes than another format needs for the same looks (measured)"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Bytes of a finding are the delivered ones."""
        if not case.measured:
            return
        whole = case.facts.delivered_bytes
        found_at = by_place(case.facts, saved(case.facts, _trials(case)))
        for (provider, template, placement), group in found_at.items():
            allowed = set(case.facts.settings.options_of(self.id, Options).formats)
            if placement in PLACEMENTS:
                allowed &= COMPATIBLE
            totals: Counter[str] = Counter()
            for each in sorted(group, key=lambda each: each.format):
                if each.format in allowed:
                    totals[each.format] += each.delivered
            if not totals:
                continue
            best = min(totals, key=lambda name: (-totals[name], name))
            chosen = [each for each in group if each.format == best]
            pictures = [case.measured[at] for at in sorted({at for each in chosen for at in each.pictures})]
            lost, requests = totals[best], sum(each.requests for each in chosen)
            found = {one.digest: trial for one in pictures for trial in one.trials if trial.format == best}
            subject = {"provider": provider, "template": template}
            formats = " and ".join(sorted({picture.format for picture in pictures}))
            yield Finding(
                rule=self.id,
                severity=severity_of(lost, whole),
                confidence=Confidence.HIGH if all(trial.lossless for trial in found.values()) else Confidence.MEDIUM,
                subject=subject | ({"placement": placement} if placement else {}),
                message=f"{plural(requests, 'request')} delivered {formats} where {best} looks the same with "
                f"{plural(lost, 'byte')} less, measured on {plural(len(pictures), 'image')}",
                advice=_advice(best, list(found.values())),
                bytes=lost,
                money=price_of_bytes(case.facts, chosen, lost),
                evidence={
                    "stored_wasted_bytes": sum(each.stored for each in chosen),
                    "delivered_wasted_bytes": lost,
                    "pictures": len(pictures),
                    "requests": requests,
                    "format": best,
                    "lossless": sum(trial.lossless for trial in found.values()),
                    "transparent": sum(picture.alpha for picture in pictures),
                    "drawings": sum(picture.flat for picture in pictures),
                    "saved_by_format": dict(totals),
                    "right_sized": _right_sized(pictures, best),
                    "largest": _largest(pictures, found),
                },
            )


def _trials(case: Case) -> Iterator[tuple[str, int, str, int]]:
    """Every format that makes an image smaller by enough."""
    for place, picture in enumerate(case.measured):
        for trial in picture.trials:
            if picture.bytes - trial.bytes >= SMALLEST:
                yield picture.digest, place, trial.format, picture.bytes - trial.bytes


def _advice(name: str, found: Collection[Trial]) -> str:
    qualities = sorted({trial.quality for trial in found if trial.quality is not None})
    if not qualities:
        return f"Deliver {name}, lossless: every pixel stays"
    spread = f"{qualities[0]}" if len(qualities) == 1 else f"{qualities[0]} to {qualities[-1]}"
    kept = sum(trial.lossless for trial in found)
    return f"Deliver {name} at quality {spread} (lossy, equal by SSIM)" + (
        f"; {kept:,} of the images are smallest lossless" if kept else ""
    )


def _right_sized(pictures: Iterable[Measured], name: str) -> Mapping[str, int] | None:
    """Of images whose shown size is known: bytes now, and at that size in their own and in the best format."""
    sized = [picture for picture in pictures if picture.right_sized]
    if not sized:
        return None

    def smallest(picture: Measured, names: Collection[str]) -> int:
        return min([picture.bytes, *(trial.bytes for trial in picture.right_sized if trial.format in names)])

    return {
        "pictures": len(sized),
        "bytes": sum(picture.bytes for picture in sized),
        "bytes_at_shown_size": sum(smallest(picture, {picture.format}) for picture in sized),
        "bytes_at_shown_size_as_best_format": sum(smallest(picture, {name}) for picture in sized),
    }


def _largest(pictures: Iterable[Measured], found: Mapping[str, Trial]) -> dict[str, Any]:
    picture = max(pictures, key=lambda one: (one.bytes - found[one.digest].bytes, one.digest))
    trial = found[picture.digest]
    return {
        **{name: getattr(picture, name) for name in ("digest", "format", "width", "height", "bytes")},
        "bytes_then": trial.bytes,
        **{name: getattr(trial, name) for name in ("lossless", "quality", "ssim")},
    }
