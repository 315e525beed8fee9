"""Envoy: its default text format, Istio's, and JSON with the keys of Istio, Envoy Gateway or Contour.

The start is stamped. `%RESPONSE_FLAGS%` with `RFCF` is an answer of Envoy's cache filter. A status of 0 is a request
without an answer. Connections that carried no request are filtered.
"""

import re
from typing import Any

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Format
from auditor.reading.json_lines import integer, json_object, needing, text
from auditor.reading.names import first
from auditor.reading.times import micros, rfc3339
from auditor.reading.variables import decoded, split_request, text_of
from auditor.reading.wrapped import PREFIX

_TEXT = re.compile(
    r'(?:ACCESS )?\[(?P<start_time>[^\]]{1,40})\] "(?P<request>[^"]*)" (?P<response_code>\d+) (?P<response_flags>\S+) '
    r'(?:(?P<response_code_details>\S+) (?P<connection_termination_details>\S+) "(?P<upstream_failure>[^"]*)" '
    r'|(?:"[^"]*" ){1,2})?'  # Istio until 1.6
    r"(?P<bytes_received>\d+) (?P<bytes_sent>\d+) (?P<duration>\d+|-) (?P<upstream_service_time>\d+|-) "
    r'"(?P<x_forwarded_for>[^"]*)" "(?P<user_agent>[^"]*)" "(?P<request_id>[^"]*)" "(?P<authority>[^"]*)" '
    r'"(?P<upstream_host>[^"]*)"'
)
_CACHE_FILTER = "RFCF"
_NAMES = {
    "start_time": ("start_time", "@timestamp"),
    "path": ("path", "x-envoy-origin-path", "x-envoy-original-path"),
    "authority": ("authority", ":authority"),
}
"""What others call a field: Envoy Gateway and Contour."""


class Envoy(Format):
    """Text and JSON."""

    name = "envoy"
    title = "Envoy, Istio"
    objects = True

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        ts_us, assumed = rfc3339(str(fields["start_time"]), self.zone)
        method, target = str(fields.get("method") or ""), str(fields.get("path") or "")
        if "request" in fields:
            # Envoy escapes nothing.
            method, target = split_request(text(fields["request"], "request"), escaped=False)
        if not target.strip("- "):
            return NO_REQUEST
        flags = str(fields.get("response_flags") or "")
        return Exchange(
            ts_us=ts_us,
            method=method,
            target=target,
            host=text_of(fields.get("authority")),
            status=integer(fields["response_code"], "response_code"),
            bytes=integer(fields.get("bytes_sent"), "bytes_sent"),
            duration_us=micros(fields.get("duration"), 1000),
            cache="hit" if _CACHE_FILTER in flags.split(",") else cache_of(fields),
            assumed_timezone=assumed,
        )

    def fields(self, data: bytes) -> dict[str, Any]:
        """The fields of one line, by the keys of Istio's JSON."""
        prefix = PREFIX.match(data)
        data = data[prefix.end() :] if prefix else data
        if data[:1] != b"{":
            match = _TEXT.match(decoded(data))
            if match is None:
                raise BadRecordError(Reason.NO_MATCH, "not a line of Envoy's default format")
            return {name: value for name, value in match.groupdict().items() if value is not None}
        found = json_object(data)
        if "response_flags" not in found:
            return needing(found, ("start_time", "method", "path", "response_code"))
        found |= {name: first(found, names, ()) for name, names in _NAMES.items()}
        # A connection has null for its method and its path.
        request = () if found.get("method") is None else ("method", "path")
        return needing(found, ("start_time", *request, "response_code"))
