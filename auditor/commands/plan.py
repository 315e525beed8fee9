"""`auditor plan`: every past cycle on every plan, what each fix changes, and how the running cycle will end."""

import sys
from contextlib import nullcontext
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from auditor.commands.examined import accounts, examined
from auditor.commands.options import (
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
    Since,
    Timezone,
    Ttl,
    converted,
    intake_code,
    opened,
    settings_of,
    time_of,
)
from auditor.config.values import parse_duration
from auditor.model.errors import ConfigError
from auditor.registry import PROVIDERS
from auditor.system import memory

app = typer.Typer(rich_markup_mode=None)


class PlanFormat(StrEnum):
    """How the advice can be written."""

    text = "text"
    json = "json"


@app.command(
    epilog="Examples:  auditor plan sample_logs | auditor plan usage/ --account main --until 2026-09-20 | "
    "auditor plan usage/ --provider hcti --provider bannerbear --format json"
)
def plan(
    paths: Paths = None,
    ledger: AuditedLedger = None,
    config: Config = None,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeatable.")] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="Compare with this provider; repeatable. [default: all that are known]")
    ] = None,
    longer_ttl: Annotated[str, typer.Option(help="The longer time-to-live that is tried beside --ttl.")] = "7d",
    input_format: InputFormat = None,
    decimal: Decimals = None,
    ids: RowIds = None,
    duration_unit: DurationUnit = None,
    output_format: Annotated[PlanFormat, typer.Option("--format", help="How to write the advice.")] = PlanFormat.text,
    output: Output = None,
    since: Since = None,
    until: Annotated[
        str | None, typer.Option(help="Only events before this time, and the forecast as of it.", show_default=False)
    ] = None,
    ttl: Ttl = None,
    timezone: Timezone = None,
    max_rejected: MaxRejected = 1.0,
    allow_empty: AllowEmpty = False,
    no_cache: NoCache = False,
    max_memory: MaxMemory = memory.DEFAULT,
) -> None:
    """Which plan is right: past cycles on every plan, before and after each fix, and where the running one is going."""
    from auditor.planning.plan import advise
    from auditor.reports.terminal import plan as plan_text
    from auditor.results import plan as plan_json

    for name in provider or []:
        if name not in PROVIDERS:
            raise ConfigError(f"--provider {name!r} is unknown; providers are {', '.join(PROVIDERS)}")
    longer = converted("--longer-ttl", parse_duration, longer_ttl) // timedelta(microseconds=1)
    settings = settings_of(paths or [], config, timezone, ttl, decimal=decimal, ids=ids, duration_unit=duration_unit)
    with examined(paths, ledger, settings, since, until, no_cache, input_format, max_memory) as log:
        wanted = {bill.payer.code for bill in accounts(log, account)}
        compared = [PROVIDERS[name] for name in provider or PROVIDERS]
        advice = advise(log.facts, log.replayed, longer, compared, time_of("--until", until, settings.timezone))
        result = plan_json.Advised(
            [each for each in advice if each.bill.payer.code in wanted],
            log.inputs,
            log.facts.window,
            {**log.options, "longer_ttl_seconds": longer // 10**6},
            log.generated_at,
        )
        with opened(output) if output else nullcontext(sys.stdout) as out:
            (plan_json if output_format is PlanFormat.json else plan_text).write(result, out)
    raise typer.Exit(intake_code(log.inputs, max_rejected, allow_empty=allow_empty))
