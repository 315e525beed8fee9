"""`auditor report`: one report a billing cycle, compared with the one before, kept, and delivered once."""

import os
import time
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands import options as given
from auditor.commands.app import App
from auditor.commands.audit import FailOn, OutputFormat, finding_code, input_code, report_of
from auditor.commands.logs import choices, logs
from auditor.commands.options import INCOMPLETE, OK, UNDELIVERED, converted, say, settings_of, spread
from auditor.model.errors import ConfigError
from auditor.model.findings import Confidence
from auditor.model.names import available
from auditor.registry import DELIVERIES
from auditor.system.terminal import plain

if TYPE_CHECKING:
    from auditor.model.plans import Cycle
    from auditor.model.settings import Settings
    from auditor.results.report import Report
    from auditor.schedule.delivery import Delivery
    from auditor.schedule.edition import Rhythm
    from auditor.schedule.folder import History

app = App()


@app.command(
    examples=(
        "auditor report usage/ --cycle last --against previous --format html --deliver team",
        "auditor report --ledger auditor.db --cycle 2026-09 --fail-on high",
        "auditor report usage/ --deliver team --dry-run",
    ),
)
@spread
def report(
    *,
    source: given.LogSource,
    cycle: Annotated[
        str,
        typer.Option(
            metavar="CYCLE",
            help="The billing cycle: last, the newest that has ended; or the month it starts in: 2026-09.",
        ),
    ] = "last",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REPORT", help="Compare with: previous, the cycle before in the history; or a JSON report."
        ),
    ] = None,
    history: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder that keeps reports, with an index page.")
    ] = Path("reports"),
    output_format: Annotated[
        list[OutputFormat] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help=f"How to write it, beside JSON: {', '.join(OutputFormat)}; repeatable.",
        ),
    ] = None,
    deliver: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A [delivery.NAME] of auditor.toml that gets it, once; repeatable."),
    ] = None,
    resend: Annotated[bool, typer.Option("--resend", help="Deliver also what was delivered already.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and send nothing; say what would be.")] = False,
    min_confidence: given.MinConfidence = Confidence.LOW,
    ttl: given.Ttl = None,
    timezone: given.Timezone = None,
    tabular: given.Tabular,
    measured: given.Measured = None,
    baseline: given.Baseline = None,
    fail_on: FailOn = None,
    limits: given.ReadingLimits,
    config: given.Config = None,
) -> None:
    """Report on a billing cycle, compare it with the one before, and deliver it once."""
    from auditor import pipeline
    from auditor.model import measurements
    from auditor.results import baseline as accepted
    from auditor.schedule.edition import Edition, rhythms
    from auditor.schedule.folder import History
    from auditor.schedule.outbox import Outbox
    from auditor.system.clock import present

    log = given.Log(source.paths, source.ledger, config)
    settings = settings_of(log, tabular, timezone, ttl)
    ways = {name: _way(name, settings) for name in deliver or []}
    wanted = {one.value for one in output_format or []}
    wanted |= {one for name in ways for one in settings.deliveries[name].formats}
    options = choices(
        settings,
        limits,
        min_confidence=min_confidence,
        measured=measurements.load(measured)[0] if measured else (),
        baseline=accepted.load(baseline) if baseline else None,
        curve=any(report_of(one).draws_curve for one in wanted),
    )
    now = present(options.now).replace(microsecond=0)
    chosen = [(rhythm, converted("--cycle", partial(rhythm.cycle, now=now), cycle)) for rhythm in rhythms(settings)]
    kept = History(history)
    code, done, complaints = OK, 0, []
    with ExitStack() as stack:
        sources, progress = stack.enter_context(logs(log, limits))
        stack.enter_context(nullcontext() if dry_run else kept.locked())
        for rhythm, span in chosen:
            own = replace(options, since=span.start, until=span.end, belongs=rhythm.has, now=lambda: now)
            result = pipeline.audit(sources, settings, own, progress)
            progress.done()
            if not result.inputs.events:
                continue
            code = code if done else input_code(result, limits)  # all reports are of the same input
            done += 1
            formats = tuple(dict.fromkeys(("json", *(one.value for one in output_format or []))))
            before = _previous(against, kept, rhythm, span)
            made = Edition(settings, rhythm, span, result, before, formats)
            print("\n".join(plain(line) for line in made.lines), end="\n\n")
            entry = made.keep(kept, say, dry_run=dry_run)
            outbox = Outbox(entry.path, time.sleep, lambda: datetime.now(UTC).replace(microsecond=0), say)
            arrived = [
                outbox.deliver(name, way, made.message(name, resend=resend), resend=resend, dry_run=dry_run)
                for name, way in ways.items()
            ]
            code = max(code, finding_code(result, fail_on))
            code = max(code, OK if all(arrived) else UNDELIVERED)
            complaints.append(set(accepted.complaints(options.baseline, result.suppressed, settings.today(now))))
    if not done:
        start, end = chosen[0][1].start, chosen[0][1].end
        say(f"no event from {start:%Y-%m-%d} to {end:%Y-%m-%d} to report on; name another cycle, like --cycle 2026-09")
        raise typer.Exit(OK if limits.allow_empty else INCOMPLETE)
    # An entry that is of use in one report is of use.
    for complaint in sorted(set.intersection(*complaints)) if min_confidence is Confidence.LOW else ():
        say(complaint)
    raise typer.Exit(code)


def _way(name: str, settings: "Settings") -> "Delivery":
    found = settings.deliveries.get(name)
    if found is None:
        raise ConfigError(f"--deliver: no [delivery.{name}] in auditor.toml; {available(name, settings.deliveries)}")
    try:
        return DELIVERIES[found.kind](found.values, os.environ)
    except ConfigError as error:
        raise ConfigError(f"[delivery.{name}]: {error}") from None


def _previous(against: str | None, kept: "History", rhythm: "Rhythm", span: "Cycle") -> "Report | None":
    from auditor.schedule.folder import read_report

    if against is None:
        return None
    if against != "previous":
        return read_report(Path(against))
    found = kept.before(rhythm.facts(span))
    if found is None:
        say(f"{rhythm.name(span)}: the history {kept.root} holds no earlier report; nothing to compare with yet")
    return found.report() if found else None
