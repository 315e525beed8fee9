"""Rows of tables (CSV, Parquet) -> exchanges or events, by the names of their columns.

The names tell what kind of table it is, the most specific first: usage events, Cloudflare, CloudFront, W3C extended,
what a provider exports of its renders, and any access log whose columns are named after what they hold.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.exchange import Exchange, Exported
from auditor.model import plans
from auditor.model.event_reader import parse_event
from auditor.model.events import BadRecordError, Reason, UsageEvent
from auditor.reading import exports
from auditor.reading.durations import durations
from auditor.reading.format import Row
from auditor.reading.named import completed
from auditor.reading.names import column_name, first
from auditor.reading.times import moment, start_of
from auditor.reading.variables import ALIASES, number_of, request_of, text_of
from auditor.registry import FORMATS, PROVIDERS

Read = Callable[[Row], Exchange | UsageEvent | Exported]
Reader = tuple[Read | None, bool]
"""What reads a row of a table, None if nothing does, and whether its rows are usage events."""

_EVENT = frozenset({"id", "outcome", "provider", "template", "key"})
_NUMBERS = ("v", "count", "width", "height", "bytes", "status", "duration_ms", "credits")

_FAILURES = ("error", "error_message", "error_text", "failure", "reason", "exception")
_MORE = {
    "time": ("started_at", "start_time", "created_at", "request_time_utc", "logged_at", "event_time"),
    "target": ("full_url", "request_url", "uri_path"),
    "host": ("hostname", "domain", "host_header", "request_host"),
    "bytes": ("response_bytes", "content_length", "bytes_out", "sent_bytes", "file_size"),
    "status": ("statuscode", "http_status_code", "response_status"),
    "type": ("content_type", "mime_type", "response_content_type"),
    "query": ("query", "querystring"),
}
_NAMES = {what: (*names, *_MORE.get(what, ())) for what, names in ALIASES.items()}


def reader_of(names: Collection[str], hint: str, zone: ZoneInfo) -> Reader:
    """The reader of a table with such columns.

    *hint* is the file's name, which may name the provider that exported it.
    """
    # BigQuery and its exports spell what Google Cloud holds in `httpRequest` so.
    columns = {column_name(name).removeprefix("http_request_"): name for name in reversed(list(names))}
    known = columns.keys()

    def named(row: Row) -> dict[str, Any]:
        return {name: row.get(original) for name, original in columns.items()}

    if known >= _EVENT and ("ts" in known or "ts_us" in known):
        return lambda row: _event(named(row), zone), True
    for kind in FORMATS.values():
        if (read := kind.row_reader(columns, zone)) is not None:
            return lambda row: completed(read(row), named(row)), False
    if exports.fits(known):
        provider = next((name for name in PROVIDERS if name in hint.lower()), "unknown")
        return lambda row: exports.event_of(named(row), provider, zone), False
    if not lacking(known):
        return lambda row: completed(_exchange(named(row), zone), named(row)), False
    return None, False


def lacking(names: Collection[str]) -> list[str]:
    """What no name of a request's fields tells, of those that it needs; names as `column_name` spells them."""
    needed = {"time": ("time",), "URL": ("target", "request"), "status": ("status",)}
    return [what for what, roles in needed.items() if not any(set(_NAMES[role]).intersection(names) for role in roles)]


def filled(row: Row, originals: Mapping[str, str]) -> dict[str, Any]:
    """The values of a row that are there, by the names that *originals* gives for columns."""
    return {name: value for name, original in originals.items() if (value := row.get(original)) not in (None, "")}


def texts(row: Row, originals: Mapping[str, str]) -> dict[str, str]:
    """Those values as a log writes them."""
    return {name: str(_whole(value)) for name, value in filled(row, originals).items()}


def _event(row: dict[str, Any], zone: ZoneInfo) -> UsageEvent:
    """A usage event whose values may be text; an empty or absent one is left out."""
    record = {name: value for name, value in row.items() if value not in (None, "")}
    for name in _NUMBERS:
        if name in record:
            record[name] = None if record[name] == "null" else _number(record[name], name)
    record.setdefault("v", 1)
    assumed, stamp = False, record.get("ts", record.get("ts_us"))
    if stamp is not None:
        ts_us, assumed = moment(stamp, zone)
        record["ts"] = plans.moment(ts_us).isoformat()
    if "duration_us" in record:
        record.setdefault("duration_ms", _number(record["duration_us"], "duration_us") / 1000)
    if isinstance(record.get("retried"), str):
        record["retried"] = {"true": True, "false": False}.get(record["retried"].lower(), record["retried"])
    if isinstance(record.get("inputs"), str):
        try:
            record["inputs"] = orjson.loads(record["inputs"])
        except orjson.JSONDecodeError:
            raise BadRecordError(Reason.BAD_VALUE, "inputs is not a JSON object") from None
    if isinstance(record.get("inputs"), list):
        # What Arrow makes of a map.
        record["inputs"] = {
            str(pair[0]): pair[1] for pair in record["inputs"] if isinstance(pair, list) and len(pair) == 2
        }
    elif isinstance(record.get("inputs"), dict):
        record["inputs"] = dict(_flat(record["inputs"], ""))
    record["id"] = str(record["id"]) if "id" in record else None
    return replace(parse_event(record, zone), assumed_timezone=assumed)


def _flat(struct: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The fields of a struct by their paths. All rows have the fields of every row: absent ones are null."""
    for name, value in struct.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        elif value is not None:
            yield f"{path}{name}", value


def _whole(value: object) -> object:
    """A whole number as one: a column of numbers that has gaps holds `200.0`."""
    return str(value)[:-2] if isinstance(value, float | str) and str(value).endswith(".0") else value


def _exchange(row: dict[str, Any], zone: ZoneInfo) -> Exchange:
    """A request of an access log."""
    found = {what: first(row, names, ("",)) for what, names in _NAMES.items()}
    time = found["time"]
    if isinstance(row.get("date"), str) and isinstance(row.get("time"), str):
        time = f"{row['date']} {row['time']}"
    if time is None:
        raise BadRecordError(Reason.MISSING_FIELD, "the time is missing")
    stamp, assumed = moment(time, zone)
    method, target = request_of(found)
    told = durations(row)
    return Exchange(
        ts_us=start_of(stamp, told.known_us),
        method=method,
        target=target,
        host=text_of(found["host"]),
        status=number_of(_whole(found["status"]), "status") or None,
        bytes=number_of(_whole(found["bytes"]), "bytes"),
        duration_us=told.known_us,
        took=told.took,
        cache=cache_of(row),
        media_type=text_of(found["type"]),
        failure=text_of(first(row, _FAILURES, ("",))),
        assumed_timezone=assumed,
        ended=told.known_us is None,
    )


def _number(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number") from None
    # Beyond twenty digits before the point nothing is a credit, a byte or a second, and arithmetic may overflow.
    if isinstance(value, bool) or not number.is_finite() or number.adjusted() > 20:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number")
    return number
