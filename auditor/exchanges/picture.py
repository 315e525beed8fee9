"""Which answers of foreign logs are events, by the media types of `auditor.model.media` (semantics 11.2 and 11.3).

An answer that is known to be something else, a redirect, a part of a picture, and a request that never left are no
renders: they are filtered, and counted by their reason.
"""

import re
from enum import StrEnum

from auditor.model.events import DELIVERED, Outcome
from auditor.model.media import is_picture, media_type_of
from auditor.model.media import tells_size as is_whole

__all__ = ["Filtered", "is_picture", "left_out", "media_type_of", "tells_size"]

_NEVER_SENT = re.compile(
    r"blocked(?![_ -]?by[_ -]?(?:response|orb|corp))(?!.*(?:cors|cross[_ -]?origin|opaque))"
    r"|(?:cancel|abort)\w*.{0,40}\bbefore\b.{0,40}\bsen[dt]"
    r"|\b(?:not|never)[_ -]sent\b",
    re.IGNORECASE,
)
"""Browsers block a request before it leaves (`net::ERR_BLOCKED_BY_CLIENT`), or an answer that has come."""


class Filtered(StrEnum):
    """Why a line that a source fits is no event."""

    NOT_A_PICTURE = "not_a_picture"
    REDIRECT = "redirect"
    PARTIAL = "partial"
    NOT_SENT = "not_sent"


def tells_size(outcome: Outcome, status: int | None, media_type: str = "") -> bool:
    """Whether the answer's bytes, and their digest, are a whole picture's."""
    return outcome in DELIVERED and is_whole(status, media_type)


def left_out(
    status: int | None, media_type: str, failure: str | None, *, typed: bool, redirects: Outcome | None
) -> Filtered | None:
    """Why an answer is no event, None where it is one.

    *failure* is what the log says of a request without an answer. *typed* asks the media type, which says nothing at a
    provider's own endpoint. *redirects* is what a 3xx stands for; None filters it.
    """
    if not status:
        return Filtered.NOT_SENT if failure and _NEVER_SENT.search(failure) else None
    if typed and 200 <= status < 300 and is_picture(media_type) is False:
        return Filtered.NOT_A_PICTURE
    if 300 <= status < 400 and status != 304 and redirects is None:
        return Filtered.REDIRECT
    return Filtered.PARTIAL if status == 206 else None
