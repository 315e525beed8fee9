"""Accounts: who used what, from when to when, in which billing cycles."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, pairwise

from auditor.model.plans import Cycle, Gap, Plan, comparable, listed
from auditor.model.settings import Account, Settings
from auditor.model.words import covered_words

NAMES = ("provider", "account", "environment", "template")


@dataclass(frozen=True)  # (no slots: it keeps what is reckoned once)
class Payer:
    """One (provider, account): who gets a bill."""

    code: int
    provider: str
    account: str
    settings: Account
    plans: tuple[Plan, ...]
    """Those of the provider that are sold in the currency in which the account pays."""
    cycles: tuple[Cycle, ...]
    """From the first to the last event, but those of the gaps."""
    first_us: int
    last_us: int
    gaps: tuple[Gap, ...] = ()
    """Where so many cycles have no event that they are not listed."""

    mostly_filtered: bool = False
    """Whether most lines that its sources fit are redirects, parts or no images: no plan advice rests on the rest."""

    @property
    def names(self) -> dict[str, str]:
        """Provider and account."""
        return {"provider": self.provider, "account": self.account}

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """(start, end) in microseconds of the cycles that are listed, those without a gap between them together."""
        edges = [0, *(gap.before for gap in self.gaps), len(self.cycles)]
        return tuple((self.cycles[at].start_us, self.cycles[to - 1].end_us) for at, to in pairwise(edges))

    @property
    def plan(self) -> Plan | None:
        """The configured plan, that of the newest cycle if it changed."""
        return self.settings.plan_of(self.cycles[-1])

    @property
    def costs_money(self) -> bool:
        """Whether a credit of this account is paid for; an account without a configured plan counts as paying."""
        plans = {self.settings.plan_of(cycle) for cycle in self.cycles}
        return any(plan is None or plan.price > 0 or bool(plan.overage) for plan in plans)

    @cached_property
    def complete_cycles(self) -> list[int]:
        """The places of the cycles that the account's events cover."""
        return [index for index, cycle in enumerate(self.cycles) if cycle.complete(self.first_us, self.last_us)]

    @property
    def covered_us(self) -> tuple[int, int]:
        """How much of the newest cycle lies between the events, and how long it is, in microseconds."""
        newest = self.cycles[-1]
        return self.last_us - max(newest.start_us, self.first_us), newest.end_us - newest.start_us

    @property
    def covered(self) -> str:
        """The same in words."""
        return covered_words(*(timedelta(microseconds=each) for each in self.covered_us))

    @property
    def idle(self) -> dict[int, int]:
        """Position among the complete cycles -> cycles of a gap that passed before it (`auditor.model.plans.Idle`)."""
        complete = self.complete_cycles
        return {bisect_left(complete, gap.before): gap.cycles for gap in self.gaps}


@dataclass(frozen=True, slots=True)
class Unit:
    """One (provider, account, environment, template); its code is its place among all units."""

    provider: str
    account: str
    environment: str
    template: str
    payer: int
    """The code of (provider, account)."""

    @property
    def names(self) -> dict[str, str]:
        """Of its four parts, by `NAMES`."""
        return {name: getattr(self, name) for name in NAMES}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records."""

    events: int
    filtered: int
    assumed_timezone: int
    assumed: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Number of a file -> what its log could not tell -> events for which something was taken instead."""
    superseded: int = 0
    """Attempts that are no events of their own, since their id has a final event."""
    duplicates: int = 0
    """Further records of an id."""


@dataclass(frozen=True)
class Accounts:
    """Who used what, from when to when."""

    payers: tuple[Payer, ...]
    units: tuple[Unit, ...]
    window: tuple[datetime, datetime] | None
    """First and last time of an event; None for a log without events."""
    counts: Counts

    def units_of(self, payer: int) -> list[int]:
        """The codes of the units that an account pays for."""
        return [code for code, unit in enumerate(self.units) if unit.payer == payer]


def payer_of(
    code: int,
    provider: str,
    account: str,
    first_us: int,
    last_us: int,
    settings: Settings,
    rests: Sequence[tuple[int, int]] = (),
    mostly_filtered: bool = False,
) -> Payer:
    """The account with its settings, plans and the billing cycles from its first to its last event.

    *rests* are the (last event before, first event after) of each stretch of `auditor.model.plans.IDLE` without an
    event.
    """
    configured = settings.account(provider, account)
    edges = [first_us, *chain.from_iterable(rests), last_us]
    spans = list(zip(edges[::2], edges[1::2], strict=True))
    own_cycles, gaps = listed(spans, configured.anchor_day, configured.timezone)
    plans = comparable(settings.catalogue.get(provider, ()), configured.plan_of(own_cycles[-1]))
    return Payer(
        code, provider, account, configured, plans, own_cycles, first_us, last_us, gaps, mostly_filtered=mostly_filtered
    )
