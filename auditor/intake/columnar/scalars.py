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
def string_end(buf: Any, at: int) -> int:
    """The position of the closing quote of a plain string that starts at *at*, -1 if it is not plain."""
    while SAFE[buf[at]]:
        at += 1
    return at if buf[at] == 34 else -1


@jit
def number_at(buf: Any, at: int, places: int, most: int) -> tuple[int, int]:
    """(value × 10^places, position after it) of a number of at most *most* digits before the point; (-1, -1)."""
    value, start = 0, at
    while DIGIT[buf[at]]:
        value = value * 10 + buf[at] - 48
        at += 1
        if at - start > most:
            return -1, -1
    if at == start or (buf[start] == 48 and at - start > 1):
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
    if DIGIT[buf[at]] or buf[at] == 46 or buf[at] == 101 or buf[at] == 69:
        return -1, -1
    for _ in range(places):
        value *= 10
    return value, at


@jit
def _two(buf: Any, at: int) -> int:
    """Two digits, or a number that no part of a time can be."""
    return (buf[at] - 48) * 10 + buf[at + 1] - 48 if DIGIT[buf[at]] and DIGIT[buf[at + 1]] else 1000


@jit
def time_at(buf: Any, at: int, end: int) -> int:
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
        while DIGIT[buf[at]]:
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


@jit
def inputs_at(buf: Any, at: int, entries: Any, used: int) -> tuple[int, int]:
    """(position after the object, entries used) of plain inputs, sorted by field; (-1, used) if they are not plain."""
    first = used
    at = blank_end(buf, at + 1)
    if buf[at] == 125:
        return at + 1, used
    while True:
        if buf[at] != 34 or used - first >= MAX_INPUTS:
            return -1, first
        name, name_end = at + 1, string_end(buf, at + 1)
        if name_end < 0:
            return -1, first
        at = blank_end(buf, name_end + 1)
        if buf[at] != 58:
            return -1, first
        at = blank_end(buf, at + 1)
        value = at + 1
        if buf[at] != 34:
            return -1, first
        at = value
        while HEX[buf[at]]:
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
        at = blank_end(buf, at + 1)
        if buf[at] == 125:
            return at + 1, used
        if buf[at] != 44:
            return -1, first
        at = blank_end(buf, at + 1)


@jit
def _compare(buf: Any, a: int, a_end: int, b: int, b_end: int) -> int:
    while a < a_end and b < b_end:
        if buf[a] != buf[b]:
            return int(buf[a]) - int(buf[b])
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
