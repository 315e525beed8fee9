"""The invoice held against the count, for a terminal."""

from fractions import Fraction
from typing import TextIO

from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.model.words import credits_word, plural
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.reconciliation import Reconciled
from auditor.system.terminal import plain

DAYS = 5
"""Silent days that are named."""


def write(found: Reconciled, out: TextIO) -> None:
    """Write the sum, and what the difference may be."""
    console = console_of(out)
    first, end = found.days
    console.print(
        Words(f"Invoice of {plain(found.provider)}/{plain(found.account)}", style="bold"),
        f"{first} to {end}, {found.timezone}" + ("" if found.cycle.complete else ", a part of it in the log"),
    )
    table = table_of("", "Credits", " ", left=["", " "])
    kinds = ", ".join(f"{calls:,} {plain(name)}" for name, calls in found.uncertain.of.items())
    table.add_row("counted", _credits(found.counted), "known for sure")
    if found.uncertain.most is None:
        table.add_row("uncertain", "unknown", f"calls that may be billed: {kinds}")
        table.add_row("billed", f"at least {_credits(found.counted)}", _unsized(found))
    elif found.uncertain.of:
        table.add_row("uncertain", f"0 to {found.uncertain.most:,}", f"calls that may be billed: {kinds}")
    table.add_row("invoice", _credits(found.invoice), "")
    table.add_row("difference", f"{number(found.difference):+,}", "")
    inset(console, table, below=1)
    console.print(Words(_verdict(found), style="bold green" if found.agrees else "bold red"))
    for sentence in _causes(found):
        inset(console, f"- {sentence}")
    bills = [cents(bill) for bill in (found.bill_of_count, found.bill_of_invoice)]
    if found.plan is not None:
        told = [bill or "over the cap" for bill in bills]
        same = f"{told[0]} either way" if bills[0] == bills[1] else f"{told[0]} by the count, {told[1]} by the invoice"
        console.print(f"On {plain(found.plan)} that is {same} ({found.currency}).")


def _verdict(found: Reconciled) -> str:
    if not found.difference:
        return "Agrees to the credit."
    if found.agrees and found.uncertain.most is None:
        return (
            f"May agree: the count is at least {_credits(found.counted)}, and {_unsized(found)} may be the "
            f"{credits_word(found.difference)} beyond."
        )
    if found.agrees and found.uncertain.most_credits_each != 1:  # so many credits need not be so many calls
        return (
            f"Agrees: the {plural(found.uncertain.calls, 'uncertain call')} may be the "
            f"{credits_word(found.difference)}, at up to {found.uncertain.most_credits_each} each."
        )
    if found.agrees:
        return (
            f"Agrees: {_credits(found.difference)} of the {plural(found.uncertain.calls, 'uncertain call')} "
            f"{'was' if found.difference == 1 else 'were'} billed."
        )
    if found.difference < 0:
        return f"Does not agree: {_credits(-found.difference)} fewer were billed than counted."
    beyond = " beyond the uncertain calls" if found.uncertain.of else ""
    were = "was" if found.unexplained == 1 else "were"
    return f"Does not agree: {_credits(found.unexplained)}{beyond} {were} billed and not seen here."


def _causes(found: Reconciled) -> list[str]:
    """What the difference may be, the likeliest first."""
    if found.agrees:
        return []
    causes = [
        f"The provider's cycle may begin elsewhere: with anchor_day = {each.anchor_day} and timezone = "
        f'"{each.timezone}" the count is {_credits(each.counted)}, which agrees'
        for each in found.agrees_with[:3]
    ]
    if found.difference < 0:
        causes.append("Renders that were counted as 1 credit may have been free: events can say so with `credits`")
        causes.append("Events of another key or workspace may carry this account's alias")
        return causes
    if found.silent_days:
        named = ", ".join(str(day) for day in found.silent_days[:DAYS]) + ("…" if len(found.silent_days) > DAYS else "")
        causes.append(
            f"{plural(len(found.silent_days), 'day')} without any event: missing logs? ({named}); such weekdays "
            f"used some {found.silent_days_usual_credits:,} credits"
        )
    if found.rejected_lines:
        causes.append(f"{plural(found.rejected_lines, 'line')} of the input could not be read; each may be a render")
    causes.append(
        "Callers that leave no event: another service or script with the same key, a key in a browser, the provider's "
        "own editor"
    )
    return causes


def _unsized(found: Reconciled) -> str:
    return f"{plural(found.uncertain.of_unknown_size, 'call')} of unknown size"


def _credits(amount: Fraction) -> str:
    return f"{number(amount):,}"
