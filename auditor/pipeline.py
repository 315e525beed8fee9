"""The only file that knows the order: paths -> records -> events -> replay -> bills -> audits -> result."""

import mmap
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from auditor.analysis.bills import Bill, bills
from auditor.analysis.case import Case, Secret
from auditor.analysis.days import daily
from auditor.analysis.facts import Counts, Facts, gather
from auditor.analysis.identities import Replaced, drop_replaced
from auditor.analysis.oddtime import bounds, drop_odd, is_usual, odd, present
from auditor.analysis.repeats import repeating
from auditor.analysis.walk import Replayed, replay
from auditor.engines import Engine
from auditor.engines.tables import LINE_BITS
from auditor.intake.read import Intake, detected_in, read_records, requests_of
from auditor.intake.sources import Note, Source
from auditor.model.errors import InputError
from auditor.model.events import Reason
from auditor.model.findings import Accepted, Confidence, Finding
from auditor.model.measurements import Measured
from auditor.model.numbers import number
from auditor.model.settings import Account, Settings
from auditor.reading.ids import IdChoice
from auditor.reading.lines import Line
from auditor.reading.reader import MAX_REJECTIONS, TRY_BITS, Tally, explained, rejection_of
from auditor.registry import ENGINES, RULES
from auditor.results.audit import Result, TtlPoint
from auditor.results.baseline import split
from auditor.results.inputs import InputFile, Inputs, RejectedLine
from auditor.results.simulation import Simulated
from auditor.results.simulation import simulated as result_of
from auditor.simulation.batch import ahead_of
from auditor.simulation.demand import Demand, demand, demand_of
from auditor.simulation.rows import Setting
from auditor.simulation.simulate import simulate as simulated
from auditor.simulation.trace import TraceDemand, read_trace

CURVE = (*(minutes * 60 * 10**6 for minutes in (5, 60, 360, 1_440, 10_080, 43_200)), None)
"""Times-to-live that reports draw, in microseconds; None is for ever."""

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
    min_confidence: Confidence = Confidence.LOW
    cache: bool = True
    input_format: str | None = None
    """A registered format, one of auditor.toml, or an nginx log_format string; None detects it."""
    measured: tuple[Measured, ...] = ()
    """What `auditor inspect` found of pictures."""
    baseline: tuple[Accepted, ...] | None = None
    """Findings that are accepted, if there is a file of them."""
    belongs: Callable[[Account], bool] | None = None
    """Whether the events of an account are looked at at all."""
    curve: bool = False
    """Whether the demand is simulated under other times-to-live, for reports that draw it."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    note: Note = lambda _: None
    """Hears, in a sentence, of a cache that was written."""


def audit(sources: Sequence[Source], settings: Settings, options: Options, progress: Progress) -> Result:
    """Audit some inputs. Raises `InputError` where there is nothing to read."""
    with _taken(sources, settings, options, progress) as (engine, intakes, replaced):
        facts = gather(engine, settings, options.since, options.until, options.belongs)
        facts = facts.without_advice(_mostly_filtered(intakes))
        replayed = replay(facts)
        case = Case(
            facts,
            replayed,
            bills(facts, replayed),
            _secrets(sources, intakes),
            sum(facts.usage.credits, Fraction(0)),
            partial(requests_of, sources, settings, options.input_format),
            options.measured,
        )
        days = daily(facts, replayed)
        curve = _curve(facts, options, progress) if options.curve else ()
        progress("Auditing", 0, 0)
        findings = [
            finding for rule in RULES.values() if rule.id not in settings.disabled for finding in rule.findings(case)
        ]
    inputs = _inputs(sources, intakes, replaced, facts.counts)
    shown = sorted((finding for finding in findings if _shown(finding, options)), key=Finding.sort_key)
    now, suppressed = generated_at(options.now), None
    if options.baseline is not None:
        shown, suppressed = split(shown, options.baseline, settings.today(now))
    return Result(inputs, case, shown, _options(settings, options), now, days, curve, suppressed=suppressed)


def _curve(facts: Facts, options: Options, progress: Progress) -> tuple[TtlPoint, ...]:
    """The audit's own demand under other times-to-live, and under its own."""
    progress("Simulating", 0, 0)
    now = facts.settings.ttl_us
    settings = sorted({Setting(ttl) for ttl in (*CURVE, now)}, key=lambda setting: setting.cache.ttl_us)
    found = simulated(demand_of(facts, options.since, options.until, options.belongs), settings)
    return tuple(
        TtlPoint(
            ttl_us=row.setting.ttl_us,
            now=row.setting.ttl_us == now,
            requests=row.outcome.requests,
            renders=row.outcome.renders,
            credits=row.outcome.credits,
            stale=row.outcome.stale if found.stale_known else None,
        )
        for row in found.rows
    )


def simulate(
    sources: Sequence[Source],
    settings: Settings,
    options: Options,
    caches: Sequence[Setting],
    progress: Progress,
    *,
    per_template: bool = False,
    batch: bool = False,
) -> Simulated:
    """Replay the demand of some inputs under *caches*. Raises `InputError` where there is nothing to read."""
    traced = None if batch else _trace(sources, settings, options)
    asked: TraceDemand | Demand
    ahead = None
    if traced is not None:
        asked, inputs = traced
        simulation = simulated(asked, caches, per_template=per_template)
    else:
        with _taken(sources, settings, options, progress) as (engine, intakes, replaced):
            asked = demand(engine, settings, options.since, options.until)
            simulation = simulated(asked, caches, per_template=per_template)
            if batch:
                ahead = ahead_of(asked)
        inputs = _inputs(sources, intakes, replaced, asked.counts)
    return result_of(
        simulation,
        inputs,
        asked.accounts.window,
        _options(settings, options, ("timezone", "since", "until")),
        generated_at(options.now),
        ahead,
    )


@dataclass(frozen=True, slots=True)
class Examined:
    """Some inputs, replayed and billed, while their engine is open."""

    facts: Facts
    replayed: Replayed
    bills: tuple[Bill, ...]
    inputs: Inputs
    options: Mapping[str, Any]
    generated_at: datetime


@contextmanager
def examine(sources: Sequence[Source], settings: Settings, options: Options, progress: Progress) -> Iterator[Examined]:
    """What plans, estimates and invoices are held against. Raises `InputError` where there is nothing to read."""
    with _taken(sources, settings, options, progress) as (engine, intakes, replaced):
        facts = gather(engine, settings, options.since, options.until).without_advice(_mostly_filtered(intakes))
        replayed = replay(facts)
        yield Examined(
            facts,
            replayed,
            bills(facts, replayed),
            _inputs(sources, intakes, replaced, facts.counts),
            _options(settings, options, ("ttl_seconds", "timezone", "production_environments", "since", "until")),
            generated_at(options.now),
        )


def _trace(sources: Sequence[Source], settings: Settings, options: Options) -> tuple[TraceDemand, Inputs] | None:
    """The demand of a plain cache trace that comes alone, which needs no engine, and what was read."""
    if len(sources) != 1 or not sources[0].size:
        return None
    detected = detected_in(sources[0], settings, options.input_format)
    if detected.kind.name != "cache-trace" or detected.wraps or detected.array or detected.cells:
        return None
    with sources[0].open() as file:
        # Arrow's buffers may outlive the call, so the map is closed with the last of them.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    found = read_trace(data, settings, options.since, options.until)
    if found is None:
        return None
    asked, rows = found
    intake = Intake(detected.kind.name, str(detected) if detected.lines else "", tally=Tally(lines=rows))
    return asked, _inputs(sources, [intake], Replaced(0, 0), asked.counts)


@contextmanager
def _taken(
    sources: Sequence[Source], settings: Settings, options: Options, progress: Progress
) -> Iterator[tuple[Engine, list[Intake], Replaced]]:
    """An engine that holds the records of some inputs, of which those with one id are told apart."""
    with tempfile.TemporaryDirectory(prefix="auditor-") as name:
        folder = Path(name)
        intakes = read_all(sources, settings, folder, options.cache, progress, options.input_format, options.note)
        engine = ENGINES["duckdb"](folder)
        try:
            engine.read(folder / "records")
            limits = bounds(present(options.now))
            relative = {index for index, intake in enumerate(intakes) if intake.format == "cache-trace"}
            scopes = {index: intake.scopes for index, intake in enumerate(intakes) if intake.scopes}
            staged = [index for index in scopes if intakes[index].stages]
            labels = [source.label for source in sources]
            for index in repeating(engine, is_usual(limits, relative), scopes, staged, labels):
                intakes[index] = _by_rows(sources[index], _records_of(folder, index), settings, options, progress)
            progress("Replaying", 0, 0)
            _drop_odd(engine, sources, intakes, settings, options, limits, relative)
            yield engine, intakes, drop_replaced(engine, partial(read_records, sources, settings, options.input_format))
        finally:
            engine.close()


def _by_rows(source: Source, path: Path, settings: Settings, options: Options, progress: Progress) -> Intake:
    """Read once more an input whose ids turned out to be none beside the others: each row is an event."""
    path.unlink()  # it may be a name of what is kept for the next audit, and is not written over
    settings = replace(settings, ids=IdChoice.REPEAT.value)
    told = partial(_report, progress, 0, source.size)
    again = path.with_stem(f"0{path.stem}")
    return Intake.of(source, again, settings, options.input_format, options.cache, told, options.note)


def _drop_odd(
    engine: Engine,
    sources: Sequence[Source],
    intakes: Sequence[Intake],
    settings: Settings,
    options: Options,
    limits: tuple[int, int],
    relative: Collection[int],
) -> None:
    """Reject the lines of odd times, whether they were just read or come from a cache."""
    counts, first = drop_odd(engine, limits, relative, MAX_REJECTIONS)
    lines = read_records(sources, settings, options.input_format, [row for row, _ in first])
    for row, ts_us in first:
        index, number = row >> LINE_BITS, row & (1 << TRY_BITS) - 1
        bad = rejection_of(sources[index].label, Line(number, lines.get(row, b"")), odd(ts_us, limits))
        intakes[index].tally.rejections.append(bad)
    for index, lost in counts.items():
        tally = intakes[index].tally
        tally.reasons[Reason.ODD_TIME] += lost
        tally.rejections = sorted(tally.rejections, key=lambda each: each.line)[:MAX_REJECTIONS]


def _inputs(sources: Sequence[Source], intakes: Sequence[Intake], replaced: Replaced, counts: Counts) -> Inputs:
    reasons: Counter[str] = Counter()
    for intake in intakes:
        reasons.update(intake.tally.reasons)
    filtered = Counter({"window": counts.filtered, "no_source": sum(intake.tally.others for intake in intakes)})
    for intake in intakes:
        filtered.update(intake.tally.filtered)
    inputs = Inputs(
        lines=sum(intake.tally.lines for intake in intakes),
        events=counts.events,
        superseded=replaced.superseded,
        duplicates=replaced.duplicates,
        filtered=filtered.total(),
        rejected=reasons.total(),
        assumed_timezone=counts.assumed_timezone,
        files=tuple(
            InputFile(
                path=source.label,
                format=intake.format,
                lines=intake.tally.lines,
                rejected=sum(intake.tally.reasons.values()),
                truncated=intake.truncated,
                assumed=(assumed := dict(sorted(counts.assumed.get(index, {}).items()))),
                detected=intake.detected,
                other_requests=intake.tally.others,
                filtered=dict(sorted(intake.tally.filtered.items())),
                explained={name: explained(name, intake.tally.explained) for name in assumed},
            )
            for index, (source, intake) in enumerate(zip(sources, intakes, strict=True))
        ),
        rejections=tuple(
            RejectedLine(bad.path, bad.line, bad.reason, bad.detail, bad.excerpt)
            for intake in intakes
            for bad in intake.tally.rejections
        )[:MAX_REJECTIONS],
        reasons={reason.value: reasons[reason] for reason in Reason if reasons[reason]},
        filtered_reasons={name: lines for name, lines in sorted(filtered.items()) if lines},
    )
    if inputs.lines != inputs.events + inputs.superseded + inputs.duplicates + inputs.filtered + inputs.rejected:
        raise AssertionError(f"lines are not conserved: {inputs}")
    return inputs


def _mostly_filtered(intakes: Sequence[Intake]) -> frozenset[tuple[str, str]]:
    """The accounts of whose requests more than half are no events, whatever the window."""
    kept, dropped = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for intake in intakes:
        kept.update(intake.tally.kept)
        dropped.update(intake.tally.dropped)
    return frozenset(payer for payer, lines in dropped.items() if lines > kept[payer])


def read_all(
    sources: Sequence[Source],
    settings: Settings,
    folder: Path,
    cache: bool,
    progress: Progress,
    input_format: str | None = None,
    note: Note = lambda _: None,
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
                _records_of(folder, index),
                settings,
                input_format,
                cache,
                partial(_report, progress, done, total),
                note,
            )
        )
        done += source.size
    return intakes


def _records_of(folder: Path, index: int) -> Path:
    return folder / "records" / f"{index:08d}.parquet"


def _report(progress: Progress, before: int, total: int, read: int) -> None:
    progress("Reading", before + read, total)


def generated_at(now: Callable[[], datetime]) -> datetime:
    """Now, or SOURCE_DATE_EPOCH for reports that have to be reproducible."""
    return present(now).replace(microsecond=0)


def _secrets(sources: Sequence[Source], intakes: Iterable[Intake]) -> tuple[Secret, ...]:
    return tuple(
        Secret(source.label, name, lines, masked)
        for source, intake in zip(sources, intakes, strict=True)
        for name, (lines, masked) in sorted(intake.tally.secrets.items())
    )


def _shown(finding: Finding, options: Options) -> bool:
    def allows(wanted: frozenset[str], name: str) -> bool:
        return not wanted or name not in finding.subject or finding.subject[name] in wanted

    return (
        (not options.rules or finding.rule in options.rules)
        and finding.rule not in options.skip
        and finding.confidence.rank <= options.min_confidence.rank
        and allows(options.environments, "environment")
        and allows(options.accounts, "account")
        and allows(options.templates, "template")
    )


def _options(settings: Settings, options: Options, names: Sequence[str] = ()) -> Mapping[str, Any]:
    def times(moment: datetime | None) -> str | None:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

    every = {
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
        "min_confidence": None if options.min_confidence is Confidence.LOW else options.min_confidence.value,
    }
    return {name: every[name] for name in names or every}
