"""What pages loaded, in the words of every report."""

from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import UNSET, UnsetType

from auditor.model.words import image_words, plural
from auditor.results.page_images import PageImages
from auditor.results.report import Window

MOST_GROUPS = 20
"""Hosts and formats whose images are listed."""


def span(window: Window, when: Callable[[datetime], str], loaded: PageImages | UnsetType = UNSET) -> str:
    """The time that a report is about; where there is no event, that of what pages *loaded*."""
    if window.start and window.end:
        return f"{when(window.start)} to {when(window.end)}"
    if loaded is not UNSET:
        return f"Pages loaded {when(loaded.start)} to {when(loaded.end)}, no event"
    return "No event"


def loaded_rows(loaded: PageImages) -> list[list[str]]:
    """What pages loaded: from where, as what, images and their bytes; those of most bytes first."""
    found = [(" ".join(each.subject.values()), name, use) for each in loaded.of for name, use in each.formats.items()]
    found.sort(key=lambda row: -row[2].bytes)
    return [[source, name, f"{use.images:,}", f"{use.bytes:,}"] for source, name, use in found]


def loaded_words(loaded: PageImages) -> Iterator[str]:
    """What the log tells of caching and of the shown size, and the heaviest images, a sentence each."""
    many, known, shown = loaded.images, loaded.headers_known, loaded.shown_size_known
    unknown = f"; unknown for {many - known:,}, whose headers the log lacks" if known < many else ""
    stated = f"stated for {loaded.lifetime_stated:,} of {plural(known, 'image')}{unknown}"
    yield f"Cache lifetime {stated if known else 'unknown: the log has no headers of answers'}."
    told = f"known for {shown:,} of {plural(many, 'image')}" if shown else "unknown: no request has Sec-CH-Width"
    yield f"Width on the page {told}."
    for place, image in enumerate(loaded.heaviest):
        size = image_words(image.request, image.bytes, image.format, image.width, image.height, image.shown_width)
        yield f"{'Then' if place else 'Heaviest:'} {' '.join(image.subject.values())} {size}."
