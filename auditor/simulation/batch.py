"""Renders that need not have waited for a request: what could have been pre-generated, and moved off peak.

Two kinds of renders of the log, both made online and on a request:

- *steady*: the first render of a local day, of a key that was asked for on at least `DAYS` days and on four fifths of
  the days from its first to its last. Its first day aside, the night before could have made it.
- *burst*: the first render of a key that was never asked for before, one of at least `BURST` such renders of one
  template with no pause above `PAUSE`: something was published, and publishing could have made them.

Peak hours of an account are the hours of the local day with more renders than an hour has on average.
"""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from auditor.analysis.accounts import Payer
from auditor.analysis.demand import Demand
from auditor.model.numbers import ratio
from auditor.model.plans import moment
from auditor.replay.sums import Ints
from auditor.results.simulation import TOP, Ahead, Burst, Bursts, PeakHours, Steady, SteadyKey

DAYS = 5
SHARE = (4, 5)
BURST = 10
PAUSE = timedelta(minutes=5)
_HOUR = 3600 * 10**6
_DAY = 24 * _HOUR
Bools = npt.NDArray[np.bool_]


class _Renders(NamedTuple):
    """Some renders of one key or burst."""

    renders: int
    first_us: int
    row: int
    """A record of it."""
    unit: int


def ahead_of(demand: Demand) -> Ahead:
    """What of the log could have been made ahead of its request."""
    payers, units = demand.accounts.payers, demand.accounts.units
    payer_of = np.array([unit.payer for unit in units], np.int64)
    steady: list[_Renders] = []
    bursts: list[_Renders] = []
    parts = [np.zeros((6, 0), np.int64), *(_judge(table, steady) for table in _whole_keys(demand))]
    ts, local, unit, row, *marks = np.concatenate(parts, axis=1)
    movable, first = (mark.astype(np.bool_) for mark in marks)
    for members in _bursts(ts, unit, first):
        movable[members] = True
        at = int(members[0])
        bursts.append(_Renders(len(members), int(ts[at]), int(row[at]), int(unit[at])))
    for every in (steady, bursts):
        every.sort(key=lambda each: (-each.renders, each.first_us, each.row))
    keys = demand.accounts.records.values("key", [each.row for each in steady[:TOP]])
    subjects = [(each.provider, each.account, each.environment, each.template) for each in units]
    peaks = []
    for payer in payers:
        own = payer_of[unit] == payer.code
        peaks.append(_peak(payer, local[own], movable[own]))
    return Ahead(
        Steady(
            len(steady),
            sum(each.renders for each in steady),
            tuple(SteadyKey(*subjects[each.unit], keys[each.row], each.renders) for each in steady[:TOP]),
        ),
        Bursts(
            len(bursts),
            sum(each.renders for each in bursts),
            tuple(Burst(*subjects[each.unit], moment(each.first_us), each.renders) for each in bursts[:TOP]),
        ),
        tuple(peaks),
    )


def _whole_keys(demand: Demand) -> Iterator[dict[str, Ints]]:
    """Columns of batches that are cut between keys."""
    held: dict[str, Ints] = {}
    for batch in demand.online():
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


def _judge(columns: dict[str, Ints], steady: list[_Renders]) -> Ints:
    """The renders, each with its times, unit, row, whether it can move, and whether it is the first of its key."""
    ts, local, unit, row = (columns[name] for name in ("ts_us", "local_us", "unit", "row"))
    online = columns["online"] == 1
    starts = _starts(columns)
    key = np.cumsum(starts) - 1
    day = local // _DAY
    new_day = starts.copy()
    new_day[1:] |= day[1:] != day[:-1]
    days = np.bincount(key, new_day).astype(np.int64)
    first_day = day[starts]
    last_day = day[np.append(np.flatnonzero(starts)[1:] - 1, len(day) - 1)]
    often = (days >= DAYS) & (days * SHARE[1] >= (last_day - first_day + 1) * SHARE[0])

    render = np.flatnonzero(online)
    of_day = np.cumsum(new_day)[render]
    first_of_day = np.ones(len(render), np.bool_)
    first_of_day[1:] = of_day[1:] != of_day[:-1]
    movable = first_of_day & often[key[render]] & (day[render] > first_day[key[render]])
    moved = render[movable]
    for code, count in zip(*np.unique(key[moved], return_counts=True), strict=True):
        at = int(moved[np.searchsorted(key[moved], code)])
        steady.append(_Renders(int(count), int(ts[at]), int(row[at]), int(unit[at])))
    return np.stack([*(column[render] for column in (ts, local, unit, row)), movable, starts[render]])


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


def _peak(payer: Payer, local: Ints, movable: Bools) -> PeakHours:
    hour = local // _HOUR
    of_day = hour % 24
    by_hour = np.bincount(of_day, minlength=24)
    hours = np.flatnonzero(by_hour * 24 > len(local))
    moved = int(movable.sum())

    def busiest(which: Any) -> int:
        return int(np.unique(hour[which], return_counts=True)[1].max(initial=0))

    return PeakHours(
        provider=payer.provider,
        account=payer.account,
        online_renders=len(local),
        movable=moved,
        movable_share=ratio(moved, len(local)),
        peak_hours=tuple(hours.tolist()),
        movable_in_peak_hours=int((movable & np.isin(of_day, hours)).sum()),
        busiest_hour=busiest(slice(None)),
        busiest_hour_then=busiest(~movable),
    )
