"""JSON object -> usage event: the normative reader, which decides what is an event and what a rejection.

The bulk reader of `auditor.formats.jsonl` may only take what this one would take, to the same values.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from auditor.model.events import (
    CREDIT_DECIMALS,
    EPOCH,
    ERRORS,
    EXACT,
    FORMATS,
    MAX_BYTES,
    MAX_COUNT,
    MAX_DELIVERED,
    MAX_SIDE,
    MAX_TS_US,
    MIN_TS_US,
    REQUIRED,
    SCHEMA_VERSION,
    SOURCES,
    BadRecordError,
    Outcome,
    Reason,
    UsageEvent,
    default_credits,
)

MAX_ID_LENGTH = 200
MAX_CREDITS = Decimal(10) ** 12
_SMALLEST_CREDIT = Decimal(1).scaleb(-CREDIT_DECIMALS)
MAX_INT = 2**63 - 1


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

    identity = _text(record, "id")
    if len(identity) > MAX_ID_LENGTH:
        raise BadRecordError(Reason.BAD_VALUE, f"id is longer than {MAX_ID_LENGTH} characters")
    ts_us, assumed = parse_time(_text(record, "ts"), zone)
    outcome = Outcome(_choice(record, "outcome", frozenset(Outcome)))
    count = _integer(record, "count", minimum=1, maximum=MAX_COUNT)
    if count not in (None, 1) and outcome is not Outcome.HIT:
        raise BadRecordError(Reason.BAD_VALUE, "count is only allowed on a hit")
    retried = record.get("retried")
    if retried is not None and not isinstance(retried, bool):
        raise BadRecordError(Reason.BAD_VALUE, "retried is not true or false")
    if retried and outcome is not Outcome.ERROR:
        raise BadRecordError(Reason.BAD_VALUE, "retried is only allowed on an error")
    status = _integer(record, "status", minimum=0)
    picture_format = record.get("format")
    if picture_format == "jpg":
        picture_format = "jpeg"
    return UsageEvent(
        id=identity,
        ts_us=ts_us,
        outcome=outcome,
        provider=_text(record, "provider"),
        account=_text(record, "account"),
        environment=_text(record, "environment").lower(),
        template=_text(record, "template"),
        key=_text(record, "key"),
        template_version=_optional_text(record, "template_version"),
        count=count or 1,
        source=_choice(record, "source", SOURCES) if record.get("source") is not None else "online",
        placement=_optional_text(record, "placement"),
        format=None if picture_format is None else _choice({"format": picture_format}, "format", FORMATS),
        width=_integer(record, "width", minimum=1, maximum=MAX_SIDE),
        height=_integer(record, "height", minimum=1, maximum=MAX_SIDE),
        bytes=_bytes(record, count or 1),
        digest=_digest(record),
        duration_us=_duration(record),
        status=status,
        credits=_credits(record, outcome, status),
        inputs=_inputs(record),
        error=_choice(record, "error", ERRORS) if record.get("error") is not None else None,
        retried=bool(retried),
        assumed_timezone=assumed,
    )


_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))?", re.ASCII
)


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
        raise BadRecordError(Reason.BAD_VALUE, "ts is not an RFC 3339 time")
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    leap = second == 60
    micro = int((match[7] or "0").ljust(6, "0")[:6])
    try:
        naive = datetime(year, month, day, hour, minute, 59 if leap else second, micro)  # noqa: DTZ001 (its zone follows)
        if match[8]:
            moment = naive.replace(tzinfo=UTC)
        elif match[9]:
            if int(match[10]) > 23 or int(match[11]) > 59:
                raise ValueError("offset")
            offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
            moment = naive.replace(tzinfo=UTC) - (offset if match[9] == "+" else -offset)
        else:
            # fold=0 is the first of an overlap; inside a gap it uses the offset before it, which moves forward.
            moment = naive.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        raise BadRecordError(Reason.ODD_TIME, "ts is not between the years 2 and 9998") from None
    except ValueError:
        raise BadRecordError(Reason.BAD_VALUE, "ts is not a time that exists") from None
    micros = (moment - EPOCH) // timedelta(microseconds=1) + (1_000_000 if leap else 0)
    return micros, not (match[8] or match[9])


def _credits(record: Mapping[str, Any], outcome: Outcome, status: int | None) -> Decimal | None:
    if outcome is Outcome.ATTEMPT:
        return None
    if "credits" not in record:
        return default_credits(outcome, status)
    value = record["credits"]
    if value is None:
        return None
    number = _number(record, "credits")
    # The comparison first, and in a context that holds every allowed value: `1e9999999` is beyond the default one.
    exact = number.quantize(_SMALLEST_CREDIT, context=EXACT) if number < MAX_CREDITS else None
    if exact is None or exact != number:
        raise BadRecordError(Reason.BAD_VALUE, f"credits is too large or has more than {CREDIT_DECIMALS} decimals")
    return Decimal(_plain(exact))


def _plain(number: Decimal) -> str:
    """All digits and no others: neither `1E+1` nor `1.50`."""
    return format(number.normalize(EXACT), "f")


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str) or not value:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a non-empty string")
    return _encodable(value, name)


def _optional_text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a string")
    return _encodable(value, name)


def _encodable(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} holds half a surrogate pair") from None
    return value


def _choice(record: Mapping[str, Any], name: str, allowed: frozenset[str]) -> str:
    value = record[name]
    if not isinstance(value, str) or value not in allowed:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is none of {', '.join(sorted(allowed))}")
    return value


def _number(record: Mapping[str, Any], name: str) -> Decimal:
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number")
    if value < 0:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is below 0")
    return Decimal(value)


def _integer(record: Mapping[str, Any], name: str, *, minimum: int, maximum: int = MAX_INT) -> int | None:
    if record.get(name) is None:
        return None
    number = _number(record, name)
    if number > maximum:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is above {maximum:,}")
    if number != int(number) or number < minimum:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a whole number from {minimum}")
    return int(number)


def _bytes(record: Mapping[str, Any], count: int) -> int | None:
    size = _integer(record, "bytes", minimum=0, maximum=MAX_BYTES)
    if size is not None and size * count > MAX_DELIVERED:
        raise BadRecordError(Reason.BAD_VALUE, f"bytes times count is above {MAX_DELIVERED:,}")
    return size


def _duration(record: Mapping[str, Any]) -> int | None:
    if record.get("duration_ms") is None:
        return None
    number = _number(record, "duration_ms")
    if number > MAX_INT // 4000:
        raise BadRecordError(Reason.BAD_VALUE, "duration_ms is too large")
    return int((number * 1000).quantize(Decimal(1)))


_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")


def _digest(record: Mapping[str, Any]) -> str | None:
    value = record.get("digest")
    if value is None:
        return None
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise BadRecordError(Reason.BAD_VALUE, "digest is not sha256: and 64 hex digits")
    return value.lower()


def _inputs(record: Mapping[str, Any]) -> Mapping[str, str] | None:
    value = record.get("inputs")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise BadRecordError(Reason.BAD_VALUE, "inputs is not an object of strings")
    for name, item in value.items():
        _encodable(name, "inputs")
        _encodable(item, "inputs")
    return value
