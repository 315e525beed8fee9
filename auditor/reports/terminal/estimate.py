"""The estimate, for a terminal."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TextIO

from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import Plan, cents
from auditor.model.words import plural
from auditor.planning.estimate import Estimate
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.estimate import calls_of, why
from auditor.system.terminal import plain

_WORDS = {
    "hit rate": "a cache serves",
    "deduplication": "identical calls are merged",
    "batches": "rendered ahead and kept longer",
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
        table.add_row("requests", "", calls_of(found.requests), "")
        if found.unknown:
            table.add_row("unknown", "", f"- {calls_of(found.unknown)}", "renders that no step can be measured on")
        for step in found.steps:
            table.add_row(step.name, f"{_percent(step.rate)} %", f"→ {calls_of(step.after)}", _WORDS[step.name])
        if found.unknown:
            table.add_row("calls", "", f"= {calls_of(found.calls)}", "with the unknown renders")
        inset(console, table)
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
            inset(console, plans, above=1, below=1)
        console.print(why(found))
        console.print()


def _fate(plan: Plan, credits: Fraction) -> str:
    bill = plan.bill(credits)
    if bill is None:
        return f"lacks {number(credits - Fraction(plan.included)):,} of {number(credits):,}, then {plan.beyond}"
    if credits > plan.included:
        return f"{cents(bill)}, of that {cents(bill - plan.monthly)} for overage"
    return f"{cents(bill)}, {round(100 * credits / Fraction(plan.included))} % used"


def _percent(rate: Fraction) -> str:
    return f"{number(round(100 * rate, 1)):g}"
