"""Traefik's access log as JSON. `StartUTC` is the start, `Duration` is in nanoseconds.

What a cache did stands in a header that Traefik was told to keep: `accessLog.fields.headers.names: {X-Cache: keep}`.
Traefik's own messages, which stand between where both go to the standard output, are filtered (Traefik, "Logs" and
"Access Logs", looked at on 2026-11-30).
"""

from decimal import Decimal
from typing import Any

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange
from auditor.reading.format import NO_REQUEST
from auditor.reading.json_lines import JsonObjects, integer, needing, text
from auditor.reading.times import micros, rfc3339, start_of
from auditor.reading.variables import text_of

_NEEDED = ("RequestMethod", "RequestPath")


class Traefik(JsonObjects):
    """Field names of Traefik 2 and 3."""

    name = "traefik"
    title = "Traefik, JSON"
    mixed = True
    documented = frozenset({"RequestCount", "RetryAttempts"})

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line; a log whose `StartUTC` was dropped has the end in `time`."""
        if "level" in record and not {"msg", "message"}.isdisjoint(record) and not any(map(record.get, _NEEDED)):
            return NO_REQUEST
        needing(record, _NEEDED)
        nanoseconds = record.get("Duration")
        duration = micros(Decimal(nanoseconds) / 1000, 1) if isinstance(nanoseconds, int) else None
        start = record.get("StartUTC") or record.get("StartLocal")
        ts_us, assumed = rfc3339(text(start or record.get("time"), "StartUTC"), self.zone)
        headers = {
            name[len("downstream_") :].lower(): value
            for name, value in record.items()
            if name.startswith("downstream_")
        }
        return Exchange(
            ts_us=ts_us if start else start_of(ts_us, duration),
            method=text(record["RequestMethod"], "RequestMethod"),
            target=text(record["RequestPath"], "RequestPath"),
            host=text_of(record.get("RequestHost") or record.get("RequestAddr")),
            status=integer(record.get("DownstreamStatus"), "DownstreamStatus"),
            bytes=integer(record.get("DownstreamContentSize"), "DownstreamContentSize"),
            duration_us=duration,
            cache=cache_of(headers),
            media_type=text_of(headers.get("content-type")),
            assumed_timezone=assumed,
        )
