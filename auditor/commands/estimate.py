"""`auditor estimate`: the calculator of the cost guide, from guesses or from a log."""

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands import options as given
from auditor.commands.app import App, completing
from auditor.commands.logs import accounts, choices, examined, intake_code
from auditor.commands.options import OK, TEXT, converted, plans_of, say, settings_of, show, spread
from auditor.config.values import money, parse_duration
from auditor.model.errors import ConfigError

if TYPE_CHECKING:
    from auditor.results.estimate import OneEstimate

from auditor.registry import PROVIDERS

app = App()


@app.command(
    examples=(
        "auditor estimate sample_logs",
        "auditor estimate --requests 50000 --hit-rate 85% --provider hcti",
        "auditor estimate --requests 8000 --hit-rate 0.7 --dedup 0.15 --batch 0.3",
    ),
)
@spread
def estimate(
    *,
    requests: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Images requested in a month; with it no log is read.")
    ] = None,
    hit_rate: Annotated[str, typer.Option(metavar="SHARE", help="The share that a cache serves: 0.7 or 70%.")] = "0",
    dedup: Annotated[
        str, typer.Option(metavar="SHARE", help="The share of the rest that merging identical calls saves.")
    ] = "0",
    batch: Annotated[
        str, typer.Option(metavar="SHARE", help="The share of the rest that rendering ahead saves.")
    ] = "0",
    provider: Annotated[
        str,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            autocompletion=completing(PROVIDERS),
            help="Whose plans, with --requests.",
        ),
    ] = "imejis",
    batch_ttl: Annotated[
        str, typer.Option(metavar="DURATION", help="How long batches keep an image, when rates are measured.")
    ] = "7d",
    log: given.Log,
    account: Annotated[
        list[str] | None, typer.Option("--account", "-a", metavar="NAME", help="Only this account; repeatable.")
    ] = None,
    input_format: given.InputFormat = None,
    tabular: given.Tabular,
    output_format: Annotated[
        given.TextOrJson, typer.Option("--format", "-f", help="How to write the estimate.")
    ] = TEXT,
    output: given.Output = None,
    ttl: given.Ttl = None,
    timezone: given.Timezone = None,
    limits: given.ReadingLimits,
) -> None:
    """Estimate the calls left after caching, deduplication and batches, and the plan for them."""
    from auditor.analysis.walk import replay
    from auditor.reports.terminal import estimate as text
    from auditor.results.estimate import Estimated, measure, unmeasured
    from auditor.results.estimate import estimate as guessed

    settings = settings_of(log, tabular, timezone, ttl)
    code = OK
    found: list[OneEstimate] = []
    if requests is not None:
        if log.paths or log.ledger:
            raise ConfigError("--requests is for an estimate without a log; leave it out, or the log")
        names = {"--hit-rate": hit_rate, "--dedup": dedup, "--batch": batch}
        rates = [converted(name, share, rate) for name, rate in names.items()]
        found.append(guessed(Fraction(requests), rates, plans_of(settings, provider)))
    elif not log.paths and log.ledger is None:
        raise ConfigError("name --requests and rates, or a log whose rates are to be measured")
    else:
        longer = converted("--batch-ttl", parse_duration, batch_ttl) // timedelta(microseconds=1)
        with examined(log, limits, settings, choices(settings, limits, input_format=input_format)) as asked:
            batched = replay(asked.facts, max(longer, settings.ttl_us))
            for bill in accounts(asked, account):
                measured = measure(asked.facts, asked.replayed, batched, bill)
                if measured is None:
                    say(f"account {bill.payer.account}: no estimate; {unmeasured(bill)}")
                else:
                    found.append(measured)
        code = intake_code(asked.inputs, limits)
    show(Estimated(estimates=tuple(found)), text.write, output_format, output)
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
