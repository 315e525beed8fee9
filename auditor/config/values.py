"""What may stand behind a key of auditor.toml: each function takes a parsed value and returns it converted.

A `ValueError` says what is wrong in words that follow the key's name: `= 'x' is not a port`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from math import inf
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from auditor.exchanges.units import UNITS
from auditor.model.events import FORMATS as PICTURE_FORMATS
from auditor.model.events import MAX_SIDE, Outcome
from auditor.system.access import mode_of

Readers: TypeAlias = Mapping[Any, Callable[[Any], Any]]
_DURATION = re.compile(r"(\d+)(us|ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+)\s*(?:([kKMGT])(i?)B?|B)?")
MOST_KEYS = 12
"""Of one path: each may hold dots, and ways to part it double with each."""
_MICROS = {"us": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3_600 * 10**6, "d": 86_400 * 10**6}


def parse_duration(value: Any) -> timedelta:
    """A duration like `90s`, `15m`, `24h` or `7d`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"= {value!r} is not a duration; write 30s, 15m, 24h or 7d")
    try:
        return timedelta(microseconds=int(match[1]) * _MICROS[match[2]])
    except OverflowError:
        raise ValueError(f"= {value!r} is longer than a duration can be") from None


def parse_size(text: str) -> int:
    """A number of bytes: 500000000, 500MB or 2GiB."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"= {text!r} is not a number of bytes; write 500000000, 500MB or 2GiB")
    power = " kMGT".index(match[2].replace("K", "k")) if match[2] else 0
    size: int = int(match[1]) * (1024 if match[3] else 1000) ** power
    if size >= 2**62:
        raise ValueError(f"= {text!r} is more than any cache or memory holds")
    return size


def zone(value: Any) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(text(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"= {value!r} is not a time zone; write a name like Europe/Berlin or UTC") from None


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"= {value!r} is not a non-empty string")
    return value


def group(value: Any) -> str | int:
    """A group of the system, by name or number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else text(value)


def flag(value: Any) -> bool:
    """A truth value."""
    if not isinstance(value, bool):
        raise ValueError(f"= {value!r} is not true or false")
    return value


def names(value: Any) -> frozenset[str]:
    """A list of names, in lower case."""
    return frozenset(name.lower() for name in texts(value))


def parameters(value: Any) -> frozenset[str]:
    """The names of query parameters."""
    if not isinstance(value, list):
        raise ValueError("is not a list of query parameters")
    return frozenset(text(name) for name in value)


def methods(value: Any) -> frozenset[str]:
    """HTTP methods, in upper case."""
    return frozenset(name.upper() for name in names(value))


def pattern(value: Any) -> str:
    """A regular expression of RE2."""
    from auditor.exchanges.matching import compiled

    compiled(text(value))
    return str(value)


def log_template(value: Any) -> str | tuple[str, ...]:
    """An nginx `log_format`, or several of one log."""
    from auditor.formats.log_format import LogFormat

    found = texts(value) if isinstance(value, list) else text(value)
    LogFormat.of("", found)
    return found


def paths(value: Any) -> tuple[str, ...]:
    """A path of keys with dots between them, or a list of such paths."""
    found = texts(value) if isinstance(value, list) else (text(value),)
    for path in found:
        keys = path.split(".")
        if not all(keys) or len(keys) > MOST_KEYS:
            raise ValueError(f"= {path!r} is not a path of up to {MOST_KEYS} keys; write one like res.statusCode")
    return found


def uncached(value: Any) -> Outcome:
    """What a request is that no cache field tells of, or a redirect."""
    if value not in (Outcome.RENDER, Outcome.HIT):
        raise ValueError(f"= {value!r} is neither render nor hit")
    return Outcome(value)


def picture_format(value: Any) -> str:
    """A format of images."""
    from auditor.exchanges.matching import picture_format

    found = picture_format(text(value))
    if found is None:
        raise ValueError(f"= {value!r} is none of {', '.join(sorted(PICTURE_FORMATS))}")
    return found


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts, as written."""
    if not isinstance(value, list) or not value:
        raise ValueError("is not a list of names")
    return tuple(text(name) for name in value)


def word(allowed: Collection[str], value: Any, wrong: str = "is none of") -> str:
    """One of some words."""
    if value not in allowed:
        raise ValueError(f"= {value!r} {wrong} {', '.join(allowed)}")
    return str(value)


duration_unit = partial(word, tuple(UNITS))
"""The unit of a log's durations."""
period = partial(word, ("month", "year"), wrong="is unknown; allowed are")
"""How often a plan is paid."""


def _integer(least: float, most: float, wrong: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"= {value!r} {wrong}")
    return value


port = partial(_integer, 1, 65535, "is not a port, 1 to 65535")
"""A TCP port."""
day_of_month = partial(_integer, 1, 31, "is not a day of the month, 1 to 31")
"""The day on which billing cycles begin."""
whole = partial(_integer, -inf, inf, "is not a whole number")
"""A whole number."""
count = partial(_integer, 1, inf, "is not a whole number from 1 on")
"""A whole number from 1 on."""


def calendar_day(value: Any) -> date:
    """A date of TOML, or as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        raise ValueError(f"= {value!r} is not a date; write 2026-09-01") from None


def money(value: Any) -> Decimal:
    """A number from 0 on, exactly."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"= {value!r} is not a number") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"= {value} is below 0 or not finite")
    if number.adjusted() > 15 or int(number.as_tuple().exponent) < -30:
        raise ValueError(f"= {value} has more digits than a sum can have")
    return number


def side(value: Any) -> Decimal:
    """A length in pixels, or a ratio of pixels."""
    number = money(value)
    if not 0 < number <= MAX_SIDE:
        raise ValueError(f"= {value} is not above 0 and at most {MAX_SIDE:,}")
    return number


READERS: Readers = {
    **dict.fromkeys(("host", "path"), pattern),
    **dict.fromkeys(("width", "height", "dpr"), side),
    "duration_unit": duration_unit,
    "format": picture_format,
    "methods": methods,
    "period": period,
    "rollover_cycles": count,
    "spool_group": group,
    "spool_mode": mode_of,
    bool: flag,
    str: text,
    int: whole,
    Decimal: money,
    timedelta: parse_duration,
    date: calendar_day,
    Outcome: uncached,
    tuple[str, ...]: texts,
    frozenset[str]: parameters,
}
"""How a value is read: by the name of its key, else by its type."""
SHAPES: Readers = {"text": text, "texts": texts, "port": port, "flag": flag}
"""How a setting of a delivery is read, by the word for it."""
