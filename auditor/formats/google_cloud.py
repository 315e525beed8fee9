r"""Google Cloud's request logs as JSON lines: load balancers with or without Cloud CDN, Cloud Run, App Engine.

What counts stands in `httpRequest`, as a sink exports it, one entry a line. `timestamp` is the start of the request and
`latency` its duration. Bytes are those of the whole answer, headers included. `cacheHit` is a hit and `cacheLookup`
without it a miss; where neither is set, there is no cache to tell of. `insertId` with the time is the id, so what was
exported twice counts once. Entries without `httpRequest`, what a service prints for itself, are filtered.
"""

from typing import Any

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST
from auditor.reading.json_lines import JsonObjects, integer, needing, text
from auditor.reading.times import micros, rfc3339
from auditor.reading.variables import text_of


class GoogleCloud(JsonObjects):
    """Entries of Cloud Logging."""

    name = "google-cloud"
    title = "Google Cloud load balancers and Cloud Run, JSON"
    mixed = True
    needs = ("timestamp", "logName")

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One entry."""
        request = record.get("httpRequest")
        if request is None:
            return NO_REQUEST
        if not isinstance(request, dict):
            raise BadRecordError(Reason.BAD_VALUE, "httpRequest is not an object")
        needing(record, ("httpRequest.requestMethod", "httpRequest.requestUrl"))
        stamp = text(record["timestamp"], "timestamp")
        ts_us, assumed = rfc3339(stamp, self.zone)
        identity = text_of(record.get("insertId"))
        return Exchange(
            ts_us=ts_us,
            method=text(request["requestMethod"], "httpRequest.requestMethod"),
            target=text(request["requestUrl"], "httpRequest.requestUrl"),
            status=integer(request.get("status"), "httpRequest.status") or None,
            bytes=integer(request.get("responseSize"), "httpRequest.responseSize"),
            duration_us=_latency(request.get("latency")),
            cache="hit" if request.get("cacheHit") is True else "miss" if request.get("cacheLookup") is True else None,
            id=None if identity is None else f"{identity}@{stamp}",
            assumed_timezone=assumed,
        )


def _latency(value: Any) -> int | None:
    """Seconds as protocol buffers write them: `0.012s`, or as an object."""
    if isinstance(value, dict):
        nanos = value.get("nanos") or 0
        seconds = micros(value.get("seconds") or 0, 10**6)
        return None if seconds is None or not isinstance(nanos, int) else seconds + nanos // 1000
    return micros(value.removesuffix("s"), 10**6) if isinstance(value, str) else None
