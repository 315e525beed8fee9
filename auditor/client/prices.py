"""What one call costs where it makes several images, exactly."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from numbers import Integral
from typing import Any, NamedTuple

from auditor.model.errors import ConfigError
from auditor.model.event_reader import MAX_CREDITS
from auditor.model.events import CREDIT_DECIMALS, EXACT

Number = int | float | Decimal


class Price(NamedTuple):
    """How many images a call makes and what each costs; a function of what is known of the call says either.

    *credits* as a function says what the whole call cost.
    """

    units: Number | Callable[[Any], Any] = 1
    credits: Number | Callable[[Any], Any] = 1

    def checked(self) -> "Price":
        """Itself; `ConfigError` for a number that is no price."""
        for name, value in self._asdict().items():
            if not callable(value) and exact(value) is None:
                raise ConfigError(
                    f"{name}={value!r}: use a number that is not negative, or a function that returns one"
                )
        return self

    @property
    def plain(self) -> bool:
        """Whether it is that of everybody: one image, whatever it costs."""
        return self.units == 1 and self.credits == 1

    @property
    def asks(self) -> bool:
        """Whether a function has to say it."""
        return callable(self.units) or callable(self.credits)

    def of(self, subject: Any) -> Decimal | None:
        """Credits of a call; None where the functions do not tell. What they raise is the caller's to keep."""
        if callable(self.credits):
            return exact(self.credits(subject))
        units = exact(self.units(subject) if callable(self.units) else self.units)
        each = exact(self.credits)
        return None if units is None or each is None else exact(EXACT.multiply(units, each))


def exact(value: object) -> Decimal | None:
    """A number as it is written; None for what is no number from 0 on that an event can hold."""
    if isinstance(value, bool) or not isinstance(value, Integral | float | Decimal):
        return None
    try:
        found = Decimal(int(value)) if isinstance(value, Integral) else Decimal(str(value))
    except InvalidOperation:
        return None
    if not found.is_finite() or not 0 <= found <= MAX_CREDITS or -int(found.as_tuple().exponent) > CREDIT_DECIMALS:
        return None
    return found
