"""Lines that somebody made to hurt, for tests that run over every format."""

import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor.formats.lines import LineReader
from auditor.registry import FORMATS
from tests.formats.samples import SAMPLES


def _records(path: Path) -> Iterator[bytes]:
    kind = FORMATS[path.name.partition(".")[0]](ZoneInfo("UTC"))
    with path.open("rb") as raw:
        yield from (line.data for line in kind.records(path, LineReader(raw)))


LINES = [record for path in SAMPLES for record in _records(path)]
"""Good lines of all formats, to be damaged."""


EXTREMES = [b"1e9999999", b"-1e9999999", b"1e-9999999", b"NaN", b"sNaN", b"Infinity", b"9" * 5000, b"-1", b"18446744073709551616",
            "\u0663".encode(), b"1_0", b"0x10", b""]  # fmt: skip
"""What may stand where a number is expected."""
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")


def extreme(line: bytes) -> Iterator[bytes]:
    """*line* with each of its numbers replaced by each extreme."""
    for number in _NUMBER.finditer(line):
        yield from (line[: number.start()] + value + line[number.end() :] for value in EXTREMES)


def grown(line: bytes, at: int, piece: bytes, times: int) -> bytes:
    """*line* with *piece* put in at a place, again and again."""
    return line[:at] + piece * times + line[at:]


PIECES = [b"\\", b'"', b" ", b"/", b"{", b"[", b"(", b"%", b"%2", b"&a=", b"?", b"://", b"@", b",", b"-", b"0", b"x", b"\\x",
          b'\\"', b'" "', b": ", b"key=", b"token", b"a.b-", b"\xff", b"\t", b'{"a":', b"web |", b"Sep  1 "]  # fmt: skip
