"""A plan as documents have it."""

from fractions import Fraction
from typing import Literal, TypeVar

from msgspec import Struct

from auditor.model.endpoints import Grade
from auditor.model.plans import Plan
from auditor.results.document import Amount, Day


class KnownPlan(Struct, frozen=True, kw_only=True):
    """A plan as it is known."""

    name: str
    price: Amount
    period: Literal["month", "year"]
    currency: str
    included: Fraction
    overage: str | None
    limit_known: bool
    rollover: bool
    source: str
    checked: Day | None
    grade: Grade


Known = TypeVar("Known", bound=KnownPlan)


def known_plan(plan: Plan, kind: type[Known], **more: object) -> Known:
    """A plan with what is known of it, as it is or as a *kind* that tells *more*."""
    same = {name: getattr(plan, name) for name in KnownPlan.__struct_fields__}
    exact = {"price": Fraction(plan.price), "included": Fraction(plan.included)}
    return kind(**same | exact | {"overage": None if plan.overage is None else str(plan.overage)} | more)
