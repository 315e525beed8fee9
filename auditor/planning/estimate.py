"""The calculator of the cost guide: requests, less what a cache, deduplication and batches spare, and the plan for it.

calls = requests x (1 - hit rate) x (1 - deduplication) x (1 - batches), exactly; the rates are guesses, or measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from auditor.analysis.bills import Bill
from auditor.analysis.facts import Facts
from auditor.analysis.walk import Replayed
from auditor.model.events import Outcome
from auditor.model.plans import Plan, Unadvised, cheapest
from auditor.model.words import TOO_SHORT
from auditor.replay.walk import DUPLICATES, Verdict

STEPS = ("hit rate", "deduplication", "batches")
GUIDE = (Fraction(8000), Fraction("0.7"), Fraction("0.15"), Fraction("0.3"))
"""The worked example of the provider's guide, which puts 1,428 calls on a plan of 1,000."""


@dataclass(frozen=True, slots=True)
class Step:
    """One strategy: the share of the calls before it that it spares."""

    name: str
    rate: Fraction
    before: Fraction

    @property
    def after(self) -> Fraction:
        """The calls that remain."""
        return self.before * (1 - self.rate)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests a month, step by step, and what the remaining calls cost."""

    requests: Fraction
    steps: tuple[Step, ...]
    plans: tuple[Plan, ...]
    measured: Bill | None = None
    """The account that the rates were measured on; None: they were given."""
    cycles: int = 0
    """Cycles that they were measured over."""
    unknown: Fraction = Fraction(0)
    """Renders a month of which the log cannot tell which image they were: no step spares them."""

    @property
    def calls(self) -> Fraction:
        """Calls a month, those of unknown images included."""
        return self.steps[-1].after + self.unknown

    @property
    def credits(self) -> Fraction:
        """Credits for them: half a call cannot be made."""
        return Fraction(math.ceil(self.calls))

    @property
    def plan(self) -> Plan | None:
        """The cheapest plan that holds them."""
        return cheapest(self.plans, [(self.credits, self.credits)])

    @property
    def guide(self) -> bool:
        """Whether this is the worked example of the guide."""
        return (self.requests, *(step.rate for step in self.steps)) == GUIDE

    def without(self) -> Plan | None:
        """The cheapest plan without any of the steps."""
        whole = Fraction(math.ceil(self.requests))
        return cheapest(self.plans, [(whole, whole)])


def estimate(requests: Fraction, rates: Sequence[Fraction], plans: Sequence[Plan]) -> Estimate:
    """The estimate for some rates from 0 to 1, in the order of `STEPS`."""
    steps: list[Step] = []
    for name, rate in zip(STEPS, rates, strict=True):
        steps.append(Step(name, rate, steps[-1].after if steps else requests))
    return Estimate(requests, tuple(steps), tuple(plans))


def measure(facts: Facts, replayed: Replayed, batched: Replayed, bill: Bill) -> Estimate | None:
    """The estimate with the rates of a log, for one account; None where `unmeasured` says why.

    Demand is every request that was given an image. The hit rate counts the hits there were and the repeats that a
    cache would have served; deduplication the calls that waited for another, and those that could have. *batched* is
    the replay with the TTL of batches: what of the rest would then not have been rendered again. Renders of
    unknown images are neither spared nor needed: the rates are those of the other requests.
    """
    if bill.unadvised is not None:
        return None
    complete = [index for index, use in enumerate(bill.uses) if use.complete]
    basis = complete or [len(bill.uses) - 1]
    own = set(facts.units_of(bill.payer.code))

    def asked(outcome: Outcome) -> int:
        return sum(
            row.requests for row in facts.usage if row.outcome == outcome and row.unit in own and row.cycle in basis
        )

    def renders(by: Replayed, *verdicts: Verdict) -> int:
        return sum(
            row.renders for row in by.verdicts if row.verdict in verdicts and row.unit in own and row.cycle in basis
        )

    unknown = renders(replayed, Verdict.UNKNOWN)
    rendered = asked(Outcome.RENDER) - unknown
    demand = asked(Outcome.HIT) + asked(Outcome.COALESCED) + rendered
    if not demand:
        return None
    cached = demand - asked(Outcome.HIT) - renders(replayed, Verdict.REPEAT)
    shared = cached - asked(Outcome.COALESCED) - renders(replayed, Verdict.CONCURRENT)
    kept = min(shared, rendered - renders(batched, *DUPLICATES))
    left = [demand, cached, shared, kept]
    rates = [1 - Fraction(after, before) if before else Fraction(0) for before, after in pairwise(left)]
    scale = Fraction(1, len(basis)) if complete else _scale(bill)
    found = estimate(demand * scale, rates, bill.payer.plans)
    others = unknown * scale
    return Estimate(found.requests + others, found.steps, found.plans, bill, len(complete), others)


def unmeasured(bill: Bill) -> str:
    """Why there is no estimate of an account, for people."""
    if bill.unadvised is Unadvised.TOO_LITTLE_DATA:
        return f"{TOO_SHORT}, too little to project a month"
    if bill.unadvised is Unadvised.MOSTLY_FILTERED:
        return "most of the requests for its images are filtered (redirects, partial answers, other media types)"
    if any(use.renders for use in bill.uses):
        return (
            "of no render of the cycles that count does the log tell which image it was: log the body of each call, "
            "or the column of its inputs"
        )
    return "no request is known to have been given an image: there is nothing to measure"


def _scale(bill: Bill) -> Fraction:
    """From the part of the newest cycle that the log has, a week at least, to the whole of it."""
    newest, payer = bill.uses[-1].cycle, bill.payer
    return Fraction(newest.end_us - newest.start_us, payer.last_us - max(newest.start_us, payer.first_us))
