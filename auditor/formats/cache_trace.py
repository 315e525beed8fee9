"""cache-trace: `time,id,size` in seconds and bytes, with or without a header (semantics section 10)."""

from decimal import Decimal, InvalidOperation

from auditor.model.events import MAX_BYTES, MAX_TS_US, BadRecordError, Outcome, Reason, UsageEvent
from auditor.reading.format import Format

HEADER = [b"time", b"id", b"size"]


class CacheTrace(Format):
    """Each row is one demand event; rows of one time keep their order by their ids."""

    name = "cache-trace"
    title = "cache trace (time,id,size)"
    _row = 0

    def parse(self, data: bytes) -> UsageEvent | None:
        """One row."""
        values = [value.strip() for value in data.split(b",")]
        if len(values) != 3:
            raise BadRecordError(Reason.NO_MATCH, "not three values: time,id,size")
        if self._row == 0 and [value.lower() for value in values] == HEADER:
            return None
        try:
            time, size = (Decimal(value.decode()) for value in (values[0], values[2]))
            key = values[1].decode()
        except (InvalidOperation, UnicodeDecodeError):
            raise BadRecordError(Reason.BAD_VALUE, "time or size is not a number") from None
        if not (time.is_finite() and size.is_finite() and 0 <= time <= MAX_TS_US // 10**6 and key):
            raise BadRecordError(Reason.BAD_VALUE, "the time is out of range, or the id is empty")
        if not 0 <= size <= MAX_BYTES or size != int(size):
            raise BadRecordError(Reason.BAD_VALUE, f"size is not a whole number up to {MAX_BYTES:,}")
        self._row += 1
        return UsageEvent(
            id=f"{self._row:012}",
            ts_us=int(time * 10**6),
            outcome=Outcome.RENDER,
            provider="trace",
            account="trace",
            environment="production",
            template="trace",
            key=key,
            bytes=int(size),
            duration_us=0,
            credits=Decimal(1),
        )
