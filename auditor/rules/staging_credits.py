"""staging-credits: environments that earn nothing render on a plan that costs money.

What it does
    Adds up the billed renders of every environment outside `production_environments`, for accounts whose plan costs
    money. An account without a configured plan counts as paying.

Why it matters
    Test suites and previews use up credits that customers need later in the cycle. Testing is legitimate; paying for
    it is a choice, so the credits are avoidable rather than certain waste.

Example
    staging   1,912 renders   1,912 credits   of which 300 would fit the free plan (100 a month)

How to fix
    Give staging a free account or a sandbox, cache its renders, and put a budget on it.

Options
    production_environments = ["production", "prod", "live"]

"""

from collections.abc import Iterable
from fractions import Fraction

from auditor.analysis.case import Case, Rule
from auditor.analysis.rows import grouped
from auditor.fixes.free_account import free_account
from auditor.model.findings import Confidence, Finding, Mended, severity_of
from auditor.model.numbers import exact_sum, number
from auditor.model.waste import Cause
from auditor.model.words import credits_word
from auditor.replay.walk import Verdict


class StagingCredits(Rule):
    """One finding for each account and environment."""

    id = "staging-credits"
    causes = (Cause.STAGING,)
    summary = "test and staging traffic is rendered on a plan that costs money"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Evidence says how much of it would fit the provider's free plan, month by month."""
        units, billed = case.facts.units, [row for row in case.replayed.verdicts if row.verdict != Verdict.FREE]
        chosen = grouped(sorted(case.replayed.staging), lambda unit: (units[unit].payer, units[unit].environment))
        for (payer, environment), own in chosen.items():
            credits = case.replayed.waste.total(Cause.STAGING, own)
            if credits == 0:
                continue
            bill = case.bills[payer]
            by_cycle = case.replayed.waste.by_cycle(own, self.causes)
            free = case.facts.settings.free_plan(bill.payer.provider)
            spent = [by_cycle.get(index, Fraction(0)) for index in range(len(bill.uses))]
            fits = [None if free is None else number(min(each, Fraction(free.included))) for each in spent]
            fit = exact_sum(each or 0 for each in fits)
            fitting = ""
            if free:
                fitting = f"; {fit:,} of these credits would fit {free.name} ({number(free.included):,} a month)"
            yield Finding(
                rule=self.id,
                severity=severity_of(credits, case.credits),
                confidence=Confidence.MEDIUM,
                subject={**bill.payer.names, "environment": environment},
                message=f"{environment} used {credits_word(credits)} of a plan that costs money",
                advice=f"Point it at a free account or a sandbox, or cache its renders{fitting}",
                credits=credits,
                payer=payer,
                saved=by_cycle,
                mended=Mended(environment, "moves off the paid plan", "move off the paid plan"),
                snippet=free_account(case.facts.settings, bill.payer, environment),
                evidence={
                    "renders": sum(row.billed for row in billed if row.unit in own),
                    "credits": number(credits),
                    "free_plan": free.name if free else None,
                    "fit_free_plan": fit if free else None,
                    "cycles": [
                        {"start": use.cycle.start, "credits": number(each), "fit_free_plan": own_fit}
                        for use, each, own_fit in zip(bill.uses, spent, fits, strict=True)
                    ],
                },
            )
