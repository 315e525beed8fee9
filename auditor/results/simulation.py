"""The demand of the past under other caches."""

from fractions import Fraction
from typing import Annotated

from msgspec import Meta, Struct, field

from auditor.model.plans import Unadvised
from auditor.model.settings import FOR_EVER_US
from auditor.replay.caches import UNBOUNDED, CacheSetting
from auditor.results.document import Amount, Count, Credits, Share, Time
from auditor.results.header import Run

TOP = 20
"""Keys and bursts that are named."""
Hour = Annotated[int, Meta(ge=0, le=23)]


class Subject(Struct, frozen=True):
    """Where some renders were made."""

    provider: str
    account: str
    environment: str
    template: str


class SteadyKey(Subject, frozen=True):
    """A key that is asked for day by day."""

    key: str
    renders: Count


class Burst(Subject, frozen=True):
    """New keys of one template, one after the other."""

    start: Time
    renders: Count


class Steady(Struct, frozen=True):
    """The first renders of a day, of keys that are asked for day by day."""

    keys: Count
    renders: Count
    top: Annotated[tuple[SteadyKey, ...], Meta(max_length=TOP)]


class Bursts(Struct, frozen=True):
    """The first renders of new keys."""

    bursts: Count
    renders: Count
    top: Annotated[tuple[Burst, ...], Meta(max_length=TOP)]


class PeakHours(Struct, frozen=True):
    """What can move out of one account's peak hours."""

    provider: str
    account: str
    online_renders: Count
    movable: Count
    movable_share: Share | None
    peak_hours: tuple[Hour, ...]
    movable_in_peak_hours: Count
    busiest_hour: Count
    busiest_hour_then: Count


class Ahead(Struct, frozen=True):
    """Renders that need not have waited for a request."""

    steady: Steady
    bursts: Bursts
    accounts: tuple[PeakHours, ...]


class AccountBill(Struct, frozen=True):
    """What one account would have paid over the cycles of the window."""

    provider: str
    account: str
    credits: Credits | None
    currency: str | None
    plan: str | None
    bill: Amount | None
    cheapest_plan: str | None
    cheapest_bill: Amount | None
    cycles: int = field(name="_cycles")
    """Complete ones: only these have bills."""
    priced: bool = field(name="_priced")
    """Whether any plan of the provider is known."""


class Figures(Struct, frozen=True):
    """What became of the demand."""

    renders: Count
    hits: Count
    coalesced: Count
    served_ratio: Share | None
    miss_ratio: Share | None
    byte_miss_ratio: Share | None
    credits: Credits | None
    """Known credits; null where no render says what it cost."""
    stale_served: Count
    bill: tuple[AccountBill, ...]
    missed: Fraction | None = field(name="_missed")
    """The share of requests that were rendered, exactly; None without requests."""
    total: str = field(name="_total")
    """The bills of all accounts, in words."""
    cheapest_total: str = field(name="_cheapest_total")


class Logged(Figures, frozen=True):
    """What the log says really happened."""

    credits_uncertain: Count
    """Events whose credits are unknown: they are in no sum."""


class Setting(Struct, frozen=True):
    """One cache; no TTL is forever."""

    ttl_seconds: Credits | None
    coalescing: bool
    capacity_entries: Count | None
    capacity_bytes: Count | None

    @classmethod
    def of(
        cls, ttl_us: int | None, coalescing: bool = True, entries: int | None = None, bytes: int | None = None
    ) -> "Setting":
        """The cache with a TTL in microseconds that holds so much; None does not limit."""
        return Setting(None if ttl_us is None else Fraction(ttl_us, 10**6), coalescing, entries, bytes)

    @property
    def ttl_us(self) -> int | None:
        """The TTL in microseconds."""
        return None if self.ttl_seconds is None else int(self.ttl_seconds * 10**6)

    @property
    def bounded(self) -> bool:
        """Whether the cache is LRU."""
        return self.capacity_entries is not None or self.capacity_bytes is not None

    @property
    def cache(self) -> CacheSetting:
        """The cache as the walk by time takes it."""
        return CacheSetting(
            FOR_EVER_US if self.ttl_us is None else min(self.ttl_us, FOR_EVER_US),
            UNBOUNDED if self.capacity_entries is None else self.capacity_entries,
            UNBOUNDED if self.capacity_bytes is None else self.capacity_bytes,
        )


class TemplateRow(Setting, frozen=True):
    """One setting, and what it would have made of the demand of a template."""

    renders: Count
    hits: Count
    coalesced: Count
    served_ratio: Share | None
    miss_ratio: Share | None
    byte_miss_ratio: Share | None
    credits: Credits | None
    stale_served: Count


class Row(TemplateRow, frozen=True):
    """One setting, and what it would have brought."""

    bill: tuple[AccountBill, ...]
    missed: Fraction | None = field(name="_missed")
    total: str = field(name="_total")
    cheapest_total: str = field(name="_cheapest_total")
    best: bool = field(name="_best")


class Chosen(Setting, frozen=True):
    """A setting that is worth it."""

    renders: Count
    credits: Credits
    stale_served: Count


class PlanThen(Struct, frozen=True, kw_only=True):
    """The plan that one account needs under a cache; plans are null where no known one holds what is asked of it."""

    provider: str
    account: str
    plan: str | None
    """The one that it has."""
    advice: Annotated[Unadvised | None, Meta(description="Why there is no advice on the plan.")]
    projected: bool
    currency: str | None
    plan_logged: str | None
    """The cheapest that holds what was logged."""
    plan_then: str | None
    """The cheapest that holds what is left to render."""
    monthly_saving: Amount | None
    """The mean bill on the one less that on the other; null where either is unknown."""
    closest_plan: str | None
    """Of the cheaper plans that do not hold what is left, the one that lacks least; null where there is none."""
    short_by: Credits | None
    """What it lacks in the cycle in which it lacks most."""
    priced: bool = field(name="_priced")
    """Whether any plan of the provider is known."""
    known: bool = field(name="_known")
    """Whether any call of the log says what it cost."""
    covered: str = field(name="_covered")
    """How much of the newest cycle the log has, in words."""


class Recommended(Chosen, frozen=True):
    """What the knee is worth."""

    hits: Count
    renders_saved: Count
    credits_saved: Fraction | None
    """Of the known credits of the log; null where no render says what it cost."""
    accounts: tuple[PlanThen, ...]


class Knee(Struct, frozen=True):
    """The smallest TTL within the log's span whose renders are at most 1.05 x the fewest of these."""

    ttl_seconds: Credits
    renders: Count
    setting: Setting = field(name="_setting")


class TemplateBest(Struct, frozen=True):
    """The demand of one template under every setting, and the best of them."""

    provider: str
    account: str
    template: str
    demand: Count
    logged_renders: Count
    recommendation: Chosen | None
    """Its own knee, where that renders less than was rendered in the log."""
    rows: tuple[TemplateRow, ...]


class Simulated(Run, frozen=True, kw_only=True):
    """One run of `auditor simulate`."""

    SCHEMA = "render-auditor/simulation/v1"

    demand: Count
    demand_bytes: Count
    logged: Logged
    rows: tuple[Row, ...]
    recommendation: Recommended | None
    """The knee, where it renders less than was rendered in the log."""
    knee: Knee | None
    fewest_credits: Chosen | None
    templates: tuple[TemplateBest, ...]
    each_template_its_own: Figures | None
    """All templates under their recommendations, those without one as logged."""
    batch: Ahead | None
    stale_known: bool = field(name="_stale_known")
    """Whether any hit of the log says which image it showed."""
