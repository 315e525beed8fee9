"""The invoice held against the count as JSON v1."""

from fractions import Fraction
from typing import TextIO

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.planning.reconcile import Reconciliation
from auditor.results.document import utc
from auditor.system.indented import indented

SCHEMA = "render-auditor/reconciliation/v1"


def write_json(found: Reconciliation, out: TextIO) -> None:
    """Write the document, keys in the order of the schema, and a newline."""
    from auditor.version import __version__

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
        "bill_of_count": cents(bill_of(found, found.counted)),
        "bill_of_invoice": cents(bill_of(found, found.invoice)),
        "currency": use.plan.currency if use.plan else None,
    }  # fmt: skip
    out.write(indented(document) + "\n")


def bill_of(found: Reconciliation, credits: Fraction) -> Fraction | None:
    """The bill of the cycle, had it used so many credits."""
    used = [credits if use is found.use else use.credits for use in found.bill.uses]
    index = found.bill.uses.index(found.use)
    terms, balance = found.bill.balances(used)[index]
    return terms.bill(balance)
