"""The invoice held against the count, for a terminal."""

from fractions import Fraction
from typing import Any, TextIO

from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.model.words import credits_word, plural
from auditor.planning.reconcile import Reconciliation
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.results.reconciliation import bill_of
from auditor.system.terminal import plain

DAYS = 5
"""Silent days that are named."""


def write_text(found: Reconciliation, out: TextIO) -> None:
    """Write the sum, and what the difference may be."""
    console = console_of(out)
    payer, use = found.bill.payer, found.use
    first, end = (payer.settings.day(edge) for edge in (use.cycle.start, use.cycle.end))
    console.print(
        Words(f"Invoice of {plain(payer.provider)}/{plain(payer.account)}", style="bold"),
        f"{first} to {end}, {payer.settings.timezone}" + ("" if use.complete else ", a part of it in the log"),
    )
    table = table_of("", "Credits", " ", left=["", " "])
    kinds = ", ".join(f"{calls:,} {plain(name)}" for name, calls in found.uncertain)
    table.add_row("counted", _credits(found.counted), "known for sure")
    if found.uncertain:
        table.add_row("uncertain", f"0 to {found.uncertain_calls * found.most:,}", f"calls that may be billed: {kinds}")
    table.add_row("invoice", _credits(found.invoice), "")
    table.add_row("difference", f"{number(found.difference):+,}", "")
    inset(console, table, below=1)
    console.print(Words(_verdict(found), style="bold green" if found.agrees else "bold red"))
    for sentence in _causes(found):
        inset(console, f"- {sentence}")
    bills = [cents(bill_of(found, credits)) for credits in (found.counted, found.invoice)]
    if use.plan is not None:
        told = [bill or "over the cap" for bill in bills]
        same = f"{told[0]} either way" if bills[0] == bills[1] else f"{told[0]} by the count, {told[1]} by the invoice"
        console.print(f"On {plain(use.plan.name)} that is {same} ({use.plan.currency}).")


def _verdict(found: Reconciliation) -> str:
    if not found.difference:
        return "Agrees to the credit."
    if found.agrees and found.most > 1:  # so many credits need not be so many calls
        return (
            f"Agrees: the {plural(found.uncertain_calls, 'uncertain call')} may be the "
            f"{credits_word(found.difference)}, at up to {found.most} each."
        )
    if found.agrees:
        return (
            f"Agrees: {_credits(found.difference)} of the {plural(found.uncertain_calls, 'uncertain call')} "
            f"{'was' if found.difference == 1 else 'were'} billed."
        )
    if found.difference < 0:
        return f"Does not agree: {_credits(-found.difference)} fewer were billed than counted."
    beyond = " beyond the uncertain calls" if found.uncertain else ""
    were = "was" if found.unexplained == 1 else "were"
    return f"Does not agree: {_credits(found.unexplained)}{beyond} {were} billed and not seen here."


def _causes(found: Reconciliation) -> list[str]:
    """What the difference may be, the likeliest first."""
    if found.agrees:
        return []
    causes = [
        f"The provider's cycle may begin elsewhere: with anchor_day = {each.anchor_day} and timezone = "
        f'"{each.timezone}" the count is {_credits(each.credits)}, which agrees'
        for each in found.elsewhere[:3]
    ]
    if found.difference < 0:
        causes.append("Renders that were counted as 1 credit may have been free: events can say so with `credits`")
        causes.append("Events of another key or workspace may carry this account's alias")
        return causes
    if found.silent:
        named = ", ".join(str(day) for day in found.silent[:DAYS]) + ("…" if len(found.silent) > DAYS else "")
        causes.append(
            f"{plural(len(found.silent), 'day')} without any event: missing logs? ({named}); such weekdays used some "
            f"{round(found.silent_credits):,} credits"
        )
    if found.rejected:
        causes.append(f"{plural(found.rejected, 'line')} of the input could not be read; each may be a render")
    causes.append(
        "Callers that leave no event: another service or script with the same key, a key in a browser, the provider's "
        "own editor"
    )
    return causes


def _credits(amount: Fraction) -> Any:
    return f"{number(amount):,}"
