"""The estimate, for a terminal."""

from fractions import Fraction
from typing import TextIO

from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import billed, cents
from auditor.model.words import plural
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.estimate import Estimated, PricedPlan, calls_of
from auditor.system.terminal import plain

_WORDS = {
    "hit rate": "a cache serves",
    "deduplication": "identical calls are merged",
    "batches": "rendered ahead and kept longer",
}


def write(result: Estimated, out: TextIO) -> None:
    """Write each step, each plan, and why it is the one."""
    console = console_of(out)
    for found in result.estimates:
        title = f"Estimate for {plain(found.provider)}" if found.provider else "Estimate"
        if found.account is not None:
            cycles = found.measured_cycles
            over = plural(cycles, "whole cycle") if cycles else "a part of a cycle, projected"
            title += f"/{plain(found.account)}, with the rates of {over}"
        console.print(Words(title, style="bold"))
        table = table_of("Step", "Rate", "Requests a month", "", left=["Step", ""])
        table.add_row("requests", "", calls_of(found.requests), "")
        if found.unknown:
            table.add_row("unknown", "", f"- {calls_of(found.unknown)}", "renders that no step can be measured on")
        for step in found.steps:
            rate = f"{number(round(100 * step.exact, 1)):g} %"
            table.add_row(step.name, rate, f"→ {calls_of(step.after)}", _WORDS[step.name])
        if found.unknown:
            table.add_row("calls", "", f"= {calls_of(found.calls)}", "with the unknown renders")
        inset(console, table)
        if found.plans:
            price = f"Price {plain(found.plans[0].currency)}"
            plans = table_of("Plan", price, "Credits", "For N calls", left=["Plan", "For N calls"])
            for plan in found.plans:
                plans.add_row(
                    Words(plain(plan.name)), cents(plan.monthly), f"{number(plan.included):,}",
                    _fate(plan, found.credits) + ("  <- cheapest that holds them" if plan.chosen else ""),
                    style="bold green" if plan.chosen else None,
                )  # fmt: skip
            inset(console, plans, above=1, below=1)
        console.print(found.why)
        console.print()


def _fate(plan: PricedPlan, credits: Fraction) -> str:
    yearly = billed(plan.period)
    if plan.bill is None:
        return f"lacks {number(plan.lacks):,} of {number(credits):,}, then {plan.beyond}{yearly}"
    if plan.lacks:
        return f"{cents(plan.bill)}, of that {cents(plan.bill - plan.monthly)} for overage{yearly}"
    return f"{cents(plan.bill)}, {round(100 * plan.used)} % used{yearly}"
