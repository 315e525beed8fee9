"""What the sandbox billed: the invoice that a client's own count has to agree with."""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DEFAULT_KEY, NO_PLAN, EMPTY = "sandbox", "sandbox-no-plan", "sandbox-empty"
"""The API key on a plan, one without a plan, and one whose credits are used up."""


@dataclass(slots=True)
class Subscription:
    """The plan of one API key; *included* None is not a plan at all."""

    included: int | None
    used: int = 0

    @property
    def remaining(self) -> int:
        """Credits that are left."""
        return max(0, (self.included or 0) - self.used)

    def exhausted(self, now: float) -> dict[str, Any]:
        """The 429 of a quota: for a workspace without a plan as the service words it."""
        resets = datetime.fromtimestamp(now, UTC) + timedelta(seconds=1022)
        data = {
            "usage": self.used, "limit": self.included or 0, "remaining": 0,
            "resetAt": resets.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip
        message, reason = "You have used all credits of your plan.", "quota-exceeded"
        if self.included is None:
            message = "Your workspace has no active plan. Choose a plan to start generating images."
            reason = "no-plan"
        return {"message": message, "reason": reason, "data": data, "requestId": str(uuid.uuid4())}


@dataclass(slots=True)
class Books:
    """Accounts by API key, and what each was billed."""

    accounts: dict[str, Subscription]
    templates: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    """Calls that arrived, billed or not."""
    unanswered: int = 0
    """Billed calls whose answer the sandbox kept back, as a fault."""

    def bill(self, account: Subscription, template: str) -> None:
        """One credit for one render."""
        account.used += 1
        self.templates[template] += 1

    def invoice(self) -> dict[str, Any]:
        """What was billed since the start, in credits."""
        return {
            "credits": sum(self.templates.values()),
            "unanswered": self.unanswered,
            "calls": self.calls,
            "templates": dict(sorted(self.templates.items())),
        }
