r"""nginx's variables, by their names or what people call them in JSON, -> an exchange. Times are those of the end.

Text is escaped by servers (`\x22`, `\"`); addresses are unescaped before they are keyed, so that a picture has one
key whichever server wrote of it.
"""

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from auditor.events import BadRecordError, Reason
from auditor.exchanges.exchange import Exchange
from auditor.formats.durations import Durations, durations
from auditor.formats.times import clf_time, epoch, micros, start_of

SECOND, MILLISECOND = 10**6, 1000
ALIASES = {
    "time": ("time_local", "time_iso8601", "msec", "time", "timestamp", "@timestamp", "ts", "date", "datetime"),
    "request": ("request", "request_line"),
    "method": ("request_method", "method", "verb", "http_method"),
    "target": ("request_uri", "uri", "url", "path", "http_path", "request_path", "request_url"),
    "query": ("args", "query_string", "request_query", "query"),
    "host": ("host", "http_host", "server_name", "vhost", "virtual_host", "domain"),
    "status": ("status", "status_code", "response_code", "response", "http_status", "code"),
    "bytes": ("body_bytes_sent", "bytes_sent", "bytes", "size", "body_bytes", "response_size"),
    "seconds": ("request_time",),
    "cache": ("upstream_cache_status", "sent_http_cache_status", "upstream_http_cache_status", "sent_http_x_cache",
              "upstream_http_x_cache", "sent_http_x_cache_status", "cache_status", "cache", "x_cache"),
    "type": ("sent_http_content_type", "upstream_http_content_type"),
}  # fmt: skip


def exchange_of(
    variables: Mapping[str, object], zone: ZoneInfo, *, escaped: bool = True, documented: bool = True
) -> Exchange:
    """The exchange that some variables tell of; text of JSON is not *escaped* any more.

    *documented* says that they are nginx's own, of which the unit is known.

    Raises `BadRecordError` for what is missing or no value.
    """
    found = {field: _first(variables, names) for field, names in ALIASES.items()}
    time = found["time"]
    if time is None:
        raise BadRecordError(Reason.MISSING_FIELD, "the time is missing")
    if found["status"] is None:
        raise BadRecordError(Reason.MISSING_FIELD, "the status is missing")
    method, target = request_of(found, escaped=escaped)
    stamped, assumed = (epoch(time), False) if isinstance(time, int | float) else clf_time(str(time), zone)
    seconds = found["seconds"] if documented else None
    told = durations(variables) if seconds is None else Durations(micros(seconds, SECOND), ())
    return Exchange(
        ts_us=start_of(stamped, told.known_us),
        method=method,
        target=target,
        host=text_of(found["host"]),
        status=number_of(found["status"], "status"),
        bytes=number_of(found["bytes"], "bytes"),
        duration_us=told.known_us,
        took=told.took,
        cache=text_of(found["cache"]),
        media_type=text_of(found["type"]),
        assumed_timezone=assumed,
        ended=told.known_us is None and bool(told.took),
    )


def request_of(found: Mapping[str, object], *, escaped: bool = True) -> tuple[str, str]:
    """(method, target) of a request line or of its parts."""
    line, target = found["request"], text_of(found["target"])
    # Some call the method alone `request`.
    if isinstance(line, str) and (" " in line or target is None):
        return split_request(line, escaped=escaped)
    if target is None:
        raise BadRecordError(Reason.MISSING_FIELD, "the address is missing")
    query = text_of(found["query"])
    if query and "?" not in target:
        target = f"{target}?{query.removeprefix('?')}"
    method = text_of(found["method"]) or (
        line if isinstance(line, str) and line.isalpha() and line.isupper() else "GET"
    )
    return method, unescaped(target) if escaped else target


def split_request(line: str, *, escaped: bool = True) -> tuple[str, str]:
    """(method, target) of `GET /og.png HTTP/1.1`; ("", line as logged) for what is none: TLS on a plain port, say."""
    method, blank, rest = line.partition(" ")
    if not blank or not method.isascii() or not method.isupper() or not method.isalpha():
        return "", line
    target, blank, protocol = rest.rpartition(" ")
    if not blank or not protocol.startswith("HTTP/"):
        target = rest
    return method, unescaped(target) if escaped else target


_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))")
_SINGLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v", "f": "\f"}


def unescaped(text: str) -> str:
    r"""*text* without the escapes of nginx and Apache: `\xD0\xB0` is UTF-8."""
    if "\\" not in text:
        return text
    parts, end = [], 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[end : match.start()].encode(errors="surrogatepass"))
        end = match.end()
        if match[1]:
            parts.append(bytes([int(match[1], 16)]))
        elif match[2]:
            parts.append(chr(int(match[2], 16)).encode(errors="replace"))
        else:
            parts.append(_SINGLE.get(match[3], match[3]).encode(errors="surrogatepass"))
    return (b"".join(parts) + text[end:].encode(errors="surrogatepass")).decode(errors="backslashreplace")


def text_of(value: object) -> str | None:
    """The text of a value; None for one that is absent, empty or a dash."""
    return None if value is None or value in ("", "-") else str(value)


def number_of(value: object, name: str) -> int | None:
    """A whole number; None for one that is absent. Apache writes `-` for no bytes, others for no status."""
    if value is None or value in ("", "-"):
        return None
    text = str(value)
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a whole number")
    return int(text)


def decoded(data: bytes) -> str:
    r"""Text of a line; bytes that are no UTF-8 look as nginx would have escaped them (`\xe9`)."""
    return data.decode(errors="backslashreplace")


def _first(variables: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((variables[name] for name in names if variables.get(name) is not None), None)
