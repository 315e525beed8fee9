r"""The JSON lines of Python programs that call a render API: httpx and urllib3 by way of structlog and the like.

Three kinds of lines tell of a request: those whose `event` or `message` is httpx's own (`HTTP Request: POST https://…
"HTTP/1.1 200 OK"`) or urllib3's (`https://…:443 "POST /v1/… HTTP/1.1" 200 5124`), and those with a whole address as
`url` and with `status_code`, also within `http` or spelled `http.url`. Loguru's `record` is looked into. Every other
line of the program is filtered. The time is that of the answer; the start is reckoned back by `elapsed_ms`,
`responseTimeMs` and the like, by ECS's `event.duration`, or by `elapsed`, `duration`, `latency` and others whose unit
[the file decides](../formats.md#durations). Such lines hold no bodies and say nothing of a cache, but `cache_status` or
`from_cache` may.
"""

import re
from collections.abc import Mapping
from typing import Any

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.durations import Durations, amount, durations
from auditor.reading.format import NO_REQUEST
from auditor.reading.json_lines import JsonObjects, integer
from auditor.reading.names import at
from auditor.reading.times import micros, moment, start_of
from auditor.reading.variables import status_of, text_of

_HTTPX = re.compile(r'HTTP Request: ([A-Z]+) (\S+) "HTTP/[\d.]+ (\d{3})')
_URLLIB3 = re.compile(r'(https?://[^\s"]+) "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3}) (\d+|None|-)')
_MESSAGE = ("event", "message", "msg", "text")
_TIME = ("timestamp", "@timestamp", "ts", "time", "asctime", "datetime", "created")
_URL = ("url", "http.url", "url.full", "request.url", "request_url", "http_url", "uri", "full_url", "requestUrl")
_METHOD = (
    "method",
    "http.method",
    "http.request.method",
    "request.method",
    "request_method",
    "http_method",
    "verb",
    "requestMethod",
    "httpMethod",
)
_STATUS = (
    "status_code", "status", "http.status_code", "http.response.status_code", "response.status_code", "response.status",
    "response_status", "http_status", "status.code", "http_status_code", "code", "statusCode", "response.statusCode",
    "responseStatus", "httpStatus", "httpStatusCode",
)  # fmt: skip
_BYTES = (
    "bytes", "size", "content_length", "response_size", "response_bytes", "http.response.body.bytes", "num_bytes",
    "contentLength", "responseSize", "responseBytes",
)  # fmt: skip
_TYPE = ("content_type", "response_content_type", "media_type", "http.response.mime_type", "contentType", "mimeType")
_FAILED = ("error", "exception", "exc_info")


class Structlog(JsonObjects):
    """One object a line, whatever wrote it."""

    name = "structlog"
    title = "httpx, structlog and others, JSON lines"
    ending = True
    mixed = True

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """One line."""
        inner = record.get("record")
        fields = {**record, **inner} if isinstance(inner, dict) else record
        message = next((text for name in _MESSAGE if isinstance(text := fields.get(name), str)), None)
        if message is None and _find(fields, _URL) is None:
            raise BadRecordError(Reason.MISSING_FIELD, "neither event, message nor url is there")
        found = _request(fields, message or "")
        if found is None:
            return NO_REQUEST
        method, target, status, size = found
        time = _find(fields, _TIME)
        if isinstance(time, dict):
            # Loguru: {"repr": …, "timestamp": …}
            time = time.get("timestamp")
        if time is None:
            raise BadRecordError(Reason.MISSING_FIELD, "timestamp is missing")
        stamp, assumed = moment(time, self.zone)
        # ECS documents nanoseconds.
        nanoseconds = amount(_find(fields, ("event.duration",)))
        told = durations(fields) if nanoseconds is None else Durations(micros(nanoseconds / 1000, 1), ())
        return Exchange(
            ts_us=start_of(stamp, told.known_us),
            method=method,
            target=target,
            status=status,
            bytes=integer(size, "bytes"),
            duration_us=told.known_us,
            took=told.took,
            cache=cache_of(fields),
            media_type=text_of(_find(fields, _TYPE)),
            failure=next((text for name in _FAILED if isinstance(text := fields.get(name), str)), None),
            assumed_timezone=assumed,
            ended=told.known_us is None,
        )


def logged_request(message: str) -> tuple[str, str, int, str | None] | None:
    """(method, address, status, bytes) of a message of httpx or urllib3; None for any other."""
    if (match := _HTTPX.match(message)) is not None:
        return match[1], match[2], int(match[3]), None
    if (match := _URLLIB3.match(message)) is not None:
        # A proxy is asked for a whole address; what stands before it is then the proxy's own.
        address = match[3] if match[3].startswith(("http://", "https://")) else match[1] + match[3]
        return match[2], address, int(match[4]), match[5] if match[5].isdigit() else None
    return None


def _request(fields: Mapping[str, Any], message: str) -> tuple[str, str, int | None, Any] | None:
    """(method, address, status, bytes) of a line; None for one that tells of no request."""
    size = _find(fields, _BYTES)
    if (logged := logged_request(message)) is not None:
        return *logged[:3], logged[3] or size
    # In ECS `url` is an object.
    target = next((url for name in _URL for url in _values(fields, name) if isinstance(url, str)), None)
    method = _find(fields, _METHOD)
    if target is None or "://" not in target or not (method is None or isinstance(method, str)):
        return None
    failed = any(fields.get(name) for name in _FAILED)
    told = [value for name in _STATUS for value in _values(fields, name) if value is not None]
    status = status_of(told, failed=failed)
    if status is None and not failed and not any(told):
        # A line before the call, say; the one after it has the status.
        return None
    return (method or "GET").upper(), target, status, size


def _find(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of some values, spelled with dots or nested."""
    return next((value for name in names for value in _values(fields, name) if value is not None), None)


def _values(fields: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    return fields.get(name), at(fields, *name.split(".")) if "." in name else None
