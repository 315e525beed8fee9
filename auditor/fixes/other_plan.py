"""TOML: the plan that an account changes to, from its next cycle on."""

from auditor.analysis.accounts import Payer
from auditor.model.findings import Snippet, SnippetKind
from auditor.model.plans import Plan
from auditor.model.toml import key, quoted

_PLAN = """\
# once the provider has changed it
[[accounts.{account}.plans]]
since = {since}
plan = {plan}
"""


def other_plan(payer: Payer, plan: Plan) -> Snippet:
    """What auditor.toml says of the change, beside the table of the account."""
    since = payer.settings.day(payer.cycles[-1].end)
    return Snippet(SnippetKind.TOML, _PLAN.format(account=key(payer.account), since=since, plan=quoted(plan.name)))
