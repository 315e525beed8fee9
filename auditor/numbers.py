"""Exact numbers as reports write them: credits as JSON numbers, ratios with six decimals."""

from decimal import Decimal, localcontext
from fractions import Fraction


def number(value: Fraction | Decimal | int) -> int | float:
    """A JSON number: an int where it is whole, else the nearest float, whose shortest text is the exact decimal
    for up to 15 digits."""
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else float(exact)


def ratio(part: Fraction | int, whole: Fraction | int) -> float | None:
    """part ÷ whole to six decimals, None for a whole of 0."""
    if whole == 0:
        return None
    return float(round(Fraction(part) / Fraction(whole), 6))


def decimal(value: Fraction) -> Decimal:
    """A Fraction of credits as the Decimal that it is."""
    with localcontext(prec=60):
        return Decimal(value.numerator) / Decimal(value.denominator)
