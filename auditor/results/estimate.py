"""The estimate, and its verdict in words."""

import math
from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct, field

from auditor.model.numbers import number
from auditor.model.plans import Plan, cents
from auditor.planning.estimate import Estimate
from auditor.results.document import Amount, Credits, Share
from auditor.results.header import Document
from auditor.results.plans import KnownPlan, known_plan
from auditor.system.terminal import plain


class Spared(Struct, frozen=True, kw_only=True):
    """One strategy, and the calls before and after it."""

    name: str
    rate: Share
    before: Fraction
    after: Fraction
    exact: Fraction = field(name="_exact")
    """The rate."""


class PricedPlan(KnownPlan, frozen=True, kw_only=True):
    """A plan, and what the calls cost on it."""

    bill: Amount | None
    lacks: Fraction
    monthly: Fraction = field(name="_monthly")
    beyond: str = field(name="_beyond")
    """What happens beyond the included credits."""
    chosen: bool = field(name="_chosen")
    used: Fraction = field(name="_used")
    """The share of its credits that the calls are."""


class OneEstimate(Struct, frozen=True, kw_only=True):
    """Requests a month, step by step, and what the remaining calls cost."""

    account: str | None
    provider: str | None
    measured_cycles: int
    requests: Fraction
    unknown: Credits
    """Renders a month whose image the log cannot tell; they are among the calls."""
    steps: tuple[Spared, ...]
    calls: Fraction
    credits: Fraction
    plan: str | None
    bill: Amount | None
    currency: str | None
    why: str
    plans: tuple[PricedPlan, ...]


class Estimated(Document, frozen=True, kw_only=True):
    """Estimates of some accounts, or of guesses."""

    SCHEMA = "render-auditor/estimate/v1"

    estimates: tuple[OneEstimate, ...]


def estimated(estimates: Iterable[Estimate]) -> Estimated:
    """The result of some estimates."""
    return Estimated(estimates=tuple(_estimate(each) for each in estimates))


def _estimate(found: Estimate) -> OneEstimate:
    plan = found.plan
    payer = found.measured.payer if found.measured else None
    return OneEstimate(
        account=payer.account if payer else None,
        provider=found.plans[0].provider if found.plans else payer.provider if payer else None,
        measured_cycles=found.cycles,
        requests=found.requests,
        unknown=found.unknown,
        steps=tuple(
            Spared(
                name=step.name, rate=float(round(step.rate, 6)), before=step.before, after=step.after, exact=step.rate
            )
            for step in found.steps
        ),
        calls=found.calls,
        credits=found.credits,
        plan=plan.name if plan else None,
        bill=plan.bill(found.credits) if plan else None,
        currency=plan.currency if plan else None,
        why=why(found),
        plans=tuple(_priced(each, found) for each in found.plans),
    )


def _priced(plan: Plan, found: Estimate) -> PricedPlan:
    included = Fraction(plan.included)
    return known_plan(
        plan,
        PricedPlan,
        bill=plan.bill(found.credits),
        lacks=max(Fraction(0), found.credits - included),
        monthly=plan.monthly,
        beyond=plan.beyond,
        chosen=plan == found.plan,
        used=found.credits / included if included else Fraction(0),
    )


def why(found: Estimate) -> str:
    """The plan, and why no cheaper one will do."""
    calls, s = (f"{number(found.credits):,} calls a month", "") if found.credits != 1 else ("1 call a month", "s")
    plan = found.plan
    if not found.plans:
        return f"{calls}; no plan of this provider is known: describe one under [plans] in auditor.toml"
    if plan is None:
        largest = max(found.plans, key=lambda each: (each.included, each.name))
        return f"{calls} fit{s} no known plan; the largest, {plain(largest.name)}, holds {number(largest.included):,}"
    sentences = [f"{calls} need{s} {plain(plan.name)}, {cents(plan.bill(found.credits))} {plan.currency}"]
    smaller = [each for each in found.plans if each.monthly < plan.monthly and not each.holds(found.credits)]
    if smaller:
        closest = max(smaller, key=lambda each: (each.included, each.name))
        lacks = number(found.credits - Fraction(closest.included))
        sentences[0] += f": {plain(closest.name)} holds {number(closest.included):,} credits, {lacks:,} too few"
    before = found.without()
    if before is None:
        sentences.append("Without these steps no known plan would hold the calls")
    elif before != plan:
        whole = before.bill(Fraction(math.ceil(found.requests)))
        sentences.append(f"Without these steps it would be {plain(before.name)}, {cents(whole)} {before.currency}")
    elif found.calls < found.requests:
        sentences.append("The same plan would do without these steps: they leave room, but save no money yet")
    if found.unknown:
        sentences.append(
            f"Of these, {calls_of(found.unknown)} are of unknown images: how many of them were necessary is unknown"
        )
    if found.guide:
        sentences.append(
            "The provider's guide ends this very sum with Basic; by its own table of plans Basic holds 1,000 credits, "
            "so it has to be Pro"
        )
    return ". ".join(sentences)


def calls_of(amount: Fraction) -> str:
    """Calls a month, rounded to a tenth."""
    return f"{number(round(amount, 1)):,}"
