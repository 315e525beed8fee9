"""The bulk reader: plain JSON Lines -> columns in one compiled pass; whatever is unusual goes to the exact reader.

A line is *plain* if it is strict JSON of known fields, each once and of the right type, ASCII without escapes, with
an offset in its time and nothing that could be a secret. Only plain lines are taken here, to the very values that
`auditor.model.events.parse_event` gives (a test holds them against each other); every other line is handed back. So
this module may say "not plain" as often as it likes, but may never take a line that the exact reader would reject.

Why not a JSON library: DuckDB coerces types silently, loses line numbers, and accepts NaN and trailing commas; the
others cost more CPU than the whole audit (benchmarks/README.md).
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from auditor.model.events import (
    AMBIGUOUS_STATUS,
    ERRORS,
    FORMATS,
    MAX_BYTES,
    MAX_COUNT,
    MAX_DELIVERED,
    MAX_SIDE,
    SOURCES,
    Outcome,
)
from auditor.reading.lines import MAX_LINE

TEXTS = ("id", "provider", "account", "environment", "template", "key", "template_version", "placement", "digest")
WORDS = {
    "outcome": tuple(Outcome),
    "source": tuple(sorted(SOURCES)),
    "format": (*sorted(FORMATS), "jpg"),
    "error": tuple(sorted(ERRORS)),
}
NUMBERS = ("v", "count", "width", "height", "bytes", "status", "duration_ms", "credits")
FIELDS = (*TEXTS, *WORDS, *NUMBERS, "ts", "retried", "inputs")
MAX_INPUTS = 32
NANO = 10**9
"""Credits are read in billionths."""

_TEXT_END, _WORD_END, _NUMBER_END = len(TEXTS), len(TEXTS) + len(WORDS), len(TEXTS) + len(WORDS) + len(NUMBERS)
_F = {name: index for index, name in enumerate(FIELDS)}
_ENVIRONMENT, _DIGEST, _ID = _F["environment"], _F["digest"], _F["id"]
_OUTCOME, _ERROR = _F["outcome"], _F["error"]
_V, _COUNT, _WIDTH, _HEIGHT, _BYTES = (_F[name] for name in ("v", "count", "width", "height", "bytes"))
_STATUS, _DURATION, _CREDITS = _F["status"], _F["duration_ms"], _F["credits"]
_TS, _RETRIED, _INPUTS = _F["ts"], _F["retried"], _F["inputs"]
_HIT, _RENDER, _IS_ERROR, _ATTEMPT = (
    WORDS["outcome"].index(name) for name in (Outcome.HIT, Outcome.RENDER, Outcome.ERROR, Outcome.ATTEMPT)
)
_REQUIRED = sum(
    1 << _F[name] for name in ("id", "provider", "account", "environment", "template", "key", "outcome", "v", "ts")
)


def _table(names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Names as rows of bytes, the length first."""
    table = np.zeros((len(names), 1 + max(map(len, names))), np.uint8)
    for row, name in zip(table, names, strict=True):
        row[: len(name) + 1] = [len(name), *name.encode()]
    return table


_FIELD_TABLE = _table(FIELDS)
_WORD_TABLES = tuple(_table(words) for words in WORDS.values())
_AMBIGUOUS = np.array(sorted(AMBIGUOUS_STATUS), np.int64)
_SAFE = np.array([0x20 < c < 0x7F and chr(c) not in '"\\=%@' for c in range(256)])
"""Characters of plain text: no space, since bearer credentials need one, nothing that a URL with a secret needs."""
_SPACE = np.array([chr(c) in " \t\r" for c in range(256)])
_DIGIT = np.array([48 <= c <= 57 for c in range(256)])
_HEX = np.array([chr(c) in "0123456789abcdef" for c in range(256)])

_jit = numba.njit(cache=True, boundscheck=False, nogil=True)


@_jit
def _lookup(table: Any, buf: Any, start: int, end: int) -> int:
    """Row of *table* that equals buf[start:end], -1 if none does."""
    size = end - start
    for row in range(len(table)):
        if table[row, 0] == size:
            i = 0
            while i < size and table[row, i + 1] == buf[start + i]:
                i += 1
            if i == size:
                return row
    return -1


@_jit
def _blank(buf: Any, at: int) -> int:
    """The first position from *at* that is no white space."""
    while _SPACE[buf[at]]:
        at += 1
    return at


@_jit
def _string(buf: Any, at: int) -> int:
    """The position of the closing quote of a plain string that starts at *at*, -1 if it is not plain."""
    while _SAFE[buf[at]]:
        at += 1
    return at if buf[at] == 34 else -1


@_jit
def _number(buf: Any, at: int, places: int, most: int) -> tuple[int, int]:
    """(value × 10^places, position after it) of a number of at most *most* digits before the point; (-1, -1)."""
    value, start = 0, at
    while _DIGIT[buf[at]]:
        value = value * 10 + buf[at] - 48
        at += 1
        if at - start > most:
            return -1, -1
    if at == start or (buf[start] == 48 and at - start > 1):
        return -1, -1
    if buf[at] == 46:
        at += 1
        first = at
        while _DIGIT[buf[at]] and at - first < places:
            value = value * 10 + buf[at] - 48
            at += 1
        if at == first:
            return -1, -1
        places -= at - first
    if _DIGIT[buf[at]] or buf[at] == 46 or buf[at] == 101 or buf[at] == 69:
        return -1, -1
    for _ in range(places):
        value *= 10
    return value, at


@_jit
def _two(buf: Any, at: int) -> int:
    """Two digits, or a number that no part of a time can be."""
    return (buf[at] - 48) * 10 + buf[at + 1] - 48 if _DIGIT[buf[at]] and _DIGIT[buf[at + 1]] else 1000


@_jit
def _time(buf: Any, at: int, end: int) -> int:
    """Microseconds since 1970 of an RFC 3339 time with an offset, -1 if it is not plain."""
    if end - at < 20 or buf[at + 4] != 45 or buf[at + 7] != 45 or buf[at + 10] != 84:
        return -1
    if buf[at + 13] != 58 or buf[at + 16] != 58:
        return -1
    century, years, month, day = _two(buf, at), _two(buf, at + 2), _two(buf, at + 5), _two(buf, at + 8)
    hour, minute, second = _two(buf, at + 11), _two(buf, at + 14), _two(buf, at + 17)
    if century < 19 or century > 98 or years > 99 or month < 1 or month > 12 or day < 1:
        return -1
    year = century * 100 + years
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 31 - (month - 1) % 7 % 2 if month != 2 else 28 + leap
    if year < 1970 or day > length or hour > 23 or minute > 59 or second > 59:
        return -1
    micro, at = 0, at + 19
    if buf[at] == 46:
        at += 1
        first = at
        while _DIGIT[buf[at]]:
            if at - first < 6:
                micro = micro * 10 + buf[at] - 48
            at += 1
        if at == first:
            return -1
        for _ in range(6 - min(6, at - first)):
            micro *= 10
    offset = 0
    if buf[at] == 90:
        at += 1
    elif (buf[at] == 43 or buf[at] == 45) and end - at == 6 and buf[at + 3] == 58:
        if _two(buf, at + 1) > 23 or _two(buf, at + 4) > 59:
            return -1
        offset = (_two(buf, at + 1) * 60 + _two(buf, at + 4)) * (1 if buf[at] == 43 else -1)
        at += 6
    if at != end or buf[at - 1] == 46:
        return -1
    if buf[end - 1] != 90 and buf[end - 6] != 43 and buf[end - 6] != 45:
        return -1
    # Days of the proleptic Gregorian calendar, counted from March so that leap days come last.
    shifted = year - (month <= 2)
    era, of_year = shifted // 400, (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    of_era = shifted % 400 * 365 + shifted % 400 // 4 - shifted % 400 // 100 + of_year
    days = era * 146097 + of_era - 719468
    return (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1_000_000 + micro


@_jit
def _inputs(buf: Any, at: int, entries: Any, used: int) -> tuple[int, int]:
    """(position after the object, entries used) of plain inputs, sorted by field; (-1, used) if they are not plain."""
    first = used
    at = _blank(buf, at + 1)
    if buf[at] == 125:
        return at + 1, used
    while True:
        if buf[at] != 34 or used - first >= MAX_INPUTS:
            return -1, first
        name, name_end = at + 1, _string(buf, at + 1)
        if name_end < 0:
            return -1, first
        at = _blank(buf, name_end + 1)
        if buf[at] != 58:
            return -1, first
        at = _blank(buf, at + 1)
        value = at + 1
        if buf[at] != 34:
            return -1, first
        at = value
        while _HEX[buf[at]]:
            at += 1
        if buf[at] != 34 or at - value != 16:
            return -1, first
        place = used
        while place > first:
            order = _compare(buf, entries[place - 1, 0], entries[place - 1, 1], name, name_end)
            if order == 0:
                return -1, first
            if order < 0:
                break
            entries[place] = entries[place - 1]
            place -= 1
        entries[place, 0], entries[place, 1], entries[place, 2], entries[place, 3] = name, name_end, value, at
        used += 1
        at = _blank(buf, at + 1)
        if buf[at] == 125:
            return at + 1, used
        if buf[at] != 44:
            return -1, first
        at = _blank(buf, at + 1)


@_jit
def _compare(buf: Any, a: int, a_end: int, b: int, b_end: int) -> int:
    while a < a_end and b < b_end:
        if buf[a] != buf[b]:
            return int(buf[a]) - int(buf[b])
        a += 1
        b += 1
    return (a_end - a) - (b_end - b)


@_jit
def _line(buf: Any, at: int, values: Any, spans: Any, entries: Any, used: int) -> tuple[int, int]:
    """(end of the line, entries used) if it is plain, else (-1, …).

    *values* gets words, numbers, time and flag by field, -1 for absent; *spans* the texts.
    """
    values[:] = -1
    seen = 0
    unknown_credits = False
    first = used
    at = _blank(buf, at)
    if buf[at] != 123:
        return -1, first
    at = _blank(buf, at + 1)
    while True:
        if buf[at] != 34:
            return -1, first
        end = _string(buf, at + 1)
        if end < 0:
            return -1, first
        field = _lookup(_FIELD_TABLE, buf, at + 1, end)
        if field < 0 or seen >> field & 1:
            return -1, first
        seen |= 1 << field
        at = _blank(buf, end + 1)
        if buf[at] != 58:
            return -1, first
        at = _blank(buf, at + 1)
        if buf[at] == 110:  # null: absent, and unknown for credits
            if buf[at + 1] != 117 or buf[at + 2] != 108 or buf[at + 3] != 108 or _REQUIRED >> field & 1:
                return -1, first
            unknown_credits = unknown_credits or field == _CREDITS
            at += 4
        elif field < _WORD_END or field == _TS:
            if buf[at] != 34:
                return -1, first
            end = _string(buf, at + 1)
            if end < 0:
                return -1, first
            if field < _TEXT_END:
                if end == at + 1:
                    return -1, first
                spans[field, 0], spans[field, 1] = at + 1, end
                values[field] = 1
            elif field == _TS:
                values[field] = _time(buf, at + 1, end)
                if values[field] < 0:
                    return -1, first
            else:
                values[field] = _word(buf, at + 1, end, field)
                if values[field] < 0:
                    return -1, first
            at = end + 1
        elif field < _NUMBER_END:
            places = 3 if field == _DURATION else 9 if field == _CREDITS else 0
            values[field], at = _number(buf, at, places, 9 if field == _CREDITS or field == _DURATION else 18)
            if at < 0:
                return -1, first
        elif field == _RETRIED:
            if buf[at] == 116 and buf[at + 1] == 114 and buf[at + 2] == 117 and buf[at + 3] == 101:
                values[field], at = 1, at + 4
            elif (
                buf[at] == 102
                and buf[at + 1] == 97
                and buf[at + 2] == 108
                and buf[at + 3] == 115
                and buf[at + 4] == 101
            ):
                values[field], at = 0, at + 5
            else:
                return -1, first
        else:
            if buf[at] != 123:
                return -1, first
            at, used = _inputs(buf, at, entries, used)
            if at < 0:
                return -1, first
            values[field] = used - first
        at = _blank(buf, at)
        if buf[at] == 125:
            break
        if buf[at] != 44:
            return -1, first
        at = _blank(buf, at + 1)
    at = _blank(buf, at + 1)
    if buf[at] != 10 or seen & _REQUIRED != _REQUIRED or not _consistent(buf, values, spans):
        return -1, first
    outcome, status = values[_OUTCOME], values[_STATUS]
    if outcome == _ATTEMPT or unknown_credits:
        values[_CREDITS] = -1
    elif values[_CREDITS] < 0:
        ambiguous = status < 0
        for code in _AMBIGUOUS:
            ambiguous = ambiguous or status == code
        values[_CREDITS] = NANO if outcome == _RENDER else -1 if outcome == _IS_ERROR and ambiguous else 0
    return at, used


@_jit
def _word(buf: Any, start: int, end: int, field: int) -> int:
    kind = field - _TEXT_END
    if kind == 0:
        return _lookup(_WORD_TABLES[0], buf, start, end)
    if kind == 1:
        return _lookup(_WORD_TABLES[1], buf, start, end)
    if kind == 2:
        return _lookup(_WORD_TABLES[2], buf, start, end)
    return _lookup(_WORD_TABLES[3], buf, start, end)


@_jit
def _consistent(buf: Any, values: Any, spans: Any) -> bool:
    """What has to hold between and within the fields of a plain line."""
    if values[_V] != 1 or values[_COUNT] == 0 or values[_WIDTH] == 0 or values[_HEIGHT] == 0:
        return False
    if values[_WIDTH] > MAX_SIDE or values[_HEIGHT] > MAX_SIDE or values[_BYTES] > MAX_BYTES:
        return False
    if values[_COUNT] > 1 and (values[_OUTCOME] != _HIT or values[_COUNT] > MAX_COUNT):
        return False
    if values[_COUNT] > 1 and values[_BYTES] > MAX_DELIVERED // values[_COUNT]:
        return False
    if values[_RETRIED] == 1 and values[_OUTCOME] != _IS_ERROR:
        return False
    if spans[_ID, 1] - spans[_ID, 0] > 200:
        return False
    for at in range(spans[_ENVIRONMENT, 0], spans[_ENVIRONMENT, 1]):
        if 65 <= buf[at] <= 90:
            return False
    if values[_DIGEST] >= 0:
        at = spans[_DIGEST, 0]
        if spans[_DIGEST, 1] - at != 71 or buf[at] != 115 or buf[at + 1] != 104 or buf[at + 2] != 97:
            return False
        if buf[at + 3] != 50 or buf[at + 4] != 53 or buf[at + 5] != 54 or buf[at + 6] != 58:
            return False
        for digit in range(at + 7, at + 71):
            if not _HEX[buf[digit]]:
                return False
    return True


@_jit
def scan(
    buf: Any, size: int, numbers: Any, values: Any, spans: Any, entries: Any, other: Any
) -> tuple[int, int, int, int]:
    """Read a block of whole lines that ends in a line end.

    Returns (plain lines, other lines, lines in all with blank ones, input entries). For each plain line: its number
    from 0 in *numbers*, its row of *values* and *spans*; for each other line (number, start, end) in *other*.
    """
    at = plain = others = number = used = 0
    while at < size:
        start = at
        at, after = _line(buf, start, values[plain], spans[plain], entries, used)
        if at >= 0 and at - start <= MAX_LINE:
            numbers[plain] = number
            plain += 1
            used = after
        else:
            at = _blank(buf, start)
            blank = buf[at] == 10
            while buf[at] != 10:
                at += 1
            if not blank:
                other[others, 0], other[others, 1], other[others, 2] = number, start, at
                others += 1
        at += 1
        number += 1
    return plain, others, number, used


@_jit
def gather(buf: Any, starts: Any, ends: Any, offsets: Any, out: Any) -> None:
    """Copy the spans of a text column behind each other."""
    at = 0
    for i in range(len(starts)):
        offsets[i] = at
        for j in range(starts[i], ends[i]):
            out[at] = buf[j]
            at += 1
    offsets[len(starts)] = at
