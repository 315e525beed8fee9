"""The commands as functions, for notebooks and programs: `auditor.audit(paths)` is `auditor audit`, with typed data."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import TextIOWrapper
from os import PathLike
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor import pipeline
from auditor.config import found, load
from auditor.intake.sources import Source, discover
from auditor.model.errors import ConfigError
from auditor.model.names import available
from auditor.model.settings import Settings
from auditor.notebook.frames import Frames, frames_of
from auditor.registry import PROVIDERS, REPORTS
from auditor.results import report as documents
from auditor.results.audit import Result
from auditor.results.finding import Finding
from auditor.results.plan import Advised
from auditor.results.reconciliation import Reconciled, cycle_named
from auditor.results.reconciliation import reconcile as held
from auditor.results.simulation import Setting, Simulated
from auditor.system import memory
from auditor.system.files import replacing

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]
"""Files, folders or globs: one, or several."""
TTLS = tuple(None if ttl_us is None else timedelta(microseconds=ttl_us) for ttl_us in pipeline.CURVE)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Report:
    """One audit: the findings, the figures as typed data, frames of both, and every report format."""

    _result: Result

    @property
    def data(self) -> documents.Report:
        """The whole report, as `--format json` writes it: totals, waste, accounts with their cycles, findings."""
        return self._result.report

    @property
    def findings(self) -> Sequence[Finding]:
        """What can be saved and how, most severe first."""
        return self.data.findings

    def to_pandas(self) -> Frames:
        """The findings, the billing cycles and the days as frames, with exact decimals for credits and money."""
        return frames_of(self.data, self._result.days)

    def save(self, path: str | PathLike[str], report_format: str | None = None) -> Path:
        """Write the report to a file, whole or not at all, in the format of its suffix or in the one that is named.

        Raises `ConfigError` for a suffix or a name of no report.
        """
        target = Path(path)
        name = report_format or max(
            (name for name, each in REPORTS.items() if target.name.lower().endswith(f".{each.suffix}")),
            key=lambda name: len(REPORTS[name].suffix),
            default="",
        )
        if name not in REPORTS:
            raise ConfigError(f"{target.name}: no report has this name or suffix; reports are {', '.join(REPORTS)}")
        with replacing(target, 0o644) as file:
            out = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            REPORTS[name].write(self._result, out)
            out.detach()
        return target


def audit(
    paths: Paths,
    config: str | PathLike[str] | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    ttl: timedelta | None = None,
    timezone: ZoneInfo | None = None,
    input_format: str | None = None,
    cache: bool = True,
    max_memory: int = memory.DEFAULT,
) -> Report:
    """Audit usage logs, as `auditor audit` does.

    *config* is an auditor.toml; None takes the one in the folder of the logs, or in the working directory. *since* and
    *until* carry their zone. *ttl* and *timezone* replace what the configuration says. *max_memory* is in bytes.
    Raises `ConfigError` and `InputError` with a sentence that names the file and the fix.
    """
    with _sources(paths, max_memory) as sources:
        settings = _settings(paths, config, timezone, ttl)
        options = pipeline.Options(since=since, until=until, input_format=input_format, cache=cache, curve=True)
        result = pipeline.audit(sources, settings, options, _silent)
    return Report(result)


def simulate(
    paths: Paths,
    config: str | PathLike[str] | None = None,
    *,
    ttls: Iterable[timedelta | None] = TTLS,
    coalescing: bool = True,
    since: datetime | None = None,
    until: datetime | None = None,
    timezone: ZoneInfo | None = None,
    input_format: str | None = None,
    per_template: bool = False,
    cache: bool = True,
    max_memory: int = memory.DEFAULT,
) -> Simulated:
    """Replay the demand of the logs under other TTLs (None is forever), as `auditor simulate` does.

    The other arguments and errors are those of `audit`.
    """
    caches = [Setting.of(None if ttl is None else ttl // _MICROSECOND, coalescing) for ttl in ttls]
    with _sources(paths, max_memory) as sources:
        settings = _settings(paths, config, timezone)
        options = pipeline.Options(since=since, until=until, input_format=input_format, cache=cache)
        return pipeline.simulate(sources, settings, options, caches, _silent, per_template=per_template)


def plan(
    paths: Paths,
    config: str | PathLike[str] | None = None,
    *,
    providers: Iterable[str] = tuple(PROVIDERS),
    longer_ttl: timedelta = timedelta(days=7),
    since: datetime | None = None,
    until: datetime | None = None,
    ttl: timedelta | None = None,
    timezone: ZoneInfo | None = None,
    input_format: str | None = None,
    cache: bool = True,
    max_memory: int = memory.DEFAULT,
) -> Advised:
    """Every past cycle on every plan, what each fix changes, and the running cycle's end, as `auditor plan` does.

    *longer_ttl* is tried beside the configured TTL; *providers* are compared, all that are known unless given. The
    forecast is as of *until*. Raises `ConfigError` for an unknown provider. The other arguments and errors are those
    of `audit`.
    """
    named = list(providers)
    for name in named:
        if name not in PROVIDERS:
            raise ConfigError(f"providers: {name!r} is unknown; {available(name, PROVIDERS)}")
    options = pipeline.Options(since=since, until=until, input_format=input_format, cache=cache)
    settings = _settings(paths, config, timezone, ttl)
    with _sources(paths, max_memory) as sources, pipeline.examine(sources, settings, options, _silent) as log:
        return pipeline.plan(log, log.bills, [PROVIDERS[name] for name in named], longer_ttl)


def reconcile(
    paths: Paths,
    invoice: Decimal | int,
    cycle: str,
    config: str | PathLike[str] | None = None,
    *,
    account: str | None = None,
    timezone: ZoneInfo | None = None,
    input_format: str | None = None,
    cache: bool = True,
    max_memory: int = memory.DEFAULT,
) -> Reconciled:
    """Compare the credits of an invoice with those of the logs, as `auditor reconcile` does.

    *cycle* names the billing cycle by its month (`2026-09`) or first day; *account* is needed where the logs have
    several. Raises `ConfigError` where either names none. The other arguments and errors are those of `audit`.
    """
    options = pipeline.Options(input_format=input_format, cache=cache)
    settings = _settings(paths, config, timezone)
    with _sources(paths, max_memory) as sources, pipeline.examine(sources, settings, options, _silent) as log:
        bills = [bill for bill in log.bills if account in (None, bill.payer.account)]
        if len(bills) != 1:
            names = ", ".join(sorted(f"{bill.payer.provider}/{bill.payer.account}" for bill in log.bills)) or "none"
            raise ConfigError(f"account={account!r} does not name one account; the logs have {names}")
        try:
            index = cycle_named(bills[0], cycle)
        except ValueError as error:
            raise ConfigError(f"cycle {error}") from None
        return held(log.facts, bills[0], index, Fraction(invoice), log.inputs.rejected)


def _names(paths: Paths) -> list[str]:
    return [str(paths)] if isinstance(paths, str | PathLike) else [str(path) for path in paths]


@contextmanager
def _sources(paths: Paths, max_memory: int) -> Iterator[list[Source]]:
    with tempfile.TemporaryDirectory(prefix="auditor-") as scratch:
        yield discover(_names(paths), Path(scratch), max_memory=max_memory)


def _settings(
    paths: Paths, config: str | PathLike[str] | None, timezone: ZoneInfo | None, ttl: timedelta | None = None
) -> Settings:
    """What the command line would take, with what the arguments change."""
    named = [Path(name) for name in _names(paths)]
    settings = found(named, timezone)[0] if config is None else load(Path(config), timezone, plugged=True)
    return settings if ttl is None else replace(settings, ttl=ttl)


def _silent(_what: str, _done: int, _of: int) -> None:
    """No progress is shown."""
