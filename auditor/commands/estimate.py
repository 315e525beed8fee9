"""`auditor estimate`: the calculator of the cost guide, from guesses or from a log."""

import sys
from contextlib import nullcontext
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands.examined import accounts, examined
from auditor.commands.options import (
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
    Ttl,
    converted,
    intake_code,
    opened,
    plans_of,
    say,
    settings_of,
)
from auditor.config.values import money, parse_duration
from auditor.model.errors import ConfigError
from auditor.system import memory

if TYPE_CHECKING:
    from auditor.results.estimate import OneEstimate

app = typer.Typer(rich_markup_mode=None)


class EstimateFormat(StrEnum):
    """How the estimate can be written."""

    text = "text"
    json = "json"


@app.command(
    epilog="Examples:  auditor estimate --requests 8000 --hit-rate 0.7 --dedup 0.15 --batch 0.3 | "
    "auditor estimate sample_logs | auditor estimate --requests 50000 --hit-rate 85% --provider hcti"
)
def estimate(
    paths: Paths = None,
    requests: Annotated[
        int | None, typer.Option(min=0, help="Pictures that are asked for in a month; with it no log is read.")
    ] = None,
    hit_rate: Annotated[str, typer.Option(help="The share that a cache serves: 0.7 or 70%.")] = "0",
    dedup: Annotated[str, typer.Option(help="The share of the rest that merging identical calls spares.")] = "0",
    batch: Annotated[str, typer.Option(help="The share of the rest that rendering ahead spares.")] = "0",
    provider: Annotated[str, typer.Option(help="Whose plans, with --requests.")] = "imejis",
    batch_ttl: Annotated[str, typer.Option(help="How long batches keep a picture, when rates are measured.")] = "7d",
    ledger: AuditedLedger = None,
    config: Config = None,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeatable.")] = None,
    input_format: InputFormat = None,
    decimal: Decimals = None,
    ids: RowIds = None,
    duration_unit: DurationUnit = None,
    output_format: Annotated[
        EstimateFormat, typer.Option("--format", help="How to write the estimate.")
    ] = EstimateFormat.text,
    output: Output = None,
    ttl: Ttl = None,
    timezone: Timezone = None,
    max_rejected: MaxRejected = 1.0,
    allow_empty: AllowEmpty = False,
    no_cache: NoCache = False,
    max_memory: MaxMemory = memory.DEFAULT,
) -> None:
    """How many calls remain after caching, deduplication and batches, and the plan that holds them."""
    from auditor.analysis.walk import replay
    from auditor.reports.terminal import estimate as text
    from auditor.results import header
    from auditor.results.estimate import Estimated, measure, unmeasured
    from auditor.results.estimate import estimate as guessed

    settings = settings_of(paths or [], config, timezone, ttl, decimal=decimal, ids=ids, duration_unit=duration_unit)
    code = OK
    found: list[OneEstimate] = []
    if requests is not None:
        if paths or ledger:
            raise ConfigError("--requests is for an estimate without a log; leave it out, or the log")
        names = {"--hit-rate": hit_rate, "--dedup": dedup, "--batch": batch}
        rates = [converted(name, share, text) for name, text in names.items()]
        found.append(guessed(Fraction(requests), rates, plans_of(settings, provider)))
    elif not paths and ledger is None:
        raise ConfigError("name --requests and rates, or a log whose rates are to be measured")
    else:
        longer = converted("--batch-ttl", parse_duration, batch_ttl) // timedelta(microseconds=1)
        with examined(
            paths, ledger, settings, no_cache=no_cache, input_format=input_format, max_memory=max_memory
        ) as log:
            longer = max(longer, settings.ttl_us)
            batched = replay(log.facts, longer)
            for bill in accounts(log, account):
                measured = measure(log.facts, log.replayed, batched, bill)
                if measured is None:
                    say(f"account {bill.payer.account}: no estimate; {unmeasured(bill)}")
                else:
                    found.append(measured)
        code = intake_code(log.inputs, max_rejected, allow_empty=allow_empty)
    result = Estimated(estimates=tuple(found))
    with opened(output) if output else nullcontext(sys.stdout) as out:
        (header if output_format is EstimateFormat.json else text).write(result, out)
    raise typer.Exit(code)


def share(text: str) -> Fraction:
    """A share from 0 to 1, or in percent; `ValueError` says what is allowed."""
    try:
        value = Fraction(money(text.removesuffix("%"))) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"= {text!r} is not a share; write 0.7 or 70%") from None
    if not 0 <= value <= 1:
        raise ValueError(f"= {text!r} is not between 0 and 1; write 0.7 or 70%")
    return value
