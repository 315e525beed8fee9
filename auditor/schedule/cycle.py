"""Which cycle a report is about.

Accounts whose cycles start on the same day in the same time zone share a report; others get one of their own, so that
every report holds whole cycles and is compared with the whole cycle before. `last` is the newest cycle that has ended,
by the clock; `2026-09` is the one that starts in that month.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from auditor.model.plans import Cycle, cycles, micros
from auditor.model.settings import Account, Settings
from auditor.results.document import utc

LAST = "last"
_INSTANT = timedelta(microseconds=1)
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When the cycles of some accounts start."""

    anchor_day: int
    timezone: ZoneInfo
    default: bool = False
    """Whether accounts that are not configured have it."""

    def has(self, account: Account) -> bool:
        """Whether it is this account's."""
        return (account.anchor_day, str(account.timezone)) == (self.anchor_day, str(self.timezone))

    def cycle(self, choice: str, now: datetime) -> Cycle:
        """The cycle that *choice* names; `ValueError` for anything but `last` and a month."""
        if choice == LAST:
            # Whatever day it is, the cycle that ended last began at most two months and some days ago.
            return cycles(micros(now - timedelta(days=70)), micros(now), self.anchor_day, self.timezone)[-2]
        if _MONTH.fullmatch(choice) is None:
            raise ValueError(f"= {choice!r} is no cycle; write last, or the month in which it starts, like 2026-09")
        middle, days = datetime.fromisoformat(f"{choice}-15").replace(tzinfo=self.timezone), timedelta(days=20)
        around = cycles(micros(middle - days), micros(middle + days), self.anchor_day, self.timezone)
        (found,) = [one for one in around if one.start.astimezone(self.timezone).isoformat().startswith(choice)]
        return found

    def facts(self, cycle: Cycle) -> dict[str, Any]:
        """What the history remembers of a cycle."""
        return {
            "start": utc(cycle.start), "end": utc(cycle.end), "anchor_day": self.anchor_day,
            "timezone": str(self.timezone),
        }  # fmt: skip

    def label(self, cycle: Cycle) -> str:
        """Its first and last local day, for people."""
        first, last = (moment.astimezone(self.timezone).date() for moment in (cycle.start, cycle.end - _INSTANT))
        return f"{first} to {last}"

    def name(self, cycle: Cycle) -> str:
        """The name of the report's folder: the local date of the start, and the rhythm where it is not the default."""
        start = cycle.start.astimezone(self.timezone).date().isoformat()
        return start if self.default else f"{start}_{self.anchor_day}_{str(self.timezone).replace('/', '-')}"


def rhythms(settings: Settings) -> list[Rhythm]:
    """Every rhythm that an account can have, the default first."""
    default = Rhythm(1, settings.timezone, default=True)
    own = {(account.anchor_day, str(account.timezone)): account for account in settings.accounts.values()}
    others = (account for _, account in sorted(own.items()) if not default.has(account))
    return [default, *(Rhythm(account.anchor_day, account.timezone) for account in others)]
