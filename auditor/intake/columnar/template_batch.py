"""What was read of access-log lines, as an Arrow batch of `auditor.intake.columns.SCHEMA`."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.exchanges.mapped import Mapped
from auditor.exchanges.picture import is_picture, tells_size
from auditor.intake.columnar.coded import Coded, PlainLines
from auditor.intake.columnar.template_bulk import ID_SIZE, identities
from auditor.intake.columns import CREDITS, SCHEMA
from auditor.model.events import MAX_BYTES, Outcome
from auditor.model.provider import format_of


@dataclass(frozen=True, slots=True)
class Read:
    """The values of a block."""

    time: Coded
    status: Coded
    size: Coded
    seconds: Coded
    cache: Coded
    media: Coded
    request: Coded
    behind: Coded
    good: Any
    """By line: whether it could be read whole."""


def batch(lines: PlainLines, first: str, read: Read, fates: Coded, assumed: Coded, rows: Any) -> pa.RecordBatch:
    """The events of some *rows* of a block, with what became of each and what was assumed for it."""
    every, request = np.arange(len(rows)), read.request
    starts = np.array([0 if value is None else value[0] for value in read.time.values], np.int64)
    zoneless = np.array([value is not None and value[1] for value in read.time.values], np.bool_)
    taken = np.array([-1 if (value or (None,))[0] is None else value[0] for value in read.seconds.values], np.int64)
    duration, size = taken[read.seconds.codes[rows]], read.size.ints(rows)
    whole = np.array([tells_size(became.outcome, became.status) for became in fates.values])[fates.codes]
    whole &= np.array([is_picture(word or "") is not False for word in read.media.values])[read.media.codes[rows]]
    shown = np.array([became.outcome in (Outcome.RENDER, Outcome.ERROR) for became in fates.values])[fates.codes]
    status = fates.spread(every, pa.int64(), lambda became: became.status)
    made = {
        "line": pa.array(lines.numbers[rows]),
        "id": _ids(lines, first, rows),
        "ts_us": pa.array(starts[read.time.codes[rows]] - np.maximum(duration, 0)),
        "outcome": fates.words(every, lambda became: str(became.outcome)),
        "key": request.spread(rows, pa.string(), partial(_field, "key")),
        "count": pa.array(np.ones(len(rows), np.int64)),
        "source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), pa.array(["online"])),
        "format": _formats(read, rows),
        "bytes": pa.array(size, mask=~whole | (size < 0) | (size > MAX_BYTES)),
        "digest": pa.nulls(len(rows), pa.string()),
        "duration_us": pa.array(duration, mask=duration < 0),
        "status": status,
        "credits": fates.spread(every, CREDITS, lambda became: became.credits),
        "inputs": request.spread(
            rows, SCHEMA.field("inputs").type, lambda found: found and found.inputs and sorted(found.inputs.items()),
            ~shown,
        ),
        "error": fates.words(every, lambda became: became.error),
        # Requests without a key of their own are left to the exact reader.
        "unknown": pa.nulls(len(rows), SCHEMA.field("unknown").type),
        "retried": pa.array(np.zeros(len(rows), np.bool_)),
        "assumed_timezone": pa.array(zoneless[read.time.codes[rows]]),
        "assumed": assumed.words(every, lambda text: text),
    }  # fmt: skip
    for name in ("width", "height"):
        made[name] = request.spread(rows, pa.int64(), partial(_field, name))
    for name in ("provider", "account", "environment", "template", "template_version", "placement"):
        made[name] = request.words(rows, partial(_field, name))
    return pa.RecordBatch.from_arrays([made[name] for name in SCHEMA.names], schema=SCHEMA)


def _field(name: str, found: Mapped | None) -> Any:
    return None if found is None else getattr(found, name)


def _formats(read: Read, rows: Any) -> pa.DictionaryArray:
    """What the address says, else the answer's media type."""
    told = read.request.words(rows, partial(_field, "format"))
    if not any(read.media.values):
        return told
    media = read.media.words(rows, lambda word: format_of(word or ""))
    return pc.coalesce(told.dictionary_decode(), media.dictionary_decode()).dictionary_encode()


def _ids(lines: PlainLines, first: str, rows: Any) -> pa.Array:
    out = np.empty(len(rows) * ID_SIZE, np.uint8)
    identities(lines.buf, np.frombuffer(first.encode(), np.uint8), lines.numbers[rows], lines.bounds[rows], out)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * ID_SIZE
    return pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(out)])
