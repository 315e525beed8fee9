"""The estimate, for a terminal and as JSON v1."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TextIO

from rich.padding import Padding
from rich.text import Text as Words

from auditor.audits.words import plural
from auditor.indented import indented
from auditor.numbers import number, ratio
from auditor.plans import Plan, cents
from auditor.reports.text import console_of
from auditor.terminal import plain
from auditor.whatif.estimate import Estimate
from auditor.whatif.plan_json import plan_document
from auditor.whatif.plan_text import table_of

SCHEMA = "render-auditor/estimate/v1"
_WORDS = {
    "hit rate": "a cache serves",
    "deduplication": "identical calls are merged",
    "batches": "rendered ahead and kept longer",
}


def write_json(estimates: Sequence[Estimate], out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    from auditor import __version__

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


def write_text(estimates: Sequence[Estimate], out: TextIO) -> None:
    """Write each step, each plan, and why it is the one."""
    console = console_of(out)
    for found in estimates:
        title = f"Estimate for {plain(found.plans[0].provider)}" if found.plans else "Estimate"
        if found.measured is not None:
            payer = found.measured.payer
            over = plural(found.cycles, "whole cycle") if found.cycles else "a part of a cycle, projected"
            title = f"Estimate for {plain(payer.provider)}/{plain(payer.account)}, with the rates of {over}"
        console.print(Words(title, style="bold"))
        table = table_of("Step", "Rate", "Requests a month", "", left=["Step", ""])
        table.add_row("requests", "", _calls(found.requests), "")
        if found.unknown:
            table.add_row("unknown", "", f"- {_calls(found.unknown)}", "renders that no step can be measured on")
        for step in found.steps:
            table.add_row(step.name, f"{_percent(step.rate)} %", f"→ {_calls(step.after)}", _WORDS[step.name])
        if found.unknown:
            table.add_row("calls", "", f"= {_calls(found.calls)}", "with the unknown renders")
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
        if found.plans:
            price = f"Price {plain(found.plans[0].currency)}"
            plans = table_of("Plan", price, "Credits", "For so many calls", left=["Plan", "For so many calls"])
            for plan in found.plans:
                chosen = plan == found.plan
                plans.add_row(
                    Words(plain(plan.name)), cents(plan.monthly), f"{number(plan.included):,}",
                    _fate(plan, found.credits) + ("  <- cheapest that holds them" if chosen else ""),
                    style="bold green" if chosen else None,
                )  # fmt: skip
            console.print(Padding(plans, (1, 0, 1, 2), expand=False))
        console.print(why(found))
        console.print()


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
            f"Of these, {_calls(found.unknown)} are of unknown images: how many of them were necessary is unknown"
        )
    if found.guide:
        sentences.append(
            "The provider's guide ends this very sum with Basic; by its own table of plans Basic holds 1,000 credits, "
            "so it has to be Pro"
        )
    return ". ".join(sentences)


def _fate(plan: Plan, credits: Fraction) -> str:
    bill = plan.bill(credits)
    if bill is None:
        return f"lacks {number(credits - Fraction(plan.included)):,} of {number(credits):,}, then {plan.beyond}"
    if credits > plan.included:
        return f"{cents(bill)}, of that {cents(bill - plan.monthly)} for overage"
    return f"{cents(bill)}, {round(100 * credits / Fraction(plan.included))} % used"


def _calls(amount: Fraction) -> str:
    return f"{number(round(amount, 1)):,}"


def _percent(rate: Fraction) -> str:
    return f"{number(round(100 * rate, 1)):g}"
