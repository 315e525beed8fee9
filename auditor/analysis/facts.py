"""Facts: what the records say before any rule judges them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, Table, case, func, select

from auditor.analysis.accounts import Payer, Unit
from auditor.analysis.choice import Counts
from auditor.analysis.hashes import digest_code, key_halves
from auditor.analysis.identities import Records
from auditor.analysis.rows import rows_of
from auditor.analysis.units import Located, locate
from auditor.analysis.usage import OutcomeUsage, kinds, usage
from auditor.engines import Engine
from auditor.model.events import DELIVERED, Outcome
from auditor.model.settings import Account, Settings


@dataclass(frozen=True, slots=True)
class UnitUsage(OutcomeUsage):
    """The events of one unit and billing cycle."""

    unit: int
    cycle: int
    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that rules share."""

    settings: Settings
    located: Located
    events: Table
    """One narrow row an event, names replaced by the codes of units, so that rules scan integers.

    `key_high` and `key_low` are 124 bits of (provider, account, environment, key), which only renders and errors have,
    like `id`; `digest` is 62 bits of the picture's digest, 0 for none; `weight` counts requests.
    """
    usage: tuple[UnitUsage, ...]
    """One row for each unit, cycle, outcome, error, retried: totals, bills and most rules are read from it."""

    @property
    def engine(self) -> Engine:
        """Where the tables are."""
        return self.located.records.engine

    @property
    def records(self) -> Table:
        """All records, those that are no events too."""
        return self.located.records.table

    @property
    def counts(self) -> Counts:
        """What became of the records."""
        return self.located.counts

    @property
    def payers(self) -> tuple[Payer, ...]:
        """Who gets a bill, by code."""
        return self.located.accounts.payers

    @property
    def units(self) -> tuple[Unit, ...]:
        """By code."""
        return self.located.accounts.units

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """First and last time of an event; None for a log without events."""
        return self.located.accounts.window

    @property
    def credits(self) -> Fraction:
        """Known credits of the window."""
        return sum((row.credits for row in self.usage), Fraction(0))

    @property
    def delivered_bytes(self) -> int:
        """Of every request that got a picture; a size on a failed call was never delivered."""
        return sum(row.bytes for row in self.usage if row.outcome in DELIVERED)

    def without_advice(self, payers: Collection[tuple[str, str]]) -> "Facts":
        """These facts with the accounts, (provider, account), whose logs are mostly filtered."""
        marked = tuple(
            replace(payer, mostly_filtered=(payer.provider, payer.account) in payers) for payer in self.payers
        )
        return replace(self, located=replace(self.located, accounts=replace(self.located.accounts, payers=marked)))

    def labels(self, unit: int) -> dict[str, str]:
        """provider, account, environment and template of a unit."""
        return self.units[unit].names

    def ids(self, rows: Sequence[int]) -> dict[int, str]:
        """Row -> id of some records."""
        return self.located.records.values("id", rows)


def gather(
    records: Records,
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    belongs: Callable[[Account], bool] | None = None,
) -> Facts:
    """Find the events among the records, and what they used.

    *since* is inclusive, *until* exclusive; they and *belongs*, by the settings of their account, choose events, after
    duplicates of an id were dropped.
    """
    located = locate(records, settings, since, until, belongs)
    events = records.engine.store("events", _events(located))
    groups = (events.c.unit, events.c.cycle, *kinds(events))
    sums = select(
        *groups,
        *usage(events),
        func.sum(events.c.weight).label("requests"),
        func.sum(events.c.bytes * events.c.weight).label("bytes"),
    ).group_by(*groups)
    return Facts(settings, located, events, tuple(rows_of(records.engine, UnitUsage, sums)))


def _events(located: Located) -> Select[Any]:
    """One narrow row an event."""
    records, units, cycles = located.records.table, located.units, located.cycles
    # Most events are hits, and only calls are walked: nothing else needs its long id and key.
    called = records.c.outcome.in_([str(Outcome.RENDER), str(Outcome.ERROR)])
    high, low = key_halves(records)
    return located.placed(
        records.c.row,
        case((called, records.c.id)).label("id"),
        records.c.ts_us,
        units.c.unit,
        cycles.c.cycle,
        records.c.outcome,
        records.c.count.label("weight"),
        records.c.credits,
        records.c.error,
        records.c.retried,
        case((called, high)).label("key_high"),
        case((called, low)).label("key_low"),
        digest_code(records).label("digest"),
        records.c.duration_us,
        records.c.placement,
        records.c.format,
        records.c.width,
        records.c.height,
        records.c.bytes,
        records.c.inputs.is_not(None).label("has_inputs"),
        records.c.unknown,
    )
