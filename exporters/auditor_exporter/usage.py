"""What the providers themselves say was used. They are asked seldom, apart from scrapes; the newest answer is shown."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import httpx

from auditor.model.errors import AuditorError
from auditor.model.provider import Answer
from auditor.model.settings import Settings, UsageSettings
from auditor.model.usage import Usage
from auditor.registry import PROVIDERS
from auditor_exporter.families import Families, StaleError

EVERY = 300.0
"""Seconds between two questions about an account; a provider's own limit (`Retry-After`) may make it longer."""
_MOST = 1 << 20
"""Bytes of an answer: more is none of what is documented."""
Fetch = Callable[[str, Mapping[str, str]], Answer]


def fetch(url: str, headers: Mapping[str, str]) -> Answer:
    """GET, without redirects: the key goes to no other address."""
    with httpx.Client(timeout=10, follow_redirects=False) as client, client.stream("GET", url, headers=headers) as got:
        content = b""
        for part in got.iter_bytes():
            content += part
            if len(content) > _MOST:
                raise UnusableError("is longer than an answer can be")
        return Answer(got.status_code, {name.lower(): value for name, value in got.headers.items()}, content)


class UnusableError(AuditorError):
    """An answer that tells nothing."""


@dataclass(slots=True)
class _Known:
    """Of one account."""

    usage: Usage | None = None
    told: float = 0.0
    """When, in seconds since 1970."""
    due: float = 0.0
    """When it is asked again, on the steady clock."""
    wrong: str = ""
    """What went wrong the last time."""


class UsageCollector:
    """Of all accounts with `[usage.ACCOUNT]`; *clock* is wall time, *steady* measures what is due."""

    name = "usage"

    def __init__(
        self, settings: Settings, *, every: float = EVERY, fetch: Fetch = fetch,
        environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._settings, self._every, self._fetch, self._environ = settings, every, fetch, environ
        self._clock, self._steady = clock, steady
        self._known = {account: _Known() for account in settings.usage}

    def until(self, stopping: threading.Event) -> None:
        """Ask the providers that are due, until *stopping*."""
        while not stopping.is_set():
            self.refresh()
            stopping.wait(1)

    def refresh(self) -> None:
        """Ask the providers that are due."""
        for account, known in self._known.items():
            if self._steady() < known.due:
                continue
            known.due = self._steady() + self._every
            try:
                known.usage, known.told = self._ask(self._settings.usage[account], known), self._clock()
                known.wrong = ""
            except AuditorError as error:
                known.wrong = f"{account}: {error}"
            except Exception as error:  # (texts of libraries may repeat the address or the key)
                known.wrong = f"{account}: {type(error).__name__}"

    def _ask(self, of: UsageSettings, known: _Known) -> Usage:
        key = self._environ.get(of.api_key_env, "")
        if not key:
            raise UnusableError(f"the environment variable {of.api_key_env} holds no API key; set it")
        provider = PROVIDERS[of.provider]
        assert provider.usage is not None
        answer = self._fetch(of.url, provider.auth.headers(key))
        if answer.status != 200:
            wait = answer.headers.get("retry-after", "")
            if wait.isascii() and wait.isdigit():
                known.due = max(known.due, self._steady() + min(int(wait), 86_400))
            raise UnusableError(f"{of.provider} answers {answer.status} when asked what was used")
        try:
            return provider.usage(answer.document, datetime.fromtimestamp(self._clock(), UTC))
        except (LookupError, TypeError, ValueError):
            raise UnusableError(f"{of.provider} answers otherwise than documented when asked what was used") from None

    def collect(self, families: Families, _now: float) -> None:  # (each answer has its own time)
        """Add what is known; `StaleError` if the newest answers are missing."""
        for account, known in self._known.items():
            if known.usage is None:
                continue
            of = self._settings.accounts[account]
            labels = (of.provider, account)
            families.put("provider_credits_used", labels, known.usage.used)
            families.put("credits_remaining_timestamp_seconds", labels, known.told)
            included = known.usage.included
            if included is not None:
                families.put("provider_plan_credits", labels, included)
            elif of.plan is not None:
                included = of.plan.included
            if included is not None:
                families.put("credits_remaining", labels, max(included - known.usage.used, Decimal(0)))
        wrong = [known.wrong for known in self._known.values() if known.wrong]
        if wrong:
            raise StaleError("; ".join(wrong))
