"""Exchange: one request and its answer, as far as a foreign log tells. What the log does not tell is None."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from auditor.exchanges.units import Took
from auditor.model.events import UsageEvent


class Try(NamedTuple):
    """A call to an upstream that did not give the answer: the server behind it was asked next."""

    status: int | None
    duration_us: int | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """Times are microseconds since 1970 UTC, durations microseconds."""

    ts_us: int
    """When the request began: formats that stamp the end have taken the duration off, where they know it."""
    method: str
    target: str
    """As it was sent: path and query, or a whole address. Secrets in it go no further than `Mapper`."""
    body: bytes | None = field(default=None, repr=False)
    """What the request carried; None where the log does not tell, empty where it carried nothing."""
    host: str | None = None
    status: int | None = None
    """None where no answer came: the connection broke, or the client went away."""
    bytes: int | None = None
    """Of the body, where the log tells it apart from the headers."""
    duration_us: int | None = None
    took: Took = ()
    """Durations of which the record does not tell the unit."""
    unread: str | None = None
    """The field of a duration that is written in a way that is not read, where no other tells one."""
    cache: str | None = None
    """The field that says what a cache did, as logged; None where the log has no such field."""
    media_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Those of the answer that say what the call cost, by names in lower case, as far as the log has them."""
    failure: str | None = field(default=None, repr=False)
    """What the log says of a request that has no answer."""
    id: str | None = None
    """Only an id that the log's writer makes unique, never one that callers may send along."""
    digest: str | None = None
    """`sha256:…` of the answer's body, where the log holds it."""
    width: int | None = None
    height: int | None = None
    environment: str | None = None
    """As the log names it."""
    page: str | None = None
    lifetime_s: int | None = None
    shown_width: int | None = None
    """These three as `UsageEvent` has them."""
    assumed_timezone: bool = False
    ended: bool = False
    """Whether `ts_us` is the end after all, since this record does not tell the duration."""
    tries: tuple[Try, ...] = ()
    """The calls before the one that was answered, in their order."""
    assumed: tuple[StrEnum, ...] = ()
    """What the record's reader took from where nothing names it."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An event that a row of a provider's export tells of."""

    event: UsageEvent
    took: Took = ()
    """Durations whose unit the row does not name."""
    id: str | None = None
    """The row's own, which is one only among those of its provider and account."""
    keyed: bool = True
    """Whether the row tells what its key is, so that it is not that of this row alone."""
    masked: bool = False
    """Whether a mask stands where it would tell."""
    assumed: tuple[StrEnum, ...] = ()
    """What the row's reader took from where nothing names it."""
