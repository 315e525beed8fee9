"""Mistyped names."""

from collections.abc import Iterable
from difflib import get_close_matches


def available(name: str, known: Iterable[str], most: int | None = None) -> str:
    """What to say behind an unknown *name*: the *known* one that was likely meant, and *most* of all of them."""
    names = list(known)
    spelled = {each.lower(): each for each in reversed(names)}
    close = get_close_matches(name.lower(), spelled, n=1)
    meant = f"did you mean {spelled[close[0]]!r}? A" if close else "a"
    shown = ", ".join(names[:most]) or "none"
    more = f" and {len(names) - most:,} more" if most is not None and len(names) > most else ""
    return f"{meant}vailable: {shown}{more}"
