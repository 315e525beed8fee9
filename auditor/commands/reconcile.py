"""`auditor reconcile`: the count against the provider's invoice."""

import os
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from auditor.commands import options as given
from auditor.commands.app import App
from auditor.commands.logs import choices, examined, intake_code, only_account
from auditor.commands.options import FOUND, OK, TEXT, converted, settings_of, show, spread
from auditor.config.values import money
from auditor.reading.decimals import read

app = App()
LEDGER = "auditor.db"


@app.command(
    examples=(
        "auditor reconcile sample_logs --account main --cycle 2026-09 --invoice 2610",
        "auditor reconcile --ledger auditor.db --cycle 2026-09-15 --invoice 2650 --format json",
    ),
)
@spread
def reconcile(
    *,
    invoice: Annotated[
        str, typer.Option(metavar="CREDITS", help="Credits that the provider billed for the cycle.")
    ] = ...,  # type: ignore[assignment]
    cycle: Annotated[
        str, typer.Option(metavar="MONTH", help="The month in which the cycle begins, or a day in it.")
    ] = ...,  # type: ignore[assignment]
    account: Annotated[
        str | None, typer.Option("--account", "-a", metavar="NAME", help="The account, if the log has several.")
    ] = None,
    log: given.Log,
    input_format: given.InputFormat = None,
    tabular: given.Tabular,
    output_format: Annotated[
        given.TextOrJson, typer.Option("--format", "-f", help="How to write the comparison.")
    ] = TEXT,
    output: given.Output = None,
    timezone: given.Timezone = None,
    limits: given.ReadingLimits,
) -> None:
    """Compare the count with the provider's invoice and explain the difference. Exit 1 if they disagree."""
    from auditor.reports.terminal import reconciliation as text
    from auditor.results.reconciliation import cycle_named
    from auditor.results.reconciliation import reconcile as held

    credits = converted("--invoice", partial(credits_of, decimal=tabular.decimal), invoice)
    if not log.paths and log.ledger is None:
        log = replace(log, ledger=os.environ.get("AUDITOR_LEDGER") or (LEDGER if Path(LEDGER).exists() else None))
    settings = settings_of(log, tabular, timezone)
    with examined(log, limits, settings, choices(settings, limits, input_format=input_format)) as found:
        if not found.inputs.events:
            raise typer.Exit(intake_code(found.inputs, limits))
        bill = only_account(found, account)
        index = converted("--cycle", lambda name: cycle_named(bill, name), cycle)
        result = held(found.facts, bill, index, credits, found.inputs.rejected)
        show(result, text.write, output_format, output)
    raise typer.Exit(intake_code(found.inputs, limits) or (OK if result.agrees else FOUND))


def credits_of(invoice: str, decimal: str | None = None) -> Fraction:
    """Credits as the invoice says; `ValueError` where that is not a number from 0 on, or might be two."""
    return Fraction(money(read(invoice, decimal)))
