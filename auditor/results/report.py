"""JSON v1, the public shape: frozen apart from the internal types, with a JSON Schema in the package."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from auditor.analysis.bills import Bill
from auditor.analysis.terms import CycleUse
from auditor.model.events import Outcome
from auditor.model.findings import Finding, Suppressed
from auditor.model.numbers import number, ratio
from auditor.model.plans import cents, cheapest
from auditor.model.waste import Cause
from auditor.results.audit import FileRead, Inputs, Result
from auditor.version import __version__

SCHEMA = "render-auditor/report/v1"


def document(result: Result) -> dict[str, Any]:
    """The report as plain data."""
    facts, waste = result.case.facts, result.case.replayed.waste
    start, end = facts.window or (None, None)
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "generated_at": utc(result.generated_at),
        "window": {"start": utc(start) if start else None, "end": utc(end) if end else None},
        "options": dict(result.options),
        "inputs": inputs_document(result.inputs),
        "totals": totals(result),
        "waste": {**{cause.value: number(waste.total(cause)) for cause in Cause}, "total": number(waste.total())},
        "unknown": unknown(result),
        "accounts": [_account(bill) for bill in result.case.bills],
        "findings": [_finding(finding) for finding in result.findings],
        **({} if result.suppressed is None else {"suppressed": [_suppressed(one) for one in result.suppressed]}),
    }


def inputs_document(inputs: Inputs) -> dict[str, Any]:
    """What was read, as plain data."""
    return {
        "lines": inputs.lines,
        "events": inputs.events,
        "superseded": inputs.superseded,
        "duplicates": inputs.duplicates,
        "filtered": inputs.filtered,
        "rejected": inputs.rejected,
        "assumed_timezone": inputs.assumed_timezone,
        "files": [
            {
                "path": file.path,
                "format": file.format,
                "lines": file.lines,
                "rejected": file.rejected,
                "truncated": file.truncated,
                "assumed": dict(file.assumed),
                **_foreign(file),
            }
            for file in inputs.files
        ],
        "rejections": [
            {
                "path": bad.path,
                "line": bad.line,
                "reason": bad.reason.value,
                "detail": bad.detail,
                "excerpt": bad.excerpt,
            }
            for bad in inputs.rejections
        ],
        "reasons": dict(inputs.reasons),
        "filtered_reasons": dict(inputs.filtered_reasons),
    }


def _foreign(file: FileRead) -> dict[str, Any]:
    """What only logs that are no usage events have."""
    found = {
        "detected": file.detected,
        "other_requests": file.others,
        "filtered": dict(file.filtered),
        "explained": dict(file.explained),
    }
    return {name: value for name, value in found.items() if value}


def unknown(result: Result) -> dict[str, Any]:
    """Renders of which the log cannot tell which picture they were (semantics section 11)."""
    found = result.case.replayed.unknown
    return {"renders": found.renders, "credits": number(found.credits), "reasons": dict(found.reasons)}


def totals(result: Result) -> dict[str, Any]:
    """Requests, calls and credits of the window (semantics section 1)."""
    usage = result.case.facts.usage

    def count(outcome: Outcome, column: str = "events", retried: bool = False) -> int:
        return sum(getattr(row, column) for row in usage if row.outcome == outcome and row.retried == retried)

    hits = count(Outcome.HIT, "requests")
    misses = sum(count(outcome) for outcome in (Outcome.COALESCED, Outcome.RENDER, Outcome.ERROR, Outcome.REFUSED))
    unresolved = count(Outcome.ATTEMPT)
    return {
        "requests": hits + misses,
        "hits": hits,
        "misses": misses,
        "coalesced": count(Outcome.COALESCED),
        "renders": count(Outcome.RENDER),
        "errors": count(Outcome.ERROR),
        "refused": count(Outcome.REFUSED),
        "retries": count(Outcome.ERROR, retried=True),
        "unresolved": unresolved,
        "credits": number(result.case.credits),
        "credits_uncertain": sum(row.unknown for row in usage) + unresolved,
        "bytes": result.case.facts.delivered_bytes,
        "hit_ratio": ratio(hits, hits + misses),
    }


def _account(bill: Bill) -> dict[str, Any]:
    payer = bill.payer
    return {
        "provider": payer.provider,
        "account": payer.account,
        "plan": payer.plan.name if payer.plan else None,
        "currency": bill.currency,
        "cycles": [_cycle(bill, use) for use in bill.uses],
        "recommended_plan": bill.recommended.name if bill.recommended else None,
        "recommended_after_fixes": bill.recommended_after_fixes.name if bill.recommended_after_fixes else None,
        "fixes_known": bill.fixes_known,
        "projected": bill.projected,
        "advice": bill.unadvised.value if bill.unadvised else None,
        "gaps": gaps_document(bill),
        "monthly_saving": cents(bill.saving(bill.recommended, bill.loads)),
        "monthly_saving_after_fixes": cents(bill.saving(bill.recommended_after_fixes, bill.loads_after_fixes)),
    }


def gaps_document(bill: Bill) -> list[dict[str, Any]]:
    """The cycles without an event that are not listed."""
    return [
        {"start": utc(use.gap.start), "end": utc(use.gap.end), "cycles": use.gap.cycles, "bill": cents(use.bill)}
        for use in bill.gaps
    ]


def _cycle(bill: Bill, use: CycleUse) -> dict[str, Any]:
    plan, amount, balance = use.plan, use.bill, use.balance
    # Of a cycle that the log does not cover nobody knows what it cost in the end.
    unused = balance.ended if plan and use.complete else None
    best = cheapest(bill.payer.plans, [(use.credits, use.credits)]) if use.complete else None
    return {
        "start": utc(use.cycle.start),
        "end": utc(use.cycle.end),
        "complete": use.complete,
        "credits": number(use.credits),
        "demand": number(use.demand),
        "included": number(balance.available) if plan else None,
        "utilisation": ratio(use.credits, balance.available) if plan else None,
        "bill": cents(amount),
        # Six places: a render costs fractions of a cent.
        "price_per_render": cents(amount / use.renders, 6) if amount is not None and use.renders else None,
        "unused_credits": number(unused) if unused is not None else None,
        "unused_value": cents(plan.monthly * unused / Fraction(plan.included))
        if plan and unused is not None and plan.included
        else None,
        "cheapest_plan": best.name if best else None,
        "cheapest_bill": cents(best.bill(use.credits)) if best else None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "subject": dict(finding.subject),
        "credits": number(finding.credits),
        "bytes": finding.bytes,
        "money": {
            "now": cents(finding.money.now),
            "after_plan_change": cents(finding.money.after_plan_change),
            "currency": finding.money.currency,
        },
        "message": finding.message,
        "advice": finding.advice,
        "evidence": _plain(finding.evidence),
    }


def _suppressed(one: Suppressed) -> dict[str, Any]:
    finding = _finding(one.finding)
    kept = {name: finding[name] for name in ("rule", "severity", "subject", "credits", "bytes", "message")}
    return {**kept, "reason": one.accepted.reason, "until": one.accepted.until.isoformat()}


def _plain(value: Any) -> Any:
    """Evidence as JSON: times become text, at any depth."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
