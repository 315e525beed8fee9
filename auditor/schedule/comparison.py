"""Two JSON reports compared: what is new, fixed, grown or shrunk, and what the earlier one promised.

A finding is the same one if its rule and subject are. It has grown if it is about more credits, or with equal credits
about more bytes, or with equal bytes about more money after a change of plan. A finding that is accepted in a baseline
is neither new nor fixed.
"""

from collections.abc import Collection, Iterable
from fractions import Fraction
from typing import Any

from auditor.model.findings import Confidence
from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.results.document import utc, written
from auditor.results.finding import Finding, Suppressed
from auditor.results.report import Account, Options, Report

SCHEMA = "render-auditor/comparison/v1"
Identity = tuple[str, tuple[tuple[str, str], ...]]
_ASKED = [name for name in Options.__struct_fields__ if name not in ("since", "until")]
"""Options that make reports incomparable where they differ; the times differ by intention."""


def compare(before: Report, now: Report, ran: Collection[str] | None = None) -> dict[str, Any]:
    """The comparison as plain data.

    *ran* are the rules that were looked for now, if that is known: what is missing of another rule is not fixed.
    """
    # What one of the reports does not show, being less sure, is neither new nor fixed in the other.
    least = min(Confidence(each.options.min_confidence or Confidence.LOW).rank for each in (before, now))
    old, new = (
        {_identity(found): found for found in report.findings if found.confidence.rank <= least}
        for report in (before, now)
    )
    accepted = {_identity(found) for found in (*before.accepted, *now.accepted)}
    gone = [found for identity, found in old.items() if identity not in new and identity not in accepted]
    kept = [(old[identity], found) for identity, found in new.items() if identity in old]
    unsought = [found for found in gone if ran is not None and found.rule not in ran]
    asked = [(name, getattr(before.options, name), getattr(now.options, name)) for name in _ASKED]
    return {
        "schema": SCHEMA,
        "before": _when(before),
        "now": _when(now),
        "different_options": [f"{name}: {_said(was)} before, {_said(to)} now" for name, was, to in asked if was != to],
        "findings": {
            "new": [_one(found) for identity, found in new.items() if identity not in old and identity not in accepted],
            "fixed": [_one(found) for found in gone if found not in unsought],
            "grown": _changed((was, found) for was, found in kept if _weight(found) > _weight(was)),
            "shrunk": _changed((was, found) for was, found in kept if _weight(found) < _weight(was)),
            "unchanged": sum(_weight(found) == _weight(was) for was, found in kept),
            "suppressed": len(now.accepted),
            "not_looked_for": [_one(found) for found in unsought],
        },
        "saving": _saving(before, now),
        "accounts": _accounts(before, now),
    }


def _when(report: Report) -> dict[str, Any]:
    return {"generated_at": utc(report.generated_at), "window": written(report.window)}


def _identity(finding: Finding | Suppressed) -> Identity:
    return finding.rule, tuple(sorted(finding.subject.items()))


def _weight(finding: Finding) -> tuple[Fraction, int, Fraction]:
    return finding.credits, finding.bytes, finding.money.alone or finding.money.cost or Fraction(0)


def _one(finding: Finding) -> dict[str, Any]:
    found = written(finding)
    return {name: found[name] for name in ("rule", "severity", "subject", "bytes", "message", "credits")}


def _changed(kept: Iterable[tuple[Finding, Finding]]) -> list[dict[str, Any]]:
    """What was of each, and what is now; the largest change first."""
    pairs = [
        _one(now)
        | {"severity_before": was.severity.value, "credits_before": number(was.credits), "bytes_before": was.bytes}
        for was, now in kept
    ]

    def change(pair: dict[str, Any]) -> tuple[Any, ...]:
        credits = abs(Fraction(pair["credits"]) - Fraction(pair["credits_before"]))
        return -credits, -abs(pair["bytes"] - pair["bytes_before"]), pair["rule"], sorted(pair["subject"].items())

    return sorted(pairs, key=change)


def _saving(before: Report, now: Report) -> dict[str, Any]:
    """Wasted credits: what the earlier report promised, and what came of it.

    `realised_at_equal_traffic` is what would be wasted now by the earlier rate of waste to requests, less what is.
    """
    was, is_now = before.waste.total, now.waste.total
    first, then = before.totals.requests, now.totals.requests
    equal = number(round(was * then / first - is_now, 6)) if first else None
    return {
        "requests_before": first,
        "requests": then,
        "credits_before": number(before.totals.credits),
        "credits": number(now.totals.credits),
        "predicted_credits": number(was),
        "wasted_credits": number(is_now),
        "realised_credits": number(was - is_now),
        "realised_at_equal_traffic": equal,
    }


def _accounts(before: Report, now: Report) -> list[dict[str, Any]]:
    """Bills of accounts that are in both: what a month was to save, and how much less it costs."""
    old = {(account.provider, account.account): account for account in before.accounts}
    found = []
    for account in now.accounts:
        was = old.get((account.provider, account.account))
        if was is None:
            continue
        bills = _bill(was), _bill(account)
        saved = None
        if bills[0] is not None and bills[1] is not None and was.currency == account.currency:
            saved = bills[0] - bills[1]
        found.append(
            {
                **{name: getattr(account, name) for name in ("provider", "account", "currency")},
                "plan_before": was.plan,
                "plan": account.plan,
                "bill_before": cents(bills[0]),
                "bill": cents(bills[1]),
                "predicted_monthly_saving": cents(was.monthly_saving),
                "predicted_monthly_saving_after_fixes": cents(was.monthly_saving_after_fixes),
                "realised_monthly_saving": cents(saved),
            }
        )
    return found


def _bill(account: Account) -> Fraction | None:
    """The mean bill of the complete cycles; None where there is none, or one has no bill."""
    bills = [cycle.bill for cycle in account.cycles if cycle.complete]
    known = [bill for bill in bills if bill is not None]
    return sum(known, Fraction(0)) / len(known) if known and len(known) == len(bills) else None


def _said(value: object) -> str:
    if isinstance(value, Fraction):
        return str(number(value))
    return ", ".join(value) or "all" if isinstance(value, list) else str(value)
