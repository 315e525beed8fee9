"""What a request line says, its key, or why it has none or is not an event."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.outcome import Filtered
from auditor.model.endpoints import Seen
from auditor.model.events import Outcome, Unknown
from auditor.model.fingerprint import FOREIGN_PREFIX, canonical


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a request line says: the fields that all of its exchanges share."""

    provider: str
    account: str
    environment: str
    template: str
    key: str | None
    """None where the log does not hold what it depends on, so that each exchange has one of its own."""
    otherwise: Outcome = Outcome.RENDER
    """A good answer of which no cache field tells."""
    template_version: str | None = None
    placement: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    inputs: Mapping[str, str] | None = field(default=None, hash=False)
    assumed: tuple[Assumption, ...] = ()
    typed: bool = True
    """Whether the media type tells if an answer is an image: not at a provider's own endpoint."""
    redirects: Outcome | None = None
    """What a 3xx stands for; None filters it."""
    duration_unit: str | None = None
    """The unit of durations, as the table says."""
    unknown: Unknown | None = None
    """Why there is no key."""
    credits: Decimal | None = Decimal(1)
    """What a render costs where its answer does not say; None where that is unknown."""
    deduplicated: bool = False
    """Whether the provider serves the same call again without billing it."""
    unrendered: str | None = None
    """The placeholder that stands in it, as `auditor.exchanges.unrendered` writes it."""


class Lack(NamedTuple):
    """What keeps a request from having a key."""

    unknown: Unknown
    assumed: Assumption


COUNT = Lack(Unknown.COUNT, Assumption.COUNT)
NO_BODY = Lack(Unknown.NO_BODY, Assumption.NO_BODY)
MASKED_BODY = Lack(Unknown.NO_BODY, Assumption.MASKED)
MASKED_ADDRESS = Lack(Unknown.NO_INPUTS, Assumption.MASKED)


class LeftOut(NamedTuple):
    """A request of an account's that is not an event, and why."""

    why: Filtered
    payer: tuple[str, str]
    """(provider, account)."""


def key_of(provider: str, identity: str) -> str:
    """A key that no event of another identity has."""
    return digest_of([provider, identity])


def content_of(seen: Seen) -> list[bytes] | None:
    """What keys a call; None where its body is unknown, or no such request can be made of it."""
    version = [] if seen.template_version is None else [seen.template_version.encode()]
    try:
        return [canonical(seen.overrides), canonical(dict(seen.options)), *version] if seen.told else None
    except ValueError:
        return None


def digest_of(parts: Sequence[str | bytes]) -> str:
    """`f1:` and SHA-256 of the length-prefixed parts."""
    data = [part if isinstance(part, bytes) else part.encode(errors="backslashreplace") for part in parts]
    return FOREIGN_PREFIX + hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in data)).hexdigest()
