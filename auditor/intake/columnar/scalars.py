"""Compiled readers of single values in a buffer, texts, numbers, times and plain inputs, and columns of texts."""

from typing import Any

import numba
import numpy as np
import pyarrow as pa

MAX_INPUTS = 32
SAFE = np.array([0x20 < c < 0x7F and chr(c) not in '"\\=%@' for c in range(256)])
"""Characters of plain text: no space, since bearer credentials need one, nothing that a URL with a secret needs."""
SPACE = np.array([chr(c) in " \t\r" for c in range(256)])
DIGIT = np.array([48 <= c <= 57 for c in range(256)])
HEX = np.array([chr(c) in "0123456789abcdef" for c in range(256)])
jit = numba.njit(cache=True, boundscheck=False, nogil=True)


@jit
def row_of(table: Any, row: int, stop: int, buf: Any, start: int, end: int) -> int:
    """The row of table[row:stop] that equals buf[start:end], counted from the first of them; -1 if none does."""
    size, first = end - start, row
    while row < stop:
        if table[row, 0] == size:
            i = 0
            while i < size and table[row, i + 1] == buf[start + i]:
                i += 1
            if i == size:
                return row - first
        row += 1
    return -1


@jit
def is_at(buf: Any, at: int, word: Any) -> bool:
    """Whether *word* stands there."""
    for i in range(len(word)):
        if buf[at + i] != word[i]:
            return False
    return True


@jit
def blank_end(buf: Any, at: int) -> int:
    """The first position from *at* that is no white space."""
    while SPACE[buf[at]]:
        at += 1
    return at


@jit
def after(buf: Any, at: int, sign: int) -> int:
    """The first position behind *sign* and white space, -1 if it does not stand at *at*.

    What failed goes on failing: at -1 is the end of the block's last line, which is no sign of JSON.
    """
    return blank_end(buf, at + 1) if buf[at] == sign else -1


@jit
def string_at(buf: Any, at: int, safe: Any) -> tuple[int, int]:
    """(start, position of the closing quote) of a string of *safe* characters from its opening quote on; (-1, -1)."""
    if buf[at] != 34:
        return -1, -1
    start = end = at + 1
    while safe[buf[end]]:
        end += 1
    return (start, end) if buf[end] == 34 else (-1, -1)


@jit
def key_at(buf: Any, at: int) -> tuple[int, int, int]:
    """(start, end, position of its value) of a plain key; the last is -1 if there is none."""
    start, end = string_at(buf, at, SAFE)
    return start, end, after(buf, after(buf, end, 34), 58)


@jit
def number_at(buf: Any, at: int, places: int, most: int) -> tuple[int, int]:
    """(value × 10^places, position after it) of a number of at most *most* digits before the point; (-1, -1)."""
    value, start = 0, at
    while DIGIT[buf[at]] and at - start <= most:
        value = value * 10 + buf[at] - 48
        at += 1
    if at == start or at - start > most or (buf[start] == 48 and at - start > 1):
        return -1, -1
    if buf[at] == 46:
        at += 1
        first = at
        while DIGIT[buf[at]] and at - first < places:
            value = value * 10 + buf[at] - 48
            at += 1
        if at == first:
            return -1, -1
        places -= at - first
    for _ in range(places):
        value *= 10
    return value, at


_CLOCK, _OFFSET = (np.frombuffer(shape, np.uint8) for shape in (b"0000-00-00T00:00:00", b"00:00"))


@jit
def _digits(buf: Any, at: int, shape: Any) -> int:
    """The digits that stand where *shape* has zeros, as one number; -1 where anything differs from it."""
    value = 0
    for i in range(len(shape)):
        if shape[i] == 48 and DIGIT[buf[at + i]]:
            value = value * 10 + buf[at + i] - 48
        elif shape[i] == 48 or buf[at + i] != shape[i]:
            return -1
    return value


@jit
def time_at(buf: Any, at: int, end: int) -> int:
    """Microseconds since 1970 of an RFC 3339 time with an offset, -1 if it is not plain."""
    clock = _digits(buf, at, _CLOCK)
    year, month, day = clock // 10**10, clock // 10**8 % 100, clock // 10**6 % 100
    hour, minute, second = clock // 10**4 % 100, clock // 100 % 100, clock % 100
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 31 - (month - 1) % 7 % 2 if month != 2 else 28 + leap
    if year < 1970 or year > 9899 or month < 1 or month > 12 or day < 1 or day > length:
        return -1
    if hour > 23 or minute > 59 or second > 59:
        return -1
    micro, unit, at = 0, 1_000_000, at + 19
    if buf[at] == 46:
        at += 1
        while DIGIT[buf[at]]:
            unit //= 10
            micro += (buf[at] - 48) * unit
            at += 1
        if unit == 1_000_000:
            return -1
    offset = 0
    if buf[at] != 90:
        offset = _digits(buf, at + 1, _OFFSET)
        if (buf[at] != 43 and buf[at] != 45) or offset < 0 or offset > 2359 or offset % 100 > 59:
            return -1
        offset = (offset // 100 * 60 + offset % 100) * (1 if buf[at] == 43 else -1)
        at += 5
    if at + 1 != end:
        return -1
    # Days of the proleptic Gregorian calendar, counted from March so that leap days come last.
    shifted = year - (month <= 2)
    era, of_year = shifted // 400, (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    of_era = shifted % 400 * 365 + shifted % 400 // 4 - shifted % 400 // 100 + of_year
    days = era * 146097 + of_era - 719468
    return (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1_000_000 + micro


@jit
def is_hex(buf: Any, start: int, end: int) -> bool:
    """Whether nothing but digits of lower-case hexadecimal stands there."""
    while start < end and HEX[buf[start]]:
        start += 1
    return start == end


@jit
def inputs_at(buf: Any, at: int, entries: Any, used: int) -> tuple[int, int]:
    """(position after the object, entries used) of plain inputs, sorted by field; (-1, …) if they are not plain."""
    first, at = used, after(buf, at, 123)
    if buf[at] == 125:
        return at + 1, used
    while True:
        name, name_end, at = key_at(buf, at)
        value, end = string_at(buf, at, HEX)
        if at < 0 or end - value != 16 or used - first >= MAX_INPUTS:
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
        entries[place, 0], entries[place, 1], entries[place, 2], entries[place, 3] = name, name_end, value, end
        used += 1
        at = after(buf, end, 34)
        if buf[at] == 125:
            return at + 1, used
        at = after(buf, at, 44)


@jit
def _compare(buf: Any, a: int, a_end: int, b: int, b_end: int) -> int:
    while a < a_end and b < b_end:
        if buf[a] != buf[b]:
            return -1 if buf[a] < buf[b] else 1  # (bytes are unsigned: no difference of them is below 0)
        a += 1
        b += 1
    return (a_end - a) - (b_end - b)


def text_column(buf: Any, starts: Any, ends: Any, absent: Any = None, kind: Any = None) -> pa.Array:
    """The spans of a buffer as a column of strings, or of *kind*; null where they are *absent*."""
    validity = None
    if absent is not None and absent.any():
        ends, validity = np.where(absent, starts, ends), pa.array(~absent).buffers()[1]
    offsets, out = np.empty(len(starts) + 1, np.int32), np.empty(int((ends - starts).sum()), np.uint8)
    _gather(buf, np.ascontiguousarray(starts), np.ascontiguousarray(ends), offsets, out)
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(out)]
    return pa.Array.from_buffers(kind or pa.string(), len(starts), buffers)


@jit
def _gather(buf: Any, starts: Any, ends: Any, offsets: Any, out: Any) -> None:
    """Copy the spans of a text column behind each other."""
    at = 0
    for i in range(len(starts)):
        offsets[i] = at
        for j in range(starts[i], ends[i]):
            out[at] = buf[j]
            at += 1
    offsets[len(starts)] = at
