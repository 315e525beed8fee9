"""What a provider itself says of the credits used: how to read its answer. The addresses stand with each provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import getitem
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Credits of the provider's current period."""

    used: Decimal
    included: Decimal | None
    """None where the answer does not say."""


Reader = Callable[[Mapping[str, Any], datetime], Usage]
"""(JSON answer, now) -> usage; `LookupError`, `TypeError` or `ValueError` if the answer is another than documented."""


def fields(*places: tuple[str, str]) -> Reader:
    """Dot paths of the used and the included credits; the first pair that is there."""

    def read(document: Mapping[str, Any], now: datetime) -> Usage:
        del now
        for pair in places:
            try:
                return Usage(*(number(reduce(getitem, path.split("."), document)) for path in pair))
            except KeyError:
                continue
        raise KeyError(places[0][0])

    return read


def number(value: Any) -> Decimal:
    """A count of credits."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(value)
    found = Decimal(str(value))
    if not found.is_finite() or found < 0:
        raise ValueError(value)
    return found
