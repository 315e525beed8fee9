"""What a cache keeps, how it looks outside this process, and what a store has to offer.

Keys are fingerprints: provider, account and environment are in them, so that no two accounts ever share an image. The
group of a key stands for its template, so that a template can be emptied; both are keyed hashes and tell nothing.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol

import orjson

from auditor.model.provider import MEDIA_TYPES, Picture

AHEAD = 60.0
"""Seconds that another host's clock may be ahead of ours."""
_ADDRESS = re.compile(r"https?://[!-~]+")
_KEY = re.compile(r"k1:[0-9a-f]{64}")


class Slot(NamedTuple):
    """The place of one image."""

    group: str
    key: str
    secret: bytes = b""
    """What entries are sealed with outside this process; never shown."""

    def __repr__(self) -> str:
        return f"Slot(group={self.group!r}, key={self.key!r})"


@dataclass(frozen=True, slots=True)
class Entry:
    """An image and how long it may be served, in seconds since 1970; of one that is only told of, not at all."""

    picture: Picture = field(repr=False)
    digest: str | None = None
    """`sha256:…` of the bytes, as events carry it."""
    size: int | None = None
    """Bytes of the image; None where it was delivered as an address."""
    stored_at: float = 0.0
    expires_at: float = 0.0
    spare_until: float = 0.0
    """Until when it may stand in for a render that fails; stores keep it until then, or until it expires."""

    @classmethod
    def of(cls, picture: Picture, stored_at: float = 0.0, expires_at: float = 0.0, spare_until: float = 0.0) -> "Entry":
        """The entry of an image that was just rendered."""
        content = picture.content
        if content is None:
            return cls(picture, None, None, stored_at, expires_at, spare_until)
        return cls(picture, digest_of(content), len(content), stored_at, expires_at, spare_until)

    @property
    def ends(self) -> float:
        """When it is of no use any more."""
        return max(self.expires_at, self.spare_until)

    def sound(self, now: float, longest: float) -> bool:
        """Whether it is one that this process could have stored, *longest* seconds being the largest TTL it gives.

        A clock that was ahead would have it served for years; a foreign type or a line break would go to browsers.
        """
        url = self.picture.url
        return (
            self.picture.media_type in MEDIA_TYPES
            and self.stored_at <= now + AHEAD
            and self.expires_at - self.stored_at <= longest + 1  # floats of today are exact to less than a second
            and (url is None or _ADDRESS.fullmatch(url) is not None)
        )


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

    async def delete(self, key: str) -> int:
        """Forget a key, whatever its group; how many entries that were."""

    async def ping(self) -> None:
        """Raise if the store cannot be reached."""
        return

    async def close(self) -> None:
        """Let go of connections; the next use makes new ones."""
        return

    def forked(self) -> None:
        """Forget what belongs to the process before a fork, and close nothing of it."""


class Lease(Protocol):
    """Of a store that many hosts share: who of them makes the call."""

    lease_seconds: float

    async def acquire(self, slot: Slot, token: str, seconds: float | None = None) -> bool:
        """Whether *token* now holds the lease, for `lease_seconds` or as long as is asked for."""

    async def renew(self, slot: Slot, token: str) -> bool:
        """Hold it longer; False if it was lost."""

    async def release(self, slot: Slot, token: str) -> None:
        """Give it back, only if it is still one's own."""

    async def look(self, slot: Slot) -> tuple[Entry | None, bool]:
        """(the entry, whether the lease is held), in one round trip."""


MAGIC = b"RA2\n"
"""The first bytes of an entry outside this process."""
_SEALED = len(MAGIC) + 4
_HEAD = _SEALED + 32


def encode(slot: Slot, entry: Entry) -> bytes:
    """Magic, length of the head, its seal, the head as JSON, the bytes. Not pickled: what comes back is only ever data.

    The seal is a MAC by the slot's secret, so that write access to the store is not enough to make an entry; the bytes
    are bound to the head by their digest.
    """
    picture = entry.picture
    body = picture.content or b""
    head = orjson.dumps(
        {
            "key": slot.key, "length": len(body), "has_bytes": picture.content is not None, "url": picture.url,
            "media_type": picture.media_type, "format": picture.format, "width": picture.width,
            "height": picture.height, "ends": picture.expires_at, "digest": entry.digest,
            "stored_at": entry.stored_at, "expires_at": entry.expires_at, "spare_until": entry.spare_until,
        }
    )  # fmt: skip
    return b"".join((MAGIC, len(head).to_bytes(4), _seal(slot.secret, head), head, body))


def decode(slot: Slot, data: bytes) -> Entry | None:
    """The entry, or None if a byte of it is not what was written, by us, for this key."""
    end = _HEAD + int.from_bytes(data[len(MAGIC) : _SEALED])
    if not hmac.compare_digest(_seal(slot.secret, data[_HEAD:end]), data[_SEALED:_HEAD]):
        return None
    return opened(data, slot.key)


def opened(data: bytes, key: str | None = None) -> Entry | None:
    """The entry of an encoded file, whatever its seal, of any key or only of *key*; None if it is damaged."""
    end = _HEAD + int.from_bytes(data[len(MAGIC) : _SEALED])
    body = data[end:]
    try:
        facts = orjson.loads(data[_HEAD:end])
        if data[: len(MAGIC)] != MAGIC or facts["length"] != len(body) or key not in (None, facts["key"]):
            return None
        if facts["has_bytes"] and digest_of(body) != facts["digest"]:
            return None
        picture = Picture(
            body if facts["has_bytes"] else None, facts["url"], facts["media_type"], facts["format"],
            facts["width"], facts["height"], facts["ends"], Decimal(0),
        )  # fmt: skip
        times = (facts["stored_at"], facts["expires_at"], facts["spare_until"])
    except (ValueError, LookupError, TypeError):
        return None
    return Entry(picture, facts["digest"], len(body) if facts["has_bytes"] else None, *times)


def is_key(text: object) -> bool:
    """Whether it is a fingerprint, as `Rendered.key` has it."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


def _seal(secret: bytes, head: bytes) -> bytes:
    return hashlib.blake2b(head, key=secret, person=b"auditor entry", digest_size=32).digest()


def digest_of(content: bytes) -> str:
    """The event's `digest`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
