"""`auditor plan`: every past cycle on every plan, what each fix changes, and how the running cycle will end."""

from typing import Annotated

import typer

from auditor.commands import options as given
from auditor.commands.app import App, completing
from auditor.commands.logs import accounts, choices, examined, intake_code
from auditor.commands.options import TEXT, converted, settings_of, show, spread
from auditor.config.values import parse_duration
from auditor.model.errors import ConfigError
from auditor.model.names import available
from auditor.registry import PROVIDERS

app = App()


@app.command(
    examples=(
        "auditor plan sample_logs",
        "auditor plan usage/ --account main --until 2026-09-20",
        "auditor plan usage/ --provider hcti --provider bannerbear --format json",
    ),
)
@spread
def plan(
    *,
    log: given.Log,
    account: Annotated[
        list[str] | None, typer.Option("--account", "-a", metavar="NAME", help="Only this account; repeatable.")
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            autocompletion=completing(PROVIDERS),
            help="Compare with this provider; repeatable. [default: all that are known]",
        ),
    ] = None,
    longer_ttl: Annotated[
        str, typer.Option(metavar="DURATION", help="The longer TTL that is tried beside --ttl.")
    ] = "7d",
    input_format: given.InputFormat = None,
    tabular: given.Tabular,
    output_format: Annotated[given.TextOrJson, typer.Option("--format", "-f", help="How to write the advice.")] = TEXT,
    output: given.Output = None,
    since: given.Since = None,
    until: Annotated[
        str | None,
        typer.Option("--until", "-u", metavar="TIME", help="Only events before this time, and the forecast as of it."),
    ] = None,
    ttl: given.Ttl = None,
    timezone: given.Timezone = None,
    limits: given.ReadingLimits,
) -> None:
    """Find the right plan: past cycles on every plan, each fix, and a forecast."""
    from auditor import pipeline
    from auditor.reports.terminal import plan as text

    for name in provider or []:
        if name not in PROVIDERS:
            raise ConfigError(f"--provider: unknown provider {name!r}; {available(name, PROVIDERS)}")
    longer = converted("--longer-ttl", parse_duration, longer_ttl)
    settings = settings_of(log, tabular, timezone, ttl)
    options = choices(settings, limits, since, until, input_format=input_format)
    with examined(log, limits, settings, options) as found:
        compared = [PROVIDERS[name] for name in provider or PROVIDERS]
        result = pipeline.plan(found, accounts(found, account), compared, longer)
        show(result, text.write, output_format, output)
    raise typer.Exit(intake_code(found.inputs, limits))
