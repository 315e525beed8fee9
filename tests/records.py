"""Events as the records that the client would have written, to be compared with what stands in files."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from auditor.model.events import EPOCH, EXACT, SCHEMA_VERSION, UsageEvent


def record_of(event: UsageEvent) -> dict[str, Any]:
    """The record that the client would have written: fields at their defaults are left out, decimals are text."""
    moment = EPOCH + timedelta(microseconds=event.ts_us)
    record: dict[str, Any] = {"v": SCHEMA_VERSION, "id": event.id, "ts": moment.isoformat().replace("+00:00", "Z")}
    for field in fields(event)[2:]:
        value = getattr(event, field.name)
        if field.name == "credits":
            record["credits"] = None if value is None else format(value.normalize(EXACT), "f")
        elif field.name == "duration_us" and value is not None:
            record["duration_ms"] = value / 1000
        elif value != field.default and field.name not in ("assumed_timezone", "unknown", "assumed", "unrendered"):
            record[field.name] = dict(value) if isinstance(value, Mapping) else value
    return record
