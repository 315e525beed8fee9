"""Plan advice, JSON v1: the public shape, frozen apart from the internal types, with a JSON Schema in the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, TextIO

from auditor.analysis.bills import Bill
from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.planning.forecast import Forecast, Span
from auditor.planning.offers import Offer
from auditor.planning.plan import Advice, Scenario
from auditor.results.audit import gaps_of
from auditor.results.document import utc, written
from auditor.results.inputs import Inputs
from auditor.results.plans import KnownPlan, known_plan
from auditor.system.indented import indented

SCHEMA = "render-auditor/plan/v1"


@dataclass(frozen=True, slots=True)
class Advised:
    """One run of `auditor plan`."""

    advice: Sequence[Advice]
    inputs: Inputs
    window: tuple[datetime, datetime] | None
    options: Mapping[str, Any]
    generated_at: datetime


def write(result: Advised, out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    out.write(indented(document(result)) + "\n")


def document(result: Advised) -> dict[str, Any]:
    """The advice as plain data."""
    from auditor.version import __version__

    start, end = result.window or (None, None)
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "generated_at": utc(result.generated_at),
        "window": {"start": utc(start) if start else None, "end": utc(end) if end else None},
        "options": dict(result.options),
        "inputs": written(result.inputs),
        "accounts": [_account(advice) for advice in result.advice],
    }


def _account(advice: Advice) -> dict[str, Any]:
    bill = advice.bill
    return {
        "provider": bill.payer.provider,
        "account": bill.payer.account,
        "plan": bill.payer.plan.name if bill.payer.plan else None,
        "currency": bill.currency,
        "projected": bill.projected,
        "advice": bill.unadvised.value if bill.unadvised else None,
        "gaps": [written(gap) for gap in gaps_of(bill)],
        "plans": [written(known_plan(plan, KnownPlan)) for plan in bill.payer.plans],
        "cycles": _cycles(bill),
        "scenarios": [_scenario(bill, scenario) for scenario in advice.scenarios],
        "forecast": _forecast(advice.forecast) if advice.forecast else None,
        "providers": [_offer(offer) for offer in advice.offers],
    }


def _cycles(bill: Bill) -> list[dict[str, Any]]:
    return [
        {
            "start": utc(use.cycle.start),
            "end": utc(use.cycle.end),
            "complete": use.complete,
            "plan": use.plan.name if use.plan else None,
            "credits": number(use.credits) if use.known else None,
            "demand": number(use.demand),
            "wasted": number(use.wasted) if use.wasted or (use.known and not bill.blind) else None,
            "included": number(use.balance.included) if use.plan else None,
            "carried": number(use.balance.carried),
            "bought": number(use.balance.bought),
            "beyond": number(use.balance.beyond) if use.plan else None,
            "ended_unused": number(use.balance.ended),
            "left": number(use.balance.left),
            "bill": cents(use.bill),
        }
        for use in bill.uses
    ]


def _scenario(bill: Bill, scenario: Scenario) -> dict[str, Any]:
    return {
        "fix": scenario.fix,
        "description": scenario.words,
        "credits_saved": number(scenario.total_saved) if scenario.known else None,
        "recommended_plan": scenario.recommended.name if scenario.recommended else None,
        "monthly_bill": cents(scenario.monthly),
        "monthly_bill_current_plan": cents(scenario.staying),
        "monthly_saving": cents(scenario.saving),
        "cycles": [
            {
                "start": utc(use.cycle.start),
                "credits": number(use.credits - scenario.saved.get(index, Fraction(0))) if use.known else None,
                "demand": number(use.demand - scenario.saved.get(index, Fraction(0))),
                "plans": {
                    name: {
                        "bill": cents(cells[index].bill),
                        "holds_demand": cells[index].holds,
                        "headroom": number(cells[index].headroom),
                    }
                    for name, cells in scenario.table.items()
                },
            }
            for index, use in enumerate(bill.uses)
        ],
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    ran_out = forecast.exhausted
    return {
        "cycle": {"start": utc(forecast.cycle.start), "end": utc(forecast.cycle.end)},
        "as_of": utc(forecast.as_of),
        "weeks": forecast.weeks,
        "silent_days": [day.isoformat() for day in forecast.silent],
        "enough_data": forecast.confidence is not None,
        "confidence": ratio(forecast.confidence, 1) if forecast.confidence is not None else None,
        "demand_so_far": number(forecast.so_far),
        "demand": _span(forecast.total),
        "available": number(forecast.available) if forecast.available is not None else None,
        "exhausted": None
        if ran_out is None
        else {
            name: day.isoformat() if day else None
            for name, day in (
                ("likely", ran_out.likely),
                ("earliest", ran_out.earliest),
                ("latest", ran_out.latest),
            )
        },
        "ending_unused": _span(forecast.ending),
        "ending_unused_value": None
        if forecast.ending_value is None
        else {
            "likely": cents(forecast.ending_value.likely),
            "low": cents(forecast.ending_value.low),
            "high": cents(forecast.ending_value.high),
        },
    }


def _span(span: Span | None) -> dict[str, Any] | None:
    """Whole credits: a forecast is no count."""
    if span is None:
        return None
    return {
        "likely": round(span.likely),
        "low": None if span.low is None else round(span.low),
        "high": None if span.high is None else round(span.high),
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "provider": offer.provider.name,
        "plan": offer.now.name if offer.now else None,
        "monthly_bill": cents(offer.monthly),
        "plan_after_fixes": offer.after_fixes.name if offer.after_fixes else None,
        "monthly_bill_after_fixes": cents(offer.monthly_after_fixes),
        "currency": offer.now.currency if offer.now else None,
        "pictures_of_unknown_price": offer.unsized,
        "failed_renders_billed": offer.provider.billing.failed,
        "repeats_billed": offer.provider.billing.repeats,
        "grade": offer.now.grade.value if offer.now else None,
        "source": offer.now.source if offer.now else None,
        "checked": offer.now.checked.isoformat() if offer.now and offer.now.checked else None,
        "notes": list(offer.provider.notes),
    }
