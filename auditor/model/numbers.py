"""Exact numbers as reports write them: credits as JSON numbers, ratios with six decimals."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction


def number(value: Fraction | Decimal | int) -> int | float:
    """A JSON number: an int where it is whole, else the float whose shortest text is it, up to 15 digits."""
    above, below = value.as_integer_ratio()
    return above if below == 1 else above / below


def is_unknown(credits: Fraction | float, renders: int, uncertain: int) -> bool:
    """Whether a sum of known credits is 0 only because no call says what it cost; *uncertain* are such calls."""
    return not credits and uncertain > 0 and renders <= uncertain


def exact_sum(numbers: Iterable[int | float]) -> int | float:
    """The exact sum of numbers that stand in a report: 0.1 and 0.2 are 0.3."""
    return number(sum((Fraction(str(each)) for each in numbers), Fraction(0)))


def ratio(part: Fraction | int, whole: Fraction | int) -> float | None:
    """Part ÷ whole to six decimals, None for a whole of 0."""
    if whole == 0:
        return None
    return float(round(Fraction(part) / Fraction(whole), 6))
