"""How messages write amounts."""

from fractions import Fraction

from auditor.numbers import number


def plural(count: int | float, noun: str) -> str:
    """`1 render`, `2,000 renders`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def credits_word(credits: Fraction) -> str:
    """`no credits`, `1 credit`, `12.5 credits`."""
    if credits == 0:
        return "no credits"
    return f"{number(credits):,} credit{'' if credits == 1 else 's'}"
