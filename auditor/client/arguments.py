"""Arguments of a renderer, checked when it is made: each error names the argument and the fix."""

import math
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from auditor.model.errors import AuditorError, ConfigError, InvalidRequestError
from auditor.registry import PROVIDERS

if TYPE_CHECKING:
    from auditor.model.provider import Api

Seconds = float | timedelta
T = TypeVar("T")
_UNSENDABLE = re.compile(r"[^ -~]")


def seconds(name: str, value: Seconds, *, above: float | None = None, error: type[AuditorError] = ConfigError) -> float:
    """A time in seconds, 0 or more, or more than *above*."""
    number: object = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) and (
        number >= 0 if above is None else number > above
    ):  # fmt: skip
        return float(number)
    least = "0 or more" if above is None else f"more than {above:g}"
    raise error(f"{name}={value!r}: a number of seconds or a timedelta is needed, {least}")


def times(name: str, values: Mapping[str, Seconds] | None) -> dict[str, float]:
    """Times in seconds by template."""
    if not isinstance(values, Mapping | None):
        raise ConfigError(f"{name}={values!r}: give a mapping of templates to TTLs")
    return {key: seconds(f"{name}[{key!r}]", value) for key, value in (values or {}).items()}


call_seconds = partial(seconds, error=InvalidRequestError)
"""As `seconds`, of one call."""


def rate(name: str, value: float | None) -> float | None:
    """Calls a second."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return float(value)
    raise ConfigError(f"{name}={value!r}: a number of calls a second above 0 is needed; leave it out for no limit")


def whole(name: str, value: int, least: int) -> int:
    """A whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise ConfigError(f"{name}={value!r}: a whole number from {least} is needed")


def text(name: str, value: Any) -> str:
    """A name that can stand in an event."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name} must not be empty: give a text" if value == "" else
                          f"{name} is {type(value).__name__}: give a text")  # fmt: skip
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} cannot be written as UTF-8; give another name") from None
    return value


def check_name(what: str, name: object) -> None:
    """`InvalidRequestError` for what could not stand in an event."""
    try:
        if isinstance(name, str) and name.encode() is not None:
            return
    except UnicodeEncodeError:
        pass
    raise InvalidRequestError(f"{what} is not a string that can be written as UTF-8")


def one_of(name: str, value: T, allowed: tuple[T, ...]) -> T:
    """One of few."""
    if any(value is each or (value == each and type(value) is type(each)) for each in allowed):
        return value
    raise ConfigError(f"{name}={value!r}: write one of {', '.join(map(repr, allowed))}")


def offers(name: str, value: T, method: str, what: str) -> T:
    """An object that has a method, or None."""
    if value is None or callable(getattr(value, method, None)):
        return value
    raise ConfigError(f"{name} is {type(value).__name__}: give {what}")


def api_of(provider: object) -> "Api":
    """What speaks to a provider."""
    if not isinstance(provider, str) or provider not in PROVIDERS:
        raise ConfigError(f"{provider!r} is not a provider; providers are {', '.join(PROVIDERS)}")
    api = PROVIDERS[provider].api
    if api is None:
        speaks = ", ".join(name for name, each in PROVIDERS.items() if each.api is not None)
        raise ConfigError(f"the client counts calls to {provider}, but does not make them; it speaks to {speaks}")
    return api


def api_key(given: str | None, variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """The key that was given, else that of the environment; never shown.

    `ConfigError` if there is none, or if it holds what no header can carry, as quotes pasted from a document.
    """
    key: Any = given if given is not None else environ.get("AUDITOR_API_KEY") or environ.get(variable)
    if key is None:
        raise ConfigError(f"there is no API key: give api_key=, or set AUDITOR_API_KEY or {variable}")
    if not isinstance(key, str):
        raise ConfigError(f"api_key is {type(key).__name__}: give a text, as key.decode() of bytes")
    if not key.strip():
        raise ConfigError("api_key must not be empty: give the key of the provider's settings")
    if key != key.strip():
        raise ConfigError("api_key begins or ends with white space: give it without, as key.strip()")
    found = _UNSENDABLE.search(key)
    if found is not None:
        raise ConfigError(
            f"api_key holds a character that no header can carry (U+{ord(found[0]):04X} at place {found.start() + 1}): "
            "copy the key again, without typographic quotes"
        )
    return key
