r"""Fastly real-time logs as JSON lines: the fields that Fastly's own examples log, also inside Splunk's `event`.

Read are `timestamp`, `time_start`, `start_time` or `time` (RFC 3339 in any of Fastly's spellings, seconds, milli-,
micro- or nanoseconds), which are the start where nothing else is said, `time_end` (the end), `url` or `request_uri`,
`host`, `request_method`, `response_status`, `response_body_size`, `time_elapsed` (microseconds) or
[any duration](../formats.md#durations), and for the cache
`response_state`, `fastly_info_state`, `cache_status` or `x_cache`. Lines of other JSON logs are told apart by a field
that only Fastly has, such as `response_state`, `fastly_server` or `service_id`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.durations import Durations, durations
from auditor.reading.json_lines import JsonObjects, integer, text
from auditor.reading.names import first
from auditor.reading.times import micros, moment, start_of
from auditor.reading.variables import split_request, status_of, text_of

_MARKS = frozenset({"response_state", "service_id", "pop", "datacenter", "server_datacenter", "is_edge", "is_shield"})
_START = (
    "time_start", "start_time", "timestamp", "request_start", "req_start", "begin", "start", "time", "ts", "date",
    "datetime", "@timestamp",
)  # fmt: skip
_END = ("time_end", "end_time", "end")
_TARGET = ("url", "request_url", "request_uri", "req_url", "uri", "path", "request_path")
_QUERY = ("query", "query_string", "request_query", "qs")
_HOST = ("host", "request_host", "req_host", "fastly_orig_host", "orig_host", "server_name")
_METHOD = ("request_method", "method", "req_method", "request_type", "verb")
_STATUS = ("response_status", "status", "status_code", "resp_status", "response_code", "http_status")
_BYTES = (
    "response_body_size", "resp_body_size", "response_body_bytes", "resp_body_bytes", "body_bytes_written",
    "body_bytes_sent", "bytes", "response_bytes", "resp_bytes", "size", "bytes_sent",
)  # fmt: skip
_TYPE = ("content_type", "response_content_type", "resp_content_type")


class Fastly(JsonObjects):
    """Keys in any case."""

    name = "fastly"
    title = "Fastly, JSON"

    def fields(self, data: bytes) -> dict[str, Any]:
        """The object of one line, with the fields of `event` beside the others."""
        found = super().fields(data)
        inner = found.get("event")
        if isinstance(inner, dict):
            found = {**found, **inner}
        names = {name.lower() for name in found}
        if not (_MARKS & names or any(name.startswith("fastly") for name in names)):
            raise BadRecordError(Reason.NO_MATCH, "none of its fields is one that only Fastly has")
        return found

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        fields = {name.lower(): value for name, value in record.items()}
        method, target = _request(fields)
        status = _said(fields, _STATUS)
        if status is None:
            raise BadRecordError(Reason.MISSING_FIELD, "response_status is missing")
        taken = fields.get("time_elapsed")
        # VCL's time.elapsed is text of seconds with a fraction, %D whole microseconds.
        unit = 10**6 if "." in str(taken) else 1
        told = durations(fields) if taken is None else Durations(micros(taken, unit), ())
        duration = told.known_us
        start, end = _said(fields, _START), _said(fields, _END)
        if start is None and end is None:
            raise BadRecordError(Reason.MISSING_FIELD, "timestamp is missing")
        ts_us, assumed = moment(end if start is None else start, self.zone)
        return Exchange(
            ts_us=start_of(ts_us, duration) if start is None else ts_us,
            method=method,
            target=target,
            host=text_of(_said(fields, _HOST)),
            status=status_of([status]) or None,
            bytes=integer(_said(fields, _BYTES), "response_body_size"),
            duration_us=duration,
            took=told.took,
            cache=cache_of({"cache_state": fields.get("state"), **fields}),
            media_type=text_of(_said(fields, _TYPE)),
            assumed_timezone=assumed,
            ended=start is None and duration is None,
        )


_said = partial(first, absent=("", "-", "(null)"))


def _request(fields: Mapping[str, Any]) -> tuple[str, str]:
    line = fields.get("request")
    if isinstance(line, str) and " " in line:
        return split_request(line)
    target = text(_said(fields, _TARGET), "url")
    query = text_of(_said(fields, _QUERY))
    if query and "?" not in target:
        target = f"{target}?{query.removeprefix('?')}"
    return text_of(_said(fields, _METHOD)) or text_of(line) or "GET", target
