"""Options that several commands have, and what they stand for."""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar
from zoneinfo import ZoneInfo

import typer

from auditor import config as configuration
from auditor.config import values
from auditor.model.errors import ConfigError
from auditor.model.event_reader import instant
from auditor.model.events import BadRecordError
from auditor.model.findings import Confidence
from auditor.model.plans import Plan, comparable, moment
from auditor.model.settings import Settings
from auditor.reading.decimals import COMMA, POINT
from auditor.registry import MEASURED_RULE
from auditor.system import memory, terminal

if TYPE_CHECKING:
    from auditor.results.inputs import Inputs

T = TypeVar("T")
say = terminal.say
ConfidenceWord = StrEnum("ConfidenceWord", [confidence.value for confidence in Confidence])  # type: ignore[misc]
OK, FOUND, INCOMPLETE, UNDELIVERED = 0, 1, 3, 4
"""Exit codes; 2, a wrong option or configuration, comes from the errors themselves."""

Paths = Annotated[
    list[str] | None, typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)
]
Config = Annotated[Path | None, typer.Option(help="auditor.toml; else the one in the audited folder or here.")]
Output = Annotated[Path | None, typer.Option(help="Write the report to a file.")]
Since = Annotated[str | None, typer.Option(help="Only events from this time on (RFC 3339 or a date).")]
Until = Annotated[str | None, typer.Option(help="Only events before this time.")]
Ttl = Annotated[str | None, typer.Option(help="How long a stored picture may be served, e.g. 24h or 7d.")]
Timezone = Annotated[str | None, typer.Option(help="Zone of times without an offset, and of cycles.")]
MaxRejected = Annotated[
    float, typer.Option(min=0, max=100, help="Exit 3 if a larger share of the lines is rejected, in percent.")
]


def _memory(text: str | int) -> int:
    most = converted("--max-memory", values.parse_size, str(text))
    if most < memory.LEAST:
        raise ConfigError(f"--max-memory {text}: reading a log takes {memory.LEAST >> 20} MiB at least; allow more")
    return most


MaxMemory = Annotated[
    int,
    typer.Option(
        "--max-memory", parser=_memory, metavar="SIZE", show_default=False,
        help="Refuse an input that takes more memory to read; 1GiB unless given.",
    ),
]  # fmt: skip
MinConfidence = Annotated[ConfidenceWord, typer.Option(help="Show only findings that are at least so sure.")]
ANY_CONFIDENCE = ConfidenceWord("low")
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Exit 0 although no event was counted, for jobs that may find none.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep what was read of big inputs.")]
InputFormat = Annotated[
    str | None,
    typer.Option(
        "--input-format", help="The format of the logs, `auditor formats` lists them, or an nginx log_format string."
    ),
]
DecimalWord = StrEnum("DecimalWord", {"comma": COMMA, "point": POINT})
Decimals = Annotated[
    DecimalWord | None, typer.Option("--decimal", help="The decimal mark where a column of a table does not tell it.")
]
IdsWord = StrEnum("IdsWord", ["keep", "rows"])
RowIds = Annotated[
    IdsWord | None, typer.Option("--ids", help="Where ids repeat at other times: count each id once, or each row.")
]
DurationUnit = Annotated[
    str | None,
    typer.Option(help="The unit of durations that nothing else names: s, ms, us or ns."),
]
Measured = Annotated[Path | None, typer.Option(help=f"What `auditor inspect --output` measured, for {MEASURED_RULE}.")]
Baseline = Annotated[Path | None, typer.Option(help="Accepted findings, with reason and expiry: baseline.toml.")]
AuditedLedger = Annotated[
    str | None, typer.Option("--ledger", help="Audit the events of a ledger: its path, or postgresql://….")
]
Where = Annotated[
    str,
    typer.Option("--ledger", envvar="AUDITOR_LEDGER", help="A path, sqlite:///PATH, or postgresql://user@host/name."),
]


def settings_of(
    paths: Sequence[str],
    config: Path | None,
    timezone: str | None = None,
    ttl: str | None = None,
    *,
    decimal: StrEnum | None = None,
    ids: StrEnum | None = None,
    duration_unit: str | None = None,
    rules: bool = True,
) -> Settings:
    """The settings of the named, the audited folder's or this folder's auditor.toml, with what the options change.

    Without *rules*, the options of single rules are left alone, for what runs without the packages of the audits.
    """
    zone = None if timezone is None else converted("--timezone", values.zone, timezone)
    used, ignored = config, list[str]()
    if config is not None:
        settings = configuration.load(config, zone, rules=rules, plugged=rules)
    else:
        settings, used, ignored = configuration.found([Path(path) for path in paths if path != "-"], zone, rules=rules)
    if used is not None:
        say(f"settings from {used}")
    if ignored:
        say(f"{used} came with the data, so its {', '.join(ignored)} are not used; to use them: --config {used}")
    if ttl is not None:
        settings = replace(settings, ttl=converted("--ttl", values.parse_duration, ttl))
    if decimal is not None:
        settings = replace(settings, decimal=decimal.value)
    if ids is not None:
        settings = replace(settings, ids=ids.value)
    if duration_unit is not None:
        unit = converted("--duration-unit", values.duration_unit, duration_unit)
        settings = replace(settings, duration_unit=unit)
    return settings


def converted(name: str, convert: Callable[[Any], T], value: str) -> T:
    """The value of an option; `ConfigError` names the option."""
    try:
        return convert(value)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


def time_of(name: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    """The moment that an option names: a date is its first instant in *zone*."""
    if text is None:
        return None
    try:
        return moment(instant(text if "T" in text.upper() or " " in text else text + "T00:00:00", zone)[0])
    except BadRecordError:
        raise ConfigError(f"{name} {text!r} is not a time; write 2026-09-01 or 2026-09-01T00:00:00+02:00") from None


def window(since: str | None, until: str | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The moments of --since and --until."""
    start, end = time_of("--since", since, zone), time_of("--until", until, zone)
    if start is not None and end is not None and start >= end:
        raise ConfigError("--since is not before --until, so no event is counted; swap the two")
    return start, end


def opened(path: Path) -> TextIO:
    """The file of --output."""
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {path}: cannot be written ({error.strerror})") from None


def stdout(report_format: str) -> TextIO:
    """Standard output. HTML is UTF-8 wherever it goes, as its head says."""
    if report_format == "html" and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def plans_of(settings: Settings, provider: str) -> tuple[Plan, ...]:
    """The plans of --provider that can be held against each other; which others there are is said on stderr."""
    if provider not in settings.catalogue:
        raise ConfigError(f"--provider {provider!r} is unknown; providers are {', '.join(settings.catalogue)}")
    plans = comparable(settings.catalogue[provider])
    for plan in settings.catalogue[provider]:
        if plan not in plans:
            say(f"{plan.name} is left out: it is sold in {plan.currency}, and the other plans in {plans[0].currency}")
    return plans


def intake_code(inputs: "Inputs", max_rejected: float, *, allow_empty: bool = False) -> int:
    """`INCOMPLETE` where an input could not be read whole or holds no event that counts, else `OK`.

    What went wrong is said on stderr.
    """
    code = OK if inputs.events or allow_empty else INCOMPLETE
    nothing = inputs.lines > 0 and inputs.rejected == inputs.lines
    if not inputs.events:
        say(_empty(inputs) + (f": {_rejected(inputs)}" if nothing else ""))
    for file in inputs.files:
        if file.truncated:
            code = INCOMPLETE
            if not nothing:
                say(f"{file.path} is cut off or damaged; the {file.lines:,} lines before the cut were counted")
    if inputs.rejected:
        if not nothing:
            say(_rejected(inputs))
        if inputs.rejected * 100 > Fraction(str(max_rejected)) * inputs.lines:  # 0.57 % as written, not its float
            code = INCOMPLETE
    return code


def _rejected(inputs: "Inputs") -> str:
    """How many lines were rejected, why, and the first of them."""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in inputs.reasons.items())
    first = inputs.rejections[0]
    were = "line was" if inputs.lines == 1 else "lines was" if inputs.rejected == 1 else "lines were"
    return (
        f"{inputs.rejected:,} of {inputs.lines:,} {were} rejected ({reasons}); "
        f"the first is {first.path} line {first.line}: {first.detail}"
    )


def _empty(inputs: "Inputs") -> str:
    """Why no event was counted."""
    from auditor.reports.shared.words import filtered_words

    if not inputs.lines:
        return "no event was counted: the input holds no line; is it the right file?"
    if inputs.rejected == inputs.lines:
        cut = ", ".join(file.path for file in inputs.files if file.truncated)
        return "no event was counted" + (f" before the cut or damage of {cut}" if cut else "")
    if why := filtered_words(inputs.filtered_reasons):
        also = '; redirects = "hit" or "render" in a [sources] table counts redirects' if "redirect" in why else ""
        return f"no event was counted: {why}{also}"
    if any(file.other_requests for file in inputs.files):
        return (
            "no event was counted: none of the requests is a known provider's, or of a [sources] table; propose one "
            "with: auditor map LOG"
        )
    return "no event was counted" + ("; --since and --until leave none" if inputs.filtered else "")
