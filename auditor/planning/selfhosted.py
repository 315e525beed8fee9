"""Rendering at home: the guide's cost model as dated assumptions, held against the plans of a provider.

A server, its upkeep and its monitoring cost the same however few pictures are rendered; a provider's bill rises with
them. The break-even is the smallest number of calls a month for which the provider's cheapest plan costs more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from auditor.model.plans import Plan, cheapest

GUIDE = "cost guide"
CHECKED = date(2026, 11, 22)
CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class AssumedRange:
    """A figure that somebody took for true, as a range."""

    name: str
    words: str
    unit: str
    low: Fraction
    high: Fraction
    source: str = GUIDE
    checked: date | None = CHECKED

    def replaced(self, low: Fraction, high: Fraction) -> "AssumedRange":
        """What the user says instead."""
        return AssumedRange(self.name, self.words, self.unit, low, high, "you", None)


def _guide(name: str, words: str, unit: str, low: int, high: int) -> AssumedRange:
    return AssumedRange(name, words, unit, Fraction(low), Fraction(high))


ASSUMPTIONS: Mapping[str, AssumedRange] = {
    each.name: each
    for each in (
        _guide("server", "a server that renders", "a month", 20, 40),
        _guide("maintenance", "upkeep: updates, fonts, browsers, incidents", "hours a month", 4, 8),
        _guide("hourly", "an hour of it", "an hour", 50, 50),
        _guide("monitoring", "monitoring and logs", "a month", 10, 20),
        _guide("redis", "a cache, on either side", "a month", 5, 10),
    )
}


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From how many calls on the provider costs more than a figure."""

    calls: int | None
    """None: never, as far as the plans are known."""
    known_to: int | None
    """The most calls that a known plan holds; None: any number."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both ways, for any volume."""

    provider: str
    assumptions: Mapping[str, AssumedRange]
    plans: tuple[Plan, ...]

    @property
    def own(self) -> tuple[Fraction, Fraction]:
        """What rendering at home costs a month, from and to."""
        low, high = (
            each["server"] + each["maintenance"] * each["hourly"] + each["monitoring"] + each["redis"]
            for each in self._ends()
        )
        return low, high

    @property
    def cache(self) -> tuple[Fraction, Fraction]:
        """What the cache before the provider costs a month."""
        low, high = (each["redis"] for each in self._ends())
        return low, high

    def _ends(self) -> list[dict[str, Fraction]]:
        return [
            {name: each.low for name, each in self.assumptions.items()},
            {name: each.high for name, each in self.assumptions.items()},
        ]

    def bought(self, calls: int) -> tuple[Plan, Fraction] | None:
        """The cheapest plan for so many calls and its bill, without the cache; None where no known plan holds them."""
        load = Fraction(calls)
        plan = cheapest(self.plans, [(load, load)])
        bill = None if plan is None else plan.bill(load)
        return None if plan is None or bill is None else (plan, bill)

    @property
    def known_to(self) -> int | None:
        """The most calls a month that a known plan holds; None: any number."""
        if any(plan.overage is not None for plan in self.plans):
            return None
        return int(max((plan.included for plan in self.plans), default=0))

    def break_even(self) -> tuple[BreakEven, BreakEven]:
        """Against the least and the most that rendering at home costs, each with the cache on both sides."""
        (low, high), (cache_low, cache_high) = self.own, self.cache
        return self._break_even(low - cache_low), self._break_even(high - cache_high)

    def _break_even(self, cost: Fraction) -> BreakEven:
        """The cheapest bill never falls when there are more calls, so it can be found by halving."""

        def dearer(calls: int) -> bool:
            found = self.bought(calls)
            return found is not None and found[1] > cost

        top = self.known_to
        if top is None:
            top = 1
            while not dearer(top) and top < 10**12:
                top *= 2
        if not dearer(top):
            return BreakEven(None, self.known_to)
        below, reached = -1, top
        while reached - below > 1:
            middle = (below + reached) // 2
            below, reached = (below, middle) if dearer(middle) else (middle, reached)
        return BreakEven(reached, self.known_to)


def volumes(comparison: Comparison, own: int | None) -> list[int]:
    """Calls a month that are worth a row: 1, 2 and 5 in each power of ten, where plans end, break-evens, the user's."""
    edges = [int(plan.included) for plan in comparison.plans]
    evens = [even.calls for even in comparison.break_even() if even.calls is not None]
    top = max([100_000, *evens, *([own] if own else [])])
    steps: Sequence[int] = [digit * 10**power for power in range(2, 13) for digit in (1, 2, 5)]
    every = {*(each for each in steps if each <= top), *edges, *evens, *([own] if own else [])}
    return sorted(each for each in every if each > 0)
