"""account-names: an account is named against the convention of the company.

What it does
    Looks at the alias of each account in the events.

Why it matters
    Costs are charged to teams by the first part of the alias.

Example
    main is billed to no team; team-shop is billed to the shop

How to fix
    Change the alias where the client is configured.

Options
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from auditor.analysis.case import Case, Rule
from auditor.model.findings import Confidence, Finding, Severity
from auditor.model.options import Option


@dataclass(frozen=True, slots=True)
class Options:
    """`[rules.account-names]`."""

    prefix: Annotated[str, Option("what the alias of every account begins with")] = "team-"


class AccountNames(Rule):
    """One finding for each account whose alias begins otherwise."""

    id = "account-names"
    Options = Options
    summary = "an account is named against the convention"

    def findings(self, case: Case) -> Iterable[Finding]:
        """By provider and account."""
        prefix = case.facts.settings.options_of(self.id, Options).prefix
        for payer in (bill.payer for bill in case.bills):
            if not payer.account.startswith(prefix):
                yield Finding(
                    rule=self.id,
                    severity=Severity.LOW,
                    confidence=Confidence.HIGH,
                    subject={"provider": payer.provider, "account": payer.account},
                    message=f"the alias does not begin with {prefix}",
                    advice="Change the alias where the client is configured",
                )
