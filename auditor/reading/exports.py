"""What providers export of their renders, a row each: template, time, and perhaps status, size, credits and inputs.

Such tables hold no requests, so no key can be reckoned but from a column of inputs; without one each row counts as a
request of its own. The provider is that of a column, or the one that the file's name holds.
"""

import hashlib
import re
from collections.abc import Mapping, Set
from dataclasses import replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from auditor.exchanges.cache_field import cache_of
from auditor.exchanges.cost import used_up
from auditor.exchanges.exchange import Exported
from auditor.exchanges.masks import is_masked
from auditor.exchanges.outcome import Served, fate, served
from auditor.model import plans
from auditor.model.event_reader import parse_event
from auditor.model.events import BadRecordError, Outcome, Reason, Unknown
from auditor.model.fingerprint import FOREIGN_PREFIX, is_exact
from auditor.reading.durations import durations
from auditor.reading.named import environment_of
from auditor.reading.names import first, json_in
from auditor.reading.number_columns import CREDITS
from auditor.reading.times import moment

_TEMPLATE = ("template_id", "template_uid", "template_uuid", "template", "design_id", "design", "template_name")
_TIME = ("created_at", "created", "rendered_at", "generated_at", "timestamp", "ts", "time", "datetime", "date",
         "created_on", "creation_date", "completed_at")  # fmt: skip
_REQUEST = frozenset({"method", "request_method", "request", "request_uri", "verb", "http_method"})
_ID = ("id", "uid", "uuid", "render_id", "image_id", "request_id", "job_id")
_ACCOUNT = ("account", "workspace", "workspace_name", "workspace_id", "project", "project_name", "project_id", "team")
_INPUTS = ("inputs", "overrides", "modifications", "layers", "payload", "parameters", "params", "data")
_BYTES = ("bytes", "file_size", "filesize", "size_bytes", "size")
_FORMAT = ("format", "output_format", "file_format", "file_type", "file_extension", "type")
_STATUS = ("status", "state", "result", "status_code", "outcome")
WORDS = {
    **dict.fromkeys(("completed", "complete", "success", "succeeded", "successful", "finished", "done", "ok",
                     "rendered", "render", "ready"), Outcome.RENDER),
    **dict.fromkeys(("failed", "failure", "error", "errored", "cancelled", "canceled"), Outcome.ERROR),
    **dict.fromkeys(("pending", "queued", "processing", "rendering", "in_progress", "waiting"), Outcome.ATTEMPT),
    **dict.fromkeys(("cached", "hit", "cache hit"), Outcome.HIT),
}  # fmt: skip
_NONE = "-"
"""The id or key of a row that tells of none, until it gets one of its own."""
_SIDES = re.compile(r"(\d{1,6}) ?[x×] ?(\d{1,6})(?: ?px)?", re.ASCII)


def fits(names: Set[str]) -> bool:
    """Whether a table with such columns is an export of renders."""
    return names.isdisjoint(_REQUEST) and not any(map(names.isdisjoint, (_TEMPLATE, _TIME)))


def event_of(row: Mapping[str, Any], provider: str, zone: ZoneInfo) -> Exported:
    """The event of one row. Raises `BadRecordError`."""
    template = first(row, _TEMPLATE)
    time = first(row, _TIME)
    if template is None or time is None:
        raise BadRecordError(Reason.MISSING_FIELD, "template or time is missing")
    ts_us, assumed = moment(time, zone)
    record = {
        "v": 1,
        "ts": plans.moment(ts_us).isoformat(),
        "provider": str(first(row, ("provider", "service")) or provider).lower(),
        "account": str(first(row, _ACCOUNT) or "default"),
        "environment": environment_of(row) or "production",
        "template": str(template),
        **_sizes(row),
    }
    record |= _fate(row, record["provider"])
    credits = number(first(row, CREDITS), "credits")
    if credits is not None:
        record["credits"] = credits
    identity, said, told = first(row, _ID), first(row, ("key", "fingerprint")), first(row, _INPUTS)
    inputs = told
    if isinstance(told, str):
        held = json_in(told)
        inputs = [told] if held is None else held if is_exact(held) else None  # its numbers are read as others
    if masked := is_masked([record["provider"], record["account"], record["template"], said, told]):
        said = inputs = None
    record["id"] = str(identity) if identity is not None else _NONE
    record["key"] = str(said) if said is not None else _key(record, inputs) if inputs is not None else _NONE
    event = parse_event(record, zone)
    keyed = said is not None or inputs is not None
    blind = not keyed and event.outcome is Outcome.RENDER
    told = durations(row, renders=True)
    event = replace(
        event, assumed_timezone=assumed, duration_us=told.known_us, unknown=Unknown.NO_INPUTS if blind else None
    )
    took = told.took if told.known_us is None else ()
    return Exported(event, took, None if identity is None else event.id, keyed, masked)


def number(value: Any, name: str) -> Decimal | None:
    """A number that may be text."""
    if value is None:
        return None
    text = str(value).strip()
    if not re.fullmatch(r"\d{1,18}(?:\.\d{1,18})?", text, re.ASCII):
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number")
    return Decimal(text)


def _fate(row: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """Outcome, status and error of a row."""
    said = str(first(row, _STATUS) or "completed").strip().lower()
    cached = served(cache_of(row)) is Served.HIT
    if said.isascii() and said.isdigit() and len(said) <= 3:
        became = fate(int(said), served("hit") if cached else None, Outcome.RENDER, used_up=used_up(provider))
        return {"outcome": became.outcome.value, "status": became.status, "error": became.error}
    outcome = WORDS.get(said)
    if outcome is None:
        raise BadRecordError(Reason.BAD_VALUE, "status is none of completed, failed, pending, cached or a number")
    if outcome is Outcome.ERROR:
        # The provider says that it failed, so there was an answer and nothing was billed.
        return {"outcome": outcome.value, "error": "other", "credits": Decimal(0)}
    return {"outcome": (Outcome.HIT if cached and outcome is Outcome.RENDER else outcome).value}


def _sizes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Sides, bytes and format."""
    found: dict[str, Any] = {name: number(first(row, (name,)), name) for name in ("width", "height")}
    size = first(row, _BYTES)
    sides = _SIDES.fullmatch(str(first(row, ("dimensions", "resolution", "size")) or ""))
    if sides is not None:
        found = {"width": Decimal(sides[1]), "height": Decimal(sides[2])}
        size = first(row, _BYTES[:-1])
    found["bytes"] = number(size, "bytes")
    kind = str(first(row, _FORMAT) or "").lower().rpartition("/")[2].lstrip(".").partition("+")[0]
    found["format"] = kind if kind in ("png", "jpg", "jpeg", "webp", "avif", "gif", "svg", "pdf") else None
    return found


def _key(record: Mapping[str, Any], inputs: Any) -> str:
    """From the inputs, whatever the order of their fields."""
    parts = [
        *(record[name] for name in ("provider", "account", "environment", "template")),
        {"inputs": inputs, "format": record.get("format")},
        *map(str, (record.get("width"), record.get("height"))),
    ]
    return FOREIGN_PREFIX + hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
