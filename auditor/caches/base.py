"""What a cache keeps, how it looks outside this process, and what a store has to offer.

Keys are fingerprints: provider, account and environment are in them, so that no two accounts ever share a picture. The
group of a key stands for its template, so that a template can be emptied; both are keyed hashes and tell nothing.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol

import orjson

from auditor.providers.base import Picture


class Slot(NamedTuple):
    """The place of one picture."""

    group: str
    key: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture and how long it may be served, in seconds since 1970."""

    picture: Picture = field(repr=False)
    digest: str | None
    """`sha256:…` of the bytes, as events carry it."""
    size: int | None
    """Bytes of the picture; None where it was delivered as an address."""
    stored_at: float
    expires_at: float

    @classmethod
    def of(cls, picture: Picture, stored_at: float, expires_at: float) -> "Entry":
        """The entry of a picture that was just rendered."""
        content = picture.content
        if content is None:
            return cls(picture, None, None, stored_at, expires_at)
        return cls(picture, digest_of(content), len(content), stored_at, expires_at)


class Cache(Protocol):
    """A store of entries. Stores that wait for something do so in `async` methods, run in one background loop."""

    name: str
    timeout: float
    """Seconds that one operation may take before it counts as failed."""

    @classmethod
    def from_url(cls, url: str, clock: Callable[[], float] = time.time) -> "Cache":
        """The store that a URL names; *clock* gives seconds since 1970."""

    async def get(self, slot: Slot) -> Entry | None:
        """The entry, alive or not; None if there is none or if it is damaged."""

    async def put(self, slot: Slot, entry: Entry) -> None:
        """Keep an entry until it expires."""

    async def purge(self, group: str) -> int:
        """Forget a group; how many entries that were."""

    async def ping(self) -> None:
        """Raise if the store cannot be reached."""

    async def close(self) -> None:
        """Let go of connections; the next use makes new ones."""

    def forked(self) -> None:
        """Forget what belongs to the process before a fork, and close nothing of it."""


class Lease(Protocol):
    """Of a store that many hosts share: who of them makes the call."""

    lease_seconds: float

    async def acquire(self, slot: Slot, token: str) -> bool:
        """Whether *token* now holds the lease, for `lease_seconds`."""

    async def renew(self, slot: Slot, token: str) -> bool:
        """Hold it longer; False if it was lost."""

    async def release(self, slot: Slot, token: str) -> None:
        """Give it back, only if it is still one's own."""

    async def look(self, slot: Slot) -> tuple[Entry | None, bool]:
        """(the entry, whether somebody holds the lease), in one round trip."""


MAGIC = b"RA1\n"
"""The first bytes of an entry outside this process."""


def encode(slot: Slot, entry: Entry) -> bytes:
    """Magic, length of the head, the head as JSON, the bytes. Not pickled: what comes back is only ever data."""
    picture = entry.picture
    body = picture.content or b""
    head = orjson.dumps(
        {
            "key": slot.key, "length": len(body), "has_bytes": picture.content is not None, "url": picture.url,
            "media_type": picture.media_type, "format": picture.format, "width": picture.width,
            "height": picture.height, "ends": picture.expires_at, "digest": entry.digest,
            "stored_at": entry.stored_at, "expires_at": entry.expires_at,
        }
    )  # fmt: skip
    seal = hashlib.sha256(head).digest()
    return b"".join((MAGIC, len(head).to_bytes(4), seal, head, body))


def decode(slot: Slot, data: bytes) -> Entry | None:
    """The entry, or None if a single byte of it is not what was written, or was written for another key."""
    return opened(data, slot.key)


def opened(data: bytes, key: str | None = None) -> Entry | None:
    """The entry of an encoded file, whatever its key or only that of *key*; None if it is damaged."""
    end = 40 + int.from_bytes(data[4:8])
    head, body = data[40:end], data[end:]
    if data[:4] != MAGIC or hashlib.sha256(head).digest() != data[8:40]:
        return None
    facts = orjson.loads(head)
    if facts["length"] != len(body) or key not in (None, facts["key"]):
        return None
    if facts["has_bytes"] and digest_of(body) != facts["digest"]:
        return None
    picture = Picture(
        body if facts["has_bytes"] else None, facts["url"], facts["media_type"], facts["format"],
        facts["width"], facts["height"], facts["ends"], Decimal(0),
    )  # fmt: skip
    size = len(body) if facts["has_bytes"] else None
    return Entry(picture, facts["digest"], size, facts["stored_at"], facts["expires_at"])


def digest_of(content: bytes) -> str:
    """The event's `digest`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
