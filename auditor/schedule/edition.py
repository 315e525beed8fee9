"""Edition: which cycle a report is about, the report of it, its comparison, and what of it is kept and sent.

Accounts whose cycles start on the same day in the same time zone share a report; others get one of their own, so that
every report holds whole cycles and is compared with the whole cycle before. `last` is the newest cycle that has ended,
by the clock; `2026-09` is the one that starts in that month.
"""

import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from auditor.model.plans import Cycle, cycles, micros
from auditor.model.settings import Account, Settings
from auditor.registry import MEASURED_RULE, REPORTS, RULES
from auditor.results.audit import Result
from auditor.results.document import utc, written
from auditor.results.report import Report, parse
from auditor.schedule.comparison import compare
from auditor.schedule.delivery import Attachment, Message
from auditor.schedule.folder import COMPARISON, History, KeptReport, encoded, page, write
from auditor.schedule.outbox import identity
from auditor.schedule.summary import subject, summary

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
            raise ValueError(f"= {choice!r} is not a cycle; write last, or the month in which it starts, like 2026-09")
        middle, days = datetime.fromisoformat(f"{choice}-15").replace(tzinfo=self.timezone), timedelta(days=20)
        around = cycles(micros(middle - days), micros(middle + days), self.anchor_day, self.timezone)
        (found,) = [one for one in around if one.start.astimezone(self.timezone).isoformat().startswith(choice)]
        return found

    def facts(self, cycle: Cycle) -> dict[str, Any]:
        """What the history remembers of a cycle."""
        cut = {"anchor_day": self.anchor_day, "timezone": str(self.timezone)}
        return {"start": utc(cycle.start), "end": utc(cycle.end), **cut}

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


class Edition:
    """One report, ready to be kept and sent."""

    def __init__(
        self, settings: Settings, rhythm: Rhythm, cycle: Cycle, result: Result, before: Report | None,
        formats: Sequence[str],
    ) -> None:  # fmt: skip
        """*before* is the report to compare with, *formats* those that are kept."""
        self._settings, self._result, self._formats = settings, result, formats
        self._facts = rhythm.facts(cycle)
        self.name = rhythm.name(cycle)
        # As the history will have it, rounded where it is, but for the steps: only this report has the words for them.
        self._report = replace(parse(json.dumps(written(result.report))), headline=result.report.headline)
        ran = set(RULES) - settings.disabled - (set() if result.case.measured else {MEASURED_RULE})
        self._comparison = None if before is None else compare(before, self._report, ran)
        self.lines = summary(rhythm.label(cycle), self._report, self._comparison, rhythm.timezone)

    def keep(self, history: History, say: Callable[[str], None], *, dry_run: bool) -> KeptReport:
        """The entry in the history, and the index page again."""
        if dry_run:
            say(f"{self.name}: would be kept in {history.root / self.name}")
            return KeptReport(history.root / self.name, self._facts)
        files = {made.name: made.content for made in map(self._attachment, self._formats)}
        if self._comparison is not None:
            files[COMPARISON] = encoded(self._comparison)
        entry = history.keep(self.name, files, self._facts)
        write(history.root / "index.html", page(history.entries()).encode())
        return entry

    def message(self, name: str, *, resend: bool) -> Message:
        """What goes to the delivery *name*; sent again on purpose, it has another id."""
        accounts = sorted(f"{one.provider}/{one.account}" for one in self._report.accounts)
        again = (utc(self._report.generated_at),) if resend else ()
        document = written(self._report)
        shown = {part: document[part] for part in ("window", "totals", "waste", "accounts", "findings")}
        return Message(
            id=identity(self.name, name, *accounts, *again),
            name=self.name,
            subject=subject(self.name, self._report),
            lines=self.lines,
            attachments=[self._attachment(one) for one in self._settings.deliveries[name].formats],
            document={**shown, "comparison": self._comparison},
        )

    def _attachment(self, report_format: str) -> Attachment:
        made, out = REPORTS[report_format], io.StringIO(newline="")
        made.write(self._result, out)
        return Attachment(f"report.{made.suffix}", made.media_type, out.getvalue().encode())
