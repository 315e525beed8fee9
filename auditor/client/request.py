"""One request: what is asked for, and what its caller gets.

They are named tuples: they are made on the way of every memory hit, where a frozen dataclass costs four times as much.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from auditor.caches import Entry, Slot
from auditor.model.events import Outcome
from auditor.model.provider import MEDIA_TYPES

FREE = Decimal(0)


class Lives(NamedTuple):
    """How long images may be served, in seconds, by the source of a request and by template."""

    sources: Mapping[str, float]
    templates: Mapping[str, float]
    stale: float
    """How much longer they may stand in for a render that fails."""


class Request(NamedTuple):
    """A request, with the bytes that are hashed, sent, and digested for its event."""

    template: str
    slot: Slot
    body: bytes
    options: Mapping[str, Any]
    template_version: str | None
    placement: str | None
    source: str
    ttl: float
    """How long its image may be served, in seconds."""
    stale: float = 0.0
    """How much longer it may stand in for a render that fails, in seconds."""
    refresh: bool = False
    """Whether to render whatever the cache holds."""

    @property
    def flight(self) -> str:
        """What it shares a call with: a render that was asked for shares none with one that may find an image."""
        return f"{self.slot.key}!" if self.refresh else self.slot.key

    def __repr__(self) -> str:
        return f"Request(template={self.template!r}, key={self.slot.key!r})"  # no input value


class Rendered(NamedTuple):
    """What a caller gets: the image, or its address, and how it came about."""

    entry: Entry
    outcome: Outcome
    """`render`, `hit` or `coalesced`."""
    key: str
    """The fingerprint of the request."""
    credits: Decimal
    """What this request cost; 0 for a hit."""

    @property
    def content(self) -> bytes:
        """The image. `ValueError` where the provider keeps it: then `url` says where."""
        content = self.entry.picture.content
        if content is None:
            raise ValueError("this image was delivered as an address; use .url, or ask for delivery='stream'")
        return content

    @property
    def url(self) -> str | None:
        """The address of a hosted or signed image."""
        return self.entry.picture.url

    @property
    def media_type(self) -> str:
        """As `image/png`."""
        return self.entry.picture.media_type

    @property
    def format(self) -> str | None:
        """As `png`."""
        return self.entry.picture.format

    @property
    def width(self) -> int | None:
        """In px, as the bytes say."""
        return self.entry.picture.width

    @property
    def height(self) -> int | None:
        """In px, as the bytes say."""
        return self.entry.picture.height

    @property
    def etag(self) -> str:
        """A strong validator, RFC 9110 section 8.8.3."""
        tag = (self.entry.digest or self.key).rpartition(":")[2][:32]
        return f'"{tag}"' if tag.isalnum() and tag.isascii() else '""'

    def cache_headers(self, now: float, *, public: bool = True) -> dict[str, str]:
        """`Content-Type`, `Cache-Control` and `ETag` of the answer that carries this image to a browser or CDN.

        *now* is in seconds since 1970; `max-age` is what is left of the entry's life.
        """
        left = max(0, int(self.entry.expires_at - now))
        scope = "public" if public else "private"
        # Whatever a user's own store gave: no browser is told to run it, and no header ends in the middle.
        kind = self.media_type if self.media_type in MEDIA_TYPES else "application/octet-stream"
        return {"Content-Type": kind, "Cache-Control": f"{scope}, max-age={left}", "ETag": self.etag}

    def not_modified(self, if_none_match: str | None) -> bool:
        """Whether a request with this `If-None-Match` may be answered with 304 and no body."""
        if if_none_match is None:
            return False
        offered = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        return "*" in offered or self.etag in offered
