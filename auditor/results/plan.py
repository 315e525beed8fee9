"""Plan advice: past cycles on every plan, what each fix changes, how the running one will end, other providers."""

from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from auditor.model.plans import Unadvised
from auditor.results.document import Amount, Day, Time
from auditor.results.header import Edges, Run
from auditor.results.plans import KnownPlan
from auditor.results.report import Gap

RANGE_FROM = 3
"""Whole weeks from which on a forecast has a range."""

FIXES = ("none", "dedupe", "ttl", "coalescing", "staging", "volatile", "failed", "all")
UNTOLD = Meta(description="Null where the log does not tell which image any render was, or what it cost.")


class UsedCycle(Edges, frozen=True, kw_only=True):
    """What was, on the plans that were in force."""

    complete: bool
    plan: str | None
    credits: Annotated[Fraction | None, Meta(description="Null where no call of the cycle says what it cost.")]
    demand: Fraction
    wasted: Annotated[Fraction | None, UNTOLD]
    included: Fraction | None
    carried: Fraction
    bought: Fraction
    beyond: Fraction | None
    ended_unused: Fraction
    left: Fraction
    bill: Amount | None
    day: date = field(name="_day")
    """On which it begins, where the account is."""


class Cell(Struct, frozen=True):
    """One cycle on one plan."""

    bill: Amount | None
    holds: bool = field(name="holds_demand")
    headroom: Fraction


class FixedCycle(Struct, frozen=True):
    """A cycle without what a fix saves, on every plan."""

    start: Time
    credits: Fraction | None
    demand: Fraction
    plans: dict[str, Cell]


class Scenario(Struct, frozen=True, kw_only=True):
    """The cycles without what a fix saves, on every plan."""

    fix: Annotated[str, Meta(extra_json_schema={"enum": list(FIXES)})]
    description: str
    credits_saved: Annotated[Fraction | None, UNTOLD]
    recommended_plan: str | None
    monthly_bill: Amount | None
    monthly_bill_current_plan: Amount | None
    monthly_saving: Amount | None
    cycles: tuple[FixedCycle, ...]


class Exhausted(Struct, frozen=True):
    """The day on which the credits run out; null: not in this cycle."""

    likely: Day | None
    earliest: Day | None
    latest: Day | None


class Span(Struct, frozen=True):
    """Whole credits, since a forecast is no count; low and high are null where there is too little data."""

    likely: int
    low: int | None
    high: int | None


class Value(Struct, frozen=True):
    """The same in money."""

    likely: Amount
    low: Amount | None
    high: Amount | None


class Forecast(Struct, frozen=True, kw_only=True):
    """The running cycle; null where it is over."""

    cycle: Edges
    as_of: Time
    weeks: int
    silent: tuple[Day, ...] = field(name="silent_days")
    enough_data: bool
    confidence: float | None
    so_far: Fraction = field(name="demand_so_far")
    demand: Span | None
    available: Fraction | None
    exhausted: Exhausted | None
    ending_unused: Span | None
    ending_unused_value: Value | None
    unused: bool = field(name="_unused")
    """Whether any credits may end unused, be it a part of one."""


class OfferedPlan(Struct, frozen=True, kw_only=True):
    """The same demand elsewhere; null is unknown."""

    provider: str
    plan: str | None
    monthly_bill: Amount | None
    plan_after_fixes: str | None
    monthly_bill_after_fixes: Amount | None
    currency: str | None
    pictures_of_unknown_price: int
    failed_renders_billed: bool | None
    repeats_billed: bool | None
    period: Literal["month", "year"] | None = None
    """For how long its price is paid at once; earlier documents do not say."""
    grade: str | None
    source: str | None
    checked: Day | None
    notes: tuple[str, ...]
    sold_in: str | None = field(name="_sold_in")
    """The currency of all its plans; None where none is known."""
    known_from: str = field(name="_known_from")
    """The grade of what is known of the plan, and when it was checked."""


class AccountAdvice(Struct, frozen=True, kw_only=True):
    """What there is to say of one account."""

    provider: str
    account: str
    plan: str | None
    currency: str | None
    projected: bool
    advice: Annotated[Unadvised | None, Meta(description="Why there is no advice on the plan.")]
    gaps: tuple[Gap, ...] = ()
    plans: tuple[KnownPlan, ...]
    cycles: tuple[UsedCycle, ...]
    scenarios: tuple[Scenario, ...]
    forecast: Forecast | None
    providers: tuple[OfferedPlan, ...]
    covered: str = field(name="_covered")
    """How much of the newest cycle the log has, in words."""
    blind: bool = field(name="_blind")
    """Whether the log tells of no render which image it was."""
    fixes_known: bool = field(name="_fixes_known")


class Advised(Run, frozen=True, kw_only=True):
    """One run of `auditor plan`."""

    SCHEMA = "render-auditor/plan/v1"

    accounts: tuple[AccountAdvice, ...]
