r"""Cloudflare Logpush and Logpull, dataset HTTP requests, as JSON lines.

The job has to push `EdgeStartTimestamp` (or `EdgeEndTimestamp`), `ClientRequestMethod`, `ClientRequestURI` and
`EdgeResponseStatus`; `ClientRequestHost`, `CacheCacheStatus`, `RayID`, `EdgeEndTimestamp`, `EdgeResponseBodyBytes` and
`EdgeResponseContentType` are of use. `ClientRequestPath` does not do for the URI, since it has no query. Times may be
RFC 3339, seconds, milliseconds or nanoseconds. The duration is the difference of the two times where they have
fractions, else `EdgeTimeToFirstByteMs`. Bytes are those of the body where they are pushed, else of the whole answer.
`RayID` is the id, so what was pushed twice counts once.
"""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import RowReader
from auditor.reading.json_lines import JsonObjects, integer, needing, text
from auditor.reading.rows import filled
from auditor.reading.times import epoch, micros, rfc3339
from auditor.reading.variables import text_of

_START, _END = "EdgeStartTimestamp", "EdgeEndTimestamp"
_FIELDS = (
    _START, _END, "ClientRequestMethod", "ClientRequestURI", "ClientRequestHost", "EdgeResponseStatus",
    "EdgeResponseBytes", "EdgeResponseBodyBytes", "EdgeResponseContentType", "EdgeTimeToFirstByteMs",
    "CacheCacheStatus", "RayID",
)  # fmt: skip
"""What is read."""
_NEEDED = ("ClientRequestMethod", "ClientRequestURI", "EdgeResponseStatus")


class Cloudflare(JsonObjects):
    """Field names of the dataset `http_requests`."""

    name = "cloudflare"
    title = "Cloudflare Logpush, HTTP requests"
    documented = frozenset({"ClientTCPRTTMs", "EdgeResponseCompressionRatio", "WorkerCPUTime", "WorkerSubrequestCount"})

    @classmethod
    def row_reader(cls, columns: Mapping[str, str], zone: ZoneInfo) -> RowReader | None:
        """For tables with its fields, whatever their case and underscores."""
        plain = {name.replace("_", ""): column for name, column in columns.items()}
        if not plain.keys() >= {name.lower() for name in _NEEDED}:
            return None
        originals = {name: plain[name.lower()] for name in _FIELDS if name.lower() in plain}
        reader = cls(zone)
        return lambda row: reader.exchange(filled(row, originals))

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """What a record tells, whichever file it stands in."""
        needing(record, _NEEDED)
        start, end = (_stamp(record.get(name), self.zone) for name in (_START, _END))
        if start is None and end is None:
            raise BadRecordError(Reason.MISSING_FIELD, f"{_START} is missing")
        duration = None
        if start is not None and end is not None and (start % 10**6 or end % 10**6) and end >= start:
            duration = end - start
        elif (first_byte := record.get("EdgeTimeToFirstByteMs")) is not None:
            duration = micros(first_byte, 1000)
        began = start if start is not None else (end or 0) - (duration or 0)
        body = record.get("EdgeResponseBodyBytes")
        return Exchange(
            ts_us=began,
            method=text(record["ClientRequestMethod"], "ClientRequestMethod"),
            target=text(record["ClientRequestURI"], "ClientRequestURI"),
            host=text_of(record.get("ClientRequestHost")),
            status=integer(record["EdgeResponseStatus"], "EdgeResponseStatus") or None,
            bytes=integer(record.get("EdgeResponseBytes") if body is None else body, "EdgeResponseBytes"),
            duration_us=duration,
            cache=text_of(record.get("CacheCacheStatus")),
            media_type=text_of(record.get("EdgeResponseContentType")),
            id=text_of(record.get("RayID")),
            ended=start is None and duration is None,
        )


def _stamp(value: object, zone: ZoneInfo) -> int | None:
    if value is None or value in ("", 0):
        return None
    return rfc3339(value, zone)[0] if isinstance(value, str) else epoch(value)
