"""`auditor audit`, from options to the exit code. Imported only when the command runs."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar
from zoneinfo import ZoneInfo

from auditor import config as configuration
from auditor.errors import ConfigError
from auditor.events import BadRecordError, parse_time
from auditor.findings import Severity
from auditor.ledger.database import Ledger
from auditor.ledger.export import export
from auditor.pipeline import Options, audit
from auditor.plans import moment
from auditor.progress import Progress
from auditor.registry import AUDITS, REPORTS
from auditor.reports.base import Result
from auditor.settings import Settings
from auditor.sources import Source, discover
from auditor.terminal import plain

T = TypeVar("T")
OK, FOUND, INCOMPLETE = 0, 1, 3


def run_audit(
    paths: Sequence[str],
    *,
    ledger: str | None,
    config: Path | None,
    output_format: str,
    output: Path | None,
    since: str | None,
    until: str | None,
    environments: Sequence[str],
    accounts: Sequence[str],
    templates: Sequence[str],
    rules: Sequence[str],
    skip: Sequence[str],
    ttl: str | None,
    timezone: str | None,
    fail_on: str | None,
    max_rejected: float,
    cache: bool,
) -> int:
    """The exit code of semantics section 8."""
    for name in (*rules, *skip):
        if name not in AUDITS:
            raise ConfigError(f"{name!r} is no rule; rules are {', '.join(AUDITS)}")
    settings = _settings(paths, config, ttl, timezone)
    options = Options(
        since=_time("--since", since, settings.timezone),
        until=_time("--until", until, settings.timezone),
        environments=frozenset(name.lower() for name in environments),
        accounts=frozenset(accounts),
        templates=frozenset(templates),
        rules=frozenset(rules),
        skip=frozenset(skip),
        cache=cache,
    )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="auditor-")))
        progress = stack.enter_context(Progress())
        sources = discover(paths, scratch)
        if ledger is not None:
            sources.append(_exported(ledger, scratch))
        result = audit(sources, settings, options, progress)
        progress.done()
        out = stack.enter_context(_open(output)) if output else sys.stdout
        REPORTS[output_format].write(result, out)
    return _exit_code(result, fail_on, max_rejected)


def _exported(ledger: str, scratch: Path) -> Source:
    with Ledger(ledger) as opened:
        path = scratch / "ledger.jsonl"
        export(opened, path)
        return Source(opened.name, path, cacheable=False)


def _open(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {path}: cannot be written ({error.strerror})") from None


def _settings(paths: Sequence[str], config: Path | None, ttl: str | None, timezone: str | None) -> Settings:
    settings = configuration.load(config or configuration.find([Path(path) for path in paths if path != "-"]))
    if timezone is not None:
        settings = replace(settings, timezone=_option("--timezone", configuration.zone, timezone))
    if ttl is not None:
        settings = replace(settings, ttl=_option("--ttl", configuration.parse_duration, ttl))
    return settings


def _option(name: str, convert: Callable[[Any], T], value: str) -> T:
    try:
        return convert(value)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


def _time(name: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        return moment(parse_time(text if "T" in text.upper() or " " in text else text + "T00:00:00", zone)[0])
    except BadRecordError:
        raise ConfigError(f"{name} {text!r} is not a time; write 2026-09-01 or 2026-09-01T00:00:00+02:00") from None


def _exit_code(result: Result, fail_on: str | None, max_rejected: float) -> int:
    inputs = result.inputs
    code = OK
    for file in inputs.files:
        if file.truncated:
            _say(f"{file.path} is cut off or damaged; the {file.lines:,} lines before the cut were counted")
            code = INCOMPLETE
    if inputs.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in inputs.reasons.items())
        first = inputs.rejections[0]
        _say(
            f"{inputs.rejected:,} of {inputs.lines:,} lines were rejected ({reasons}); "
            f"the first is {first.path} line {first.line}: {first.detail}"
        )
        if inputs.rejected * 100 > max_rejected * inputs.lines:
            code = INCOMPLETE
    if not inputs.lines:
        _say("the input holds no line; is it the right file?")
    elif not inputs.events:
        _say("no event is left to audit" + ("; --since and --until leave none" if inputs.filtered else ""))
    elif not any(result.case.facts.usage.outcome == "render"):
        _say("the log holds no render: nothing was paid for, so there is nothing to save")
    if code == OK and fail_on is not None:
        worst = Severity(fail_on).rank
        code = FOUND if any(finding.severity.rank <= worst for finding in result.findings) else OK
    return code


def _say(message: str) -> None:
    print(f"auditor: {plain(message)}", file=sys.stderr)
