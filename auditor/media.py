"""Which media types are images: one answer for logs, metered clients and metered functions (semantics section 11)."""

UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""Types that say nothing of what the bytes are."""


def media_type_of(header: str | None) -> str:
    """`image/png` of a `Content-Type` such as `Image/PNG; charset=binary`; empty where there is none."""
    return (header or "").partition(";")[0].strip().lower()


def is_image(media_type: str) -> bool | None:
    """Whether an answer of this type, as `media_type_of` gives it, is an image; None where the type does not tell."""
    if media_type in UNKNOWN:
        return None
    return media_type.startswith("image/") or media_type == "application/pdf"


def tells_size(status: int | None, media_type: str) -> bool:
    """Whether the bytes of an answer are those of one whole image: 200 or 201, and not known to be anything else."""
    return status in (200, 201) and is_image(media_type) is not False
