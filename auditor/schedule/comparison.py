"""Two JSON v1 reports compared: what is new, fixed, grown or shrunk, and what the earlier one promised.

A finding is the same one if its rule and subject are. It has grown if it is about more credits, or with equal credits
about more bytes, or with equal bytes about more money after a change of plan. A finding that is accepted in a baseline
is neither new nor fixed.
"""

import json
from collections.abc import Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from auditor.model.findings import Confidence
from auditor.model.numbers import number
from auditor.model.plans import cents

SCHEMA = "render-auditor/comparison/v1"
Identity = tuple[str, tuple[tuple[str, str], ...]]
_ASKED = (
    "ttl_seconds",
    "timezone",
    "production_environments",
    "environments",
    "accounts",
    "templates",
    "rules",
    "skip",
    "min_confidence",
)
"""Options that make reports incomparable where they differ; the times differ by intention."""


def exact(document: Mapping[str, Any]) -> dict[str, Any]:
    """The report with numbers as they are written, never as floats."""
    return parse(json.dumps(document))


def parse(text: str | bytes) -> dict[str, Any]:
    """A report from its text."""
    found = json.loads(text, parse_float=Decimal)
    if not isinstance(found, dict) or found.get("schema") != "render-auditor/report/v1":
        raise ValueError("is no report of `auditor audit --format json` (render-auditor/report/v1)")
    return found


def compare(before: Mapping[str, Any], now: Mapping[str, Any], ran: Collection[str] | None = None) -> dict[str, Any]:
    """The comparison as plain data.

    *ran* are the rules that were looked for now, if that is known: what is missing of another rule is not fixed.
    """
    unsure = _unsure(before, now)
    old, new = _findings(before, unsure), _findings(now, unsure)
    accepted = _identities(before.get("suppressed", ())) | _identities(now.get("suppressed", ()))
    gone = [found for identity, found in old.items() if identity not in new and identity not in accepted]
    kept = [(old[identity], found) for identity, found in new.items() if identity in old]
    unsought = [found for found in gone if ran is not None and found["rule"] not in ran]
    return {
        "schema": SCHEMA,
        "before": _when(before),
        "now": _when(now),
        "different_options": [
            f"{name}: {_said(before['options'].get(name))} before, {_said(now['options'].get(name))} now"
            for name in _ASKED
            if before["options"].get(name) != now["options"].get(name)
        ],
        "findings": {
            "new": [_one(found) for identity, found in new.items() if identity not in old and identity not in accepted],
            "fixed": [_one(found) for found in gone if found not in unsought],
            "grown": _ordered(_both(was, found) for was, found in kept if _weight(found) > _weight(was)),
            "shrunk": _ordered(_both(was, found) for was, found in kept if _weight(found) < _weight(was)),
            "unchanged": sum(_weight(found) == _weight(was) for was, found in kept),
            "suppressed": len(now.get("suppressed", ())),
            "not_looked_for": [_one(found) for found in unsought],
        },
        "saving": _saving(before, now),
        "accounts": _accounts(before, now),
    }


def _when(report: Mapping[str, Any]) -> dict[str, Any]:
    return {"generated_at": report["generated_at"], "window": dict(report["window"])}


def _identity(finding: Mapping[str, Any]) -> Identity:
    return finding["rule"], tuple(sorted(finding["subject"].items()))


def _identities(findings: Collection[Mapping[str, Any]]) -> set[Identity]:
    return {_identity(finding) for finding in findings}


def _unsure(*reports: Mapping[str, Any]) -> Collection[str]:
    """The confidences that one of the reports does not show: such a finding is neither new nor fixed in another."""
    least = min(Confidence(report["options"].get("min_confidence") or Confidence.LOW).rank for report in reports)
    return [confidence for confidence in Confidence if confidence.rank > least]


def _findings(report: Mapping[str, Any], unsure: Collection[str]) -> dict[Identity, Mapping[str, Any]]:
    return {_identity(finding): finding for finding in report["findings"] if finding.get("confidence") not in unsure}


def _weight(finding: Mapping[str, Any]) -> tuple[Fraction, int, Fraction]:
    money = finding["money"]["after_plan_change"]
    return Fraction(finding["credits"]), finding["bytes"], Fraction(money or 0)


def _one(finding: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: finding[name] for name in ("rule", "severity", "subject", "bytes", "message")}
    return kept | {"credits": _number(finding["credits"])}


def _both(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_one(now),
        "severity_before": was["severity"],
        "credits_before": _number(was["credits"]),
        "bytes_before": was["bytes"],
    }


def _ordered(pairs: Any) -> list[dict[str, Any]]:
    """The largest change first."""

    def change(pair: dict[str, Any]) -> tuple[Any, ...]:
        credits = abs(Fraction(pair["credits"]) - Fraction(pair["credits_before"]))
        return -credits, -abs(pair["bytes"] - pair["bytes_before"]), pair["rule"], sorted(pair["subject"].items())

    return sorted(pairs, key=change)


def _saving(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Wasted credits: what the earlier report promised, and what came of it.

    `realised_at_equal_traffic` is what would be wasted now by the earlier rate of waste to requests, less what is.
    """
    was, is_now = Fraction(before["waste"]["total"]), Fraction(now["waste"]["total"])
    requests = before["totals"]["requests"], now["totals"]["requests"]
    return {
        "requests_before": requests[0],
        "requests": requests[1],
        "credits_before": _number(before["totals"]["credits"]),
        "credits": _number(now["totals"]["credits"]),
        "predicted_credits": number(was),
        "wasted_credits": number(is_now),
        "realised_credits": number(was - is_now),
        "realised_at_equal_traffic": number(_rounded(was * requests[1] / requests[0] - is_now))
        if requests[0]
        else None,
    }


def _accounts(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bills of accounts that are in both: what a month was to save, and how much less it costs."""
    old = {(account["provider"], account["account"]): account for account in before["accounts"]}
    found = []
    for account in now["accounts"]:
        was = old.get((account["provider"], account["account"]))
        if was is None:
            continue
        bills = _bill(was), _bill(account)
        saved = None
        if bills[0] is not None and bills[1] is not None and was["currency"] == account["currency"]:
            saved = bills[0] - bills[1]
        found.append(
            {
                "provider": account["provider"],
                "account": account["account"],
                "currency": account["currency"],
                "plan_before": was["plan"],
                "plan": account["plan"],
                "bill_before": cents(bills[0]),
                "bill": cents(bills[1]),
                "predicted_monthly_saving": was["monthly_saving"],
                "predicted_monthly_saving_after_fixes": was["monthly_saving_after_fixes"],
                "realised_monthly_saving": cents(saved),
            }
        )
    return found


def _bill(account: Mapping[str, Any]) -> Fraction | None:
    """The mean bill of the complete cycles; None where there is none, or one has no bill."""
    bills = [cycle["bill"] for cycle in account["cycles"] if cycle["complete"]]
    if not bills or None in bills:
        return None
    return sum((Fraction(bill) for bill in bills), Fraction(0)) / len(bills)


def _rounded(value: Fraction) -> Fraction:
    """Six decimals, like every ratio."""
    return round(value, 6)


def _number(value: Any) -> int | float:
    return number(Fraction(value))


def _said(value: Any) -> str:
    return ", ".join(value) or "all" if isinstance(value, list) else str(value)
