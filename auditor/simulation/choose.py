"""Which of the simulated caches is worth it: the knee, and what is recommended (semantics section 12)."""

from collections.abc import Callable, Mapping
from fractions import Fraction

from msgspec.structs import astuple

from auditor.model.events import EPOCH
from auditor.model.plans import micros
from auditor.results.simulation import Chosen, Setting
from auditor.simulation.outcomes import DemandOutcome, DemandSource

NEAR = Fraction(101, 100)
"""Credits, as a multiple of the fewest, that are as good as these."""
KNEE = Fraction(105, 100)
"""Renders, as a multiple of the fewest, that the knee may have."""

Outcomes = Mapping[Setting, DemandOutcome]


def span_us_of(demand: DemandSource) -> int:
    """From the first to the last event of the log."""
    start, end = demand.accounts.window or (EPOCH, EPOCH)
    return micros(end) - micros(start)


def knee_of(found: Outcomes, span_us: int) -> Setting | None:
    """The smallest TTL that the log is long enough for and that renders little more than the best of these."""
    within = {each: of for each, of in found.items() if each.ttl_us is not None and each.ttl_us <= span_us}
    return best_of(within, lambda outcome: outcome.renders, KNEE)


def worth_it(knee: Setting | None, found: Outcomes, logged: DemandOutcome) -> Setting | None:
    """The knee, if it renders less than was rendered in the log."""
    return knee if knee is not None and found[knee].renders < logged.renders else None


def best_of(found: Outcomes, cost: Callable[[DemandOutcome], Fraction | int], near: Fraction) -> Setting | None:
    """The setting with the smallest TTL whose cost is at most *near* times the least; None where there is none.

    Ties go to the lower cost, then to coalescing, then to the smaller cache.
    """
    least = min(map(cost, found.values()), default=0)

    def rank(setting: Setting) -> tuple[int, Fraction | int, bool, int, int]:
        cache = setting.cache
        return cache.ttl_us, cost(found[setting]), not setting.coalescing, cache.entries, cache.bytes

    return min((each for each, outcome in found.items() if cost(outcome) <= least * near), key=rank, default=None)


def chosen(setting: Setting, of: Outcomes) -> Chosen:
    """A setting with what it leaves to be rendered."""
    return Chosen(*(*astuple(setting), of[setting].renders, of[setting].credits, of[setting].stale))
