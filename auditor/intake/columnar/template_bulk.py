"""The splitter of `auditor.reading.log_template`, compiled: a block of lines -> where each variable stands.

A line is *plain* if the template fits it as it is; whatever is unusual is handed back for the exact reader. As with
`auditor.intake.columnar.bulk`, "not plain" may be said as often as one likes, but never may a line be read otherwise
than the exact reader would (a test holds them against each other).
"""

from typing import Any
from zlib import crc32

import numpy as np

from auditor.intake.columnar.scalars import SPACE, jit
from auditor.reading.lines import MAX_LINE
from auditor.reading.log_template import LogTemplate

ID_SIZE = 36
"""`auditor.reading.reader.Reading.identity`: 16 digits, 10 and 8, with hyphens between."""
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


_CRC = np.array([
    [crc32(bytes([byte, *bytes(step)])) ^ crc32(bytes(step + 1)) for byte in range(256)] for step in range(4)
], np.uint32)  # fmt: skip
"""CRC-32 of zlib, four bytes at a time: what a byte adds to it with so many others behind it."""


def compiled(template: LogTemplate) -> tuple[Any, Any, Any, Any]:
    """(bytes of all literals, their offsets, which variables are quoted, which have to hold one value to be plain)."""
    offsets = np.cumsum([0, *(len(literal) for literal in template.literals)])
    quoted = np.array([template.quoted(index) for index in range(len(template.names))])
    single = np.array([
        listed and (not quoted[index] or "upstream_" in name)
        for index, (name, listed) in enumerate(zip(template.names, template.lists, strict=True))
    ])  # fmt: skip
    single[-1] |= template.narrow
    return np.frombuffer(b"".join(template.literals) + b"\0", np.uint8), offsets.astype(np.int64), quoted, single


@jit
def _crc32(buf: Any, start: int, end: int) -> int:
    crc = np.uint32(0xFFFFFFFF)
    at = start
    while at + 4 <= end:
        crc ^= (
            np.uint32(buf[at]) | np.uint32(buf[at + 1]) << np.uint32(8)
            | np.uint32(buf[at + 2]) << np.uint32(16) | np.uint32(buf[at + 3]) << np.uint32(24)
        )  # fmt: skip
        crc = (
            _CRC[3, crc & np.uint32(255)] ^ _CRC[2, crc >> np.uint32(8) & np.uint32(255)]
            ^ _CRC[1, crc >> np.uint32(16) & np.uint32(255)] ^ _CRC[0, crc >> np.uint32(24)]
        )  # fmt: skip
        at += 4
    while at < end:
        crc = _CRC[0, (crc ^ np.uint32(buf[at])) & np.uint32(255)] ^ crc >> np.uint32(8)
        at += 1
    return int(crc ^ np.uint32(0xFFFFFFFF))


@jit
def _find(buf: Any, at: int, end: int, literals: Any, start: int, stop: int, quoted: bool) -> int:
    """Where literals[start:stop] stands in buf[at:end], not behind a backslash if *quoted*; -1 if nowhere."""
    first, size = literals[start], stop - start
    while at + size <= end:
        if quoted and buf[at] == 92:
            at += 2
            continue
        if buf[at] == first:
            i = 1
            while i < size and buf[at + i] == literals[start + i]:
                i += 1
            if i == size:
                return at
        at += 1
    return -1


@jit
def _is_one(buf: Any, start: int, close: int, end: int) -> bool:
    """Whether a variable holds one value, and no list goes on behind it."""
    for i in range(start, close):
        if buf[i] == 32 or buf[i] == 44:
            return False
    return not (close + 2 < end and buf[close] == 32 and buf[close + 1] == 58 and buf[close + 2] == 32)


@jit
def _is_plain_head(buf: Any, start: int, end: int, blanks: int) -> bool:
    """Whether so many blanks are in a head, whose second word is a dash: any other may be a host."""
    found = 0
    for i in range(start, end):
        if buf[i] == 32:
            if found == 0 and not (buf[i + 1] == 45 and buf[i + 2] == 32):
                return False
            found += 1
    return found == blanks


@jit
def _split(
    buf: Any, start: int, end: int, literals: Any, offsets: Any, quoted: Any, single: Any, open: bool, blanks: int,
    spans: Any,
) -> bool:  # fmt: skip
    """Fill *spans* with the variables of one line; False if it is not plain."""
    head = offsets[1]
    if end - start < head:
        return False
    for i in range(head):
        if buf[start + i] != literals[i]:
            return False
    at, count = start + head, len(quoted)
    for index in range(count):
        literal, stop = offsets[index + 1], offsets[index + 2]
        if literal == stop:  # the last variable
            close = end
            if open:
                close = at
                while close < end and buf[close] != 32:
                    close += 1
        else:
            close = _find(buf, at, end, literals, literal, stop, quoted[index])
            if close < 0 or (index == count - 1 and close + stop - literal != end):
                return False
        if single[index] and not _is_one(buf, at, close, end):
            return False
        spans[index, 0], spans[index, 1] = at, close
        at = close + stop - literal
    return blanks < 0 or _is_plain_head(buf, spans[0, 0], spans[0, 1], blanks)


@jit
def split(
    buf: Any, literals: Any, offsets: Any, quoted: Any, single: Any, open: bool, blanks: int, numbers: Any,
    bounds: Any, spans: Any, other: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """(plain lines, other lines, lines in all) of a block of whole lines; blank ones are in neither.

    *blanks* is how many blanks the first variable has to hold, -1 for any number. *numbers* counts from 0; *bounds* are
    the ends of plain lines; *other* gets number, start and end.
    """
    at = plain = others = number = 0
    while at < len(buf):
        end = at
        while buf[end] != 10:
            end += 1
        # No carriage return, no line that is too long.
        fits = end - at <= MAX_LINE and end > at and buf[end - 1] != 13
        if fits and _split(buf, at, end, literals, offsets, quoted, single, open, blanks, spans[plain]):
            numbers[plain], bounds[plain, 0], bounds[plain, 1] = number, at, end
            plain += 1
        else:
            i = at
            while i < end and SPACE[buf[i]]:
                i += 1
            if i < end:
                other[others, 0], other[others, 1], other[others, 2] = number, at, end
                others += 1
        number += 1
        at = end + 1
    return plain, others, number


@jit
def identities(buf: Any, first: Any, numbers: Any, bounds: Any, out: Any) -> None:
    """Write the ids of some lines, `ID_SIZE` bytes each."""
    for row in range(len(numbers)):
        at = row * ID_SIZE
        for i in range(16):
            out[at + i] = first[i]
        out[at + 16] = out[at + 27] = 45
        number, crc = numbers[row], _crc32(buf, bounds[row, 0], bounds[row, 1])
        for i in range(10):
            out[at + 26 - i] = _HEX[number >> 4 * i & 15]
        for i in range(8):
            out[at + 35 - i] = _HEX[crc >> 4 * i & 15]
