"""How long a request took, by fields whose names say so: with the unit where the name or the value holds it.

`duration_ms`, `responseTimeMs` and `250ms` tell their unit; `latency` does not, and `auditor.exchanges.units` decides.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from auditor.exchanges.cache_field import NONE
from auditor.exchanges.units import UNITS, Took, micros
from auditor.reading.decimals import LONGEST, is_number, readings
from auditor.reading.names import column_name

REQUESTS = (
    "duration", "elapsed", "elapsed_time", "time_elapsed", "latency", "response_time", "request_time",
    "request_duration", "response_duration", "request_latency", "response_latency", "time_taken", "took",
    "process_time", "processing_time", "total_time", "http_duration", "http_latency", "duration_time",
)  # fmt: skip
"""What people call the duration of a request, the most telling first; a unit may follow."""
RENDERS = ("duration", "render_time", "render_duration", "rendering_time", "processing_time", "generation_time")
"""What providers call that of a render."""
_SPELLINGS = {
    "s": "sec|secs|second|seconds",
    "ms": "ms|msec|msecs|millis|millisecond|milliseconds",
    "us": "us|usec|usecs|micros|microsecond|microseconds",
    "ns": "ns|nsec|nsecs|nanos|nanosecond|nanoseconds",
}
_NAMED = re.compile("(.+?)_?(?:in_)?(?:" + "|".join(f"(?P<{unit}>{names})" for unit, names in _SPELLINGS.items()) + ")")
_WORDS = {
    **{word: UNITS[unit] for unit, words in _SPELLINGS.items() for word in [*words.split("|"), unit]},
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), UNITS["s"] * 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), UNITS["s"] * 3600),
    **dict.fromkeys(("d", "day", "days"), UNITS["s"] * 86_400),
}
"""Microseconds of each unit that stands in a value."""
_NUMBER = r"\d{1,12}(?:[.,]\d{1,9})?"
_ISO = re.compile(rf"P(?:({_NUMBER})D)?(?:T(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?", re.ASCII)
_CLOCK = re.compile(
    r"(?:(\d{1,3}) days?, )?(?:(\d{1,3}):(?=\d\d?:\d\d)|(?=\d\d?:\d\d[.,]))(\d\d?):(\d\d(?:[.,]\d{1,9})?)", re.ASCII
)
"""`0:00:00.25`, or `00:00.25`: without a fraction that may be hours and minutes."""

_PART = re.compile(r"[ ,]*(\d[\d.,']*|\.\d+) ?([A-Za-zµμ]+)\.?", re.ASCII)
_LONGEST = 64
_SENT = re.compile(r"body|input|param|query|header|payload|modification|template", re.IGNORECASE)
"""Objects that hold what was asked for: a film has a duration, too."""


class Durations(NamedTuple):
    """What one record tells of its duration."""

    known_us: int | None
    """Whole microseconds, where a field tells the unit."""
    took: Took
    """The fields that do not."""


@lru_cache(maxsize=4096)
def unit_of(name: str, *, renders: bool = False) -> tuple[int, str | None] | None:
    """(how little it tells, unit or None) of a field's name, in any spelling; None for one that is not a duration.

    Of a request, or, with *renders*, of what a provider exports.
    """
    words = RENDERS if renders else REQUESTS
    plain = column_name(name)
    if plain in words:
        return words.index(plain), None
    if plain.endswith("_s") and plain[:-2] in words:
        return words.index(plain[:-2]), "s"
    match = _NAMED.fullmatch(plain)
    return (words.index(match[1]), match.lastgroup) if match and match[1] in words else None


def unit_in(name: str) -> str | None:
    """The unit that the name of a duration ends with (`tookMs`), whatever the rest of it."""
    found, last = unit_of(name), column_name(name).rpartition("_")[2]
    if found is not None and found[1] is not None:
        return found[1]
    return next((unit for unit, words in _SPELLINGS.items() if last in (unit, *words.split("|"))), None)


def durations(fields: Mapping[str, Any], *, renders: bool = False) -> Durations:
    """The durations among some fields. What is not a duration counts as absent."""
    known: list[tuple[int, int]] = []
    bare: list[tuple[int, str, Decimal]] = []
    for name, value in fields.items():
        found = unit_of(name, renders=renders) if value is not None else None
        if found is None:
            continue
        place, unit = found
        if (told := with_unit(value)) is not None:
            known.append((place, told))
        elif (number := amount(value)) is None:
            continue
        elif unit is None:
            bare.append((place, column_name(name), number))
        elif (whole := micros(number, UNITS[unit])) is not None:
            known.append((place, whole))
    return Durations(min(known)[1] if known else None, tuple((name, number) for _, name, number in sorted(bare)))


def unread_in(fields: Mapping[str, Any], path: str = "", deep: int = 3) -> str | None:
    """The first field that says how long a request took, in a way or at a place in its record that is not read."""
    for name, value in fields.items():
        held = path and (amount(value) is not None or with_unit(value) is not None)
        if unit_of(name) and (held or _is_unread(value)):
            return f"{path}{column_name(name)}"
        if isinstance(value, dict) and deep and not _SENT.search(name):
            found = unread_in(value, f"{path}{column_name(name)}.", deep - 1)
            if found is not None:
                return found
    return None


def _is_unread(value: object) -> bool:
    if not isinstance(value, str):
        return isinstance(value, list | dict) and bool(value)
    return any(map(str.isalnum, value)) and value.lower() not in NONE and not value.startswith("-")


def amount(value: object) -> Decimal | None:
    """A number from 0 on, in text with either decimal mark where it cannot be two numbers; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        text = str(value).strip()
        found = set(readings(text).values()) if is_number(text[:LONGEST]) else set()
        number = found.pop() if len(found) == 1 else Decimal("NaN")
    return number if number.is_finite() and 0 <= number < 10**18 else None


def with_unit(value: object) -> int | None:
    """A duration that holds its unit: `250ms`, `1m2.5s`, `0:00:00.25`, `PT0.25S`, `{"seconds": 1, "nanos": 5}`."""
    total = None
    for number, unit in _parts(value):
        if number is None:
            return None
        total = number * unit + (total or 0)
    return None if total is None else micros(total, UNITS["us"])


def _parts(value: object) -> list[tuple[Decimal | None, Decimal]]:
    """(number, microseconds of its unit) of each part of a duration; none where a unit is not known."""
    if isinstance(value, dict):
        if value.keys() == {"value", "unit"}:
            return _parts(f"{value['value']} {value['unit']}")
        found = [(amount(held), _WORDS.get(str(name).lower())) for name, held in value.items()]
        return [(number, unit) for number, unit in found if unit] if all(unit for _, unit in found) else []
    if not isinstance(value, str) or len(value) > _LONGEST:
        return []
    text = value.strip()
    if clock := _ISO.fullmatch(text.upper()) or _CLOCK.fullmatch(text):
        units = zip(clock.groups(), "dhms", strict=True)
        return [(Decimal(part.replace(",", ".")), _WORDS[unit]) for part, unit in units if part]
    parts: list[tuple[Decimal | None, Decimal]] = []
    end = 0
    while match := _PART.match(text, end):
        unit = _WORDS.get(match[2] if len(match[2]) == 1 else match[2].lower().replace("µ", "u").replace("μ", "u"))
        if unit is None or (parts and unit >= parts[-1][1]):
            return []
        parts.append((amount(match[1]), unit))
        end = match.end()
    return parts if end == len(text) else []
