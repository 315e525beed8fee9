"""What is known of each provider, one file each: dated, sourced facts."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from auditor.model.endpoints import Grade
from auditor.model.plans import Plan


def catalogue(
    provider: str, listed: Mapping[str, tuple[str, int]], source: str, checked: date, grade: Grade, **more: Any
) -> tuple[Plan, ...]:
    """Plans of one source by their names, each with its price in US dollars and its credits; *more* is true of all."""
    return tuple(
        Plan(provider, name, Decimal(price), Decimal(included), source=source, checked=checked, grade=grade, **more)
        for name, (price, included) in listed.items()
    )
