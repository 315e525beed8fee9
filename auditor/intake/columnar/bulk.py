"""The bulk reader: plain JSON Lines -> columns in one compiled pass; whatever is unusual goes to the exact reader.

A line is *plain* if it is strict JSON of known fields, each once and of the right type, ASCII without escapes, with
an offset in its time and nothing that could be a secret. Only plain lines are taken here, to the very values that
`auditor.model.event_reader.parse_event` gives (a test holds them against each other); every other line is handed back.
So this module may say "not plain" as often as it likes, but may never take a line that the exact reader would reject.

Why not a JSON library: DuckDB coerces types silently, loses line numbers, and accepts NaN and trailing commas; the
others cost more CPU than the whole audit (benchmarks/README.md).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from auditor.intake.columnar.scalars import (
    SAFE,
    after,
    blank_end,
    inputs_at,
    is_at,
    is_hex,
    jit,
    key_at,
    number_at,
    row_of,
    string_at,
    time_at,
)
from auditor.model.events import AMBIGUOUS_STATUS, FIELDS, MAX_DELIVERED, REQUIRED, SCHEMA_VERSION, Outcome
from auditor.reading.lines import MAX_LINE

# Compiled code is kept as long as this file is the same: where the declaration or `scalars` changes, change this one.
_KINDS = {name: field.kind for name, field in FIELDS.items()}
TEXTS = tuple(name for name, kind in _KINDS.items() if kind in ("id", "name", "text", "digest"))
WORDS = {name: tuple(FIELDS[name].choices) for name, kind in _KINDS.items() if kind == "word"}
NUMBERS = ("v", *(name for name, kind in _KINDS.items() if kind in ("whole", "milliseconds", "credits")))
NAMES = (*TEXTS, *WORDS, *NUMBERS, "ts", "retried", "inputs")
NANO = 10**9
"""Credits are read in billionths."""

_TEXT_END, _WORD_END, _NUMBER_END = len(TEXTS), len(TEXTS) + len(WORDS), len(TEXTS) + len(WORDS) + len(NUMBERS)
_F = {name: index for index, name in enumerate(NAMES)}
_ENVIRONMENT, _DIGEST, _ID = _F["environment"], _F["digest"], _F["id"]
_OUTCOME, _COUNT, _BYTES, _STATUS = _F["outcome"], _F["count"], _F["bytes"], _F["status"]
_DURATION, _CREDITS, _TS = _F["duration_ms"], _F["credits"], _F["ts"]
_RETRIED, _INPUTS = _F["retried"], _F["inputs"]
_HIT, _RENDER, _IS_ERROR, _ATTEMPT = (
    WORDS["outcome"].index(name) for name in (Outcome.HIT, Outcome.RENDER, Outcome.ERROR, Outcome.ATTEMPT)
)
_LONGEST_ID = FIELDS["id"].most
_REQUIRED = sum(1 << _F[name] for name in REQUIRED)
_BOUNDS = np.array([
    (SCHEMA_VERSION, SCHEMA_VERSION) if name == "v" else (FIELDS[name].least, FIELDS[name].most) for name in NUMBERS
])  # fmt: skip
"""Of the numbers; those of credits and durations are beyond the digits that they are read with."""
_NULL, _TRUE, _FALSE, _SHA256 = (np.frombuffer(word, np.uint8) for word in (b"null", b"true", b"false", b"sha256:"))


def _table(names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Names as rows of bytes, the length first."""
    rows = np.array([bytes([len(name)]) + name.encode() for name in names])
    return rows.view(np.uint8).reshape(len(names), -1)


_FIELD_TABLE = _table(NAMES)
_WORD_TABLE = _table([word for words in WORDS.values() for word in words])
_WORD_ENDS = np.cumsum([0, *map(len, WORDS.values())])
"""Of the words of each field in the table."""
_AMBIGUOUS = np.array(sorted(AMBIGUOUS_STATUS), np.int64)


@jit
def _line(buf: Any, at: int, values: Any, spans: Any, entries: Any, used: int) -> tuple[int, int]:
    """(end of the line, entries used) if it is plain, else (-1, …).

    *values* gets words, numbers, time and flag by field, -1 for absent; *spans* the texts.
    """
    values[:] = -1
    seen, first = 0, used
    at = after(buf, blank_end(buf, at), 123)
    while True:
        start, end, at = key_at(buf, at)
        field = row_of(_FIELD_TABLE, 0, len(_FIELD_TABLE), buf, start, end)
        if at < 0 or field < 0 or seen >> field & 1:
            return -1, first
        seen |= 1 << field
        if buf[at] == 110:  # null: absent, and unknown for credits
            if not is_at(buf, at, _NULL) or _REQUIRED >> field & 1:
                return -1, first
            at += 4
        else:
            if field < _WORD_END or field == _TS:
                start, end = string_at(buf, at, SAFE)
                at = end + 1
                if field < _TEXT_END:
                    spans[field, 0], spans[field, 1] = start, end
                    values[field] = 1 if start < end else -1
                elif field == _TS:
                    values[field] = time_at(buf, start, end)
                else:
                    kind = field - _TEXT_END
                    values[field] = row_of(_WORD_TABLE, _WORD_ENDS[kind], _WORD_ENDS[kind + 1], buf, start, end)
            elif field < _NUMBER_END:
                places = 3 if field == _DURATION else 9 if field == _CREDITS else 0
                values[field], at = number_at(buf, at, places, 9 if places else 18)
            elif field == _INPUTS:
                at, used = inputs_at(buf, at, entries, used)
                values[field] = used - first if at >= 0 else -1
            elif is_at(buf, at, _TRUE):
                values[field], at = 1, at + 4
            elif is_at(buf, at, _FALSE):
                values[field], at = 0, at + 5
            if values[field] < 0:
                return -1, first
        at = blank_end(buf, at)
        if buf[at] == 125:
            break
        at = after(buf, at, 44)
    at = after(buf, at, 125)
    if buf[at] != 10 or seen & _REQUIRED != _REQUIRED or not _consistent(buf, values, spans):
        return -1, first
    outcome, status = values[_OUTCOME], values[_STATUS]
    if outcome == _ATTEMPT:
        values[_CREDITS] = -1
    elif not seen >> _CREDITS & 1:
        unknown = outcome == _IS_ERROR and (status < 0 or (status == _AMBIGUOUS).any())
        values[_CREDITS] = NANO if outcome == _RENDER else -1 if unknown else 0
    return at, used


@jit
def _consistent(buf: Any, values: Any, spans: Any) -> bool:
    """What has to hold between and within the fields of a plain line."""
    for number in range(_NUMBER_END - _WORD_END):
        value = values[_WORD_END + number]
        if value >= 0 and not _BOUNDS[number, 0] <= value <= _BOUNDS[number, 1]:
            return False
    if values[_COUNT] > 1 and (values[_OUTCOME] != _HIT or values[_BYTES] > MAX_DELIVERED // values[_COUNT]):
        return False
    if values[_RETRIED] == 1 and values[_OUTCOME] != _IS_ERROR:
        return False
    if spans[_ID, 1] - spans[_ID, 0] > _LONGEST_ID:
        return False
    for at in range(spans[_ENVIRONMENT, 0], spans[_ENVIRONMENT, 1]):
        if 65 <= buf[at] <= 90:
            return False
    start, end = spans[_DIGEST]
    return values[_DIGEST] < 0 or (end - start == 71 and is_at(buf, start, _SHA256) and is_hex(buf, start + 7, end))


@jit
def scan(buf: Any, numbers: Any, values: Any, spans: Any, entries: Any, other: Any) -> tuple[int, int, int, int]:
    """Read a block of whole lines that ends in a line end.

    Returns (plain lines, other lines, lines in all with blank ones, input entries). For each plain line: its number
    from 0 in *numbers*, its row of *values* and *spans*; for each other line (number, start, end) in *other*.
    """
    at = plain = others = number = used = 0
    while at < len(buf):
        start = at
        at, held = _line(buf, start, values[plain], spans[plain], entries, used)
        if at >= 0 and at - start <= MAX_LINE:
            numbers[plain] = number
            plain += 1
            used = held
        else:
            at = blank_end(buf, start)
            blank = buf[at] == 10
            while buf[at] != 10:
                at += 1
            if not blank:
                other[others, 0], other[others, 1], other[others, 2] = number, start, at
                others += 1
        at += 1
        number += 1
    return plain, others, number, used
