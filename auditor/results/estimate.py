"""The estimate as JSON v1, and its verdict in words."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TextIO

from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.planning.estimate import Estimate
from auditor.results.plan import plan_document
from auditor.system.indented import indented
from auditor.system.terminal import plain

SCHEMA = "render-auditor/estimate/v1"


def write_json(estimates: Sequence[Estimate], out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    from auditor.version import __version__

    document = {
        "schema": SCHEMA, "tool_version": __version__, "estimates": [_document(each) for each in estimates]
    }  # fmt: skip
    out.write(indented(document) + "\n")


def _document(found: Estimate) -> dict[str, Any]:
    plan = found.plan
    payer = found.measured.payer if found.measured else None
    return {
        "account": payer.account if payer else None,
        "provider": found.plans[0].provider if found.plans else payer.provider if payer else None,
        "measured_cycles": found.cycles,
        "requests": number(found.requests),
        "unknown": number(found.unknown),
        "steps": [
            {"name": step.name, "rate": ratio(step.rate, 1), "before": number(step.before), "after": number(step.after)}
            for step in found.steps
        ],
        "calls": number(found.calls),
        "credits": number(found.credits),
        "plan": plan.name if plan else None,
        "bill": cents(plan.bill(found.credits)) if plan else None,
        "currency": plan.currency if plan else None,
        "why": why(found),
        "plans": [
            {
                **plan_document(each),
                "bill": cents(each.bill(found.credits)),
                "lacks": number(max(Fraction(0), found.credits - Fraction(each.included))),
            }
            for each in found.plans
        ],
    }


def why(found: Estimate) -> str:
    """The plan, and why no cheaper one will do."""
    calls, s = (f"{number(found.credits):,} calls a month", "") if found.credits != 1 else ("1 call a month", "s")
    plan = found.plan
    if not found.plans:
        return f"{calls}; no plan of this provider is known: describe one under [plans] in auditor.toml"
    if plan is None:
        largest = max(found.plans, key=lambda each: (each.included, each.name))
        return f"{calls} fit{s} no known plan; the largest, {plain(largest.name)}, holds {number(largest.included):,}"
    sentences = [f"{calls} need{s} {plain(plan.name)}, {cents(plan.bill(found.credits))} {plan.currency}"]
    smaller = [each for each in found.plans if each.monthly < plan.monthly and not each.holds(found.credits)]
    if smaller:
        closest = max(smaller, key=lambda each: (each.included, each.name))
        lacks = number(found.credits - Fraction(closest.included))
        sentences[0] += f": {plain(closest.name)} holds {number(closest.included):,} credits, {lacks:,} too few"
    before = found.without()
    if before is None:
        sentences.append("Without these steps no known plan would hold the calls")
    elif before != plan:
        whole = before.bill(Fraction(math.ceil(found.requests)))
        sentences.append(f"Without these steps it would be {plain(before.name)}, {cents(whole)} {before.currency}")
    elif found.calls < found.requests:
        sentences.append("The same plan would do without these steps: they leave room, but save no money yet")
    if found.unknown:
        sentences.append(
            f"Of these, {calls_of(found.unknown)} are of unknown images: how many of them were necessary is unknown"
        )
    if found.guide:
        sentences.append(
            "The provider's guide ends this very sum with Basic; by its own table of plans Basic holds 1,000 credits, "
            "so it has to be Pro"
        )
    return ". ".join(sentences)


def calls_of(amount: Fraction) -> str:
    """Calls a month, rounded to a tenth."""
    return f"{number(round(amount, 1)):,}"
