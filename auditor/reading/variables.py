r"""nginx's variables, by their names or what people call them in JSON, -> an exchange. Times are those of the end.

Text is escaped by servers (`\x22`, `\"`); addresses are unescaped before they are keyed, so that an image has one
key whichever server wrote of it.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus
from zoneinfo import ZoneInfo

from auditor.exchanges.cache_field import bare, cache_of
from auditor.exchanges.cost import cost_headers
from auditor.exchanges.exchange import Exchange, Try
from auditor.model.events import BadRecordError, Outcome, Reason
from auditor.reading.durations import Durations, durations
from auditor.reading.exports import WORDS
from auditor.reading.format import UnknownStatusError
from auditor.reading.log_template import BETWEEN
from auditor.reading.named import body_of, environment_of
from auditor.reading.names import first
from auditor.reading.times import clf_time, epoch, micros, start_of

ALIASES = {
    "time": ("time_local", "time_iso8601", "msec", "time", "timestamp", "@timestamp", "ts", "date", "datetime"),
    "request": ("request", "request_line"),
    "method": ("request_method", "method", "verb", "http_method"),
    "target": ("request_uri", "uri", "url", "path", "http_path", "request_path", "request_url"),
    "query": ("args", "query_string", "request_query", "query"),
    "host": ("host", "http_host", "server_name", "vhost", "virtual_host", "domain"),
    "status": ("status", "status_code", "response_code", "response", "http_status", "code"),
    "bytes": ("body_bytes_sent", "bytes_sent", "bytes", "size", "body_bytes", "response_size"),
    "seconds": ("request_time", "upstream_response_time"),
    "type": ("sent_http_content_type", "upstream_http_content_type"),
}  # fmt: skip


def exchange_of(
    variables: Mapping[str, object], zone: ZoneInfo, *, escaped: bool = True, documented: bool = True
) -> Exchange:
    """The exchange that some variables tell of; text of JSON is not *escaped* any more.

    *documented* says that they are nginx's own, of which the unit is known.

    Raises `BadRecordError` for what is missing or no value.
    """
    found = {field: first(variables, names, ()) for field, names in ALIASES.items()}
    time = found["time"]
    if time is None:
        raise BadRecordError(Reason.MISSING_FIELD, "the time is missing")
    if found["status"] is None:
        raise BadRecordError(Reason.MISSING_FIELD, "the status is missing")
    method, target = request_of(found, escaped=escaped)
    stamped, assumed = (epoch(time), False) if isinstance(time, int | float) else clf_time(str(time), zone)
    seconds = found["seconds"] if documented else None
    told = durations(variables) if seconds is None else Durations(seconds_of(seconds), ())
    body = text_of(variables.get("request_body"))
    return Exchange(
        ts_us=start_of(stamped, told.known_us),
        method=method,
        target=target,
        body=None if body is None else body_of({"request_body": unescaped(body) if escaped else body}),
        host=text_of(found["host"]),
        status=status_of(_last(variables[name]) for name in ALIASES["status"] if name in variables),
        bytes=number_of(found["bytes"], "bytes"),
        duration_us=told.known_us,
        took=told.took,
        cache=cache_in(variables),
        headers=cost_headers(variables.items()),
        media_type=text_of(found["type"]),
        environment=environment_of(variables),
        assumed_timezone=assumed,
        ended=told.known_us is None and bool(told.took),
        tries=tries_of(variables),
    )


def roles_of(names: Collection[str]) -> dict[str, str]:
    """Which variable says what, of those that a log has."""
    return {role: found[0] for role, known in ALIASES.items() if (found := [name for name in known if name in names])}


SHAPES = {
    "status": re.compile(r"-?\d{1,3}|-?"),
    "bytes": re.compile(r"\d{1,18}|-?"),
    "seconds": re.compile(r"(?:(?:\d{1,12}(?:\.\d{1,9})?|-)(?:, | : |$))*"),
    "host": re.compile(r'[^\s"]*'),
    "cache": re.compile(r"(?:[A-Za-z_/]*|-)(?:(?:, | : )(?:[A-Za-z_/]+|-))*"),
}
"""What a value looks like; another one shows that the line is not of the format that it was read by."""


def shape_of(name: str, role: str) -> "re.Pattern[str] | None":
    """The shape of a variable; headers hold what their senders like, and counts of hits are no words."""
    return None if role == "cache" and ("http_" in name or "hits" in name) else SHAPES.get(role)


def cache_in(variables: Mapping[str, object]) -> str | None:
    """What variables say of caches: of several upstreams the last gave the answer, of several caches all count."""
    return cache_of(
        (name, _last(value) if name.startswith("upstream_") and "_http_" not in name else value)
        for name, value in variables.items()
    )


def seconds_of(value: object) -> int | None:
    """A duration; those of several upstreams add up. None where none is known."""
    known = [took for each in BETWEEN.split(str(value)) if (took := micros(each, 10**6)) is not None]
    return sum(known) if known else None


def _last(value: object) -> object:
    return BETWEEN.split(value)[-1] if isinstance(value, str) and " " in value else value


def tries_of(variables: Mapping[str, object]) -> tuple[Try, ...]:
    """The calls to upstreams before the one that gave the answer."""
    addresses, statuses, times = (
        BETWEEN.split(str(variables.get(f"upstream_{name}") or "")) for name in ("addr", "status", "response_time")
    )
    calls = max(len(addresses), len(statuses), len(times))
    if calls == 1:
        return ()
    # A list that is shorter does not tell whose value is missing.
    statuses, times = (each if len(each) == calls else ["-"] * calls for each in (statuses, times))
    return tuple(
        Try(number_of(status, "upstream_status"), micros(took, 10**6))
        for status, took in zip(statuses[:-1], times[:-1], strict=True)
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
    match = _REQUEST.fullmatch(line)
    if match is None:
        return "", line
    target = match[2] or match[3] or ""
    return match[1], unescaped(target) if escaped else target


_REQUEST = re.compile(r"([A-Z]+) (?:(.*) HTTP/[^ ]*|(.*))", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))")
_SINGLE = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"v": b"\v", b"f": b"\f"}


def unescaped(text: str) -> str:
    r"""*text* without the escapes of nginx and Apache: `\xD0\xB0` is UTF-8."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_meant, text.encode(errors="surrogatepass")).decode(errors="backslashreplace")


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 16)])
    if escape[2]:
        return chr(int(escape[2], 16)).encode(errors="replace")
    return _SINGLE.get(escape[3], escape[3])


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


_ALONE = re.compile(r"(-?\d{1,18})(?:\.0+)?", re.ASCII)
_WITHIN = re.compile(
    r"(?:(?<=HTTP)|(?<![A-Za-z\d.-]))(?<!\d,)([1-5]\d\d)(?![,.]?\d)(?![A-Za-z]| ?(?:ms|s|us|ns|µs|k?b|bytes)\b)",
    re.ASCII,
)
_PHRASES = {bare(each.phrase): each.value for each in HTTPStatus if each >= 400}
_FAILED = {word for word, outcome in WORDS.items() if outcome is Outcome.ERROR}


def status_of(told: Iterable[object], *, failed: bool = False) -> int | None:
    """The first status that can be read: `200`, `HTTP/1.1 200 OK`, `OK (200)`; words alone tell of failures only.

    None where none is told, and for a call that *failed* or has a word for that in its place. Raises
    `UnknownStatusError` where any other word is all there is: `OK` may be 200, or say that something else went well.
    """
    words = []
    for value in told:
        if (status := _status(value)) is not None:
            return status
        if value not in (None, "", "-"):
            words.append(str(value).strip().lower())
    if any(words) and not failed and _FAILED.isdisjoint(words):
        raise UnknownStatusError(Reason.BAD_VALUE, "status is not a number")
    return None


def _status(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    if alone := _ALONE.fullmatch(text):
        return int(alone[1])
    within = _WITHIN.findall(text[:200])
    return int(within[0]) if len(within) == 1 else _PHRASES.get(bare(text))
