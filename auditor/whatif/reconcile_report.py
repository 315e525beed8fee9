"""The invoice held against the count, for a terminal and as JSON v1."""

from fractions import Fraction
from typing import Any, TextIO

from rich.padding import Padding
from rich.text import Text as Words

from auditor.audits.words import credits_word, plural
from auditor.indented import indented
from auditor.numbers import number
from auditor.plans import cents
from auditor.reports.json_v1 import utc
from auditor.reports.text import console_of
from auditor.terminal import plain
from auditor.whatif.plan_text import table_of
from auditor.whatif.reconcile import Reconciliation

SCHEMA = "render-auditor/reconciliation/v1"
DAYS = 5
"""Silent days that are named."""


def write_json(found: Reconciliation, out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    from auditor import __version__

    payer, use = found.bill.payer, found.use
    document = {
        "schema": SCHEMA,
        "tool_version": __version__,
        "provider": payer.provider,
        "account": payer.account,
        "cycle": {"start": utc(use.cycle.start), "end": utc(use.cycle.end), "complete": use.complete},
        "invoice": number(found.invoice),
        "counted": number(found.counted),
        "difference": number(found.difference),
        "agrees": found.agrees,
        "unexplained": number(found.unexplained),
        "uncertain": {
            "calls": found.uncertain_calls,
            "most_credits_each": found.most,
            "of": dict(found.uncertain),
        },
        "silent_days": [day.isoformat() for day in found.silent],
        "silent_days_usual_credits": round(found.silent_credits),
        "rejected_lines": found.rejected,
        "agrees_with": [
            {
                "anchor_day": each.anchor_day, "timezone": each.timezone, "start": utc(each.cycle.start),
                "end": utc(each.cycle.end), "counted": number(each.credits),
            }
            for each in found.elsewhere
        ],
        "bill_of_count": cents(_bill(found, found.counted)),
        "bill_of_invoice": cents(_bill(found, found.invoice)),
        "currency": use.plan.currency if use.plan else None,
    }  # fmt: skip
    out.write(indented(document) + "\n")


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
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
    console.print(Words(_verdict(found), style="bold green" if found.agrees else "bold red"))
    for sentence in _causes(found):
        console.print(Padding(Words(f"- {sentence}"), (0, 0, 0, 2), expand=False))
    bills = [cents(_bill(found, credits)) for credits in (found.counted, found.invoice)]
    if use.plan is not None:
        told = [bill or "over the cap" for bill in bills]
        same = f"{told[0]} either way" if bills[0] == bills[1] else f"{told[0]} by the count, {told[1]} by the invoice"
        console.print(f"On {plain(use.plan.name)} that is {same} ({use.plan.currency}).")


def _bill(found: Reconciliation, credits: Fraction) -> Fraction | None:
    """The bill of the cycle, had it used so many credits."""
    used = [credits if use is found.use else use.credits for use in found.bill.uses]
    index = found.bill.uses.index(found.use)
    terms, balance = found.bill.balances(used)[index]
    return terms.bill(balance)


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
