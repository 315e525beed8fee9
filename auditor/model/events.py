"""The usage event, schema version 1: the one vocabulary of client, ledger, formats and audits.

`auditor.model.event_reader` decides for every record whether it is an event or a rejection.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, get_type_hints

SCHEMA_VERSION = 1
CREDIT_DECIMALS = 18
"""Decimal places that credits may have; more is `bad_value` rather than a rounded bill."""
EXACT = Context(prec=64)
"""In which any sum of credits keeps its digits; the usual context rounds to 28."""
MAX_SIDE, MAX_BYTES = 10**9, 10**12
"""No image is larger; up to here sums of wasted bytes are exact in 128 bits."""
AMBIGUOUS_STATUS = frozenset({408, 502, 504, *range(520, 528)})
"""Answers after which the provider may or may not have billed (semantics section 1)."""

MAX_ID_LENGTH = 200
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


NOBODY = ""
"""The provider of an image that a page loaded and no account is known to have rendered: no event, but a download."""
UNSTATED = -1
"""A lifetime of which an answer's headers do not tell."""
DELIVERED = (Outcome.HIT, Outcome.COALESCED, Outcome.RENDER)
"""Outcomes that gave the caller an image."""


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


FORMATS = ("png", "jpeg", "webp", "avif", "gif", "svg", "pdf")
ERRORS = ("timeout", "connection", "quota", "no_plan", "throttled", "auth", "not_found", "invalid", "server", "other")


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


Kind = Literal["id", "name", "text", "word", "time", "whole", "milliseconds", "credits", "flag", "digest", "digests"]
"""Ids are of hardly two records; ids and names are texts that may not be empty, words those that are listed."""


@dataclass(frozen=True, slots=True)
class Field:
    """How a field of the event is written; it annotates the field, whose docstring is the schema's description."""

    kind: Kind
    least: int = 0
    most: int = 2**63 - 1
    """Of a number; of an id its characters."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Each word that may be written, and what it means."""
    name: str = ""
    """In JSON, where it is not that of the event."""
    attribute: str = ""
    """Of the event; set by `FIELDS`."""
    required: bool = False
    """Whether the event has no default for it; set by `FIELDS`."""


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One request or call. Times are microseconds since 1970 UTC, durations microseconds, sizes px and bytes."""

    id: Annotated[str, Field("id", most=MAX_ID_LENGTH)]
    """Unique for each request or call; an `attempt` and the final event of the same call share it."""
    ts_us: Annotated[int, Field("time", name="ts")]
    """RFC 3339, best in UTC with `Z`. Without an offset the reader's configured zone is assumed."""
    outcome: Annotated[Outcome, Field("word", choices={each.value: each for each in Outcome})]
    """`attempt` is written before a call leaves; the others say what became of the request."""
    provider: Annotated[str, Field("name")]
    """Who bills, as auditor.toml names it: `imejis`, `hcti`, `own` …"""
    account: Annotated[str, Field("name")]
    """An alias of the account, never its key."""
    environment: Annotated[str, Field("name")]
    """`production`, `staging` …; case does not matter."""
    template: Annotated[str, Field("name")]
    """The template, or what else groups images."""
    key: Annotated[str, Field("id")]
    """The fingerprint: equal for requests that ask for the same image. docs/events.md has the recipe."""
    template_version: Annotated[str | None, Field("text")] = None
    """The version of the template, if there are any."""
    count: Annotated[int, Field("whole", least=1, most=MAX_COUNT)] = 1
    """On a `hit`: that many hits. Their bytes together stay below 10^18."""
    source: Annotated[str, Field("word", choices={"online": "online", "batch": "batch"})] = "online"
    """`online` if absent."""
    placement: Annotated[str | None, Field("text")] = None
    """Where the image is shown, such as `og_image`."""
    format: Annotated[str | None, Field("word", choices={**{each: each for each in FORMATS}, "jpg": "jpeg"})] = None
    """Of the image."""
    width: Annotated[int | None, Field("whole", least=1, most=MAX_SIDE)] = None
    """Pixels."""
    height: Annotated[int | None, Field("whole", least=1, most=MAX_SIDE)] = None
    """Pixels."""
    bytes: Annotated[int | None, Field("whole", most=MAX_BYTES)] = None
    """Size of the image."""
    digest: Annotated[str | None, Field("digest")] = None
    """SHA-256 of the image's bytes."""
    duration_us: Annotated[int | None, Field("milliseconds", most=(2**63 - 1) // 4000, name="duration_ms")] = None
    """From the request to the answer, in milliseconds."""
    status: Annotated[int | None, Field("whole")] = None
    """The HTTP status of the answer; absent if there was none."""
    credits: Annotated[Decimal | None, Field("credits")] = None
    """Credits billed, at most 18 decimals; null is unknown. If absent: 1 for a render, 0 for the others, unknown for an
    error that may have been billed."""
    inputs: Annotated[Mapping[str, str] | None, Field("digests")] = None
    """Field (dot path) -> keyed digest of its value; never the value itself."""
    error: Annotated[str | None, Field("word", choices={each: each for each in ERRORS})] = None
    """The kind of failure."""
    retried: Annotated[bool, Field("flag")] = False
    """On an `error`: the same request was sent again."""
    assumed_timezone: bool = False
    unknown: str | None = None
    """Why a log cannot tell the key of a render, which is then neither a repeat nor needed; see `Unknown`."""
    assumed: str | None = None
    """Names of the assumptions made where its log does not tell, separated by spaces; None where none was."""
    page: str | None = None
    """The page load for which a browser downloaded the image; empty where its log names none, None elsewhere."""
    lifetime_s: int | None = None
    """Seconds for which a browser may reuse the answer, `UNSTATED` where its headers do not say; None is unknown."""
    shown_width: int | None = None
    """Device pixels of the place for which a browser asked for the image."""
    unrendered: str | None = None
    """The placeholder that stands in a logged request, a tab, and the field that holds it."""


def _written() -> Iterator[tuple[str, Field]]:
    hints = get_type_hints(UsageEvent, include_extras=True)
    for each in fields(UsageEvent):
        for said in getattr(hints[each.name], "__metadata__", ()):
            name = said.name or each.name
            yield name, replace(said, name=name, attribute=each.name, required=each.default is MISSING)


FIELDS = dict(_written())
"""The fields of a written event but for `v`, by their names in JSON; readers, columns and the schema are made of it."""
REQUIRED = ("v", *(name for name, each in FIELDS.items() if each.required))
"""Fields of every event."""


def is_like_event(record: Mapping[str, Any]) -> bool:
    """Whether an object has so many fields of usage events that it is a damaged one, rather than another program's."""
    names = record.keys()
    return 2 * len(names & REQUIRED) > len(REQUIRED) or ("v" in names and names <= FIELDS.keys() | {"v"})


class Unknown(StrEnum):
    """Why it is not known which image a render of a foreign log was (semantics section 11)."""

    NO_BODY = "no_body"
    NO_INPUTS = "no_inputs"
    COUNT = "count"
    """One call that made an unknown number of images."""


_WORDS = {
    **dict.fromkeys((408, 504, 524), "timeout"), 401: "auth", 402: "quota", 403: "auth", 404: "not_found",
    410: "not_found", 429: "throttled",
}  # fmt: skip


def error_of_status(status: int) -> str:
    """The event's word for an answer that is not an image, where only its status is known."""
    return _WORDS.get(status, "server" if status >= 500 else "invalid" if status >= 400 else "other")


def default_credits(outcome: Outcome, status: int | None) -> Decimal | None:
    """Credits of an event that does not say: None where the provider may have billed."""
    if outcome is Outcome.RENDER:
        return Decimal(1)
    if outcome is Outcome.ERROR and (status is None or status in AMBIGUOUS_STATUS):
        return None
    return Decimal(0)


def rank(outcome: Any, unpriced: Any, negated_credits: Any, ts_us: Any) -> tuple[Any, ...]:
    """Which of several records with one id counts (semantics section 1): the one with the smallest rank.

    Where all are equal, it is that with the smaller canonical bytes. The final event beats the attempt; between finals
    a render beats the others, then known credits, then the larger ones, then the smaller time. Works on the values of a
    record, and on columns for a query that is ordered by it.
    """
    return outcome == Outcome.ATTEMPT, outcome != Outcome.RENDER, unpriced, negated_credits, ts_us
