"""Rules: which requests of foreign code are render calls, how to read them, and what they cost, exactly."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from numbers import Integral
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import orjson

from auditor.model.endpoints import PAYMENT_REQUIRED, Quota, Seen
from auditor.model.errors import ConfigError
from auditor.model.event_reader import MAX_CREDITS
from auditor.model.events import CREDIT_DECIMALS, EXACT
from auditor.model.hosts import host_of
from auditor.registry import PROVIDERS

Number = int | float | Decimal


class SeenRequest(NamedTuple):
    """A request of some HTTP library, as rules read it."""

    method: str
    url: str
    host: str
    content: bytes | None
    """The body; None where it streams, so that its content is unknown."""

    def same(self, other: "SeenRequest") -> bool:
        """Whether both may be one request, seen at two places."""
        mine, others = ((each.method, each.host, urlsplit(each.url)[2:4]) for each in (self, other))
        return mine == others and (None in (self.content, other.content) or self.content == other.content)


class Price(NamedTuple):
    """How many images a call makes and what each costs; a function of what is known of the call says either.

    *credits* as a function says what the whole call cost.
    """

    units: Number | Callable[[Any], Any] = 1
    credits: Number | Callable[[Any], Any] = 1

    def checked(self) -> "Price":
        """Itself; `ConfigError` for a number that is no price."""
        for name, value in self._asdict().items():
            if not callable(value) and exact(value) is None:
                raise ConfigError(
                    f"{name}={value!r}: use a number that is not negative, or a function that returns one"
                )
        return self

    @property
    def plain(self) -> bool:
        """Whether it is that of everybody: one image, whatever it costs."""
        return self.units == 1 and self.credits == 1

    @property
    def asks(self) -> bool:
        """Whether a function has to say it."""
        return callable(self.units) or callable(self.credits)

    def of(self, subject: Any) -> Decimal | None:
        """Credits of a call; None where the functions do not tell. What they raise is the caller's to keep."""
        if callable(self.credits):
            return exact(self.credits(subject))
        units = exact(self.units(subject) if callable(self.units) else self.units)
        each = exact(self.credits)
        return None if units is None or each is None else exact(EXACT.multiply(units, each))


def exact(value: object) -> Decimal | None:
    """A number as it is written; None for what is not a number from 0 on that an event can hold."""
    if isinstance(value, bool) or not isinstance(value, Integral | float | Decimal):
        return None
    try:
        found = Decimal(int(value)) if isinstance(value, Integral) else Decimal(str(value))
    except InvalidOperation:
        return None
    if not found.is_finite() or not 0 <= found <= MAX_CREDITS or -int(found.as_tuple().exponent) > CREDIT_DECIMALS:
        return None
    return found


class CallRule(NamedTuple):
    """Which requests of a client are render calls, and how to read them."""

    provider: str
    recognise: Callable[[str, SplitResult, bytes], Seen | None]
    """(method, address, body) -> the call, or None."""
    hosts: frozenset[str]
    """Only requests to these are looked at more closely."""
    price: Price = Price()
    """How many images a call makes and what they cost, by the JSON object in the request's body."""
    quota: Quota = PAYMENT_REQUIRED
    """Which refusals mean that the credits are used up, for a provider that is not built in."""


Rule = CallRule
"""The public alias `auditor.Rule`."""


def path_rule(
    provider: str,
    host: str,
    path: str,
    *,
    method: str = "POST",
    units: Number | Callable[[Mapping[str, Any]], Any] = 1,
    credits: Number | Callable[[Mapping[str, Any]], Any] = 1,
    quota: Quota = PAYMENT_REQUIRED,
) -> CallRule:
    """A rule by host and a regular expression for the path with a group `template`.

    The JSON object in the body is what the image depends on, the query are its options. *units* is how many images
    a call makes and *credits* what each costs; as functions they are called with the JSON object of the request's
    body, and *credits* then says what the whole call costs: `units=lambda body: body.get("n", 1)`.
    """
    pattern, own = re.compile(path), host_of(host)

    def recognise(seen_method: str, url: SplitResult, content: bytes) -> Seen | None:
        match = pattern.fullmatch(url.path)
        if seen_method != method or host_of(url.hostname or "") != own or match is None:
            return None
        return Seen(match["template"], json_object(content) or {}, dict(parse_qsl(url.query, keep_blank_values=True)))

    return CallRule(provider, recognise, frozenset({host}), price=Price(units, credits), quota=quota)


def provider_rules() -> tuple[CallRule, ...]:
    """A rule a known provider."""
    return tuple(CallRule(name, provider.recognise, frozenset(provider.hosts)) for name, provider in PROVIDERS.items())


def json_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object in a body, empty for no body; None for anything else."""
    try:
        found = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
