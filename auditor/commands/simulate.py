"""`auditor simulate`: the demand of the past under other caches."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands import options as given
from auditor.commands.app import App
from auditor.commands.logs import choices, intake_code, logs
from auditor.commands.options import TEXT, converted, say, settings_of, show, spread
from auditor.config.values import parse_duration, parse_size
from auditor.model.errors import ConfigError

if TYPE_CHECKING:
    from auditor.results.simulation import Setting

app = App()
LADDER = ("1m", "5m", "15m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "14d", "30d", "90d", "forever")
"""What is tried if no --ttl is given."""


@app.command(
    examples=(
        "auditor simulate sample_logs",
        "auditor simulate usage/ --ttl 1h --ttl 24h --ttl forever --per-template",
        "auditor simulate trace.csv --capacity-entries 300 --capacity-entries 1200 --format json",
    ),
)
@spread
def simulate(
    *,
    log: given.Log,
    ttl: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DURATION",
            help=f"How long an image is kept: 90s, 1h, 7d, forever; repeatable. [default: {' '.join(LADDER)}; "
            "with a capacity: forever]",
        ),
    ] = None,
    coalescing: Annotated[
        bool, typer.Option("--coalescing", help="Identical calls at one time share a render: the default.")
    ] = False,
    no_coalescing: Annotated[
        bool, typer.Option("--no-coalescing", help="They do not; with --coalescing, show both.")
    ] = False,
    capacity_entries: Annotated[
        list[int] | None, typer.Option(metavar="N", min=0, help="An LRU cache of N images; repeatable.")
    ] = None,
    capacity_bytes: Annotated[
        list[str] | None,
        typer.Option(metavar="SIZE", help="An LRU cache of this size: 500000000, 500MB, 2GiB; repeatable."),
    ] = None,
    per_template: Annotated[bool, typer.Option("--per-template", help="Find the TTL for each template too.")] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Find renders that could have been made ahead of their request.")
    ] = False,
    input_format: given.InputFormat = None,
    tabular: given.Tabular,
    output_format: Annotated[
        given.TextOrJson, typer.Option("--format", "-f", help="How to write the simulation.")
    ] = TEXT,
    output: given.Output = None,
    since: given.Since = None,
    until: given.Until = None,
    timezone: given.Timezone = None,
    limits: given.ReadingLimits,
) -> None:
    """Replay your own demand under other caches: renders, credits, bills, and the price in stale images."""
    from auditor import pipeline
    from auditor.reports.terminal import simulation as text

    caches = caches_of(ttl or [], coalescing, no_coalescing, capacity_entries or [], capacity_bytes or [])
    if per_template and any(cache.bounded for cache in caches):
        raise ConfigError(
            "--per-template cannot be combined with a capacity: templates that share a bounded cache push each other "
            "out, so none has a best TTL of its own; leave one of the two out"
        )
    settings = settings_of(log, tabular, timezone)
    options = choices(settings, limits, since, until, input_format=input_format)
    with logs(log, limits) as (sources, progress):
        result = pipeline.simulate(sources, settings, options, caches, progress, per_template=per_template, batch=batch)
        progress.done()
        show(result, text.write, output_format, output)
    if result.inputs.events and not result.demand:
        say("no request of the log was given an image: there is nothing to replay")
    raise typer.Exit(intake_code(result.inputs, limits))


def caches_of(
    ttls: Sequence[str], coalescing: bool, no_coalescing: bool, entries: Sequence[int], sizes: Sequence[str]
) -> list["Setting"]:
    """Every combination of what was asked for, in the order of the options, each once."""
    from auditor.results.simulation import Setting

    counts: Sequence[int | None] = entries or [None]
    kept = [_ttl(text) for text in ttls or (("forever",) if entries or sizes else LADDER)]
    both = [on for on, wanted in ((True, coalescing or not no_coalescing), (False, no_coalescing)) if wanted]
    most: Sequence[int | None] = [converted("--capacity-bytes", parse_size, text) for text in sizes] or [None]
    return list(
        dict.fromkeys(
            Setting.of(ttl, on, count, size) for count, size, on, ttl in itertools.product(counts, most, both, kept)
        )
    )


def _ttl(text: str) -> int | None:
    if text.lower() in ("forever", "inf"):
        return None
    return converted("--ttl", parse_duration, text) // timedelta(microseconds=1)
