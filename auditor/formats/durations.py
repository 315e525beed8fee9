"""How long a request took, by fields whose names say so: with the unit where the name or the value holds it.

`duration_ms`, `responseTimeMs` and `250ms` tell their unit; `latency` does not, and `auditor.exchanges.units` decides.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from auditor.exchanges.units import UNITS, Took, micros
from auditor.formats.names import column_name
from auditor.formats.times import go_duration

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
_CLOCK = re.compile(r"(\d{1,3}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)


class Durations(NamedTuple):
    """What one record tells of its duration."""

    known_us: int | None
    """Whole microseconds, where a field tells the unit."""
    took: Took
    """The fields that do not."""


@lru_cache(maxsize=4096)
def unit_of(name: str, *, renders: bool = False) -> tuple[int, str | None] | None:
    """(how little it tells, unit or None) of a field's name, in any spelling; None for one that is no duration.

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


def durations(fields: Mapping[str, Any], *, renders: bool = False) -> Durations:
    """The durations among some fields. What is no duration counts as absent."""
    known: list[tuple[int, int]] = []
    bare: list[tuple[int, str, Decimal]] = []
    for name, value in fields.items():
        found = unit_of(name, renders=renders) if value is not None else None
        if found is None:
            continue
        place, unit = found
        if unit is None and (told := _told(value)) is not None:
            known.append((place, told))
        elif (number := amount(value)) is None:
            continue
        elif unit is None:
            bare.append((place, column_name(name), number))
        elif (whole := micros(number, UNITS[unit])) is not None:
            known.append((place, whole))
    return Durations(min(known)[1] if known else None, tuple((name, number) for _, name, number in sorted(bare)))


def amount(value: object) -> Decimal | None:
    """A number from 0 on; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < 10**18 else None


def _told(value: object) -> int | None:
    """A duration whose text holds the unit: `250ms`, `1m2.5s`, `0:00:00.25`."""
    if not isinstance(value, str):
        return None
    clock = _CLOCK.fullmatch(value)
    if clock is None:
        return go_duration(value.strip().replace(" ", ""))
    return (int(clock[1]) * 3600 + int(clock[2]) * 60) * 10**6 + int(Decimal(clock[3]) * 10**6)
