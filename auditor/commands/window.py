"""--since and --until: the moments that a person's words stand for."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from auditor.config.values import parse_duration
from auditor.model.errors import ConfigError
from auditor.model.event_reader import instant
from auditor.model.events import BadRecordError
from auditor.model.plans import moment
from auditor.system.clock import present

_DAYS = {"today": 0, "yesterday": 1}


def window(
    since: str | None, until: str | None, zone: ZoneInfo, now: datetime | None = None
) -> tuple[datetime | None, datetime | None]:
    """The moments of --since and --until, as of *now*, else of the present. Raises `ConfigError`."""
    present_time = now or present(lambda: datetime.now(UTC))
    start, end = time_of("--since", since, zone, present_time), time_of("--until", until, zone, present_time)
    if start is not None and end is not None and start >= end:
        raise ConfigError("--since is not before --until, so no event is counted; swap the two")
    return start, end


def time_of(name: str, text: str | None, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The moment that an option names: of a day or a month the first instant in *zone*, of a duration so long ago."""
    if text is None:
        return None
    try:
        if re.fullmatch(r"\d+[a-z]+", text, re.ASCII):
            return now - parse_duration(text)
        return moment(instant(_spelled(text, now.astimezone(zone)), zone)[0])
    except (BadRecordError, OverflowError, ValueError):
        raise ConfigError(
            f"{name} {text!r} is not a time; write 7d, yesterday, 2026-09, 2026-09-01 or 2026-09-01T00:00:00+02:00"
        ) from None


def _spelled(text: str, local: datetime) -> str:
    """A time as RFC 3339 has it."""
    if text.lower() in _DAYS:
        text = (local.date() - timedelta(days=_DAYS[text.lower()])).isoformat()
    if re.fullmatch(r"\d{4}-\d{2}", text, re.ASCII):
        text += "-01"
    return text if "T" in text.upper() or " " in text else text + "T00:00:00"
