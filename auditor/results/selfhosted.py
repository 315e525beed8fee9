"""The comparison with rendering at home."""

from fractions import Fraction

from msgspec import Struct

from auditor.planning.selfhosted import Comparison, volumes
from auditor.results.document import Amount, Day
from auditor.results.header import Document
from auditor.results.plans import KnownPlan, known_plan


class Assumed(Struct, frozen=True):
    """A figure that somebody took for true, as a range."""

    name: str
    meaning: str
    unit: str
    low: Fraction
    high: Fraction
    source: str
    checked: Day | None


class Costs(Struct, frozen=True):
    """A month of rendering at home, from and to."""

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


def compared(found: Comparison, own: int | None) -> Compared:
    """The result of one comparison; *own* calls a month are marked."""
    return Compared(
        provider=found.provider,
        currency=found.plans[0].currency if found.plans else None,
        assumptions=tuple(
            Assumed(each.name, each.words, each.unit, each.low, each.high, each.source, each.checked)
            for each in found.assumptions.values()
        ),
        plans=tuple(known_plan(plan, KnownPlan) for plan in found.plans),
        self_hosted=Costs(*found.own),
        break_even=Evens(*(Even(even.calls, even.known_to) for even in found.break_even())),
        points=tuple(_point(found, calls, own) for calls in volumes(found, own)),
    )


def _point(found: Comparison, calls: int, own: int | None) -> Point:
    bought = found.bought(calls)
    plan, bill = (bought[0].name, bought[1]) if bought else (None, None)
    low, high = (None if bill is None else bill + cache for cache in found.cache)
    return Point(calls, calls == own, plan, bill, low, high)
