"""Events -> columns: the Arrow schema that every engine reads, and the Parquet file beside a big input.

Shapes: one row a record, in the order of the input; `row` is file number × 2^40 + line number, so it is unique
and tells where a record came from. Times and durations are microseconds, credits DECIMAL(38, 18).
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import islice
from typing import Any

import pyarrow as pa

from auditor.model.events import CREDIT_DECIMALS, FIELDS, UsageEvent

BATCH = 50_000
CREDITS = pa.decimal128(38, CREDIT_DECIMALS)
_WORD = pa.dictionary(pa.int32(), pa.string())
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("time", "whole", "milliseconds"), pa.int64()), **dict.fromkeys(("id", "digest"), pa.string()),
    "flag": pa.bool_(), "credits": CREDITS, "digests": pa.map_(pa.string(), pa.string()),
}  # fmt: skip
"""By the kind of a field; texts and words repeat."""
_KINDS = {field.attribute: field.kind for field in FIELDS.values()} | {
    "assumed_timezone": "flag", "lifetime_s": "whole", "shown_width": "whole",
}  # fmt: skip
_NAMES = [field.name for field in fields(UsageEvent)]
SCHEMA = pa.schema({"line": pa.int64(), **{name: _TYPES.get(_KINDS.get(name, "text"), _WORD) for name in _NAMES}})


def batches(rows: Iterable[tuple[int, UsageEvent]]) -> Iterator[pa.RecordBatch]:
    """Record batches of *rows*, pairs of (line number, event)."""
    left = iter(rows)
    while held := list(islice(left, BATCH)):
        lines, events = zip(*held, strict=True)
        columns = [pa.array(lines, pa.int64()), *(column_of(name, events) for name in _NAMES)]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def column_of(name: str, events: Iterable[Any]) -> pa.Array:
    """A field of some events, or of what has fields by the same names; null where there is none."""
    values = [event and getattr(event, name) for event in events]
    if name == "inputs":
        values = [None if value is None else sorted(value.items()) for value in values]
    return pa.array(values, SCHEMA.field(name).type)
