"""Options that several commands have, and what they stand for."""

import inspect
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

from auditor import config as configuration
from auditor.commands.app import completing
from auditor.config import values
from auditor.model.errors import ConfigError
from auditor.model.findings import Confidence
from auditor.model.names import available
from auditor.model.plans import Plan, comparable
from auditor.model.settings import Settings
from auditor.reading.decimals import COMMA, POINT
from auditor.registry import ALSO_CALLED, FORMATS, MEASURED_RULE
from auditor.system import memory, terminal

if TYPE_CHECKING:
    from auditor.results.header import Document

T = TypeVar("T")
D = TypeVar("D", bound="Document")
say = terminal.say
OK, FOUND, INCOMPLETE, UNDELIVERED = 0, 1, 3, 4
"""Exit codes; 2, a wrong option or configuration, comes from the errors themselves."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE",
        help="The auditor.toml to use; else the one with the logs, here, or in a parent up to the one with .git.",
    ),
]  # fmt: skip
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output.")
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", "-s", metavar="TIME",
        help="Only events from this time on: 7d, yesterday, 2026-09, 2026-09-01, or with a time of day.",
    ),
]  # fmt: skip
Until = Annotated[
    str | None,
    typer.Option("--until", "-u", metavar="TIME", help="Only events before this time, written as for --since."),
]
Ttl = Annotated[
    str | None, typer.Option(metavar="DURATION", help="How long a cached image may be served, such as 24h or 7d.")
]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Time zone of times without an offset and of billing cycles.")
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
MinConfidence = Annotated[Confidence, typer.Option(help="Show only findings of this confidence or above.")]
InputFormat = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        "-i",
        metavar="FORMAT",
        autocompletion=completing([*ALSO_CALLED, *FORMATS]),
        help="The format of the logs, where it is not detected: a name such as nginx, apache or iis "
        "(`auditor formats` lists all), or an nginx log_format string.",
    ),
]
DecimalWord = StrEnum("DecimalWord", {"comma": COMMA, "point": POINT})
IdsWord = StrEnum("IdsWord", ["keep", "rows"])
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep what was read of big inputs.")]
Measured = Annotated[
    Path | None, typer.Option(metavar="FILE", help=f"What `auditor inspect --output` wrote, for {MEASURED_RULE}.")
]
Baseline = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Accepted findings, with reason and expiry: baseline.toml.")
]
Where = Annotated[
    str,
    typer.Option(
        "--ledger",
        "-l",
        envvar="AUDITOR_LEDGER",
        metavar="LEDGER",
        help="A path, sqlite:///PATH, or postgresql://user@host/name.",
    ),
]


class TextOrJson(StrEnum):
    """How most results can be written."""

    text = "text"
    json = "json"


TEXT = TextOrJson.text


@dataclass(frozen=True, slots=True)
class LogSource:
    """What is read."""

    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders, globs, or - for standard input.", show_default=False),
    ] = None
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger", "-l", metavar="LEDGER", help="Read the events of a ledger: its path, or postgresql://…."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Log(LogSource):
    """What is read, and its auditor.toml."""

    config: Config = None


@dataclass(frozen=True, slots=True)
class Tabular:
    """What the columns of a table do not tell."""

    decimal: Annotated[
        DecimalWord | None,
        typer.Option("--decimal", help="The decimal mark of a table whose columns do not show it."),
    ] = None
    ids: Annotated[
        IdsWord | None,
        typer.Option("--ids", help="Where ids repeat at other times: count each id once (keep), or each row."),
    ] = None
    duration_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="The unit of durations that nothing else names: s, ms, us or ns."),
    ] = None


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How much may go wrong, and what reading may take."""

    max_rejected: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0, max=100, help="Exit 3 if a larger share of the lines is rejected."),
    ] = 1.0
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit 0 although no event was counted, for jobs that may find none.")
    ] = False
    no_cache: NoCache = False
    max_memory: MaxMemory = memory.DEFAULT


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes a group of options has each of them where it takes the group."""
    taken = inspect.signature(command, eval_str=True).parameters
    groups = {
        name: each.annotation
        for name, each in taken.items()
        if each.annotation in (LogSource, Log, Tabular, ReadingLimits)
    }

    @wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        command(**given)

    own = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}
    every = [each for name in taken for each in own.get(name, {name: taken[name]}).values()]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in every]
    )
    return run


def settings_of(
    log: Log, tabular: Tabular | None = None, timezone: str | None = None, ttl: str | None = None, *, rules: bool = True
) -> Settings:
    """The settings of the named, the audited folder's or this folder's auditor.toml, with what the options change.

    Without *rules*, the options of single rules are left alone, for what runs without the packages of the audits.
    """
    zone = None if timezone is None else converted("--timezone", values.zone, timezone)
    used, ignored = log.config, list[str]()
    if used is not None:
        settings = configuration.load(used, zone, rules=rules, plugged=rules)
    else:
        audited = [Path(path) for path in log.paths or [] if path != "-"]
        settings, used, ignored = configuration.found(audited, zone, rules=rules)
    if used is not None:
        say(f"settings from {used}")
    if ignored:
        say(f"{used} came with the data, so its {', '.join(ignored)} are not used; to use them: --config {used}")
    tabular = tabular or Tabular()
    return replace(
        settings,
        ttl=settings.ttl if ttl is None else converted("--ttl", values.parse_duration, ttl),
        decimal=settings.decimal if tabular.decimal is None else tabular.decimal.value,
        ids=settings.ids if tabular.ids is None else tabular.ids.value,
        duration_unit=settings.duration_unit
        if tabular.duration_unit is None
        else converted("--duration-unit", values.duration_unit, tabular.duration_unit),
    )


def converted(name: str, convert: Callable[[Any], T], value: str) -> T:
    """The value of an option; `ConfigError` names the option."""
    try:
        return convert(value)
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


@contextmanager
def opened(output: Path | None, report_format: str = "text") -> Iterator[TextIO]:
    """The file of --output, else standard output. HTML is UTF-8 wherever it goes, as its head says."""
    if output is None:
        if report_format == "html" and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        return
    try:
        file = output.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {output}: cannot be written ({error.strerror})") from None
    with file:
        yield file


def show(result: D, text: Callable[[D, TextIO], None], output_format: TextOrJson, output: Path | None) -> None:
    """Write a result as JSON, or as *text* does."""
    from auditor.results import header

    with opened(output) as out:
        (header.write if output_format is TextOrJson.json else text)(result, out)


def plans_of(settings: Settings, provider: str) -> tuple[Plan, ...]:
    """The plans of --provider that can be held against each other; which others there are is said on stderr."""
    if provider not in settings.catalogue:
        raise ConfigError(f"--provider: unknown provider {provider!r}; {available(provider, settings.catalogue)}")
    plans = comparable(settings.catalogue[provider])
    for plan in settings.catalogue[provider]:
        if plan not in plans:
            say(f"{plan.name} is left out: it is sold in {plan.currency}, and the other plans in {plans[0].currency}")
    return plans
