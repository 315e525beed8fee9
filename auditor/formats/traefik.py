"""Traefik's access log as JSON. `StartUTC` is the start, `Duration` is in nanoseconds.

What a cache did stands in a header that Traefik was told to keep: `accessLog.fields.headers.names: {X-Cache: keep}`.
"""

from decimal import Decimal
from typing import Any

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange
from auditor.reading.json_lines import JsonObjects, integer, text
from auditor.reading.times import micros, rfc3339, start_of
from auditor.reading.variables import text_of


class Traefik(JsonObjects):
    """Field names of Traefik 2 and 3."""

    name = "traefik"
    title = "Traefik, JSON"
    needs = ("RequestMethod", "RequestPath")
    documented = frozenset({"RequestCount", "RetryAttempts"})

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line; a log whose `StartUTC` was dropped has the end in `time`."""
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
