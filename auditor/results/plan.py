"""Plan advice: past cycles on every plan, what each fix changes, how the running one will end, other providers."""

from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated

from msgspec import Meta, Struct, convert, field

from auditor.analysis.bills import Bill
from auditor.model.numbers import ratio
from auditor.model.plans import Unadvised
from auditor.planning import forecast as ahead
from auditor.planning import plan as planned
from auditor.planning.offers import Offer
from auditor.results.audit import gaps_of
from auditor.results.document import Amount, Choices, Day, Time
from auditor.results.header import Edges, Run
from auditor.results.inputs import Inputs
from auditor.results.plans import KnownPlan, known_plan
from auditor.results.report import Gap, Window

RANGE_FROM = ahead.RANGE_FROM
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
    blind: bool = field(name="_blind")
    """Whether the log tells of no render which image it was."""
    fixes_known: bool = field(name="_fixes_known")


class Advised(Run, frozen=True, kw_only=True):
    """One run of `auditor plan`."""

    SCHEMA = "render-auditor/plan/v1"

    accounts: tuple[AccountAdvice, ...]


def advised(
    advice: Iterable[planned.Advice],
    inputs: Inputs,
    window: tuple[datetime, datetime] | None,
    options: Choices,
    generated_at: datetime,
) -> Advised:
    """The result of the advice on some accounts."""
    return Advised(
        generated_at=generated_at,
        window=Window(*window or (None, None)),
        options=options,
        inputs=inputs,
        accounts=tuple(_account(each) for each in advice),
    )


def _account(advice: planned.Advice) -> AccountAdvice:
    bill = advice.bill
    return AccountAdvice(
        provider=bill.payer.provider,
        account=bill.payer.account,
        plan=bill.payer.plan.name if bill.payer.plan else None,
        currency=bill.currency,
        projected=bill.projected,
        advice=bill.unadvised,
        gaps=gaps_of(bill),
        plans=tuple(known_plan(plan, KnownPlan) for plan in bill.payer.plans),
        cycles=_cycles(bill),
        scenarios=tuple(_scenario(bill, scenario) for scenario in advice.scenarios),
        forecast=_forecast(advice.forecast) if advice.forecast else None,
        providers=tuple(_offer(offer) for offer in advice.offers),
        blind=bill.blind,
        fixes_known=bill.fixes_known,
    )


def _cycles(bill: Bill) -> tuple[UsedCycle, ...]:
    return tuple(
        UsedCycle(
            start=use.cycle.start,
            end=use.cycle.end,
            complete=use.complete,
            plan=use.plan.name if use.plan else None,
            credits=use.credits if use.known else None,
            demand=use.demand,
            wasted=use.wasted if use.wasted or (use.known and not bill.blind) else None,
            included=use.balance.included if use.plan else None,
            carried=use.balance.carried,
            bought=use.balance.bought,
            beyond=use.balance.beyond if use.plan else None,
            ended_unused=use.balance.ended,
            left=use.balance.left,
            bill=use.bill,
            day=bill.payer.settings.day(use.cycle.start),
        )
        for use in bill.uses
    )


def _scenario(bill: Bill, scenario: planned.Scenario) -> Scenario:
    return Scenario(
        fix=scenario.fix,
        description=scenario.words,
        credits_saved=scenario.total_saved if scenario.known else None,
        recommended_plan=scenario.recommended.name if scenario.recommended else None,
        monthly_bill=scenario.monthly,
        monthly_bill_current_plan=scenario.staying,
        monthly_saving=scenario.saving,
        cycles=tuple(
            FixedCycle(
                use.cycle.start,
                use.credits - less if use.known else None,
                use.demand - less,
                {name: convert(cells[index], Cell, from_attributes=True) for name, cells in scenario.table.items()},
            )
            for index, use in enumerate(bill.uses)
            for less in [scenario.saved.get(index, Fraction(0))]
        ),
    )


def _forecast(found: ahead.Forecast) -> Forecast:
    ending, confidence = found.ending, found.confidence
    return Forecast(
        cycle=Edges(found.cycle.start, found.cycle.end),
        as_of=found.as_of,
        weeks=found.weeks,
        silent=found.silent,
        enough_data=confidence is not None,
        confidence=None if confidence is None else ratio(confidence, 1),
        so_far=found.so_far,
        demand=_span(found.total),
        available=found.available,
        exhausted=convert(found.exhausted, Exhausted | None, from_attributes=True),
        ending_unused=_span(ending),
        ending_unused_value=convert(found.ending_value, Value | None, from_attributes=True),
        unused=ending is not None and bool(ending.high or ending.likely),
    )


def _span(of: ahead.Span | None) -> Span | None:
    if of is None:
        return None
    return Span(round(of.likely), *(None if each is None else round(each) for each in (of.low, of.high)))


def _offer(offer: Offer) -> OfferedPlan:
    now, after, billing = offer.now, offer.after_fixes, offer.provider.billing
    plan = now or after
    return OfferedPlan(
        provider=offer.provider.name,
        plan=now.name if now else None,
        monthly_bill=offer.monthly,
        plan_after_fixes=after.name if after else None,
        monthly_bill_after_fixes=offer.monthly_after_fixes,
        currency=now.currency if now else None,
        pictures_of_unknown_price=offer.unsized,
        failed_renders_billed=billing.failed,
        repeats_billed=billing.repeats,
        grade=now.grade.value if now else None,
        source=now.source if now else None,
        checked=now.checked if now else None,
        notes=offer.provider.notes,
        sold_in=offer.currency,
        known_from="" if plan is None else f"{plan.grade.value}, {plan.checked}" if plan.checked else plan.grade.value,
    )
