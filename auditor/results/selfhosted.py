"""Self-hosting: the guide's cost model as dated assumptions, compared with the plans of a provider.

A server, its upkeep and its monitoring cost the same however few images are rendered; a provider's bill rises with
them. The break-even is the smallest number of calls a month for which the provider's cheapest plan costs more.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

from msgspec import Struct

from auditor.model.plans import Plan, cheapest
from auditor.results.document import Amount, Day
from auditor.results.header import Document
from auditor.results.plans import KnownPlan, known_plan

GUIDE = "cost guide"
CHECKED = date(2026, 11, 22)
CURRENCY = "USD"
MOST_CALLS = 2**40
"""No break-even is looked for above so many."""


class Assumed(Struct, frozen=True):
    """An assumed figure, as a range."""

    name: str
    meaning: str
    unit: str
    low: Fraction
    high: Fraction
    source: str
    checked: Day | None

    def replaced(self, low: Fraction, high: Fraction) -> "Assumed":
        """What the user says instead."""
        return Assumed(self.name, self.meaning, self.unit, low, high, "you", None)


def _guide(name: str, words: str, unit: str, low: int, high: int) -> Assumed:
    return Assumed(name, words, unit, Fraction(low), Fraction(high), GUIDE, CHECKED)


ASSUMPTIONS: Mapping[str, Assumed] = {
    each.name: each
    for each in (
        _guide("server", "a server that renders", "a month", 20, 40),
        _guide("maintenance", "upkeep: updates, fonts, browsers, incidents", "hours a month", 4, 8),
        _guide("hourly", "an hour of it", "an hour", 50, 50),
        _guide("monitoring", "monitoring and logs", "a month", 10, 20),
        _guide("redis", "a cache, on either side", "a month", 5, 10),
    )
}


class Costs(Struct, frozen=True):
    """A month of self-hosting, from and to."""

    low: Amount
    high: Amount


class Even(Struct, frozen=True):
    """From how many calls a month on the provider costs more."""

    calls: int | None
    plans_known_to: int | None
    """The most calls that a known plan holds."""


class Evens(Struct, frozen=True):
    """calls null: never, as far as plans are known; plans_known_to null: any number."""

    low: Even
    high: Even


class Point(Struct, frozen=True):
    """Some calls a month at the provider; the cache before it makes the difference of low and high."""

    calls: int
    yours: bool
    plan: str | None
    bill: Amount | None
    provider_low: Amount | None
    provider_high: Amount | None


class Compared(Document, frozen=True, kw_only=True):
    """Both ways."""

    SCHEMA = "render-auditor/self-hosted/v1"

    provider: str
    currency: str | None
    assumptions: tuple[Assumed, ...]
    plans: tuple[KnownPlan, ...]
    self_hosted: Costs
    break_even: Evens
    points: tuple[Point, ...]


def compared(provider: str, assumptions: Mapping[str, Assumed], plans: tuple[Plan, ...], own: int | None) -> Compared:
    """Both ways, for any volume; *own* calls a month are marked."""
    low = {name: each.low for name, each in assumptions.items()}
    high = {name: each.high for name, each in assumptions.items()}
    # The cache is needed on both sides.
    home = [each["server"] + each["maintenance"] * each["hourly"] + each["monitoring"] for each in (low, high)]
    evens = Evens(*(_break_even(plans, cost) for cost in home))
    points = []
    for calls in _volumes(plans, evens, own):
        there = bought(plans, calls)
        plan, bill = (there[0].name, there[1]) if there else (None, None)
        with_cache = (None if bill is None else bill + each["redis"] for each in (low, high))
        points.append(Point(calls, calls == own, plan, bill, *with_cache))
    return Compared(
        provider=provider,
        currency=plans[0].currency if plans else None,
        assumptions=tuple(assumptions.values()),
        plans=tuple(known_plan(plan, KnownPlan) for plan in plans),
        self_hosted=Costs(*(cost + each["redis"] for cost, each in zip(home, (low, high), strict=True))),
        break_even=evens,
        points=tuple(points),
    )


def bought(plans: Sequence[Plan], calls: int) -> tuple[Plan, Fraction] | None:
    """The cheapest plan for so many calls and its bill, without the cache; None where no known plan holds them."""
    load = Fraction(calls)
    plan = cheapest(plans, [(load, load)])
    bill = None if plan is None else plan.bill(load)
    return None if plan is None or bill is None else (plan, bill)


def _break_even(plans: Sequence[Plan], cost: Fraction) -> Even:
    """The cheapest bill never falls when there are more calls, so it can be found by halving."""

    def bill(calls: int) -> Fraction:
        found = bought(plans, calls)
        return found[1] if found else Fraction(0)

    any_number = any(plan.overage is not None for plan in plans)
    known_to = None if any_number else int(max((plan.included for plan in plans), default=0))
    top = MOST_CALLS if known_to is None else known_to
    reached = bisect_right(range(top + 1), cost, key=bill)
    return Even(reached if reached <= top else None, known_to)


def _volumes(plans: Sequence[Plan], evens: Evens, own: int | None) -> list[int]:
    """Calls a month that are worth a row: 1, 2 and 5 in each power of ten, where plans end, break-evens, the user's."""
    marked = [each for each in (evens.low.calls, evens.high.calls, own) if each]
    top = max([100_000, *marked])
    steps = [digit * 10**power for power in range(2, 13) for digit in (1, 2, 5)]
    every = {*(each for each in steps if each <= top), *(int(plan.included) for plan in plans), *marked}
    return sorted(each for each in every if each > 0)
