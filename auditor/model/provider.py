"""Provider: the facts about one render API that bills, audits and advice rest on, and how to speak to it."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult

import orjson

from auditor.model.endpoints import PAYMENT_REQUIRED, Auth, Billing, Endpoint, Quota, Seen
from auditor.model.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    ProviderError,
    QuotaExceededError,
    RenderError,
    ThrottledError,
    UncertainError,
)
from auditor.model.events import AMBIGUOUS_STATUS, Outcome, error_of_status
from auditor.model.hosts import host_of
from auditor.model.media import media_type_of

if TYPE_CHECKING:  # the client's import is light: the catalog comes with the first provider
    from auditor.model.plans import Plan
    from auditor.model.usage import Reader


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, ready to be sent. `content` holds exactly the bytes that were hashed."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object in it, empty where there is none."""
        try:
            found = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def media_type(self) -> str:
        """`image/png` of `image/png; charset=…`; empty if the answer does not say."""
        return media_type_of(self.headers.get("content-type"))


@dataclass(frozen=True, slots=True)
class Picture:
    """What a render gave: bytes, or the address of a hosted image."""

    content: bytes | None = field(repr=False)
    url: str | None = field(default=None, repr=False)
    """Not shown: a signed address is a secret while it lives."""
    media_type: str = "application/octet-stream"
    format: str | None = None
    width: int | None = None
    height: int | None = None
    """In px; None where the bytes do not tell (hosted images, PDF)."""
    expires_at: float | None = None
    """Seconds since 1970 when a signed address ends."""
    credits: Decimal = Decimal(1)
    remaining: Decimal | None = None
    """Credits that are left, as the provider says, if it does."""


class Api(Protocol):
    """How to speak to a provider."""

    base_url: str
    per_second: float
    """Calls a second that its plans bear: what a batch uses by default."""
    key_variable: str
    """The environment variable that usually holds the API key."""

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Output options by the provider's names, checked; `ValueError` names a wrong one and its fix."""

    def call(self, base_url: str, api_key: str, template: str, overrides: bytes, options: Mapping[str, Any]) -> Call:
        """The request; *overrides* is canonical JSON and goes out as it is."""

    def picture(self, answer: Answer, options: Mapping[str, Any]) -> Picture:
        """What a 2xx answer holds; a `RenderError` if it is none after all."""

    def error(self, answer: Answer) -> RenderError:
        """What any other answer means."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One metered render API: what is known of it, and how to speak to it where that is known too."""

    name: str
    hosts: tuple[str, ...]
    """Hosts of the API, to recognize calls in logs."""
    endpoints: tuple[Endpoint, ...]
    auth: Auth
    billing: Billing
    plans: "tuple[Plan, ...]" = ()
    """The built-in catalog; `[plans.NAME.…]` of the configuration adds to it."""
    terms: str = "no published rule on several accounts of one customer was found"
    """What the provider says of several accounts, or that nothing is known."""
    usage_url: str | None = None
    """Where the provider tells how many credits are used; None where no such address is known."""
    usage: "Reader | None" = None
    """How to read what it tells there."""
    quota: Quota = PAYMENT_REQUIRED
    """Which refusals mean that the plan's credits are used up."""
    notes: tuple[str, ...] = ()
    """What is known but is not a plan: trials, prices that sources disagree on."""
    consumed: str = ""
    """The header in which an answer says what its call cost, in lower case; empty where none does."""
    redirects: Outcome = Outcome.ERROR
    """What a 3xx but 304 of a render endpoint stands for: `error`, or `render` or `hit` of the image it names."""
    api: Api | None = None
    """How to speak to it; without it calls are recognized and counted, but the client does not make them."""

    def error(self, answer: Answer) -> RenderError:
        """What an answer means that is not an image."""
        said = f"HTTP {answer.status}"
        if self.api is not None:
            error = self.api.error(answer)
        elif self.quota.used_up(answer.status, answer.content):
            error = QuotaExceededError(said, status=answer.status)
        else:
            error = error_of(answer.status, said)
        error.credits = self.cost(error.credits, answer.headers)
        return error

    def recognise(self, method: str, url: SplitResult, content: bytes | None) -> Seen | None:
        """The render call that this request is, if it is one; *content* is None where the body is unknown."""
        if host_of(url.hostname or "") not in self.hosts:
            return None
        found = (endpoint.recognise(method, url, content, self.auth.query) for endpoint in self.endpoints)
        return next((seen for seen in found if seen is not None), None)

    def cost(self, expected: Decimal | None, headers: Mapping[str, str]) -> Decimal | None:
        """Credits of a call: what its answer says, else what was *expected*."""
        said = credits_of(headers.get(self.consumed)) if self.consumed else None
        return expected if said is None else said


_CREDITS = re.compile(r"\d{1,12}(?:\.\d{1,18})?", re.ASCII)


def credits_of(said: str | None) -> Decimal | None:
    """A number of credits, as a header says it; None for none, and for anything else."""
    return Decimal(said) if said is not None and _CREDITS.fullmatch(said) else None


FORMAT_OF = {
    "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/webp": "webp", "image/avif": "avif",
    "image/gif": "gif", "image/svg+xml": "svg", "application/pdf": "pdf",
}  # fmt: skip
"""The event's word for a media type."""

MEDIA_TYPES = frozenset({*FORMAT_OF, "application/octet-stream", "text/uri-list"})
"""What a cached image may be called: a browser runs some of the others."""


def size_of(content: bytes) -> tuple[int | None, int | None]:
    """(width, height) in px, read from the header of an image and not decoded; None where it cannot be told."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 26:
        # As imagesize does, which takes ten times as long to find out that it may read a BytesIO.
        width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
        return (width, height) if width and height else (None, None)
    import imagesize

    try:
        width, height = imagesize.get(io.BytesIO(content))
    except Exception:
        return None, None
    return (int(width), int(height)) if width > 0 and height > 0 else (None, None)


_KINDS: dict[str, type[RenderError]] = {
    kind.word: kind for kind in (AuthenticationError, QuotaExceededError, NotFoundError, ThrottledError, ProviderError)
}


def error_of(status: int, said: str, **facts: Any) -> RenderError:
    """What a status means where the provider says nothing more exact; *facts* are those of `RenderError`."""
    word = error_of_status(status)
    if word == "timeout":  # someone on the way gave up waiting: the render may have been made and billed
        return UncertainError(said, status=status)
    credits = None if status in AMBIGUOUS_STATUS else Decimal(0)
    error = _KINDS.get(word, InvalidRequestError)(said, status=status, **{"credits": credits, **facts})
    if word == "other":  # a redirect: the request may well be valid
        error.word = word
    return error


def seconds(text: object) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None for anything else."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
