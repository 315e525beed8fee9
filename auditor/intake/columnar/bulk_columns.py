"""What the bulk reader found in a block, as an Arrow batch of `auditor.intake.columns.SCHEMA`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.intake.columnar.bulk import NAMES, NANO, NUMBERS, TEXTS, WORDS, scan
from auditor.intake.columnar.scalars import text_column
from auditor.intake.columns import CREDITS, SCHEMA
from auditor.model.events import FIELDS
from auditor.reading.lines import Line

_INDEX = {name: index for index, name in enumerate(NAMES)}


def read_block(block: bytes, before: int) -> tuple[pa.RecordBatch, list[Line], int]:
    """(plain lines as columns, the other lines, how many lines in all) of a block of whole lines.

    *before* lines stand before the block.
    """
    if not block.endswith(b"\n"):
        block += b"\n"
    buf = np.frombuffer(block, np.uint8)
    most = block.count(b"\n")
    numbers, other = np.empty(most, np.int64), np.empty((most, 3), np.int64)
    values, spans = np.empty((most + 1, len(NAMES)), np.int64), np.empty((most + 1, len(TEXTS), 2), np.int64)
    # An entry of inputs takes 24 bytes at least: "":"0123456789abcdef",
    entries = np.empty((len(block) // 20 + 64, 4), np.int64)
    plain, others, lines, used = scan(buf, numbers, values, spans, entries, other)
    columns = _columns(buf, numbers[:plain] + before + 1, values[:plain], spans[:plain], entries[:used])
    rest = [Line(before + 1 + number, block[start:end]) for number, start, end in other[:others].tolist()]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA), rest, lines


def _columns(buf: Any, numbers: Any, values: Any, spans: Any, entries: Any) -> list[pa.Array]:
    made: dict[str, pa.Array] = {"line": pa.array(numbers), "ts_us": pa.array(values[:, _INDEX["ts"]])}
    for name in NUMBERS[1:]:
        column = values[:, _INDEX[name]]
        made[FIELDS[name].attribute] = pa.array(column, mask=column < 0)
    made["count"] = pa.array(np.maximum(values[:, _INDEX["count"]], 1))
    made["retried"] = pa.array(values[:, _INDEX["retried"]] == 1)
    for name in ("unknown", "assumed", "unrendered", "page", "lifetime_s", "shown_width"):
        made[name] = pa.nulls(len(numbers), SCHEMA.field(name).type)
    made["assumed_timezone"] = pa.array(np.zeros(len(numbers), np.bool_))
    made["credits"] = _credits(values[:, _INDEX["credits"]])
    made["inputs"] = _inputs(buf, values[:, _INDEX["inputs"]], entries)
    for index, name in enumerate(TEXTS):
        text = text_column(buf, spans[:, index, 0], spans[:, index, 1], values[:, _INDEX[name]] < 0)
        made[name] = text.dictionary_encode() if pa.types.is_dictionary(SCHEMA.field(name).type) else text
    for name in WORDS:
        made[name] = _words(values[:, _INDEX[name]], FIELDS[name].choices, "online" if name == "source" else None)
    return [made[name] for name in SCHEMA.names]


def _words(codes: Any, choices: Mapping[str, str], default: str | None) -> pa.Array:
    """What the words mean that were written; -1 is none."""
    names = [*dict.fromkeys(map(str, choices.values()))]
    meant = np.array([*map(names.index, choices.values()), -1 if default is None else names.index(default)], np.int32)
    codes = meant[codes]
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(names))


def _credits(nano: Any) -> pa.Array:
    """DECIMAL(38, 18) of billionths; decimals are 128-bit little-endian integers."""
    wide = np.zeros((len(nano), 2), np.int64)
    wide[:, 0] = np.maximum(nano, 0)
    validity = pa.array(nano >= 0).buffers()[1]
    exact = pa.Array.from_buffers(pa.decimal128(28, len(str(NANO)) - 1), len(nano), [validity, pa.py_buffer(wide)])
    return exact.cast(CREDITS)


def _inputs(buf: Any, counts: Any, entries: Any) -> pa.Array:
    offsets = np.append(0, np.cumsum(np.maximum(counts, 0))).astype(np.int32)
    keys = text_column(buf, entries[:, 0], entries[:, 1])
    items = text_column(buf, entries[:, 2], entries[:, 3])
    return pa.MapArray.from_arrays(pa.array(offsets, mask=np.append(counts < 0, False)), keys, items)
