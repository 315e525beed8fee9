"""The demand of the past under other caches: times-to-live x coalescing x capacity (semantics section 3 and 10)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from auditor.analysis.accounts import Payer
from auditor.analysis.demand import Demand
from auditor.model.events import EPOCH
from auditor.model.plans import cheapest, micros, total_bill
from auditor.replay import lru, ttl
from auditor.replay.demand import Groups
from auditor.replay.sums import Sum, read
from auditor.simulation.rows import (
    NOTHING,
    DemandOutcome,
    Row,
    Setting,
    SimulatedBill,
    Simulation,
    Template,
    knee,
    recommended,
)
from auditor.simulation.trace import TraceDemand

DemandSource = Demand | TraceDemand
MEMORY = 400 << 20
"""Bytes that the sums and caches of one pass may take."""
Group = tuple[int, str | None, int]
"""Payer, template (None where templates are not told apart), cycle."""
Sums = dict[Group, DemandOutcome]


def simulate(demand: DemandSource, settings: Sequence[Setting], *, per_template: bool = False) -> Simulation:
    """Replay *demand* under each of *settings*; *per_template* asks for the best setting of each template too."""
    groups, codes = _groups(demand, per_template)
    asked = _asked(demand, per_template)
    outcomes = {
        setting: {
            group: _outcome(setting, asked.get(group, NOTHING), found) for group, found in zip(groups, own, strict=True)
        }
        for setting, own in _replayed(demand, settings, codes)
    }
    rows = tuple(_row(demand, setting, outcomes[setting]) for setting in settings)
    logged = _row(demand, Setting(None), asked)
    start, end = demand.accounts.window or (EPOCH, EPOCH)
    within = knee(rows, micros(end) - micros(start))
    answer = Simulation(
        logged, rows, within, recommended(rows, lambda row: row.credits), any(row.digests for row in demand.usage)
    )
    if not per_template:
        return answer
    templates = tuple(_templates(demand, settings, outcomes))
    own = {(each.payer.code, each.template): each.best.setting for each in templates}
    mixed = {
        group: outcome
        for setting, sums in outcomes.items()
        for group, outcome in sums.items()
        if own.get((group[0], str(group[1]))) == setting
    }
    return replace(answer, templates=templates, each_best=_row(demand, Setting(None), mixed))


def _groups(demand: DemandSource, per_template: bool) -> tuple[list[Group], Groups]:
    """The groups in the order of their codes, and the code of each (unit, cycle)."""
    code: dict[Group, int] = {}
    cycles, payers = demand.accounts.most_cycles, demand.accounts.payers
    flat = []
    for unit in demand.accounts.units:
        for cycle in range(cycles):
            group = (unit.payer, unit.template if per_template else None, cycle)
            exists = cycle < len(payers[group[0]].cycles)
            flat.append(code.setdefault(group, len(code)) if exists else -1)
    return list(code), Groups(flat, cycles, len(code))


def _asked(demand: DemandSource, per_template: bool) -> Sums:
    """What the log says, by group: its own renders, credits and bytes."""
    found: Sums = {}
    for row in demand.usage:
        unit = demand.accounts.units[row.unit]
        group = (unit.payer, unit.template if per_template else None, row.cycle)
        render = row.outcome == "render"
        found[group] = found.get(group, NOTHING) + DemandOutcome(
            requests=row.requests,
            bytes=row.bytes,
            renders=row.requests if render else 0,
            coalesced=row.requests if row.outcome == "coalesced" else 0,
            credits=row.credits,
            missed_bytes=row.bytes if render else 0,
            stale=0,
            uncertain=row.unknown,
        )
    return found


def _replayed(demand: DemandSource, settings: Sequence[Setting], codes: Groups) -> Iterator[tuple[Setting, list[Sum]]]:
    """Each setting with the sums of every group."""
    rows = sum(row.events for row in demand.usage)
    if not rows:
        yield from ((setting, [Sum()] * codes.count) for setting in settings)
        return
    caches = {setting: setting.cache for setting in settings}
    ttls = sorted({cache.ttl_us for setting, cache in caches.items() if not setting.bounded})
    if ttls:
        sums = ttl.replay(demand.by_key, ttls, codes, demand.prices, rows, MEMORY)
        for setting, cache in caches.items():
            if not setting.bounded:
                yield setting, [read(row) for row in sums[:, ttls.index(cache.ttl_us)].tolist()]
    bounded = list(dict.fromkeys(cache for setting, cache in caches.items() if setting.bounded))
    if bounded:
        sums = lru.replay(demand.by_time, bounded, codes, demand.prices, rows, demand.keys(), MEMORY)
        for setting, cache in caches.items():
            if setting.bounded:
                yield setting, [read(row) for row in sums[:, bounded.index(cache)].tolist()]


def _outcome(setting: Setting, asked: DemandOutcome, found: Sum) -> DemandOutcome:
    if setting.coalescing:
        renders, coalesced = found.renders, found.concurrent
        credits, missed = found.credits, found.bytes
    else:
        renders, coalesced = found.renders + found.concurrent, 0
        credits, missed = found.credits + found.concurrent_credits, found.bytes + found.concurrent_bytes
    return DemandOutcome(asked.requests, asked.bytes, renders, coalesced, credits, missed, found.stale)


def _row(demand: DemandSource, setting: Setting, outcomes: Mapping[Group, DemandOutcome]) -> Row:
    sums: dict[tuple[int, int], DemandOutcome] = {}
    for (payer, _, cycle), outcome in outcomes.items():
        sums[payer, cycle] = sums.get((payer, cycle), NOTHING) + outcome
    bills = tuple(
        _bill(payer, [sums.get((payer.code, cycle), NOTHING) for cycle in range(len(payer.cycles))])
        for payer in demand.accounts.payers
    )
    return Row(setting, sum(outcomes.values(), NOTHING), bills)


def _bill(payer: Payer, used: Sequence[DemandOutcome]) -> SimulatedBill:
    complete, credits = payer.complete_cycles, [each.credits for each in used]
    if not sum(used, NOTHING).known:
        return SimulatedBill(payer, None, len(complete), None, None, None)
    loads, idle = [(credits[index], credits[index]) for index in complete], payer.idle
    best = cheapest(payer.plans, loads, idle=idle) if loads else None
    return SimulatedBill(
        payer=payer,
        credits=sum(credits, Fraction(0)),
        cycles=len(complete),
        bill=total_bill(payer.plan, loads, idle=idle) if payer.plan and loads else None,
        cheapest=best,
        cheapest_bill=total_bill(best, loads, idle=idle) if best else None,
    )


def _templates(
    demand: DemandSource, settings: Sequence[Setting], outcomes: Mapping[Setting, Sums]
) -> Iterator[Template]:
    """Each template that was asked for, those with the most requests first."""
    sums: dict[tuple[int, str], dict[Setting, DemandOutcome]] = {}
    for setting, own in outcomes.items():
        for (payer, template, _), outcome in own.items():
            by_setting = sums.setdefault((payer, str(template)), {})
            by_setting[setting] = by_setting.get(setting, NOTHING) + outcome
    payers = demand.accounts.payers
    for (payer, template), found in sorted(
        sums.items(), key=lambda item: (-next(iter(item[1].values())).requests, item[0])
    ):
        rows = tuple(Row(setting, found[setting]) for setting in settings)
        best = recommended(rows, lambda row: row.credits)
        if best is not None and rows[0].outcome.requests:
            yield Template(payers[payer], template, rows, best)
