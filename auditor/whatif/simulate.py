"""The demand of the past under other caches: times-to-live x coalescing x capacity (semantics section 3 and 10)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import pandas as pd
import pyarrow as pa

from auditor.facts import Accounts, Payer
from auditor.plans import Plan, cheapest, total_bill
from auditor.replay import lru, ttl
from auditor.replay.demand import Groups, Prices
from auditor.replay.sums import Sum, read
from auditor.settings import FOR_EVER_US


class Demand(Protocol):
    """What was asked for: of `auditor.whatif.demand`, or of a cache trace."""

    @property
    def accounts(self) -> Accounts:
        """Who asked."""

    @property
    def prices(self) -> Prices:
        """What a simulated render takes and costs."""

    @property
    def usage(self) -> pd.DataFrame:
        """One row for each unit, cycle, outcome: events, requests, credits, bytes, hits with digests."""

    @property
    def rows(self) -> int:
        """Events of the demand; a hit with a count is one."""

    @property
    def most_cycles(self) -> int:
        """The most billing cycles that an account has."""

    def by_key(self) -> Iterator[pa.RecordBatch]:
        """Ordered by key, time and id."""

    def by_time(self) -> Iterator[pa.RecordBatch]:
        """Ordered by time and id, with a dense code for each key."""

    def keys(self) -> int:
        """How many keys there are."""


MEMORY = 400 << 20
"""Bytes that the sums and caches of one pass may take."""
NEAR = Fraction(101, 100)
"""How far from the best a bill may be to be as good."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One cache: how long a picture may be served (None: for ever), whether identical calls share one, what fits."""

    ttl_us: int | None
    coalescing: bool = True
    entries: int | None = None
    bytes: int | None = None

    @property
    def bounded(self) -> bool:
        """Whether the cache is LRU."""
        return self.entries is not None or self.bytes is not None

    @property
    def ttl(self) -> int:
        """The time-to-live in microseconds."""
        return FOR_EVER_US if self.ttl_us is None else min(self.ttl_us, FOR_EVER_US)


@dataclass(frozen=True, slots=True)
class Bill:
    """What one account would have paid over the cycles of the window."""

    payer: Payer
    credits: Fraction
    bill: Fraction | None
    """On the configured plan; None without one, or where it does not hold the credits of a cycle."""
    cheapest: Plan | None
    """The plan that holds every cycle for the least sum."""
    cheapest_bill: Fraction | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some demand."""

    requests: int
    bytes: int
    renders: int
    coalesced: int
    credits: Fraction
    missed_bytes: int
    """Of the requests that were rendered."""
    stale: int

    @property
    def hits(self) -> int:
        """Requests that the cache served."""
        return self.requests - self.renders - self.coalesced

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.requests + other.requests,
            self.bytes + other.bytes,
            self.renders + other.renders,
            self.coalesced + other.coalesced,
            self.credits + other.credits,
            self.missed_bytes + other.missed_bytes,
            self.stale + other.stale,
        )


NOTHING = Outcome(0, 0, 0, 0, Fraction(0), 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting and what it would have brought."""

    setting: Setting
    outcome: Outcome
    bills: tuple[Bill, ...] = ()

    @property
    def cheapest_bill(self) -> Fraction | None:
        """The bills of all accounts on their cheapest plans; None where one has no plan that holds it."""
        amounts = [bill.cheapest_bill for bill in self.bills if bill.payer.plans]
        known = [amount for amount in amounts if amount is not None]
        return sum(known, Fraction(0)) if amounts and len(known) == len(amounts) else None


@dataclass(frozen=True, slots=True)
class Template:
    """The demand of one template under every setting, and the best of them."""

    payer: Payer
    template: str
    rows: tuple[Row, ...]
    best: Row


@dataclass(frozen=True, slots=True)
class Simulation:
    """The answers; `logged` is what the log says really happened."""

    logged: Row
    rows: tuple[Row, ...]
    best: Row | None
    by_bill: bool
    """Whether `best` was chosen by the bill; else by credits, where no bill is known or currencies differ."""
    fewest: Row | None
    """What would be best if every credit were paid for."""
    stale_known: bool
    """Whether any hit of the log says which picture it showed."""
    templates: tuple[Template, ...] = ()
    each_best: Row | None = None
    """All templates with the setting that is best for each."""


Group = tuple[int, str | None, int]
"""Payer, template (None where templates are not told apart), cycle."""
Sums = dict[Group, Outcome]


def simulate(demand: Demand, settings: Sequence[Setting], *, per_template: bool = False) -> Simulation:
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
    currencies = {plan.currency for payer in demand.accounts.payers for plan in payer.plans}
    by_bill = len(currencies) == 1 and any(row.cheapest_bill is not None for row in rows)
    fewest = recommended(rows, _credits)
    best = recommended(rows, lambda row: row.cheapest_bill) if by_bill else fewest
    answer = Simulation(logged, rows, best, by_bill, fewest, bool(demand.usage.digests.any()))
    if not per_template:
        return answer
    templates = tuple(_templates(demand, settings, outcomes))
    mixed: Sums = {}
    for each in templates:
        for group, outcome in outcomes[each.best.setting].items():
            if group[:2] == (each.payer.code, each.template):
                mixed[group] = outcome
    return replace(answer, templates=templates, each_best=_row(demand, Setting(None), mixed))


def recommended(rows: Iterable[Row], cost: Callable[[Row], Fraction | None]) -> Row | None:
    """The row with the smallest time-to-live whose cost is within 1 % of the least; None where no cost is known.

    Ties go to the lower cost, then to coalescing, then to the smaller cache.
    """
    priced = [(amount, row) for row in rows if (amount := cost(row)) is not None]
    if not priced:
        return None
    least = min(amount for amount, _ in priced)

    def rank(item: tuple[Fraction, Row]) -> tuple[int, Fraction, bool, int, int]:
        amount, row = item
        entries, size = row.setting.entries, row.setting.bytes
        return (
            row.setting.ttl,
            amount,
            not row.setting.coalescing,
            lru.UNBOUNDED if entries is None else entries,
            lru.UNBOUNDED if size is None else size,
        )

    return min((item for item in priced if item[0] <= least * NEAR), key=rank)[1]


def _credits(row: Row) -> Fraction:
    return row.outcome.credits


def _groups(demand: Demand, per_template: bool) -> tuple[list[Group], Groups]:
    """The groups in the order of their codes, and the code of each (unit, cycle)."""
    code: dict[Group, int] = {}
    cycles, payers = demand.most_cycles, demand.accounts.payers
    flat = []
    for unit in demand.accounts.units.itertuples():
        for cycle in range(cycles):
            group = (int(unit.payer), str(unit.template) if per_template else None, cycle)
            exists = cycle < len(payers[group[0]].cycles)
            flat.append(code.setdefault(group, len(code)) if exists else -1)
    return list(code), Groups(flat, cycles, len(code))


def _asked(demand: Demand, per_template: bool) -> Sums:
    """What the log says, by group: its own renders, credits and bytes."""
    units = demand.accounts.units
    found: Sums = {}
    for row in demand.usage.itertuples():
        unit = units.iloc[int(row.unit)]
        group = (int(unit.payer), str(unit.template) if per_template else None, int(row.cycle))
        requests, size, render = int(row.requests), int(row.bytes or 0), row.outcome == "render"
        found[group] = found.get(group, NOTHING) + Outcome(
            requests=requests,
            bytes=size,
            renders=requests if render else 0,
            coalesced=requests if row.outcome == "coalesced" else 0,
            credits=Fraction(row.credits or 0),
            missed_bytes=size if render else 0,
            stale=0,
        )
    return found


def _replayed(demand: Demand, settings: Sequence[Setting], codes: Groups) -> Iterator[tuple[Setting, list[Sum]]]:
    """Each setting with the sums of every group."""
    if not demand.rows:
        yield from ((setting, [Sum()] * codes.count) for setting in settings)
        return
    unbounded = [setting for setting in settings if not setting.bounded]
    ttls = sorted({setting.ttl for setting in unbounded})
    if ttls:
        sums = ttl.replay(demand.by_key, ttls, codes, demand.prices, demand.rows, MEMORY)
        for setting in unbounded:
            yield setting, [read(row) for row in sums[:, ttls.index(setting.ttl)].tolist()]
    caches = {
        setting: lru.Cache(
            setting.ttl,
            lru.UNBOUNDED if setting.entries is None else setting.entries,
            lru.UNBOUNDED if setting.bytes is None else setting.bytes,
        )
        for setting in settings
        if setting.bounded
    }
    if caches:
        distinct = list(dict.fromkeys(caches.values()))
        sums = lru.replay(demand.by_time, distinct, codes, demand.prices, demand.rows, demand.keys(), MEMORY)
        for setting, cache in caches.items():
            yield setting, [read(row) for row in sums[:, distinct.index(cache)].tolist()]


def _outcome(setting: Setting, asked: Outcome, found: Sum) -> Outcome:
    if setting.coalescing:
        renders, coalesced = found.renders, found.concurrent
        credits, missed = found.credits, found.bytes
    else:
        renders, coalesced = found.renders + found.concurrent, 0
        credits, missed = found.credits + found.concurrent_credits, found.bytes + found.concurrent_bytes
    return Outcome(asked.requests, asked.bytes, renders, coalesced, credits, missed, found.stale)


def _row(demand: Demand, setting: Setting, outcomes: Mapping[Group, Outcome]) -> Row:
    credits: dict[tuple[int, int], Fraction] = {}
    for (payer, _, cycle), outcome in outcomes.items():
        credits[payer, cycle] = credits.get((payer, cycle), Fraction(0)) + outcome.credits
    bills = tuple(
        _bill(payer, [credits.get((payer.code, cycle), Fraction(0)) for cycle in range(len(payer.cycles))])
        for payer in demand.accounts.payers
    )
    return Row(setting, sum(outcomes.values(), NOTHING), bills)


def _bill(payer: Payer, credits: Sequence[Fraction]) -> Bill:
    loads = [(amount, amount) for amount in credits]
    best = cheapest(payer.plans, loads)
    return Bill(
        payer=payer,
        credits=sum(credits, Fraction(0)),
        bill=total_bill(payer.plan, loads) if payer.plan else None,
        cheapest=best,
        cheapest_bill=total_bill(best, loads) if best else None,
    )


def _templates(demand: Demand, settings: Sequence[Setting], outcomes: Mapping[Setting, Sums]) -> Iterator[Template]:
    """Each template that was asked for, those with the most requests first."""
    sums: dict[tuple[int, str], dict[Setting, Outcome]] = {}
    for setting, own in outcomes.items():
        for (payer, template, _), outcome in own.items():
            by_setting = sums.setdefault((payer, str(template)), {})
            by_setting[setting] = by_setting.get(setting, NOTHING) + outcome
    payers = demand.accounts.payers
    for (payer, template), found in sorted(
        sums.items(), key=lambda item: (-next(iter(item[1].values())).requests, item[0])
    ):
        rows = tuple(Row(setting, found[setting]) for setting in settings)
        best = recommended(rows, _credits)
        if best is not None and rows[0].outcome.requests:
            yield Template(payers[payer], template, rows, best)
