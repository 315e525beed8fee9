"""What a simulation is asked and what it answers: settings, rows, bills, the best of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from auditor.analysis.accounts import Payer
from auditor.model.numbers import is_unknown
from auditor.model.plans import Plan
from auditor.model.settings import FOR_EVER_US
from auditor.replay.lru import UNBOUNDED, CacheSetting

NEAR = Fraction(101, 100)
"""Credits, as a multiple of the fewest, that are as good as these."""
KNEE = Fraction(105, 100)
"""Renders, as a multiple of the fewest, that the knee may have."""


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
    def cache(self) -> CacheSetting:
        """The cache as the walk by time takes it."""
        return CacheSetting(
            FOR_EVER_US if self.ttl_us is None else min(self.ttl_us, FOR_EVER_US),
            UNBOUNDED if self.entries is None else self.entries,
            UNBOUNDED if self.bytes is None else self.bytes,
        )


@dataclass(frozen=True, slots=True)
class SimulatedBill:
    """What one account would have paid over the cycles of the window."""

    payer: Payer
    credits: Fraction | None
    """None where no render says what it cost; then there is no bill either."""
    cycles: int
    """Complete ones: only these have bills."""
    bill: Fraction | None
    """On the configured plan; None without one or a complete cycle, or where it does not hold the credits of one."""
    cheapest: Plan | None
    """The plan that holds every cycle for the least sum."""
    cheapest_bill: Fraction | None


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

    def __add__(self, other: "DemandOutcome") -> "DemandOutcome":
        return DemandOutcome(
            self.requests + other.requests,
            self.bytes + other.bytes,
            self.renders + other.renders,
            self.coalesced + other.coalesced,
            self.credits + other.credits,
            self.missed_bytes + other.missed_bytes,
            self.stale + other.stale,
            self.uncertain + other.uncertain,
        )


NOTHING = DemandOutcome(0, 0, 0, 0, Fraction(0), 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting and what it would have brought."""

    setting: Setting
    outcome: DemandOutcome
    bills: tuple[SimulatedBill, ...] = ()

    @property
    def credits(self) -> Fraction:
        """What its renders cost."""
        return self.outcome.credits

    @property
    def cheapest_bill(self) -> Fraction | None:
        """The bills of all accounts on their cheapest plans; None where one has no plan that holds it.

        Accounts without a complete cycle have none.
        """
        amounts = [bill.cheapest_bill for bill in self.bills if bill.payer.plans and bill.cycles]
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
    knee: Row | None
    """The smallest TTL, of those within the log's span, that renders nearly as little as any of them."""
    fewest: Row | None
    """The smallest TTL with nearly the fewest credits."""
    stale_known: bool
    """Whether any hit of the log says which picture it showed."""
    templates: tuple[Template, ...] = ()
    each_best: Row | None = None
    """All templates with the setting that is best for each."""

    @property
    def best(self) -> Row | None:
        """The knee, where it renders less than was rendered."""
        knee = self.knee
        return knee if knee is not None and knee.outcome.renders < self.logged.outcome.renders else None


def knee(rows: Iterable[Row], span_us: int) -> Row | None:
    """`recommended` by renders, within 5 %, of the TTLs that are not above the log's span; None where all are."""
    within = [row for row in rows if row.setting.ttl_us is not None and row.setting.ttl_us <= span_us]
    return recommended(within, lambda row: Fraction(row.outcome.renders), KNEE)


def recommended(rows: Iterable[Row], cost: Callable[[Row], Fraction | None], near: Fraction = NEAR) -> Row | None:
    """The row with the smallest TTL whose cost is at most *near* times the least; None where no cost is known.

    Ties go to the lower cost, then to coalescing, then to the smaller cache.
    """
    priced = [(amount, row) for row in rows if (amount := cost(row)) is not None]
    if not priced:
        return None
    least = min(amount for amount, _ in priced)

    def rank(item: tuple[Fraction, Row]) -> tuple[int, Fraction, bool, int, int]:
        amount, row = item
        cache = row.setting.cache
        return cache.ttl_us, amount, not row.setting.coalescing, cache.entries, cache.bytes

    return min((item for item in priced if item[0] <= least * near), key=rank)[1]
