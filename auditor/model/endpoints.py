"""What is known of a provider besides its plans: how a key travels, which addresses render, what costs a credit."""

import base64
import re
from collections.abc import Mapping
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
    """Somebody else's page: a rival's comparison, an integration."""
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
    """A render call that was recognised in someone else's traffic."""

    template: str
    overrides: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address whose calls render. The template stands in the path, in the query or in the JSON body."""

    path: str
    """A regular expression for the whole path, with a group `template` where the path names it."""
    methods: frozenset[str] = frozenset({"POST"})
    template: str = ""
    """The query parameter or field of the body that names the template, where the path does not."""
    overrides: str = ""
    """The field of the body that the picture depends on; empty: the whole body."""
    ignored: tuple[str, ...] = ()
    """Fields of the body that do not change the picture: metadata, webhooks."""

    def template_of(self, method: str, url: SplitResult) -> str | None:
        """The template by the address alone: empty where only the body names it, None for no render call."""
        match = re.fullmatch(self.path, url.path)
        if match is None or method.upper() not in self.methods:
            return None
        named = match.groupdict().get("template")
        return unquote(named) if named else dict(parse_qsl(url.query)).get(self.template, "")

    def recognise(self, method: str, url: SplitResult, content: bytes, secret: frozenset[str]) -> Seen | None:
        """The call with its body; None if it is no render call, or if nothing says exactly of what."""
        template = self.template_of(method, url)
        if template is None:
            return None
        try:
            found = parsed(content or b"{}")
        except ValueError:
            return None
        body = found if isinstance(found, dict) else {}
        template = template or str(body.get(self.template) or "")
        if not template:
            return None
        left_out = {self.template, self.overrides, *self.ignored}
        rest = {name: value for name, value in body.items() if name not in left_out}
        query = {name: value for name, value in parse_qsl(url.query) if name not in secret | {self.template}}
        if not self.overrides:
            return Seen(template, rest, query)
        changed = body.get(self.overrides, {})
        return Seen(template, changed if isinstance(changed, dict) else {self.overrides: changed}, {**rest, **query})


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
    """(longest side in px, credits of a picture up to it), ascending; empty: one credit, whatever the size."""
    beyond: int | None = None
    """Credits of a picture larger than all of `sizes`."""
    pdf_page: int | None = None
    source: str = ""
    checked: date | None = None
    grade: Grade = Grade.UNVERIFIED

    def credits(self, width: int | None, height: int | None, format: str | None) -> Decimal | None:
        """What one picture costs; None where that is unknown."""
        if format == "pdf":
            return None if self.pdf_page is None else Decimal(self.pdf_page)
        if self.sizes == ():
            return Decimal(1)
        if self.sizes is None or width is None or height is None:
            return None
        longest = max(width, height)
        found = next((credits for limit, credits in self.sizes if longest <= limit), self.beyond)
        return None if found is None else Decimal(found)
