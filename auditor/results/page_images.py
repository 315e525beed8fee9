"""Page images: what the pages of a browser's log loaded, whether a rule finds something in it or not."""

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from auditor.analysis.case import Case
from auditor.analysis.downloads import Downloaded, by_subject, heaviest
from auditor.model.events import UNSTATED
from auditor.model.plans import moment
from auditor.results.document import Count, Some, Subject, Time


class FormatUse(Struct, frozen=True):
    """The images of one format."""

    images: Some
    bytes: Count
    """Loaded over the network, each time."""


class ImagesOf(Struct, frozen=True):
    """The images of one host, or of one template of a provider."""

    subject: Subject
    formats: dict[str, FormatUse]
    """By format, `unknown` where the log does not tell it."""


class PageImage(Struct, frozen=True, kw_only=True):
    """One image. Null is unknown."""

    subject: Subject
    request: str | None
    """Its path, and the names of its parameters."""
    bytes: Count
    format: str | None
    width: Count | None
    height: Count | None
    shown_width: Count | None
    """Pixels of the screen."""


class PageImages(Struct, frozen=True, kw_only=True):
    """What pages loaded over the network. Images are counted once each, bytes each time."""

    start: Time
    """When the first of them was asked for."""
    end: Time
    images: Some
    bytes: Count
    headers_known: Count
    """Images of whose answers the log has headers."""
    lifetime_stated: Count
    """Those of them whose `Cache-Control` or `Expires` says for how long browsers may keep them."""
    shown_size_known: Count
    """Images of which the log tells how wide pages show them."""
    of: tuple[ImagesOf, ...]
    heaviest: tuple[PageImage, ...]


def page_images(case: Case) -> PageImages | None:
    """The images that pages loaded; None for logs of which no browser tells any."""
    fetched = [image for image in case.facts.downloads if image.fetched]
    if not fetched:
        return None
    groups = list(by_subject(case.facts, fetched))
    subjects = {(image.unit, image.host): subject for subject, group in groups for image in group}
    chosen = heaviest(fetched)
    requests = case.requests([image.row for image in chosen])
    known = [image for image in fetched if image.lifetime_s is not None]
    return PageImages(
        start=moment(min(image.first_us for image in fetched)),
        end=moment(max(image.last_us for image in fetched)),
        images=len(fetched),
        bytes=sum(image.fetched_bytes for image in fetched),
        headers_known=len(known),
        lifetime_stated=sum(image.lifetime_s != UNSTATED for image in known),
        shown_size_known=sum(image.shown_width is not None for image in fetched),
        of=tuple(ImagesOf(subject, _formats(group)) for subject, group in groups),
        heaviest=tuple(
            PageImage(
                subject=subjects[image.unit, image.host],
                request=requests.get(image.row),
                bytes=image.bytes or 0,
                format=image.format,
                width=image.width,
                height=image.height,
                shown_width=image.shown_width,
            )
            for image in chosen
        ),
    )


def _formats(images: Iterable[Downloaded]) -> dict[str, FormatUse]:
    found: dict[str, list[Downloaded]] = defaultdict(list)
    for image in images:
        found[image.format or "unknown"].append(image)
    return {
        name: FormatUse(len(found[name]), sum(image.fetched_bytes for image in found[name])) for name in sorted(found)
    }
