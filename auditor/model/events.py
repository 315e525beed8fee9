"""The usage event, schema version 1: the one vocabulary of client, ledger, formats and audits.

`auditor.model.event_reader` decides for every record whether it is an event or a rejection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum

SCHEMA_VERSION = 1
CREDIT_DECIMALS = 18
"""Decimal places that credits may have; more is `bad_value` rather than a rounded bill."""
EXACT = Context(prec=64)
"""In which any sum of credits keeps its digits; the usual context rounds to 28."""
MAX_SIDE, MAX_BYTES = 10**9, 10**12
"""No picture is larger; up to here sums of needless bytes are exact in 128 bits."""
AMBIGUOUS_STATUS = frozenset({408, 502, 504, *range(520, 528)})
"""Answers after which the provider may or may not have billed (semantics section 1)."""

MAX_COUNT = 10**15
MAX_DELIVERED = 10**18
"""Hits of one event, and their bytes: a ledger adds them in 64 bits."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_TS_US, MAX_TS_US = (
    (moment - EPOCH) // timedelta(microseconds=1)
    for moment in (datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
)
"""Of an event: the calendar ends at 9999, and its billing cycle and its time in any zone have to be in it too."""


class Outcome(StrEnum):
    """What became of a request, or `attempt`, the write-ahead record of a call."""

    ATTEMPT = "attempt"
    RENDER = "render"
    HIT = "hit"
    COALESCED = "coalesced"
    ERROR = "error"
    REFUSED = "refused"


DELIVERED = (Outcome.HIT, Outcome.COALESCED, Outcome.RENDER)
"""Outcomes that gave the caller a picture."""


class Reason(StrEnum):
    """Why a line is not an event."""

    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    ODD_TIME = "odd_time"
    UNKNOWN_VERSION = "unknown_version"
    TOO_LONG = "too_long"
    BAD_ENCODING = "bad_encoding"
    NO_MATCH = "no_match"


SOURCES = frozenset({"online", "batch"})
FORMATS = frozenset({"png", "jpeg", "webp", "avif", "gif", "svg", "pdf"})
ERRORS = frozenset(
    {"timeout", "connection", "quota", "no_plan", "throttled", "auth", "not_found", "invalid", "server", "other"}
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that was not taken, with everything a person needs to find and mend it."""

    path: str
    line: int
    reason: Reason
    detail: str
    excerpt: str


class BadRecordError(ValueError):
    """A record that is not an event."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One request or call. Times are microseconds since 1970 UTC, durations microseconds, sizes px and bytes."""

    id: str
    ts_us: int
    outcome: Outcome
    provider: str
    account: str
    environment: str
    template: str
    key: str
    template_version: str | None = None
    count: int = 1
    source: str = "online"
    placement: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    digest: str | None = None
    duration_us: int | None = None
    status: int | None = None
    credits: Decimal | None = None
    inputs: Mapping[str, str] | None = None
    error: str | None = None
    retried: bool = False
    assumed_timezone: bool = False
    unknown: str | None = None
    """Why a log cannot tell the key of a render, which is then neither a repeat nor needed; see `Unknown`."""
    assumed: str | None = None
    """Names of the assumptions made where its log does not tell, separated by spaces; None where none was."""


class Unknown(StrEnum):
    """Why it is not known which picture a render of a foreign log was (semantics section 11)."""

    NO_BODY = "no_body"
    NO_INPUTS = "no_inputs"
    COUNT = "count"
    """One call that made an unknown number of pictures."""


REQUIRED = ("v", "id", "ts", "outcome", "provider", "account", "environment", "template", "key")
"""Fields of every event."""


_WORDS = {
    **dict.fromkeys((408, 504, 524), "timeout"), 401: "auth", 402: "quota", 403: "auth", 404: "not_found",
    410: "not_found", 429: "throttled",
}  # fmt: skip


def error_of_status(status: int) -> str:
    """The event's word for an answer that is no image, where nobody says more than its status."""
    return _WORDS.get(status, "server" if status >= 500 else "invalid" if status >= 400 else "other")


def default_credits(outcome: Outcome, status: int | None) -> Decimal | None:
    """Credits of an event that does not say: None where the provider may have billed."""
    if outcome is Outcome.RENDER:
        return Decimal(1)
    if outcome is Outcome.ERROR and (status is None or status in AMBIGUOUS_STATUS):
        return None
    return Decimal(0)
