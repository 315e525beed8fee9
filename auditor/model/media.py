"""Which media types are images: one table for foreign logs, metered clients and metered functions (semantics 11)."""

import re

_UNKNOWN = frozenset({"application/octet-stream", "binary/octet-stream"})
"""Types that servers write where they know none."""
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.ASCII)


def media_type_of(header: str | None) -> str:
    """`image/png` of a `Content-Type` such as `Image/PNG; charset=binary`; empty where there is none."""
    return (header or "").partition(";")[0].strip().lower()


def is_picture(media_type: str) -> bool | None:
    """Whether an answer of this type, as `media_type_of` gives it, is an image; None where the type does not tell."""
    if media_type in _UNKNOWN or not _MEDIA_TYPE.fullmatch(media_type):
        return None
    return media_type.startswith("image/") or media_type == "application/pdf"


def tells_size(status: int | None, media_type: str) -> bool:
    """Whether the bytes of an answer are those of one whole image: 200 or 201, and not known to be anything else."""
    return status in (200, 201) and is_picture(media_type) is not False
