"""What becomes of a demand under a cache: TTL x coalescing x capacity (semantics section 3 and 10)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from operator import add, attrgetter
from typing import Any

import numpy as np

from auditor.analysis.demand import Demand
from auditor.model.numbers import is_unknown, ratio
from auditor.replay.caches import CacheSetting, by_key, by_time
from auditor.replay.demand import Groups
from auditor.replay.sums import WIDTH, Sum, read
from auditor.results.simulation import Setting
from auditor.simulation.trace import TraceDemand

MEMORY = 400 << 20
"""Bytes that the sums and caches of one pass may take."""


@dataclass(frozen=True, slots=True)
class DemandOutcome:
    """What became of some demand."""

    requests: int
    bytes: int
    renders: int
    coalesced: int
    credits: Fraction
    missed_bytes: int
    """Of the requests that were rendered."""
    stale: int
    uncertain: int = 0
    """Events whose credits are unknown; only of what was logged."""

    @property
    def known(self) -> bool:
        """Whether any render says what it cost."""
        return not is_unknown(self.credits, self.renders, self.uncertain)

    @property
    def hits(self) -> int:
        """Requests that the cache served."""
        return self.requests - self.renders - self.coalesced

    @property
    def figures(self) -> tuple[int, int, int, float | None, float | None, float | None, Fraction | None, int]:
        """The figures of `auditor.results.simulation.TemplateRow`."""
        served, missed = (ratio(part, self.requests) for part in (self.hits + self.coalesced, self.renders))
        missed_bytes, credits = ratio(self.missed_bytes, self.bytes), self.credits if self.known else None
        return self.renders, self.hits, self.coalesced, served, missed, missed_bytes, credits, self.stale

    def __add__(self, other: "DemandOutcome") -> "DemandOutcome":
        return DemandOutcome(*map(add, _PARTS(self), _PARTS(other)))


_PARTS = attrgetter(*(each.name for each in fields(DemandOutcome)))
NOTHING = DemandOutcome(0, 0, 0, 0, Fraction(0), 0, 0)


DemandSource = Demand | TraceDemand
Group = tuple[int, str | None, int]
"""Payer, template (None where templates are not told apart), cycle."""
Sums = dict[Group, DemandOutcome]


def stale_known(demand: DemandSource) -> bool:
    """Whether any hit of the log says which image it showed."""
    return any(row.digests for row in demand.usage)


def sums_of(demand: DemandSource, settings: Sequence[Setting], *, per_template: bool = False) -> dict[Setting, Sums]:
    """What becomes of *demand* under each of *settings*, by group."""
    groups, codes = _groups(demand, per_template)
    asked, sums = asked_of(demand, per_template), _replayed(demand, settings, codes)
    return {
        setting: {
            group: _outcome(setting, asked.get(group, NOTHING), read(row))
            for group, row in zip(groups, sums[setting.cache].tolist(), strict=True)
        }
        for setting in settings
    }


def _groups(demand: DemandSource, per_template: bool) -> tuple[list[Group], Groups]:
    """The groups in the order of their codes, and the code of each (unit, cycle)."""
    code: dict[Group, int] = {}
    payers = demand.accounts.payers
    cycles = max((len(payer.cycles) for payer in payers), default=0)
    flat = []
    for unit in demand.accounts.units:
        for cycle in range(cycles):
            group = (unit.payer, unit.template if per_template else None, cycle)
            exists = cycle < len(payers[group[0]].cycles)
            flat.append(code.setdefault(group, len(code)) if exists else -1)
    return list(code), Groups(flat, cycles, len(code))


def asked_of(demand: DemandSource, per_template: bool) -> Sums:
    """What the log says, by group: its own renders, credits and bytes."""
    found: Sums = {}
    for row in demand.usage:
        unit = demand.accounts.units[row.unit]
        group = (unit.payer, unit.template if per_template else None, row.cycle)
        renders, missed = (row.requests, row.bytes) if row.outcome == "render" else (0, 0)
        coalesced = row.requests if row.outcome == "coalesced" else 0
        found[group] = found.get(group, NOTHING) + DemandOutcome(
            row.requests, row.bytes, renders, coalesced, row.credits, missed, stale=0, uncertain=row.unknown
        )
    return found


def _replayed(demand: DemandSource, settings: Sequence[Setting], codes: Groups) -> dict[CacheSetting, Any]:
    """The sums of every group, one row each, by cache."""
    rows = sum(row.events for row in demand.usage)
    if not rows:
        return {setting.cache: np.zeros((codes.count, WIDTH), np.int64) for setting in settings}
    found: dict[CacheSetting, Any] = {}
    ttls = sorted({setting.cache.ttl_us for setting in settings if not setting.bounded})
    if ttls:
        sums = by_key(demand.by_key, ttls, codes, demand.prices, rows, MEMORY)
        found |= zip(map(CacheSetting, ttls), sums.swapaxes(0, 1), strict=True)
    bounded = list(dict.fromkeys(setting.cache for setting in settings if setting.bounded))
    if bounded:
        sums = by_time(demand.by_time, bounded, codes, demand.prices, rows, demand.keys(), MEMORY)
        found |= zip(bounded, sums.swapaxes(0, 1), strict=True)
    return found


def _outcome(setting: Setting, asked: DemandOutcome, found: Sum) -> DemandOutcome:
    if setting.coalescing:
        renders, coalesced = found.renders, found.concurrent
        credits, missed = found.credits, found.bytes
    else:
        renders, coalesced = found.renders + found.concurrent, 0
        credits, missed = found.credits + found.concurrent_credits, found.bytes + found.concurrent_bytes
    return DemandOutcome(asked.requests, asked.bytes, renders, coalesced, credits, missed, found.stale)
