"""JSON object -> usage event: the normative reader, which decides what is an event and what a rejection.

The bulk reader of `auditor.formats.jsonl` may only take what this one would take, to the same values.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from auditor.model.events import (
    CREDIT_DECIMALS,
    EPOCH,
    EXACT,
    FIELDS,
    MAX_DELIVERED,
    MAX_TS_US,
    MIN_TS_US,
    REQUIRED,
    SCHEMA_VERSION,
    BadRecordError,
    Field,
    Outcome,
    Reason,
    UsageEvent,
    default_credits,
)

MAX_CREDITS = Decimal(10) ** 12
_SMALLEST_CREDIT = Decimal(1).scaleb(-CREDIT_DECIMALS)


def parse_event(record: Mapping[str, Any], zone: ZoneInfo) -> UsageEvent:
    """The event that a JSON object stands for.

    *record* holds what a strict JSON parser gave, fractional numbers as `Decimal`. *zone* reads times that
    have no offset. Raises `BadRecordError` with the reason of semantics section 8.
    """
    if record.get("v") is None:
        raise BadRecordError(Reason.MISSING_FIELD, "v is missing")
    if isinstance(record["v"], bool) or record["v"] != SCHEMA_VERSION:
        raise BadRecordError(Reason.UNKNOWN_VERSION, "v is not 1")
    for name in REQUIRED[1:]:
        if record.get(name) is None:
            raise BadRecordError(Reason.MISSING_FIELD, f"{name} is missing")
    said: dict[str, Any] = {}
    for name, field in _ORDER:
        value = record.get(name)
        if value is None or (name == "credits" and said["outcome"] is Outcome.ATTEMPT):
            continue
        if name == "ts":
            said["ts_us"], said["assumed_timezone"] = parse_time(_text(field, value), zone)
            continue
        said[field.attribute] = _READERS[field.kind](field, value)
        if name in _TOGETHER and not _TOGETHER[name][0](said):
            raise _bad(_TOGETHER[name][1])
    if "credits" not in record and said["outcome"] is not Outcome.ATTEMPT:
        said["credits"] = default_credits(said["outcome"], said.get("status"))
    return UsageEvent(**said)


_TOGETHER: Mapping[str, tuple[Callable[[Mapping[str, Any]], bool], str]] = {
    "count": (lambda said: said["count"] == 1 or said["outcome"] is Outcome.HIT, "count is only allowed on a hit"),
    "retried": (
        lambda said: not said["retried"] or said["outcome"] is Outcome.ERROR,
        "retried is only allowed on an error",
    ),
    "bytes": (
        lambda said: said["bytes"] * said.get("count", 1) <= MAX_DELIVERED,
        f"bytes times count is above {MAX_DELIVERED:,}",
    ),
}
"""Field -> what has to hold between it and those before it, and what is said where it does not."""


_ORDER = [
    (name, FIELDS[name]) for name in dict.fromkeys(("id", "ts", "outcome", "count", "retried", "status", *FIELDS))
]
"""What speaks of the outcome is checked behind it."""


def _bad(detail: str) -> BadRecordError:
    return BadRecordError(Reason.BAD_VALUE, detail)


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ](\d\d):\d\d:(\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:(\d\d))?", re.ASCII)


def parse_time(text: str, zone: ZoneInfo) -> tuple[int, bool]:
    """`instant` of an event: from the year 2 to 9998, since more than one program writes 9999-12-31 for none."""
    ts_us, assumed = instant(text, zone)
    if not MIN_TS_US <= ts_us <= MAX_TS_US:
        raise BadRecordError(Reason.ODD_TIME, "ts is not between the years 2 and 9998")
    return ts_us, assumed


def instant(text: str, zone: ZoneInfo) -> tuple[int, bool]:
    """(microseconds since 1970 UTC, whether *zone* was assumed) of an RFC 3339 time.

    Digits beyond the microsecond are cut. Second 60 is the next second. Without an offset, a time inside a
    DST gap moves forward and one inside an overlap is the first of the two.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise _bad("ts is not an RFC 3339 time")
    leap = match[2] == "60"
    try:
        if match[1] == "24" or (match[4] or "") > "59":  # which Python takes for the midnight or the hour after
            raise ValueError(text)
        moment = datetime.fromisoformat((f"{text[:17]}59{text[19:]}" if leap else text).upper())
        # fold=0 is the first of an overlap; inside a gap it uses the offset before it, which moves forward.
        moment = (moment if match[3] else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise BadRecordError(Reason.ODD_TIME, "ts is not between the years 2 and 9998") from None
    except ValueError:
        raise _bad("ts is not a time that exists") from None
    return (moment - EPOCH) // timedelta(microseconds=1) + (1_000_000 if leap else 0), not match[3]


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not (value or field.kind == "text"):
        raise _bad(f"{field.name} is not a {'' if field.kind == 'text' else 'non-empty '}string")
    if len(_encodable(field, value)) > field.most:
        raise _bad(f"{field.name} is longer than {field.most} characters")
    return value.lower() if field.name == "environment" else value


def _encodable(field: Field, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _bad(f"{field.name} holds half a surrogate pair") from None
    return value


def _word(field: Field, value: Any) -> str:
    if not isinstance(value, str) or value not in field.choices:
        raise _bad(f"{field.name} is none of {', '.join(sorted(set(field.choices.values())))}")
    return field.choices[value]


def _flag(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad(f"{field.name} is not true or false")
    return value


def _number(field: Field, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _bad(f"{field.name} is not a number")
    if value < 0:
        raise _bad(f"{field.name} is below 0")
    return Decimal(value)


def _whole(field: Field, value: Any) -> int:
    number = _number(field, value)
    if number > field.most:
        raise _bad(f"{field.name} is above {field.most:,}")
    if number != int(number) or number < field.least:
        raise _bad(f"{field.name} is not a whole number from {field.least}")
    return int(number)


def _micros(field: Field, value: Any) -> int:
    number = _number(field, value)
    if number > field.most:
        raise _bad(f"{field.name} is too large")
    return int((number * 1000).quantize(Decimal(1)))


def _credits(field: Field, value: Any) -> Decimal:
    """All digits and no others: neither `1E+1` nor `1.50`."""
    number = _number(field, value)
    # The comparison first, and in a context that holds every allowed value: `1e9999999` is beyond the default one.
    exact = number.quantize(_SMALLEST_CREDIT, context=EXACT) if number < MAX_CREDITS else None
    if exact is None or exact != number:
        raise _bad(f"credits is too large or has more than {CREDIT_DECIMALS} decimals")
    return Decimal(format(exact.normalize(EXACT), "f"))


_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")


def _digest(field: Field, value: Any) -> str:
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise _bad(f"{field.name} is not sha256: and 64 hex digits")
    return value.lower()


def _digests(field: Field, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise _bad(f"{field.name} is not an object of strings")
    for text in (*value, *value.values()):
        _encodable(field, text)
    return value


_READERS: Mapping[str, Callable[[Field, Any], Any]] = {
    "id": _text, "name": _text, "text": _text, "word": _word, "whole": _whole, "milliseconds": _micros,
    "credits": _credits, "flag": _flag, "digest": _digest, "digests": _digests,
}  # fmt: skip
