"""The comparison with rendering at home, for a terminal, with a picture."""

from fractions import Fraction
from typing import Any, TextIO

from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.planning.selfhosted import BreakEven, Comparison, volumes
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.system.terminal import plain

PICTURE = 44
"""Columns of the picture."""


def write_text(found: Comparison, own: int | None, out: TextIO) -> None:
    """Write the assumptions, the picture and the break-even."""
    console = console_of(out)
    provider = plain(found.provider)
    currency = found.plans[0].currency if found.plans else "USD"
    console.print(Words(f"Rendering at home or with {provider}, {currency} a month", style="bold"))
    table = table_of("Assumption", "From", "To", "Unit", "Source", left=["Assumption", "Unit", "Source"])
    for each in found.assumptions.values():
        source = each.source + (f", {each.checked}" if each.checked else "")
        table.add_row(each.words, f"{number(each.low):,}", f"{number(each.high):,}", each.unit, source)
    inset(console, table, below=1)
    _picture(console, found, own, provider)
    console.print()
    low, high = found.own
    console.print(f"At home: {cents(low)} to {cents(high)} a month, however few pictures.")
    for words, even in zip(("low", "high"), found.break_even(), strict=True):
        console.print(f"Break-even with the {words} end: {_even(even, provider)}")


def _picture(console: Any, found: Comparison, own: int | None, provider: str) -> None:
    low, high = found.own
    points = [(calls, found.bought(calls)) for calls in volumes(found, own)]
    dearest = [bought[1] + found.cache[1] for _, bought in points if bought]
    scale = max([high, *(bill for bill in dearest if bill <= 3 * high)])
    table = table_of("Calls", "Plan", "Bill", "", left=["Plan", ""])
    for calls, bought in points:
        bar = _bar(bought[1] + found.cache[1] if bought else None, low, high, scale)
        table.add_row(
            f"{calls:,}" + (" <- you" if calls == own else ""),
            Words(plain(bought[0].name) if bought else "unknown"),
            cents(bought[1] if bought else None) or "-",
            Words(bar),
        )
    inset(console, table)
    console.print(f"  # {provider} with the cache   : what rendering at home costs   > beyond the picture")


def _bar(bill: Fraction | None, low: Fraction, high: Fraction, scale: Fraction) -> str:
    """A row of the picture: the provider's bill as a bar, the cost at home as a band behind it."""
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


def _even(even: BreakEven, provider: str) -> str:
    if even.calls is not None:
        return f"from {even.calls:,} calls a month on {provider} costs more."
    if even.known_to is None:
        return f"never: {provider} stays cheaper."
    if not even.known_to:
        return f"unknown: no plan of {provider} is known; describe one under [plans] in auditor.toml."
    return (
        f"not up to {even.known_to:,} calls a month, the most that a known plan of {provider} holds; its prices beyond "
        "are unknown."
    )
