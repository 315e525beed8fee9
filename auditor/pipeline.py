"""The only file that knows the order: paths -> records -> events -> replay -> bills -> audits -> result."""

import mmap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial

from auditor.analysis.accounts import Counts
from auditor.analysis.bills import Bill, bills
from auditor.analysis.case import Case, Secret
from auditor.analysis.days import daily
from auditor.analysis.demand import demand
from auditor.analysis.facts import Facts
from auditor.analysis.headline import headlines
from auditor.analysis.identities import Records
from auditor.analysis.load import Load, Progress
from auditor.analysis.units import locate, span
from auditor.analysis.walk import replay
from auditor.intake.lookup import requests_of
from auditor.intake.read import Intake, detected_in
from auditor.intake.sources import Note, Source
from auditor.model.findings import Accepted, Confidence, Finding
from auditor.model.measurements import Measured
from auditor.model.numbers import number
from auditor.model.provider import Provider
from auditor.model.settings import Account, Settings
from auditor.planning.plan import advise
from auditor.reading.reader import Tally
from auditor.registry import RULES
from auditor.results.audit import Result, TtlPoint
from auditor.results.baseline import split
from auditor.results.document import Choices, utc
from auditor.results.inputs import Inputs, inputs_of
from auditor.results.page_images import page_images
from auditor.results.plan import Advised
from auditor.results.report import Window
from auditor.results.simulation import Setting, Simulated
from auditor.simulation.outcomes import NOTHING, stale_known, sums_of
from auditor.simulation.simulate import simulate as simulated
from auditor.simulation.trace import TraceDemand, read_trace
from auditor.system.clock import present

CURVE = (*(minutes * 60 * 10**6 for minutes in (5, 60, 360, 1_440, 10_080, 43_200)), None)
"""TTLs that reports draw, in microseconds; None is forever."""


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
    """What `auditor inspect` found of images."""
    baseline: tuple[Accepted, ...] | None = None
    """Findings that are accepted, if there is a file of them."""
    belongs: Callable[[Account], bool] | None = None
    """Whether the events of an account are looked at at all."""
    all_findings: bool = True
    """Whether the report in text names all of them."""
    curve: bool = False
    """Whether the demand is simulated under other TTLs, for reports that draw it."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    note: Note = lambda _: None
    """Hears, in a sentence, of a cache that was written."""


def audit(sources: Sequence[Source], settings: Settings, options: Options, progress: Progress) -> Result:
    """Audit some inputs. Raises `InputError` where there is nothing to read."""
    with examine(sources, settings, options, progress) as case:
        days = daily(case.facts, case.replayed)
        curve = _curve(case.facts, progress) if options.curve else ()
        progress("Auditing", 0, 0)
        # Waste is waste, whether its rule is shown or not: it decides what a cheaper bill needs.
        asked = [rule for rule in RULES.values() if rule.causes or rule.id not in settings.disabled]
        findings = [finding for rule in asked for finding in rule.findings(case)]
        loaded = page_images(case)
    told = headlines(
        case.bills, [finding for finding in findings if RULES[finding.rule].causes or finding.changes_plan]
    )
    enabled = (finding for finding in findings if finding.rule not in settings.disabled)
    shown = sorted((finding for finding in enabled if _shown(finding, options)), key=Finding.sort_key)
    now, suppressed = case.generated_at, None
    if options.baseline is not None:
        shown, suppressed = split(shown, options.baseline, settings.today(now))
    told_options = _options(settings, options)
    return Result(
        case.inputs, case, told, shown, told_options, now, days, curve, suppressed, loaded, options.all_findings
    )


def _curve(facts: Facts, progress: Progress) -> tuple[TtlPoint, ...]:
    """The audit's own demand under other TTLs, and under its own."""
    progress("Simulating", 0, 0)
    now = facts.settings.ttl_us
    settings = sorted({Setting.of(ttl) for ttl in (*CURVE, now)}, key=lambda setting: setting.cache.ttl_us)
    asked = demand(facts)
    known = stale_known(asked)
    return tuple(
        TtlPoint(
            setting.ttl_us, setting.ttl_us == now, of.requests, of.renders, of.credits, of.stale if known else None
        )
        for setting, sums in sums_of(asked, settings).items()
        for of in [sum(sums.values(), NOTHING)]
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
    shown = _options(settings, options, ("timezone", "since", "until")), present(options.now).replace(microsecond=0)
    traced = None if batch else _trace(sources, settings, options)
    if traced is not None:
        return simulated(traced[0], caches, traced[1], *shown, per_template=per_template)
    with _load(sources, settings, options, progress).records() as (records, intakes):
        asked = demand(locate(records, settings, options.since, options.until))
        _tell_span(records, options, asked.accounts.counts)
        inputs = inputs_of(sources, intakes, asked.accounts.counts)
        return simulated(asked, caches, inputs, *shown, per_template=per_template, batch=batch)


def _load(sources: Sequence[Source], settings: Settings, options: Options, progress: Progress) -> Load:
    return Load(sources, settings, options.input_format, options.cache, options.now, options.note, progress)


def _tell_span(records: Records, options: Options, counts: Counts) -> None:
    """Say where the log begins and ends, if the window leaves none of its events."""
    if counts.events == 0 and (options.since or options.until) and (found := span(records)) is not None:
        first, last = (utc(each.replace(microsecond=0)) for each in found)
        options.note(f"the log has events from {first} to {last}, and none of them is within --since and --until")


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined(Case):
    """Some inputs, replayed and billed, while their engine is open."""

    inputs: Inputs
    options: Choices
    until: datetime | None
    generated_at: datetime


@contextmanager
def examine(sources: Sequence[Source], settings: Settings, options: Options, progress: Progress) -> Iterator[Examined]:
    """What rules, plans, estimates and invoices rest on. Raises `InputError` where there is nothing to read."""
    with _load(sources, settings, options, progress).records() as (records, intakes):
        chosen = options.since, options.until, options.belongs, _mostly_filtered(intakes)
        facts = locate(records, settings, *chosen)
        if options.belongs is None:
            _tell_span(records, options, facts.counts)
        replayed = replay(facts, settings.ttl_us)
        names = ("ttl_seconds", "timezone", "production_environments", "since", "until")
        yield Examined(
            facts,
            replayed,
            bills(facts, replayed),
            tuple(
                Secret(source.label, name, lines, masked)
                for source, intake in zip(sources, intakes, strict=True)
                for name, (lines, masked) in sorted(intake.tally.secrets.items())
            ),
            facts.credits,
            partial(requests_of, sources, settings, options.input_format),
            options.measured,
            inputs=inputs_of(sources, intakes, facts.counts),
            options=_options(settings, options, names),
            until=options.until,
            generated_at=present(options.now).replace(microsecond=0),
        )


def plan(log: Examined, accounts: Sequence[Bill], providers: Sequence[Provider], longer: timedelta) -> Advised:
    """The advice on some accounts of a log; it is walked a second time, under the longer TTL."""
    longer_us = longer // timedelta(microseconds=1)
    return Advised(
        generated_at=log.generated_at,
        window=Window(*log.facts.window or (None, None)),
        options={**log.options, "longer_ttl_seconds": longer_us // 10**6},
        inputs=log.inputs,
        accounts=advise(log, accounts, longer_us, providers, log.until),
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
    return asked, inputs_of(sources, [intake], asked.accounts.counts)


def _mostly_filtered(intakes: Sequence[Intake]) -> frozenset[tuple[str, str]]:
    """The accounts of whose requests more than half are no events, whatever the window."""
    kept, dropped = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for intake in intakes:
        kept.update(intake.tally.kept)
        dropped.update(intake.tally.dropped)
    return frozenset(payer for payer, lines in dropped.items() if lines > kept[payer])


def _shown(finding: Finding, options: Options) -> bool:
    wanted = {"environment": options.environments, "account": options.accounts, "template": options.templates}
    return (
        (not options.rules or finding.rule in options.rules)
        and finding.rule not in options.skip
        and finding.confidence.rank <= options.min_confidence.rank
        and all(not wanted.get(part) or name in wanted[part] for part, name in finding.subject.items())
    )


def _options(settings: Settings, options: Options, names: Sequence[str] = ()) -> Choices:
    every: Choices = {
        "ttl_seconds": number(Fraction(settings.ttl_us, 10**6)),
        "timezone": str(settings.timezone),
        "production_environments": sorted(settings.production),
        "since": utc(options.since) if options.since else None,
        "until": utc(options.until) if options.until else None,
        "environments": sorted(options.environments),
        "accounts": sorted(options.accounts),
        "templates": sorted(options.templates),
        "rules": sorted(options.rules),
        "skip": sorted(options.skip),
        "min_confidence": None if options.min_confidence is Confidence.LOW else options.min_confidence.value,
    }
    return {name: every[name] for name in names or every}
