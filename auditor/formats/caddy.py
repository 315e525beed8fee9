"""Caddy's access log: `{"logger": "http.log.access", "request": {…}, "duration": …, "size": …, "status": …}`.

Any `time_format` and `duration_format` is read: seconds have a fraction, so whole numbers are nanoseconds, or
milliseconds where they are below 100,000. Caddy's own messages, which stand between where both go to one output, are
filtered, also those that repeat a request (`http.log.error`, `http.handlers.…`). Checked against Caddy's
"log (Caddyfile directive)" and "How Logging Works" on 2026-11-30.
"""

from decimal import Decimal
from typing import Any

from auditor.exchanges.cache_field import verdict_in
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.headers import pairs_of
from auditor.reading.durations import with_unit
from auditor.reading.format import NO_REQUEST
from auditor.reading.json_lines import JsonObjects, integer, needing, text
from auditor.reading.names import at
from auditor.reading.times import micros, moment, start_of
from auditor.reading.variables import text_of

_ACCESS = "http.log.access"


class Caddy(JsonObjects):
    """Stamped at the end."""

    name = "caddy"
    title = "Caddy, JSON"
    needs = ("ts",)
    mixed = True

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        logger = record.get("logger", _ACCESS if "request" in record else "")
        if isinstance(record.get("msg"), str) and not str(logger).startswith(_ACCESS):
            return NO_REQUEST
        needing(record, ("request.uri", "request.method", "status"))
        ts_us, assumed = moment(record["ts"], self.zone)
        duration = _duration(record.get("duration"))
        headers = record.get("resp_headers")
        kind = next((held for name, held in pairs_of(headers) if name.lower() == "content-type"), None)
        return Exchange(
            ts_us=start_of(ts_us, duration),
            method=text(at(record, "request", "method"), "request.method"),
            target=text(at(record, "request", "uri"), "request.uri"),
            host=text_of(at(record, "request", "host")),
            status=integer(record["status"], "status"),
            bytes=integer(record.get("size"), "size"),
            duration_us=duration,
            cache=verdict_in("resp_headers", headers),
            media_type=", ".join(map(str, kind)) if isinstance(kind, list) else text_of(kind),
            assumed_timezone=assumed,
        )


_NANOSECONDS = 10**5
"""A whole number from here on is no count of milliseconds: that would be 100 seconds."""


def _duration(value: Any) -> int | None:
    if isinstance(value, str):
        return with_unit(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return micros(Decimal(value) / 1000, 1) if value >= _NANOSECONDS else micros(value, 1000)
    return micros(value, 10**6)
