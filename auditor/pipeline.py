"""The only file that knows the order: paths -> records -> events -> replay -> bills -> audits -> result."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from auditor.audits.base import Case, Secret
from auditor.baseline import split
from auditor.billing import bills
from auditor.daily import daily
from auditor.errors import InputError
from auditor.events import Reason
from auditor.facts import gather
from auditor.findings import Accepted, Finding
from auditor.identity import drop_replaced
from auditor.intake import MAX_REJECTIONS, Intake, read_lines
from auditor.measured import Measured
from auditor.numbers import number
from auditor.registry import AUDITS, ENGINES
from auditor.replayed import replay
from auditor.reports.base import FileRead, Inputs, Result
from auditor.settings import Account, Settings
from auditor.sources import Source

Progress = Callable[[str, int, int], None]
"""Called with (what is going on, done, of how many); bytes while reading."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses. Filters by name choose what is shown, never what is counted."""

    since: datetime | None = None
    until: datetime | None = None
    environments: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    cache: bool = True
    measured: tuple[Measured, ...] = ()
    """What `auditor inspect` found of pictures."""
    baseline: tuple[Accepted, ...] | None = None
    """Findings that are accepted, if there is a file of them."""
    belongs: Callable[[Account], bool] | None = None
    """Whether the events of an account are looked at at all."""
    curve: bool = False
    """Whether the demand is simulated under other times-to-live, for reports that draw it."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


def audit(sources: Sequence[Source], settings: Settings, options: Options, progress: Progress) -> Result:
    """Audit some inputs. Raises `InputError` where there is nothing to read."""
    with tempfile.TemporaryDirectory(prefix="auditor-") as name:
        folder = Path(name)
        intakes = read_all(sources, settings, folder, options.cache, progress)
        engine = ENGINES["duckdb"](folder)
        try:
            progress("Replaying", 0, 0)
            engine.read(folder / "records")
            replaced = drop_replaced(engine, lambda rows: read_lines(sources, rows))
            facts = gather(engine, settings, options.since, options.until, options.belongs)
            replayed = replay(facts)
            case = Case(
                facts,
                replayed,
                bills(facts, replayed),
                _secrets(sources, intakes),
                sum(facts.usage.credits, Fraction(0)),
                options.measured,
            )
            days = daily(facts, replayed)
            progress("Auditing", 0, 0)
            findings = [
                finding
                for rule in AUDITS.values()
                if rule.id not in settings.disabled
                for finding in rule.findings(case)
            ]
        finally:
            engine.close()
    reasons: Counter[str] = Counter()
    for intake in intakes:
        reasons.update(intake.reasons)
    inputs = Inputs(
        lines=sum(intake.lines for intake in intakes),
        events=facts.event_count,
        superseded=replaced.superseded,
        duplicates=replaced.duplicates,
        filtered=facts.filtered,
        rejected=reasons.total(),
        assumed_timezone=facts.assumed_timezone,
        files=tuple(
            FileRead(source.label, intake.format, intake.lines, sum(intake.reasons.values()), intake.truncated)
            for source, intake in zip(sources, intakes, strict=True)
        ),
        rejections=tuple(bad for intake in intakes for bad in intake.rejections)[:MAX_REJECTIONS],
        reasons={reason.value: reasons[reason] for reason in Reason if reasons[reason]},
    )
    if inputs.lines != inputs.events + inputs.superseded + inputs.duplicates + inputs.filtered + inputs.rejected:
        raise AssertionError(f"lines are not conserved: {inputs}")
    shown = sorted((finding for finding in findings if _shown(finding, options)), key=Finding.sort_key)
    now, suppressed = generated_at(options.now), None
    if options.baseline is not None:
        shown, suppressed = split(shown, options.baseline, now.date())
    return Result(inputs, case, shown, _options(settings, options), now, days, suppressed=suppressed)


def read_all(
    sources: Sequence[Source], settings: Settings, folder: Path, cache: bool, progress: Progress
) -> list[Intake]:
    """Every input as a Parquet file in folder/records, named by its number."""
    if not sources:
        raise InputError("nothing to audit: name files, folders or globs, or - for standard input")
    records = folder / "records"
    records.mkdir()
    total = sum(source.size for source in sources)
    done = 0
    intakes = []
    for index, source in enumerate(sources):
        intakes.append(
            Intake.of(
                source,
                records / f"{index:08d}.parquet",
                settings.timezone,
                cache,
                partial(_report, progress, done, total),
            )
        )
        done += source.size
    return intakes


def _report(progress: Progress, before: int, total: int, read: int) -> None:
    progress("Reading", before + read, total)


def generated_at(now: Callable[[], datetime]) -> datetime:
    """Now, or SOURCE_DATE_EPOCH for reports that have to be reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else now().astimezone(UTC).replace(microsecond=0)


def _secrets(sources: Sequence[Source], intakes: Iterable[Intake]) -> tuple[Secret, ...]:
    return tuple(
        Secret(source.label, name, lines, masked)
        for source, intake in zip(sources, intakes, strict=True)
        for name, (lines, masked) in sorted(intake.secrets.items())
    )


def _shown(finding: Finding, options: Options) -> bool:
    def allows(wanted: frozenset[str], name: str) -> bool:
        return not wanted or name not in finding.subject or finding.subject[name] in wanted

    return (
        (not options.rules or finding.rule in options.rules)
        and finding.rule not in options.skip
        and allows(options.environments, "environment")
        and allows(options.accounts, "account")
        and allows(options.templates, "template")
    )


def _options(settings: Settings, options: Options) -> Mapping[str, Any]:
    def times(moment: datetime | None) -> str | None:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

    return {
        "ttl_seconds": number(Fraction(settings.ttl_us, 10**6)),
        "timezone": str(settings.timezone),
        "production_environments": sorted(settings.production),
        "since": times(options.since),
        "until": times(options.until),
        "environments": sorted(options.environments),
        "accounts": sorted(options.accounts),
        "templates": sorted(options.templates),
        "rules": sorted(options.rules),
        "skip": sorted(options.skip),
    }
