"""Facts: what the records say before any rule judges them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, Table, and_, case, false, func, select

from auditor.analysis.accounts import NAMES, Accounts
from auditor.analysis.downloads import Downloaded, downloads
from auditor.analysis.identities import Records, digest_code, key_halves
from auditor.analysis.rows import rows_of
from auditor.analysis.unrendered import unrendered
from auditor.engines import Engine
from auditor.exchanges.assumptions import Assumption
from auditor.model.events import DELIVERED, Outcome
from auditor.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Used:
    """Events of one outcome."""

    outcome: str
    events: int
    credits: Fraction
    unknown: int
    """Those of which it is not known what they cost, attempts aside."""

    @property
    def uncertain(self) -> int:
        """Calls that may have been billed."""
        return self.events if self.outcome == Outcome.ATTEMPT else self.unknown


@dataclass(frozen=True, slots=True)
class OutcomeUsage(Used):
    """Events of one outcome and error."""

    error: str
    """Empty for none."""
    retried: bool
    billed: int
    """Those that are known to have cost something."""

    @property
    def demand(self) -> Fraction:
        """Credits, and one for each event that may still need it: unknown, unresolved, refused, out of quota; once.

        A failed call that was billed needs none beyond what it cost.
        """
        if self.outcome in (Outcome.ATTEMPT, Outcome.REFUSED):
            return self.credits + self.events
        if self.outcome == Outcome.ERROR and self.error == "quota" and not self.retried:
            return self.credits + self.events - self.billed
        return self.credits + self.unknown


def used(events: Table) -> tuple[ColumnElement[Any], ...]:
    """The sums of `Used`, for a query that groups by `outcome`."""
    unknown = and_(events.c.credits.is_(None), events.c.outcome != Outcome.ATTEMPT)
    return (
        func.count().label("events"),
        func.sum(events.c.credits).label("credits"),
        func.count().filter(unknown).label("unknown"),
    )


@dataclass(frozen=True, slots=True)
class UnitUsage(OutcomeUsage):
    """The events of one unit and billing cycle."""

    unit: int
    cycle: int
    requests: int
    bytes: int


def repeats_are_free(records: Table) -> ColumnElement[bool]:
    """Whether the provider serves the same call again without billing it."""
    return func.coalesce(records.c.assumed.contains(Assumption.FREE_REPEATS.value, autoescape=True), false())


_KEPT = (
    *("row", "ts_us", "outcome", "credits", "error", "retried", "duration_us", "placement", "unknown"),
    *("format", "width", "height", "bytes"),
)
Usage = TypeVar("Usage", bound=OutcomeUsage)


@dataclass(frozen=True)  # (no slots: it keeps what it asked once)
class Facts(Accounts):
    """The records that are events, their accounts, and both as tables: everything that rules share."""

    settings: Settings
    records: Records
    which: ColumnElement[bool]
    """The records that are events."""
    by_unit: Table
    """unit (a dense code), provider, account, environment, template, payer (the code of the account)."""
    by_cycle: Table
    """payer, cycle (from 0), start_us, end_us."""

    @property
    def engine(self) -> Engine:
        """Where the tables are."""
        return self.records.engine

    def placed(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """*columns* of the records, `by_unit` and `by_cycle`: each event with its unit and billing cycle."""
        records, units, cycles = self.records.table, self.by_unit, self.by_cycle
        same_unit = and_(*(records.c[name] == units.c[name] for name in NAMES))
        own_cycle = and_(
            cycles.c.payer == units.c.payer, records.c.ts_us >= cycles.c.start_us, records.c.ts_us < cycles.c.end_us
        )
        joined = select(*columns).select_from(records).join(units, same_unit).join(cycles, own_cycle)
        return joined.where(self.which)

    @cached_property
    def events(self) -> Table:
        """One narrow row an event, names replaced by the codes of units, so that rules scan integers.

        `key_high` and `key_low` are 124 bits of (provider, account, environment, key), which only renders and errors
        have, like `id`; `digest` is 62 bits of the image's digest, 0 for none; `weight` counts requests; of a
        `free` render the provider serves repeats without billing them.
        """
        records, units = self.records.table, self.by_unit
        # Most events are hits, and only calls are walked: nothing else needs its long id and key.
        called = records.c.outcome.in_([str(Outcome.RENDER), str(Outcome.ERROR)])
        high, low = key_halves(records)
        narrow = self.placed(
            case((called, records.c.id)).label("id"),
            units.c.unit,
            units.c.payer,
            self.by_cycle.c.cycle,
            records.c.count.label("weight"),
            case((called, high)).label("key_high"),
            case((called, low)).label("key_low"),
            digest_code(records).label("digest"),
            records.c.inputs.is_not(None).label("has_inputs"),
            repeats_are_free(records).label("free"),
            *(records.c[name] for name in _KEPT),
        )
        return self.engine.store("events", narrow)

    @cached_property
    def downloads(self) -> list[Downloaded]:
        """The images of browsers' logs (`auditor.analysis.downloads`)."""
        return downloads(self)

    @property
    def loaded_bytes(self) -> int:
        """What visitors were sent: to every request that got an image, and of those that no account rendered."""
        return self.delivered_bytes + sum(image.fetched_bytes for image in self.downloads if image.unit is None)

    @cached_property
    def usage(self) -> Sequence[UnitUsage]:
        """One row for each unit, cycle, outcome, error, retried: totals, bills and most rules are read from it."""
        events = self.events
        sums = (
            func.sum(events.c.weight).label("requests"),
            func.sum(events.c.bytes * events.c.weight).label("bytes"),
        )
        return self.usage_by(UnitUsage, events.c.unit, events.c.cycle, sums=sums)

    def usage_by(
        self, kind: type[Usage], *groups: ColumnElement[Any], sums: Sequence[ColumnElement[Any]] = ()
    ) -> list[Usage]:
        """What the events of each of *groups*, outcome and error used together, and other *sums* of theirs."""
        events = self.events
        groups += (events.c.outcome, func.coalesce(events.c.error, "").label("error"), events.c.retried)
        billed = func.count().filter(events.c.credits > 0).label("billed")
        return rows_of(self.engine, kind, select(*groups, *used(events), billed, *sums).group_by(*groups))

    @cached_property
    def unrendered(self) -> Table:
        """row, found: each render whose request holds a placeholder (`auditor.analysis.unrendered`)."""
        return unrendered(self.engine, self.events, self.records.table, self.units, self.settings)

    @property
    def credits(self) -> Fraction:
        """Known credits of the window."""
        return sum((row.credits for row in self.usage), Fraction(0))

    @property
    def delivered_bytes(self) -> int:
        """Of every request that got an image; a size on a failed call was never delivered."""
        return sum(row.bytes for row in self.usage if row.outcome in DELIVERED)
