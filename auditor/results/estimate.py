"""The calculator of the cost guide: requests, less what a cache, deduplication and batches spare, and the plan for it.

calls = requests x (1 - hit rate) x (1 - deduplication) x (1 - batches), exactly; the rates are guesses, or measured.
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter

from msgspec import Struct, field

from auditor.analysis.accounts import Payer
from auditor.analysis.basis import basis_of
from auditor.analysis.bills import Bill
from auditor.analysis.facts import Facts
from auditor.analysis.walk import Replayed
from auditor.model.events import Outcome, Unknown
from auditor.model.numbers import number
from auditor.model.plans import Plan, Unadvised, billed, cents, cheapest
from auditor.model.words import prices_unknown, too_little
from auditor.replay.walk import DUPLICATES, Verdict
from auditor.results.document import Amount, Credits, Share
from auditor.results.header import Document
from auditor.results.plans import KnownPlan, known_plan
from auditor.system.terminal import plain

_size = attrgetter("included", "name")
STEPS = ("hit rate", "deduplication", "batches")
GUIDE = (Fraction(8000), Fraction("0.7"), Fraction("0.15"), Fraction("0.3"))
"""The worked example of the provider's guide, which puts 1,428 calls on a plan of 1,000."""


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


def estimate(
    requests: Fraction,
    rates: Sequence[Fraction],
    plans: Sequence[Plan],
    measured: Payer | None = None,
    cycles: int = 0,
    unknown: Fraction = Fraction(0),
    unsized: Fraction = Fraction(0),
) -> OneEstimate:
    """The estimate for some rates from 0 to 1, in the order of `STEPS`.

    *measured* is the account that the rates were measured on, over so many *cycles*; without one they were given. No
    step spares the *unknown* renders: they are requests and calls beside the others. *unsized* are those of them that
    made an unknown number of images.
    """
    steps: list[Spared] = []
    for name, rate in zip(STEPS, rates, strict=True):
        before = steps[-1].after if steps else requests
        share = float(round(rate, 6))
        steps.append(Spared(name=name, rate=share, before=before, after=before * (1 - rate), exact=rate))
    requests += unknown
    calls = steps[-1].after + unknown
    credits = Fraction(math.ceil(calls))  # half a call cannot be made
    plan = cheapest(plans, [(credits, credits)])
    sentences = list(_why(plans, plan, requests, calls, credits))
    if plan is not None and unknown:
        sentences.append(
            f"Of these, {calls_of(unknown)} are of unknown images: how many of them were necessary is unknown"
        )
    if unsized:
        sentences.append(
            f"{calls_of(unsized)} of them made an unknown number of images and count as one credit each: the credits "
            "are at least these, and the plan may be too small"
        )
    if plan is not None and (requests, *rates) == GUIDE:
        sentences.append(
            "The provider's guide ends this very sum with Basic; by its own table of plans Basic holds 1,000 credits, "
            "so it has to be Pro"
        )
    provider = measured.provider if measured else None
    return OneEstimate(
        account=measured.account if measured else None,
        provider=plans[0].provider if plans else provider,
        measured_cycles=cycles,
        requests=requests,
        unknown=unknown,
        steps=tuple(steps),
        calls=calls,
        credits=credits,
        plan=plan.name if plan else None,
        bill=plan.bill(credits) if plan else None,
        currency=plan.currency if plan else None,
        why=". ".join(sentences),
        plans=tuple(_priced(each, credits, chosen=each == plan) for each in plans),
    )


def _priced(plan: Plan, credits: Fraction, *, chosen: bool) -> PricedPlan:
    included = Fraction(plan.included)
    return known_plan(
        plan,
        PricedPlan,
        bill=plan.bill(credits),
        lacks=max(Fraction(0), credits - included),
        monthly=plan.monthly,
        beyond=plan.beyond,
        chosen=chosen,
        used=credits / included if included else Fraction(0),
    )


def measure(facts: Facts, replayed: Replayed, batched: Replayed, bill: Bill) -> OneEstimate | None:
    """The estimate with the rates of a log, for one account; None where `unmeasured` says why.

    Demand is every request that was given an image. The hit rate counts the hits there were and the repeats that a
    cache would have served; deduplication the calls that waited for another, and those that could have. *batched* is
    the replay with the TTL of batches: what of the rest would then not have been rendered again. Renders of
    unknown images are neither spared nor needed: the rates are those of the other requests.
    """
    basis = basis_of(bill.payer)
    if isinstance(basis, Unadvised):
        return None
    own, places = set(facts.units_of(bill.payer.code)), basis.places

    def asked(outcome: Outcome) -> int:
        return sum(
            row.requests for row in facts.usage if row.outcome == outcome and row.unit in own and row.cycle in places
        )

    def renders(by: Replayed, *verdicts: Verdict) -> int:
        return sum(
            row.renders for row in by.verdicts if row.verdict in verdicts and row.unit in own and row.cycle in places
        )

    unknown = renders(replayed, Verdict.UNKNOWN)
    unsized = sum(
        row.renders
        for row in replayed.verdicts
        if row.unknown == Unknown.COUNT and row.unit in own and row.cycle in places
    )
    rendered = asked(Outcome.RENDER) - unknown
    demand = asked(Outcome.HIT) + asked(Outcome.COALESCED) + rendered
    if not demand:
        return None
    cached = demand - asked(Outcome.HIT) - renders(replayed, Verdict.REPEAT)
    shared = cached - asked(Outcome.COALESCED) - renders(replayed, Verdict.CONCURRENT)
    kept = min(shared, rendered - renders(batched, *DUPLICATES))
    left = [demand, cached, shared, kept]
    rates = [1 - Fraction(after, before) if before else Fraction(0) for before, after in pairwise(left)]
    scale, cycles = basis.scale / len(places), 0 if basis.projected else len(places)
    return estimate(demand * scale, rates, bill.payer.plans, bill.payer, cycles, unknown * scale, unsized * scale)


def unmeasured(bill: Bill) -> str:
    """Why there is no estimate of an account, for people."""
    if bill.unadvised is Unadvised.TOO_LITTLE_DATA:
        return too_little(bill.payer.covered)
    if bill.unadvised is Unadvised.MOSTLY_FILTERED:
        return "most of the requests for its images are filtered (redirects, partial answers, other media types)"
    if any(use.renders for use in bill.uses):
        return (
            "of no render of the cycles that count does the log tell which image it was: log the body of each call, "
            "or the column of its inputs"
        )
    return "no request is known to have been given an image: there is nothing to measure"


def _why(
    plans: Sequence[Plan], plan: Plan | None, requests: Fraction, calls: Fraction, credits: Fraction
) -> Iterator[str]:
    """The plan, and why no cheaper one will do, in sentences."""
    many, s = (f"{number(credits):,} calls a month", "") if credits != 1 else ("1 call a month", "s")
    if not plans:
        yield f"{many}; {prices_unknown(None)}"
        return
    if plan is None:
        largest = max(plans, key=_size)
        yield f"{many} fit{s} no known plan; the largest, {plain(largest.name)}, holds {number(largest.included):,}"
        return
    smaller = [each for each in plans if each.monthly < plan.monthly and not each.holds(credits)]
    closest, more = max(smaller, key=_size, default=None), ""
    if closest is not None:
        lacks = number(credits - Fraction(closest.included))
        more = f": {plain(closest.name)} holds {number(closest.included):,} credits, {lacks:,} too few"
    yield f"{many} need{s} {_priced_at(plan, credits)}{more}"
    whole = Fraction(math.ceil(requests))
    before = cheapest(plans, [(whole, whole)])
    if before is None:
        yield "Without these steps no known plan would hold the calls"
    elif before != plan:
        yield f"Without these steps it would be {_priced_at(before, whole)}"
    elif calls < requests:
        yield "The same plan would do without these steps: they leave room, but save no money yet"


def _priced_at(plan: Plan, credits: Fraction) -> str:
    return f"{plain(plan.name)}, {cents(plan.bill(credits))} {plan.currency}{billed(plan.period)}"


def calls_of(amount: Fraction) -> str:
    """Calls a month, rounded to a tenth."""
    return f"{number(round(amount, 1)):,}"
