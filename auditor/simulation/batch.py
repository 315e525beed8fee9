"""Renders that need not have waited for a request: what could have been pre-generated, and moved off peak.

Two kinds of renders of the log, both made online and on a request:

- *steady*: the first render of a local day, of a key that was asked for on at least `DAYS` days and on four fifths of
  the days from its first to its last. Its first day aside, the night before could have made it.
- *burst*: the first render of a key that was never asked for before, one of at least `BURST` such renders of one
  template with no pause above `PAUSE`: something was published, and publishing could have made them.

Peak hours of an account are the hours of the local day with more renders than an hour has on average.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditor.analysis.accounts import Accounts, Payer, Unit
from auditor.analysis.days import offsets_of
from auditor.analysis.demand import Demand
from auditor.replay.sums import Ints

DAYS = 5
SHARE = (4, 5)
BURST = 10
PAUSE = timedelta(minutes=5)
_HOUR = 3600 * 10**6
_DAY = 24 * _HOUR
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Renders:
    """Some renders of one key or burst."""

    unit: int
    first_us: int
    keys: int
    renders: int
    row: int
    """A record of it."""


@dataclass(frozen=True, slots=True)
class Peak:
    """One account's day."""

    payer: Payer
    hours: tuple[int, ...]
    """Its peak hours, 0 to 23, local."""
    online: int
    """Renders that a request waited for."""
    movable: int
    movable_in_peak: int
    busiest_hour: int
    """Most renders in one hour of the window."""
    busiest_hour_then: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What could have been pre-generated."""

    steady: tuple[Renders, ...]
    """One a key, those with most renders first."""
    bursts: tuple[Renders, ...]
    peaks: tuple[Peak, ...]
    units: tuple[Unit, ...]
    keys: Mapping[int, str]
    """Row -> key of the first `TOP` of `steady`."""


TOP = 20
"""Keys and bursts that are named."""


@dataclass(slots=True)
class _Found:
    ts: list[Ints] = field(default_factory=list)
    unit: list[Ints] = field(default_factory=list)
    movable: list[Bools] = field(default_factory=list)
    first: list[Bools] = field(default_factory=list)
    row: list[Ints] = field(default_factory=list)
    steady: list[Renders] = field(default_factory=list)


def ahead_of(demand: Demand) -> Batch:
    """What of the log could have been made ahead of its request."""
    batch = pregenerated(demand.online(), demand.accounts)
    return replace(batch, keys=demand.named([each.row for each in batch.steady[:TOP]]))


def pregenerated(batches: Iterable[pa.RecordBatch], accounts: Accounts) -> Batch:
    """Judge the demand, ordered by key, time and id, with `unit`, `row`, `online` (1 for a render made online)."""
    payer_of = np.array([unit.payer for unit in accounts.units], np.int64)
    clocks = [_Clock(payer) for payer in accounts.payers]
    found = _Found()
    for table in _whole_keys(batches):
        _judge(table, payer_of, clocks, found)
    if not found.ts:
        return Batch((), (), tuple(Peak(payer, (), 0, 0, 0, 0, 0) for payer in accounts.payers), accounts.units, {})
    ts, unit, row = (np.concatenate(parts) for parts in (found.ts, found.unit, found.row))
    movable, first = np.concatenate(found.movable), np.concatenate(found.first)
    bursts = []
    for members in _bursts(ts, unit, first):
        movable[members] = True
        at = int(members[0])
        bursts.append(Renders(int(unit[at]), int(ts[at]), len(members), len(members), int(row[at])))
    peaks = (_peak(clock, ts[own], movable[own]) for clock in clocks for own in [payer_of[unit] == clock.payer.code])
    return Batch(
        tuple(sorted(found.steady, key=lambda each: (-each.renders, each.first_us, each.row))),
        tuple(sorted(bursts, key=lambda each: (-each.renders, each.first_us, each.row))),
        tuple(peaks),
        accounts.units,
        {},
    )


class _Clock:
    """Local time of one account."""

    def __init__(self, payer: Payer) -> None:
        self.payer = payer
        zone = payer.settings.timezone
        changes = [span for stretch in payer.stretches for span in offsets_of(*stretch, str(zone))]
        self._from = np.array([start for start, _, _ in changes], np.int64)
        self._offset = np.array([offset for _, _, offset in changes], np.int64)

    def local(self, ts: Ints) -> Ints:
        """Microseconds of the local clock."""
        at: Ints = ts + self._offset[np.maximum(np.searchsorted(self._from, ts, "right") - 1, 0)]
        return at


def _whole_keys(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Ints]]:
    """Columns of batches that are cut between keys."""
    held: dict[str, Ints] = {}
    for batch in batches:
        for name in batch.schema.names:
            own = batch.column(name).to_numpy().astype(np.int64)
            held[name] = np.concatenate([held[name], own]) if name in held else own
        cut = int(np.flatnonzero(_starts(held)).max(initial=0))
        if cut:
            yield {name: values[:cut] for name, values in held.items()}
            held = {name: values[cut:] for name, values in held.items()}
    if held and len(held["ts_us"]):
        yield held


def _starts(columns: dict[str, Ints]) -> Bools:
    """Whether each row is the first of its key."""
    high, low = columns["key_high"], columns["key_low"]
    starts = np.ones(len(high), np.bool_)
    starts[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return starts


def _judge(columns: dict[str, Ints], payer_of: Ints, clocks: list[_Clock], found: _Found) -> None:
    ts, unit, online = columns["ts_us"], columns["unit"], columns["online"] == 1
    starts = _starts(columns)
    key = np.cumsum(starts) - 1
    day = np.empty_like(ts)
    for clock in clocks:
        own = payer_of[unit] == clock.payer.code
        day[own] = clock.local(ts[own]) // _DAY
    new_day = starts.copy()
    new_day[1:] |= day[1:] != day[:-1]
    days = np.bincount(key, new_day).astype(np.int64)
    first_day = day[starts]
    last_day = day[np.append(np.flatnonzero(starts)[1:] - 1, len(day) - 1)]
    steady = (days >= DAYS) & (days * SHARE[1] >= (last_day - first_day + 1) * SHARE[0])

    render = np.flatnonzero(online)
    of_day = np.cumsum(new_day)[render]
    first_of_day = np.ones(len(render), np.bool_)
    first_of_day[1:] = of_day[1:] != of_day[:-1]
    movable = first_of_day & steady[key[render]] & (day[render] > first_day[key[render]])
    found.ts.append(ts[render])
    found.unit.append(unit[render])
    found.row.append(columns["row"][render])
    found.movable.append(movable)
    found.first.append(starts[render])
    moved = render[movable]
    for code, count in zip(*np.unique(key[moved], return_counts=True), strict=True):
        at = int(moved[np.searchsorted(key[moved], code)])
        found.steady.append(Renders(int(unit[at]), int(ts[at]), 1, int(count), int(columns["row"][at])))


def _bursts(ts: Ints, unit: Ints, first: Bools) -> Iterator[Ints]:
    """Positions of the renders of each burst, in the order of time."""
    candidates = np.flatnonzero(first)
    order = candidates[np.lexsort((ts[candidates], unit[candidates]))]
    pause = PAUSE // timedelta(microseconds=1)
    apart = (np.diff(unit[order]) != 0) | (np.diff(ts[order]) > pause)
    edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(order)]
    for start, end in itertools.pairwise(edges):
        if end - start >= BURST:
            yield order[start:end]


def _peak(clock: _Clock, ts: Ints, movable: Bools) -> Peak:
    hour = clock.local(ts) // _HOUR
    of_day = hour % 24
    by_hour = np.bincount(of_day, minlength=24)
    hours = np.flatnonzero(by_hour * 24 > len(ts))

    def busiest(which: Any) -> int:
        return int(np.unique(hour[which], return_counts=True)[1].max(initial=0))

    return Peak(
        payer=clock.payer,
        hours=tuple(hours.tolist()),
        online=len(ts),
        movable=int(movable.sum()),
        movable_in_peak=int((movable & np.isin(of_day, hours)).sum()),
        busiest_hour=busiest(slice(None)),
        busiest_hour_then=busiest(~movable),
    )
