"""Caddy's access log: `{"logger": "http.log.access", "request": {…}, "duration": …, "size": …, "status": …}`."""

from typing import Any, ClassVar

from auditor.exchanges.exchange import Exchange
from auditor.formats.json_lines import JsonObjects, at, cache_of, header, integer, text
from auditor.formats.times import epoch, micros, rfc3339, start_of


class Caddy(JsonObjects):
    """Stamped at the end; `ts` is a number of seconds, or a text where Caddy was told so."""

    name: ClassVar[str] = "caddy"
    title: ClassVar[str] = "Caddy, JSON"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("ts",), ("request", "uri"), ("request", "method"), ("status",))

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        stamp = record["ts"]
        ts_us, assumed = rfc3339(stamp, self.zone) if isinstance(stamp, str) else (epoch(stamp), False)
        duration = micros(record.get("duration"), 10**6)
        headers = record.get("resp_headers")
        return Exchange(
            ts_us=start_of(ts_us, duration),
            method=text(at(record, "request", "method"), "request.method"),
            target=text(at(record, "request", "uri"), "request.uri"),
            host=at(record, "request", "host"),
            status=integer(record["status"], "status"),
            bytes=integer(record.get("size"), "size"),
            duration_us=duration,
            cache=cache_of(headers),
            media_type=header(headers, "content-type"),
            assumed_timezone=assumed,
        )
