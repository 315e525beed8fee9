"""failed-calls: calls to the provider failed, some of them perhaps billed.

What it does
    Counts failed requests, tries that were repeated, and calls whose answer leaves open whether they were billed
    (time-outs, broken connections, 408, 502, 504, 520 to 527). A *retry ghost* is such a try whose key was rendered
    afterwards: then perhaps two credits went for one image. Known credits of failed calls are waste, of cause
    `failed`.

Why it matters
    A retry after a time-out may pay twice, and errors like `quota` mean that users saw no image.

Example
    timeout   14 errors   9 retries   23 uncertain   9 retry ghosts

How to fix
    Give slow templates more time before you retry, retry only what cannot have been billed, and look into `auth`,
    `not_found` and `invalid`, which no retry mends.

Options

"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from auditor.analysis.again import ghosts
from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.model.events import Outcome
from auditor.model.findings import Confidence, Finding, Mended, severity_of
from auditor.model.waste import Cause
from auditor.model.words import credits_word, plural

_ADVICE = {
    "timeout": "Wait longer before giving up; a retry may be billed a second time",
    "connection": "Retry only before the request was sent; after that it may have been billed",
    "quota": "The plan is used up: see plan-mismatch",
    "no_plan": "Choose a plan for this account; no retry helps",
    "throttled": "Send fewer calls a second, and honor Retry-After",
    "auth": "Check the API key of this account; no retry helps",
    "not_found": "Check the template id; no retry helps",
    "invalid": "Check the overrides that this template takes; no retry helps",
    "server": "Retry with growing pauses; 502 and 504 may have been billed",
}


class FailedCalls(Rule):
    """One finding for each account and error."""

    id = "failed-calls"
    causes = (Cause.FAILED,)
    summary = "calls to the provider failed, some of them perhaps billed"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Severity is measured by the credits that may be lost."""
        failed = [row for row in case.facts.usage if row.outcome == Outcome.ERROR]
        if not failed:
            return
        ghostly = {(found.payer, found.error): found.ghosts for found in ghosts(case.facts)}
        by_error = grouped(failed, lambda row: (case.payer_of(row.unit), row.error or "other"))
        for (payer, error), group in by_error.items():
            errors, retries = (sum(row.events for row in group if row.retried == retried) for retried in (False, True))
            uncertain = sum(row.unknown for row in group)
            by_cycle: dict[int, Fraction] = defaultdict(Fraction)
            for row in group:
                by_cycle[row.cycle] += row.credits
            credits = sum(by_cycle.values(), Fraction(0))
            yield Finding(
                rule=self.id,
                severity=severity_of(credits + uncertain, case.credits),
                confidence=Confidence.HIGH,
                subject={**case.bills[payer].payer.names, "error": error},
                message=f"{plural(errors, 'request')} failed with {error}, "
                f"{retries:,} further {'try' if retries == 1 else 'tries'}, {uncertain:,} perhaps billed"
                + (f"; {credits_word(credits)} billed for failures" if credits else ""),
                credits=credits,
                payer=payer,
                saved=by_cycle,
                mended=Mended(f"calls that fail with {error}", *["are not billed any more"] * 2),
                advice=_ADVICE.get(error, "Look at the provider's answers for these calls"),
                evidence={
                    "errors": errors,
                    "retries": retries,
                    "uncertain": uncertain,
                    "retry_ghosts": ghostly.get((payer, error), 0),
                },
            )
