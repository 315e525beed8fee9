"""failed-calls: calls to the provider failed, some of them perhaps billed.

What it does
    Counts failed requests, tries that were repeated, and calls whose answer leaves open whether they were billed
    (time-outs, broken connections, 408, 502, 504, 520 to 527). A *retry ghost* is such a try whose key was rendered
    afterwards: then perhaps two credits went for one picture. Known credits of failed calls are waste, of cause
    `failed`.

Why it matters
    A retry after a time-out may pay twice, and errors like `quota` mean that users saw no picture.

Example
    timeout   14 errors   9 retries   23 uncertain   9 retry ghosts

How to fix
    Give slow templates more time before you retry, retry only what cannot have been billed, and look into `auth`,
    `not_found` and `invalid`, which no retry mends.

Options

"""

from collections.abc import Iterable
from fractions import Fraction

import pandas as pd
from sqlalchemy import and_, func, or_, select

from auditor.analysis.case import Case, Rule
from auditor.analysis.facts import frame_of
from auditor.engines.tables import events, units
from auditor.model.events import Outcome
from auditor.model.findings import Confidence, Finding, Money, severity_of
from auditor.model.words import credits_word, plural

_ADVICE = {
    "timeout": "Wait longer before giving up; a retry may be billed a second time",
    "connection": "Retry only before the request was sent; after that it may have been billed",
    "quota": "The plan is used up: see plan-mismatch",
    "no_plan": "Choose a plan for this account; no retry helps",
    "throttled": "Send fewer calls a second, and honour Retry-After",
    "auth": "Check the API key of this account; no retry helps",
    "not_found": "Check the template id; no retry helps",
    "invalid": "Check the overrides that this template takes; no retry helps",
    "server": "Retry with growing pauses; 502 and 504 may have been billed",
}


class FailedCalls(Rule):
    """One finding for each account and error."""

    id = "failed-calls"
    summary = "calls to the provider failed, some of them perhaps billed"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Severity is measured by the credits that may be lost."""
        usage = case.facts.paid_by(case.facts.usage)
        failed = usage[usage.outcome == Outcome.ERROR].copy()
        if failed.empty:
            return
        failed["error"] = failed.error.replace("", "other")
        ghosts = _ghosts(case)
        for (payer, error), group in failed.groupby(["payer", "error"], sort=True):
            errors, retries = (int(group.loc[group.retried == retried, "events"].sum()) for retried in (False, True))
            uncertain = int(group.unknown.sum())
            credits = sum(group.credits, Fraction(0))
            by_cycle = {int(cycle): sum(own.credits, Fraction(0)) for cycle, own in group.groupby("cycle")}
            own = ghosts[(ghosts.payer == payer) & (ghosts.error == error)]
            account = case.bills[payer].payer
            yield Finding(
                rule=self.id,
                severity=severity_of(credits + uncertain, case.credits),
                confidence=Confidence.HIGH,
                subject={"provider": account.provider, "account": account.account, "error": str(error)},
                message=f"{plural(errors, 'request')} failed with {error}, {retries:,} further tries, "
                f"{uncertain:,} perhaps billed" + (f"; {credits_word(credits)} billed for failures" if credits else ""),
                credits=credits,
                money=case.bills[payer].money(by_cycle) if credits else Money(),
                advice=_ADVICE.get(str(error), "Look at the provider's answers for these calls"),
                evidence={
                    "errors": errors,
                    "retries": retries,
                    "uncertain": uncertain,
                    "retry_ghosts": int(own.ghosts.sum()),
                },
            )


def _ghosts(case: Case) -> pd.DataFrame:
    """payer, error: tries that may have been billed and whose key was rendered later."""
    tries, renders = events.alias("tries"), events.alias("renders")
    last = (
        select(renders.c.key_high, renders.c.key_low, func.max(renders.c.ts_us).label("last_us"))
        .where(renders.c.outcome == Outcome.RENDER)
        .group_by(renders.c.key_high, renders.c.key_low)
        .subquery()
    )
    error = func.coalesce(tries.c.error, "other").label("error")
    perhaps_billed = or_(tries.c.credits.is_(None), tries.c.credits > 0)
    return frame_of(
        case.facts.engine.run(
            select(units.c.payer, error, func.count().label("ghosts"))
            .select_from(tries)
            .join(units, units.c.unit == tries.c.unit)
            .join(
                last,
                and_(
                    last.c.key_high == tries.c.key_high,
                    last.c.key_low == tries.c.key_low,
                    last.c.last_us >= tries.c.ts_us,
                ),
            )
            .where(tries.c.outcome == Outcome.ERROR, tries.c.retried, perhaps_billed)
            .group_by(units.c.payer, error)
        )
    )
