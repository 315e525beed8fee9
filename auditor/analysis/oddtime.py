"""Odd times: events of clocks that were never set, or that are far ahead. They are named and left out.

Judged at each run and not when a line is read, since a cache of records outlives the day on which it was written.
"""

import os
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Table, and_, or_

from auditor.engines import file_of
from auditor.model.errors import ConfigError
from auditor.model.events import EPOCH, BadRecordError, Reason

OLDEST = datetime(2000, 1, 2, tzinfo=UTC)
"""Clocks that were never set start at 1970 or 2000-01-01."""
AHEAD = timedelta(hours=48)
_MICRO = timedelta(microseconds=1)
_LATEST = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp())
"""Whatever is reckoned from now, such as the end of a cycle, is still a date."""


def present(now: Callable[[], datetime]) -> datetime:
    """Now, or SOURCE_DATE_EPOCH where the same input has to give the same report.

    Raises `ConfigError` if that is no time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return now().astimezone(UTC)
    if not re.fullmatch("[0-9]{1,12}", epoch) or int(epoch) > _LATEST:
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is not a whole number from 0 to {_LATEST}; set the seconds since 1970, or unset it"
        )
    return datetime.fromtimestamp(int(epoch), UTC)


def bounds(now: datetime) -> tuple[int, int]:
    """The first and the last microsecond since 1970 that an event may have."""
    return (OLDEST - EPOCH) // _MICRO, (now + AHEAD - EPOCH) // _MICRO


def odd(ts_us: int, limits: tuple[int, int]) -> BadRecordError:
    """What is said of an odd time."""
    said = f"ts is {(EPOCH + ts_us * _MICRO).isoformat().replace('+00:00', 'Z')}"
    why = "before 2000-01-02: was its clock ever set?" if ts_us < limits[0] else "more than 48 h ahead of now"
    return BadRecordError(Reason.ODD_TIME, f"{said}, {why}")


def is_usual(taken: Table, limits: tuple[int, int], exempt: Collection[int]) -> ColumnElement[bool]:
    """The rows whose times are not odd; *exempt* are the numbers of files whose times are relative."""
    return or_(and_(taken.c.ts_us >= limits[0], taken.c.ts_us <= limits[1]), file_of(taken).in_(sorted(exempt)))
