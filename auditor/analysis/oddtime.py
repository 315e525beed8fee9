"""Odd times: events of clocks that were never set, or that are far ahead. They are named and left out.

Judged at each run and not when a line is read, since a cache of records outlives the day on which it was written.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Table, and_, or_

from auditor.engines import file_of
from auditor.model.events import EPOCH, BadRecordError, Reason

OLDEST = datetime(2000, 1, 2, tzinfo=UTC)
"""Clocks that were never set start at 1970 or 2000-01-01."""
AHEAD = timedelta(hours=48)
_MICRO = timedelta(microseconds=1)


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
