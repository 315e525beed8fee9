"""`auditor reconcile`: the count against the provider's invoice."""

import os
import sys
from contextlib import nullcontext
from enum import StrEnum
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from auditor.commands.examined import examined, only_account
from auditor.commands.options import (
    FOUND,
    OK,
    AllowEmpty,
    AuditedLedger,
    Config,
    Decimals,
    DurationUnit,
    InputFormat,
    MaxMemory,
    MaxRejected,
    NoCache,
    Output,
    Paths,
    RowIds,
    Timezone,
    converted,
    intake_code,
    opened,
    settings_of,
)
from auditor.config.values import money
from auditor.reading.decimals import read
from auditor.registry import PROVIDERS
from auditor.system import memory

app = typer.Typer(rich_markup_mode=None)
LEDGER = "auditor.db"


class ReconcileFormat(StrEnum):
    """How the reconciliation can be written."""

    text = "text"
    json = "json"


@app.command(
    epilog="Examples:  auditor reconcile sample_logs --account main --cycle 2026-09 --invoice 2610 | "
    "auditor reconcile --ledger auditor.db --cycle 2026-09-15 --invoice 2650 --format json"
)
def reconcile(
    paths: Paths = None,
    invoice: Annotated[str, typer.Option(help="Credits that the provider billed for the cycle.")] = ...,  # type: ignore[assignment]
    cycle: Annotated[str, typer.Option(help="The month in which the cycle begins, or a day in it.")] = ...,  # type: ignore[assignment]
    account: Annotated[str | None, typer.Option(help="The account, if the log has several.")] = None,
    ledger: AuditedLedger = None,
    config: Config = None,
    input_format: InputFormat = None,
    decimal: Decimals = None,
    ids: RowIds = None,
    duration_unit: DurationUnit = None,
    output_format: Annotated[ReconcileFormat, typer.Option("--format", help="How to write it.")] = ReconcileFormat.text,
    output: Output = None,
    timezone: Timezone = None,
    max_rejected: MaxRejected = 1.0,
    allow_empty: AllowEmpty = False,
    no_cache: NoCache = False,
    max_memory: MaxMemory = memory.DEFAULT,
) -> None:
    """Hold the count against the provider's invoice and explain the difference. Exit 1 if it does not agree."""
    from auditor.planning.reconcile import cycle_named
    from auditor.planning.reconcile import reconcile as held
    from auditor.reports.terminal import reconciliation as text
    from auditor.results import header
    from auditor.results.reconciliation import reconciled

    credits = converted("--invoice", partial(credits_of, decimal=decimal), invoice)
    if not paths and ledger is None:
        ledger = os.environ.get("AUDITOR_LEDGER") or (LEDGER if Path(LEDGER).exists() else None)
    with examined(
        paths,
        ledger,
        settings_of(paths or [], config, timezone, decimal=decimal, ids=ids, duration_unit=duration_unit),
        no_cache=no_cache,
        input_format=input_format,
        max_memory=max_memory,
    ) as log:
        if not log.inputs.events:
            raise typer.Exit(intake_code(log.inputs, max_rejected, allow_empty=allow_empty))
        bill = only_account(log, account)
        index = converted("--cycle", lambda name: cycle_named(bill, name), cycle)
        provider = PROVIDERS.get(bill.payer.provider)
        found = reconciled(held(log.facts, bill, index, credits, provider, log.inputs.rejected))
        with opened(output) if output else nullcontext(sys.stdout) as out:
            (header if output_format is ReconcileFormat.json else text).write(found, out)
    code = intake_code(log.inputs, max_rejected)
    raise typer.Exit(code or (OK if found.agrees else FOUND))


def credits_of(invoice: str, decimal: str | None = None) -> Fraction:
    """Credits as the invoice says; `ValueError` where that is no number from 0 on, or might be two."""
    return Fraction(money(read(invoice, decimal)))
