"""Replayed: the verdict of the walk on every render and the waterfall that follows from it."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import ColumnElement, Table, and_, case, func, select

from auditor.analysis.facts import Facts
from auditor.analysis.rows import rows_of
from auditor.model.events import Outcome
from auditor.model.fingerprint import FOREIGN_PREFIX
from auditor.model.plans import moment
from auditor.model.waste import Cause, Waste, allot
from auditor.replay.volatile import RenderSample, Volatile, find, random_numbers
from auditor.replay.walk import DUPLICATES, Verdict, verdicts


@dataclass(frozen=True, slots=True)
class Walked:
    """What one walk of `auditor.replay` found."""

    table: Table
    """row, verdict: one row for each render whose key is known."""
    ttl_us: int

    @property
    def told(self) -> ColumnElement[int]:
        """The verdict of the walk on each render, where this is an outer join."""
        return func.coalesce(self.table.c.verdict, int(Verdict.UNKNOWN)).label("verdict")

    def verdict(self, events: Table) -> ColumnElement[int]:
        """The same, but a repeat that the provider does not bill is not a duplicate."""
        spared = and_(events.c.free, self.told == int(Verdict.REPEAT))
        return case((spared, int(Verdict.FREE)), else_=self.told).label("verdict")


@dataclass(frozen=True, slots=True)
class Judged:
    """The renders of one unit and cycle with one verdict, for one reason if it is unknown."""

    unit: int
    cycle: int
    verdict: int
    unknown: str | None
    """Why the log does not tell which image they were, by `auditor.model.events.Unknown`."""
    renders: int
    billed: int
    """Those that are known to have cost something."""
    credits: Fraction


@dataclass(frozen=True, slots=True)
class UnknownRenders:
    """Renders of which the log does not tell which image they were, but those that are `staging` waste."""

    renders: int
    credits: Fraction
    reasons: Mapping[str, int]
    """By `auditor.model.events.Unknown`."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the demand looked like to a cache."""

    walked: Walked
    verdicts: tuple[Judged, ...]
    waste: Waste
    unknown: UnknownRenders
    staging: frozenset[int]
    """Units whose renders are `staging` waste."""
    volatile: Mapping[int, Volatile]
    """By unit."""
    volatile_days: Mapping[tuple[int, int], Fraction]
    """(unit, ordinal of the account's local day) -> credits whose cause is volatile inputs."""
    apart: Table
    """row: one for each render that differs from another in volatile inputs alone."""

    def spare(self, events: Table) -> ColumnElement[bool]:
        """Whether no cause has the credits of a render among *events*, outer joined to the walk, and it was billed."""
        return and_(
            self.walked.told.not_in([int(verdict) for verdict in DUPLICATES]),
            events.c.unit.not_in(self.staging),
            events.c.row.not_in(select(self.apart.c.row)),
        )


_CAUSES = {Verdict.CONCURRENT: Cause.CONCURRENT, Verdict.REPEAT: Cause.REPEAT}


def cause_of(verdict: int, *, staging: bool) -> Cause | None:
    """The first cause that fits a billed render; volatile inputs are asked after the others."""
    if staging and verdict != Verdict.FREE:
        return Cause.STAGING
    return _CAUSES.get(Verdict(verdict))


def replay(facts: Facts, ttl_us: int) -> Replayed:
    """Walk all renders with a TTL, and find one cause for each wasted credit."""
    events = facts.events
    stream = facts.engine.sorted_stream(
        select(events.c.key_high, events.c.key_low, events.c.ts_us, events.c.digest, events.c.row)
        .add_columns(func.coalesce(events.c.duration_us, 0).label("duration_us"))
        .where(events.c.outcome == Outcome.RENDER, events.c.unknown.is_(None))
        .order_by(events.c.key_high, events.c.key_low, events.c.ts_us, events.c.id)
    )
    renders = sum(row.events for row in facts.usage if row.outcome == Outcome.RENDER)
    walked = Walked(facts.engine.load("walked", verdicts(stream, ttl_us, renders)), ttl_us)

    groups = (events.c.unit, events.c.cycle, walked.verdict(events), events.c.unknown)
    billed = func.count().filter(events.c.credits > 0).label("billed")
    sums = func.count().label("renders"), billed, func.sum(events.c.credits).label("credits")
    chosen = select(*groups, *sums).where(events.c.outcome == Outcome.RENDER)
    joined = chosen.outerjoin(walked.table, walked.table.c.row == events.c.row)
    judged = rows_of(facts.engine, Judged, joined.group_by(*groups))
    paying = {payer.code for payer in facts.payers if payer.costs_money}
    tested = (unit.payer in paying and unit.environment not in facts.settings.production for unit in facts.units)
    staging = frozenset(code for code, is_tested in enumerate(tested) if is_tested)
    waste = Waste()
    for row in judged:
        cause = cause_of(row.verdict, staging=row.unit in staging)
        if cause is not None:
            waste.add(row.unit, row.cycle, cause, row.credits)
    for failed in facts.usage:
        if failed.outcome == Outcome.ERROR and failed.credits:
            waste.add(failed.unit, failed.cycle, Cause.FAILED, failed.credits)
    volatile, apart = {}, [np.zeros(0, np.int64)]
    volatile_days: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for unit, sample, cycle in _samples(facts, walked):
        found = find(sample, ttl_us)
        if found is None:
            continue
        volatile[unit] = found
        apart += [sample.row[members] for _, members in found.saved]
        if unit in staging:
            continue
        zone = facts.payers[facts.units[unit].payer].settings.timezone
        for saved, members in found.saved:
            for position, credits in allot(saved, ((i, sample.credit(i)) for i in members)):
                waste.add(unit, int(cycle[position]), Cause.VOLATILE, credits)
                volatile_days[unit, moment(int(sample.ts[position])).astimezone(zone).toordinal()] += credits
    rows = facts.engine.load("apart", pa.table({"row": np.concatenate(apart)}))
    return Replayed(walked, tuple(judged), waste, _unknown(judged, staging), staging, volatile, volatile_days, rows)


def _unknown(judged: Iterable[Judged], staging: Collection[int]) -> UnknownRenders:
    reasons: Counter[str] = Counter()
    credits = Fraction(0)
    for row in judged:
        if row.unknown is not None:
            wasted = row.unit in staging
            reasons[row.unknown] += row.renders - (row.billed if wasted else 0)
            credits += Fraction(0) if wasted else row.credits
    return UnknownRenders(reasons.total(), credits, dict(sorted((+reasons).items())))


def _samples(facts: Facts, walked: Walked) -> Iterator[tuple[int, RenderSample, Any]]:
    """(unit, its renders with inputs, their cycles), unit by unit.

    Foreign logs have no digests but sizes, which count for less, and not at all in a unit that has a digest.
    """
    events, records = facts.events, facts.records.table
    by_size = and_(
        events.c.digest == 0, events.c.bytes.is_not(None), records.c.key.startswith(FOREIGN_PREFIX, autoescape=True)
    )
    stream = facts.engine.sorted_stream(
        select(
            *(events.c[name] for name in ("unit", "cycle", "row", "ts_us", "format", "width", "height", "credits")),
            func.coalesce(events.c.duration_us, 0).label("duration_us"),
            case((by_size, events.c.bytes + 1), else_=events.c.digest).label("digest"),
            by_size.label("by_size"),
            # Nothing saves a repeat that is not billed.
            walked.told,
            records.c.inputs,
        )
        .outerjoin(walked.table, walked.table.c.row == events.c.row)
        .join(records, records.c.row == events.c.row)
        .where(events.c.has_inputs, events.c.outcome == Outcome.RENDER)
        .order_by(events.c.unit, events.c.ts_us, events.c.id)
    )
    held: list[pa.RecordBatch] = []
    current = None
    for batch in stream:
        units = batch.column("unit").to_numpy(zero_copy_only=False)
        edges = [0, *(np.flatnonzero(np.diff(units)) + 1).tolist(), len(units)]
        for start, end in itertools.pairwise(edges):
            unit = int(units[start])
            if current is not None and unit != current:
                yield current, *_sample(held)
                held = []
            current = unit
            held.append(batch.slice(start, end - start))
    if current is not None:
        yield current, *_sample(held)


def _sample(parts: list[pa.RecordBatch]) -> tuple[RenderSample, Any]:
    table = pa.Table.from_batches(parts).combine_chunks()

    def ints(name: str) -> Any:
        return table.column(name).to_numpy().astype(np.int64)

    credits = table.column("credits")

    shape = np.zeros(len(table), np.int64)
    for name in ("format", "width", "height"):
        codes = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
        shape = np.unique(shape * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1].astype(np.int64)
    inputs = table.column("inputs").combine_chunks()
    lengths = np.diff(inputs.offsets.to_numpy())
    keys, values = inputs.keys, inputs.items
    start, end = inputs.offsets[0].as_py(), inputs.offsets[len(inputs)].as_py()
    names = keys.slice(start, end - start).dictionary_encode()
    codes = values.slice(start, end - start).dictionary_encode()
    ordered = sorted(names.dictionary.to_pylist())
    rank = np.array([ordered.index(name) for name in names.dictionary.to_pylist()], np.int64)
    fields = rank[names.indices.to_numpy()] if len(rank) else np.zeros(0, np.int64)
    pairs = fields * (len(codes.dictionary) + 1) + codes.indices.to_numpy()
    digest, by_size = ints("digest"), table.column("by_size").to_numpy()
    told = bool((digest[~by_size] != 0).any())
    sample = RenderSample(
        row=ints("row"),
        ts=ints("ts_us"),
        duration=ints("duration_us"),
        digest=np.where(by_size, 0, digest) if told else digest,
        shape_numbers=random_numbers(shape, 0),
        verdict=ints("verdict"),
        credit=lambda at: Fraction(credits[at].as_py() or 0),
        at=np.repeat(np.arange(len(table)), lengths),
        field=fields,
        numbers=random_numbers(np.unique(pairs, return_inverse=True)[1].astype(np.int64), 1),
        fields=ordered,
        by_size=bool(by_size.any()) and not told,
    )
    return sample, ints("cycle")
