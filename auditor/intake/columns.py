"""Events -> columns: the Arrow schema that every engine reads, and the Parquet file beside a big input.

Shapes: one row a record, in the order of the input; `row` is file number × 2^40 + line number, so it is unique
and tells where a record came from. Times and durations are microseconds, credits DECIMAL(38, 18).
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

import pyarrow as pa

from auditor.model.events import CREDIT_DECIMALS, UsageEvent

BATCH = 50_000
CREDITS = pa.decimal128(38, CREDIT_DECIMALS)
_WORD = pa.dictionary(pa.int32(), pa.string())
_TYPES: dict[str, pa.DataType] = {
    "ts_us": pa.int64(),
    "outcome": _WORD,
    "provider": _WORD,
    "account": _WORD,
    "environment": _WORD,
    "template": _WORD,
    "template_version": _WORD,
    "count": pa.int64(),
    "source": _WORD,
    "placement": _WORD,
    "format": _WORD,
    "width": pa.int64(),
    "height": pa.int64(),
    "bytes": pa.int64(),
    "duration_us": pa.int64(),
    "status": pa.int64(),
    "credits": CREDITS,
    "inputs": pa.map_(pa.string(), pa.string()),
    "error": _WORD,
    "retried": pa.bool_(),
    "assumed_timezone": pa.bool_(),
    "unknown": _WORD,
    "assumed": _WORD,
}
SCHEMA = pa.schema(
    [pa.field("line", pa.int64()), *(pa.field(f.name, _TYPES.get(f.name, pa.string())) for f in fields(UsageEvent))]
)
_NAMES = [f.name for f in fields(UsageEvent)]


def batches(rows: Iterable[tuple[int, UsageEvent]]) -> Iterator[pa.RecordBatch]:
    """Record batches of *rows*, pairs of (line number, event)."""
    held: list[tuple[int, UsageEvent]] = []
    for row in rows:
        held.append(row)
        if len(held) == BATCH:
            yield _batch(held)
            held = []
    if held:
        yield _batch(held)


def _batch(rows: list[tuple[int, UsageEvent]]) -> pa.RecordBatch:
    columns: list[pa.Array] = [pa.array([line for line, _ in rows], pa.int64())]
    for name in _NAMES:
        values: list[Any] = [getattr(event, name) for _, event in rows]
        if name == "inputs":
            values = [None if value is None else sorted(value.items()) for value in values]
        columns.append(pa.array(values, SCHEMA.field(name).type))
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
