"""How messages write amounts."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from auditor.model.numbers import number

_UNITS = (("d", 86_400 * 10**6), ("h", 3600 * 10**6), ("m", 60 * 10**6), ("s", 10**6), ("ms", 1000), ("us", 1))


def plural(count: int | float, noun: str, many: str = "") -> str:
    """`1 render`, `2,000 renders`; *many* where an s is not enough."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def credits_word(credits: Fraction) -> str:
    """`no credits`, `1 credit`, `12.5 credits`."""
    if credits == 0:
        return "no credits"
    return f"{number(credits):,} credit{'' if credits == 1 else 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b, and c`, `a, b, c, and 4 more`."""
    shown = list(names) if len(names) <= most + 1 else [*names[:most], f"{len(names) - most:,} more"]
    if len(shown) < 3:
        return " and ".join(shown)
    return f"{', '.join(shown[:-1])}, and {shown[-1]}"


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


def covered_words(elapsed: timedelta, whole: timedelta) -> str:
    """How much of a cycle the log has, rounded down: `19 hours of 30 days`, `6 days of 31 days`."""
    hours = elapsed // timedelta(hours=1)
    part = plural(hours // 24, "day") if hours >= 48 else plural(hours, "hour") if hours else "less than an hour"
    return f"{part} of {plural(round(whole / timedelta(days=1)), 'day')}"


def too_little(covered: str = "") -> str:
    """Why an account without a complete cycle gets no advice, with what `covered_words` says, in every report."""
    return f"too little data: {covered}, 7 days are needed" if covered else "too little data, 7 days are needed"


PRICES_UNKNOWN = "prices unknown"


def prices_unknown(provider: str | None) -> str:
    """Why there is no money for an account of a provider without known plans, and what to do, in every report."""
    of = provider or "this provider"
    return f"{PRICES_UNKNOWN}: no plan of {of} is known; describe one under [plans] in auditor.toml"
