"""How messages write amounts."""

from fractions import Fraction

from auditor.model.numbers import number

_UNITS = (("d", 86_400 * 10**6), ("h", 3600 * 10**6), ("m", 60 * 10**6), ("s", 10**6), ("ms", 1000), ("us", 1))


def plural(count: int | float, noun: str) -> str:
    """`1 render`, `2,000 renders`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def credits_word(credits: Fraction) -> str:
    """`no credits`, `1 credit`, `12.5 credits`."""
    if credits == 0:
        return "no credits"
    return f"{number(credits):,} credit{'' if credits == 1 else 's'}"


def image_words(
    request: str | None, size: int, kind: str | None, width: int | None, height: int | None, shown_width: int | None
) -> str:
    """`/a.png (300,000 bytes, png, 800 x 600, shown 400 px wide)`, as far as it is known."""
    pixels = f"{width} x {height}" if width and height else ""
    shown = f"shown {shown_width} px wide" if shown_width else ""
    return f"{request or 'one'} ({', '.join(filter(None, (plural(size, 'byte'), kind, pixels, shown)))})"


def ttl_words(ttl_us: int | None) -> str:
    """A TTL as --ttl takes it."""
    if ttl_us is None:
        return "forever"
    if ttl_us == 86_400 * 10**6:
        return "24h"
    return next((f"{ttl_us // unit}{name}" for name, unit in _UNITS if ttl_us and ttl_us % unit == 0), "0s")


TOO_SHORT = "less than 7 days of the cycle have passed"
"""Why a cycle is not projected, in the words of every report."""
