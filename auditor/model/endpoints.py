"""What is known of a provider besides its plans: how a key travels, which addresses render, what costs a credit."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote

from auditor.model.fingerprint import parsed


class Grade(StrEnum):
    """How far a fact can be trusted."""

    CONFIGURED = "configured"
    """You said so, in auditor.toml."""
    PROVIDER = "provider"
    """The provider's own page."""
    THIRD_PARTY = "third party"
    """A third party's page: a rival's comparison, an integration."""
    UNVERIFIED = "unverified"
    """A directory that calls its own figures unverified."""


@dataclass(frozen=True, slots=True)
class Auth:
    """How an API key travels."""

    header: str = "authorization"
    scheme: str = ""
    """`Bearer`, `Basic` (the key is `user:secret`), or empty for the bare key."""
    query: frozenset[str] = frozenset()
    """Query parameters that carry it too."""

    def headers(self, api_key: str) -> dict[str, str]:
        """The header with the key in it."""
        if self.scheme == "Basic":
            api_key = base64.b64encode(api_key.encode()).decode()
        return {self.header: f"{self.scheme} {api_key}".strip()}


@dataclass(frozen=True, slots=True)
class Seen:
    """A render call that was recognized in someone else's traffic."""

    template: str
    overrides: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    told: bool = True
    """Whether these are all that the image depends on; else it is unknown which one it is."""
    template_version: str | None = None
    images: int | None = 1
    """None where the call makes several, and nothing says how many."""
    credits: Decimal | None = Decimal(1)
    """What the call costs by what it asks for, where its answer does not say; None where that is unknown."""
    deduplicated: bool = False
    """Whether the provider serves the same call again, within a day, without billing it."""


Fields = Mapping[str, Any]
"""The fields of a call: of its body, or the parameters of its address."""


def one(asked: Fields) -> list[Fields] | None:
    """A call that makes one image."""
    return [asked]


def several(asked: Fields) -> list[Fields] | None:
    """A call that makes several images; it does not say how many."""
    del asked
    return None


def listed(name: str, shared: str = "") -> Callable[[Fields], list[Fields] | None]:
    """A call whose field *name* lists its images; the object *shared* holds what they have in common."""

    def images(asked: Fields) -> list[Fields] | None:
        found, common = asked.get(name), asked.get(shared)
        if not isinstance(found, list) or not found:
            return None
        known = common if isinstance(common, dict) else {}
        return [{**known, **each} if isinstance(each, dict) else known for each in found]

    return images


def credit(image: Fields) -> Decimal | None:
    """An image that costs one."""
    del image
    return Decimal(1)


def costs(credits: int | None) -> Callable[[Fields], Decimal | None]:
    """Images that all cost the same; None where that is unknown."""
    return lambda _: None if credits is None else Decimal(credits)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address whose calls render. The template stands in the path, in the query or in the JSON body."""

    path: str
    """A regular expression for the whole path, with a group `template` where the path names it; also
    `template_version` and `format`."""
    methods: frozenset[str] = frozenset({"POST"})
    template: str = ""
    """The query parameter or field of the body that names the template, where the path does not."""
    named: str = "unknown"
    """The template of calls that name none."""
    overrides: str = ""
    """The field of the body that the image depends on; empty: the whole body."""
    ignored: tuple[str, ...] = ()
    """Fields of the body that do not change the image: metadata, webhooks."""
    options: frozenset[str] = frozenset()
    """Query parameters that are output options. The others of a GET are overrides; of a POST they are options, too,
    unless some are named here."""
    images: Callable[[Fields], list[Fields] | None] = one
    """The images that a call makes, by its body: what each is made of."""
    price: Callable[[Fields], Decimal | None] = credit
    """What one of them costs."""
    dry: str = ""
    """The field of the body that makes the call render nothing where it is true."""
    deduplicates: Callable[[Fields], bool] = lambda _: False
    """Whether the same call again, within a day, is free."""

    def recognise(self, method: str, url: SplitResult, content: bytes | None, secret: frozenset[str]) -> Seen | None:
        """The call, None if it renders nothing; *content* is None where the body is unknown."""
        match = re.fullmatch(self.path, url.path)
        if match is None or method.upper() not in self.methods:
            return None
        found = {name: unquote(text) for name, text in match.groupdict().items() if text}
        query = {name: value for name, value in parse_qsl(url.query, keep_blank_values=True) if name not in secret}
        body = query if method.upper() == "GET" else _object(content)
        known = body or {}
        if self.dry and known.get(self.dry) is True:
            return None
        template = found.get("template", "")
        if self.template and not template:
            template = query.pop(self.template, "") or _name(known.get(self.template))
        options = {name: _number(value) for name, value in query.items() if name in self.options}
        version = options.pop("template_version", None)
        if body is query:
            rest = {name: value for name, value in query.items() if name not in self.options}
        else:
            options = options if self.options else dict(query)
            left_out = {*self.ignored, *filter(None, [self.template])}
            rest = {name: value for name, value in known.items() if name not in left_out}
            if self.overrides:
                changed: Any = rest.pop(self.overrides, {})
                options = {**rest, **options}
                rest = changed if isinstance(changed, dict) else {self.overrides: changed}
        if "format" in found:
            options["format"] = found["format"]
        images = self.images(known)
        prices = [None] if images is None else [self.price(each) for each in images]
        told = body is not None and bool(template or not self.template)
        return Seen(
            template or self.named,
            rest if told else {"path": url.path},
            options,
            told,
            found.get("template_version") or _name(version) or None,
            None if images is None else len(images),
            None if None in prices else sum(filter(None, prices), Decimal(0)),
            told and self.deduplicates(known),
        )


def _name(held: Any) -> str:
    """The name that a field holds, empty for anything else: that may be a value."""
    return str(held) if isinstance(held, str | int) and not isinstance(held, bool) else ""


def _object(content: bytes | None) -> dict[str, Any] | None:
    """The JSON object in a body, empty for an empty one; None where it is not known, or holds something else."""
    if content is None:
        return None
    try:
        found = parsed(content or b"{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


_DIGITS = 15
"""Of an option that is read as a number; more of them are text."""


def _number(value: str) -> str | int:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else value


@dataclass(frozen=True, slots=True)
class Quota:
    """How a provider refuses when the plan's credits are used up, so that it is told from a throttle."""

    statuses: frozenset[int] = frozenset({402})
    """These mean it whatever the answer says."""
    says: str = ""
    """A regular expression for the text of a 403 or 429 that means it; empty: none does."""

    def used_up(self, status: int, content: bytes) -> bool:
        """Whether an answer says so."""
        if status in self.statuses:
            return True
        said = content[:_LONGEST_REFUSAL].decode(errors="replace")
        return status in (403, 429) and bool(self.says) and re.search(self.says, said, re.IGNORECASE) is not None


_LONGEST_REFUSAL = 4096
PAYMENT_REQUIRED = Quota()
"""What HTTP itself says: 402."""


@dataclass(frozen=True, slots=True)
class Billing:
    """What costs a credit. None is unknown: it is never taken for free."""

    failed: bool | None = None
    """Whether a render that failed is billed."""
    repeats: bool | None = None
    """Whether the same request again is billed."""
    sizes: tuple[tuple[int, int], ...] | None = None
    """(longest side in px, credits of an image up to it), ascending; empty: one credit, whatever the size."""
    beyond: int | None = None
    """Credits of an image larger than all of `sizes`."""
    pdf_page: int | None = None
    source: str = ""
    checked: date | None = None
    grade: Grade = Grade.UNVERIFIED

    def credits(self, width: int | None, height: int | None, format: str | None) -> Decimal | None:
        """What one image costs; None where that is unknown."""
        if format == "pdf":
            return None if self.pdf_page is None else Decimal(self.pdf_page)
        if self.sizes == ():
            return Decimal(1)
        if self.sizes is None or width is None or height is None:
            return None
        longest = max(width, height)
        found = next((credits for limit, credits in self.sizes if longest <= limit), self.beyond)
        return None if found is None else Decimal(found)
