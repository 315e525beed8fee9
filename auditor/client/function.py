"""Meter any function that renders, by a decorator. No cache, and nothing changes for the caller."""

from collections.abc import Callable
from functools import partialmethod
from typing import Any, TypeVar, Unpack

from auditor.client.metering import Metering, MeteringOptions, shared
from auditor.client.observed import Observed
from auditor.client.prices import Number, Price
from auditor.client.wrapping import around
from auditor.model.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def metered(
    template: str,
    *,
    provider: str = "imejis",
    metering: Metering | None = None,
    key: Callable[..., Any] | None = None,
    picture: Callable[[Any], bytes | None] | None = None,
    units: Number | Callable[[Any], Any] = 1,
    credits: Number | Callable[[Any], Any] = 1,
    **options: Unpack[MeteringOptions],
) -> Callable[[F], F]:
    """Meter a function that renders: sync, async, a generator of either kind, a method of any kind, a partial.

    The key is made of the arguments by name, but for `self` and `cls`. Where one has no stable form (a session, a
    file), it is unknown, which a warning says once: *key*, called with the function's arguments, says what the image
    depends on. Size and digest are those of the bytes that come back, or that *picture* takes from the result; without
    bytes there are none. *units* is how many images a call makes and *credits* what each costs; as functions they are
    called with the result, and *credits* then says what the whole call costs. Of a generator the result is the list of
    what it gave. The function as it was is `__wrapped__`. *options* are those of `Metering`.
    """
    for name, value in (("template", template), ("provider", provider)):
        if not isinstance(value, str) or not value:
            raise ConfigError(
                f'metered: {name} must be a non-empty string, as in @metered("og-card", provider="imejis")'
            )
    price = Price(units, credits).checked()
    common = shared(metering, **options)

    def decorate(function: Any, receiver: bool = False) -> Any:
        if isinstance(function, classmethod | staticmethod):
            inner = decorate(function.__func__, isinstance(function, classmethod))
            return type(function)(inner)
        if isinstance(function, partialmethod):
            return partialmethod(decorate(function.func), *function.args, **function.keywords)
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"metered cannot decorate {type(function).__name__}: put it on the function that renders")
        observed = Observed(function, template, provider, common, key, picture, price, receiver)
        return around(function, observed)

    return decorate
