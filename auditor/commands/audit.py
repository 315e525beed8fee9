"""`auditor audit`: options in, report to stdout or a file, everything else to stderr."""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.commands import options as given
from auditor.commands.app import App, completing
from auditor.commands.logs import choices, intake_code, logs, missing
from auditor.commands.options import FOUND, INCOMPLETE, OK, opened, say, settings_of, spread
from auditor.config import plugins
from auditor.model.errors import ConfigError
from auditor.model.findings import Confidence, Severity
from auditor.model.names import available
from auditor.registry import REPORTS, RULES

if TYPE_CHECKING:
    from auditor.reports.shared.format import ReportFormat
    from auditor.results.audit import Result

app = App()
OutputFormat = StrEnum("OutputFormat", [*REPORTS, *plugins.reports()])  # type: ignore[misc]  # (the registry is the list)
TEXT = OutputFormat("text")
FailOn = Annotated[Severity | None, typer.Option(help="Exit 1 on a finding of this severity or above.")]


@app.command(
    examples=(
        "auditor audit sample_logs",
        "zcat usage.jsonl.gz | auditor audit -",
        "auditor audit access.log --input-format nginx --since 7d",
        "auditor audit usage/ --fail-on high --format json --output report.json",
    ),
)
@spread
def audit(
    *,
    log: given.Log,
    input_format: given.InputFormat = None,
    tabular: given.Tabular,
    output_format: Annotated[
        OutputFormat,
        typer.Option("--format", "-f", metavar="FORMAT", help=f"How to write the report: {', '.join(OutputFormat)}."),
    ] = TEXT,
    output: given.Output = None,
    since: given.Since = None,
    until: given.Until = None,
    environment: Annotated[
        list[str] | None,
        typer.Option("--environment", "-e", metavar="NAME", help="Show only findings of this environment; repeatable."),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", "-a", metavar="NAME", help="Show only findings of this account; repeatable."),
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option("--template", "-t", metavar="NAME", help="Show only findings of this template; repeatable."),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            "-r",
            metavar="RULE",
            autocompletion=completing(RULES),
            help="Show only findings of this rule; repeatable.",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE", autocompletion=completing(RULES), help="Do not show findings of this rule; repeatable."
        ),
    ] = None,
    min_confidence: given.MinConfidence = Confidence.LOW,
    ttl: given.Ttl = None,
    timezone: given.Timezone = None,
    measured: given.Measured = None,
    baseline: given.Baseline = None,
    fail_on: FailOn = None,
    all_findings: Annotated[bool, typer.Option("--all", help="Name all findings in the text report.")] = False,
    limits: given.ReadingLimits,
) -> None:
    """Find wasted credits in logs, and what your bill would be without them."""
    from auditor import pipeline
    from auditor.model import measurements
    from auditor.results import baseline as accepted

    for name in (*(rule or []), *(skip or [])):
        if name not in RULES:
            raise ConfigError(f"unknown rule {name!r}; {available(name, RULES)}")
    settings = settings_of(log, tabular, timezone, ttl)
    written = report_of(output_format.value)
    options = choices(
        settings,
        limits,
        since,
        until,
        environments=frozenset(name.lower() for name in environment or []),
        accounts=frozenset(account or []),
        templates=frozenset(template or []),
        rules=frozenset(rule or []),
        skip=frozenset(skip or []),
        min_confidence=min_confidence,
        input_format=input_format,
        measured=measurements.load(measured)[0] if measured else (),
        baseline=accepted.load(baseline) if baseline else None,
        all_findings=all_findings,
        curve=written.draws_curve,
    )
    with logs(log, limits) as (sources, progress):
        result = pipeline.audit(sources, settings, options, progress)
        progress.done()
        with opened(output, output_format.value) as out:
            written.write(result, out)
    filtered = any((environment, account, template, rule, skip, min_confidence is not Confidence.LOW))
    if not filtered:
        for complaint in accepted.complaints(options.baseline, result.suppressed, settings.today(result.generated_at)):
            say(complaint)
    code = input_code(result, limits)
    unknown = list(_missing(result)) if result.inputs.events else []
    for sentence in unknown:
        say(sentence)
    if unknown and not limits.allow_empty:
        code = INCOMPLETE
    raise typer.Exit(code or finding_code(result, fail_on))


def report_of(name: str) -> "ReportFormat":
    """The report of this name; `ConfigError` where it is one of a plug-in that is not allowed or cannot be used."""
    if name not in REPORTS:
        allowed = "cannot be used" if name in REPORTS.allowed else "is not allowed; name it in --plugins"
        raise ConfigError(f"--format {name}: the plug-in that brings it {allowed}")
    return REPORTS[name]


def _missing(result: "Result") -> Iterator[str]:
    """A sentence for each name of a filter that no event has: findings of it can neither be there nor be missed."""
    units = [unit.names for unit in result.case.facts.units]
    for name in ("account", "environment", "template"):
        yield from missing(name, getattr(result.report.options, f"{name}s"), (unit[name] for unit in units))


def finding_code(result: "Result", fail_on: Severity | None) -> int:
    """Whether there is a finding of this severity or above."""
    if fail_on is None:
        return OK
    return FOUND if any(finding.severity.rank <= fail_on.rank for finding in result.findings) else OK


def input_code(result: "Result", limits: given.ReadingLimits) -> int:
    """Whether the input was read whole and holds an event."""
    usage = result.case.facts.usage
    if result.inputs.events and not any(row.outcome in ("render", "error", "attempt") for row in usage):
        say("the log holds no render: nothing was paid for, so there is nothing to save")
    return intake_code(result.inputs, limits)
