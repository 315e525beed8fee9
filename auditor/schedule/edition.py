"""Edition: the report of one cycle, its comparison, and what of it is kept and sent."""

import io
import json
from collections.abc import Callable, Sequence

from auditor.model.plans import Cycle
from auditor.model.settings import Settings
from auditor.registry import MEASURED_RULE, REPORTS, RULES
from auditor.results.audit import Result, report
from auditor.results.document import utc, written
from auditor.results.report import Report, parse
from auditor.schedule.comparison import compare
from auditor.schedule.cycle import Rhythm
from auditor.schedule.delivery import Attachment, Message
from auditor.schedule.folder import COMPARISON, History, KeptReport, encoded, page, write
from auditor.schedule.outbox import identity
from auditor.schedule.summary import subject, summary


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
        self._report = parse(json.dumps(written(report(result))))  # as the history will have it, rounded where it is
        ran = set(RULES) - settings.disabled - (set() if result.case.measured else {MEASURED_RULE})
        self._comparison = None if before is None else compare(before, self._report, ran)
        self.lines = summary(rhythm.label(cycle), self._report, self._comparison, rhythm.timezone)

    def keep(self, history: History, say: Callable[[str], None], *, dry_run: bool) -> KeptReport:
        """The entry in the history, and the index page anew."""
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
