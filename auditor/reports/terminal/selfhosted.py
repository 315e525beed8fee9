"""The comparison with self-hosting, for a terminal, with an image."""

from fractions import Fraction
from typing import TextIO

from rich.console import Console
from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import billed, cents
from auditor.model.words import prices_unknown
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.selfhosted import Compared, Even
from auditor.system.terminal import plain

PICTURE = 44
"""Columns of the image."""


def write(found: Compared, out: TextIO) -> None:
    """Write the assumptions, the image and the break-even."""
    console = console_of(out)
    provider = plain(found.provider)
    currency = found.currency or "USD"
    console.print(Words(f"Self-hosting or rendering with {provider}, {currency} a month", style="bold"))
    table = table_of("Assumption", "From", "To", "Unit", "Source", left=["Assumption", "Unit", "Source"])
    for each in found.assumptions:
        source = each.source + (f", {each.checked}" if each.checked else "")
        table.add_row(each.meaning, f"{number(each.low):,}", f"{number(each.high):,}", each.unit, source)
    inset(console, table, below=1)
    if found.plans:
        _picture(console, found, provider)
        console.print()
    home, even = found.self_hosted, found.break_even
    console.print(f"Self-hosted: {cents(home.low)} to {cents(home.high)} a month, however few images.")
    if not found.plans:
        console.print(f"Break-even: {prices_unknown(provider)}")
        return
    for words, end in (("low", even.low), ("high", even.high)):
        console.print(f"Break-even with the {words} end: {_even(end, provider)}")


def _picture(console: Console, found: Compared, provider: str) -> None:
    low, high = found.self_hosted.low, found.self_hosted.high
    bills = [point.provider_high for point in found.points if point.provider_high is not None]
    scale = max([high, *(bill for bill in bills if bill <= 3 * high)])
    table = table_of("Calls", "Plan", "Bill", "", left=["Plan", ""])
    terms = {plan.name: billed(plan.period) for plan in found.plans}
    for point in found.points:
        bar = _bar(point.provider_high, low, high, scale)
        table.add_row(
            f"{point.calls:,}" + (" <- you" if point.yours else ""),
            Words("unknown" if point.plan is None else plain(point.plan) + terms[point.plan]),
            cents(point.bill) or "-",
            Words(bar),
        )
    inset(console, table)
    console.print(f"  # {provider} with the cache   : what self-hosting costs   > beyond the image")


def _bar(bill: Fraction | None, low: Fraction, high: Fraction, scale: Fraction) -> str:
    """A row of the image: the provider's bill as a bar, the cost at home as a band behind it."""
    columns = ["?" if bill is None else " "] + [" "] * (PICTURE - 1)
    for column in range(_column(low, scale), _column(high, scale) + 1):
        columns[column] = ":"
    if bill is not None:
        for column in range(_column(bill, scale) + 1 if bill else 0):
            columns[column] = "#"
        if bill > scale:
            columns[-1] = ">"
    return "".join(columns).rstrip()


def _column(amount: Fraction, scale: Fraction) -> int:
    return min(PICTURE - 1, int(amount * (PICTURE - 1) / scale)) if scale else 0


def _even(even: Even, provider: str) -> str:
    if even.calls is not None:
        return f"from {even.calls:,} calls a month on {provider} costs more."
    if even.plans_known_to is None:
        return f"never: {provider} stays cheaper."
    return (
        f"not up to {even.plans_known_to:,} calls a month, the most that a known plan of {provider} holds; its prices "
        "beyond are unknown."
    )
