"""Times as logs write them -> microseconds since 1970 UTC, and whether the zone was assumed."""

import re
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from auditor.model.event_reader import parse_time
from auditor.model.events import BadRecordError, Reason

_CLF = re.compile(
    r"(\d{1,2})/([A-Za-z]{3})/(\d{4})[: ](\d\d:\d\d:\d\d(?:\.\d+)?)(?: (?:([+-]\d\d):?(\d\d)|(UTC|GMT)))?", re.ASCII
)
_LOOSE = re.compile(
    r"(\d{4}[-/]\d\d[-/]\d\d)[T ](\d\d:\d\d)(:\d\d)?([.,]\d{1,12})? ?(?:(Z|z|UTC|GMT)|([+-]\d\d):?(\d\d)?)?", re.ASCII
)
_HTTP = re.compile(r"^[A-Z][a-z]{2}, (\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d) (GMT|UTC|[+-]\d{4})$", re.ASCII)
_CTIME = re.compile(
    r"^[A-Z][a-z]{2} ([A-Z][a-z]{2})  ?(\d{1,2}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?) (?:(GMT|UTC) )?(\d{4})$", re.ASCII
)
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02}" for number, name in enumerate(_NAMES, 1)}
_FAR = Decimal(2) ** 33
"""Seconds until the year 2242: greater numbers are milliseconds, microseconds or nanoseconds."""


def clf_time(text: str, zone: ZoneInfo) -> tuple[int, bool]:
    """`26/Jan/2019:19:45:25 +0330`, with or without fraction and offset, or any that `moment` reads, as some are set.

    Python's own server has a blank before the hour; others write HTTP's date, or C's.
    """
    if text[:1].isalpha():
        text = _CTIME.sub(r"\2/\1/\5:\3 \4", _HTTP.sub(r"\1/\2/\3:\4 \5", text)).strip()
    match = _CLF.fullmatch(text)
    if match is None:
        match = _LOOSE.fullmatch(text)
        if match is None:
            return rfc3339(text, zone)
        day, minute, second, fraction, zulu, hours, minutes = match.groups()
        offset = "Z" if zulu else f"{hours}:{minutes or '00'}" if hours else ""
        fraction = (fraction or "").replace(",", ".")
        return parse_time(f"{day.replace('/', '-')}T{minute}{second or ':00'}{fraction}{offset}", zone)
    month = _MONTHS.get(match[2].title())
    if month is None:
        raise BadRecordError(Reason.BAD_VALUE, f"{match[2]!r} is not a month")
    offset = f"{match[5]}:{match[6]}" if match[5] else "Z" if match[7] else ""
    return parse_time(f"{match[3]}-{month}-{match[1]:0>2}T{match[4]}{offset}", zone)


def rfc3339(text: str, zone: ZoneInfo) -> tuple[int, bool]:
    """RFC 3339, also with `+0200` for its offset, a comma before the fraction, or a bare number of seconds."""
    if text[:1].isdigit() and text.replace(".", "", 1).isdigit():
        return epoch(text), False
    if len(text) > 5 and text[-5] in "+-" and text[-4:].isdigit() and "T" in text:
        text = f"{text[:-2]}:{text[-2:]}"
    return parse_time(text.replace(",", ".", 1), zone)


def moment(value: object, zone: ZoneInfo) -> tuple[int, bool]:
    """A time as programs and exports write it: a number, HTTP's, RFC 3339 with a blank, slashes, `UTC` or `+00`."""
    if not isinstance(value, str):
        return epoch(value), False
    return clf_time(value.strip(" []"), zone)


def epoch(value: object) -> int:
    """Seconds since 1970, told apart from milli-, micro- and nanoseconds by their size."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise BadRecordError(Reason.BAD_VALUE, "the time is not a number") from None
    if number.is_finite() and number < 0:
        raise BadRecordError(Reason.ODD_TIME, "the time is before 1970")
    if not number.is_finite() or number >= _FAR * 10**9:
        raise BadRecordError(Reason.BAD_VALUE, "the time is out of range")
    scale = 10**6
    while number >= _FAR * 10**6 // scale:
        scale //= 1000
        if not scale:
            return int(number // 1000)
    return int(number * scale)


def since_1970(value: object, unit: Decimal) -> int | None:
    """Microseconds since 1970 of a number in units of *unit* microseconds; None for what is no such number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not (number.is_finite() and 0 <= number < _FAR * 10**9):
        return None
    if number * unit >= _FAR * 10**6:
        raise BadRecordError(Reason.BAD_VALUE, "the time is out of range")
    return int(number * unit)


def start_of(end_us: int, duration_us: int | None) -> int:
    """When a request began that ended at *end_us*."""
    return end_us - (duration_us or 0)


def micros(text: object, unit: int) -> int | None:
    """A duration in units of *unit* microseconds; None for `-` and what is not a number.

    nginx writes several upstreams as `0.1, 0.2 : 0.3`: that is not a duration of one request.
    """
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return None
    # The range first: `1e9999999` times something is no Decimal any more.
    if not (number.is_finite() and 0 <= number < 10**15):
        return None
    number *= unit
    return int(number.quantize(Decimal(1))) if number < 10**15 else None
