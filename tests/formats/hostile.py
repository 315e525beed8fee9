"""Lines that somebody made to hurt, for tests that run over every format."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor.reading.lines import LineReader
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


_ABSENT = object()
_OTHERS = [_ABSENT, None, True, 5, -1.5, "", "-", "x y", [], ["x"], {}, {"a": 1}]


def _replaced(value: object) -> Iterator[object]:
    """*value* with each value inside of it replaced by those of other types, or left out."""
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for name, inner in items:
        for other in [*_OTHERS, *_replaced(inner)]:
            if isinstance(value, dict):
                yield {
                    key: other if key == name else old for key, old in value.items() if (key, other) != (name, _ABSENT)
                }
            elif other is not _ABSENT:
                yield [other if place == name else old for place, old in enumerate(value)]


def retyped(line: bytes) -> Iterator[bytes]:
    """A JSON *line* with each of its values of another type, or absent; a row with each of its cells empty."""
    try:
        value = json.loads(line)
    except ValueError:
        cells = line.split(b",")
        yield from (b",".join([*cells[:place], b"", *cells[place + 1 :]]) for place in range(len(cells)))
    else:
        yield from (json.dumps(other).encode() for other in _replaced(value))


def grown(line: bytes, at: int, piece: bytes, times: int) -> bytes:
    """*line* with *piece* put in at a place, again and again."""
    return line[:at] + piece * times + line[at:]


PIECES = [b"\\", b'"', b" ", b"/", b"{", b"[", b"(", b"%", b"%2", b"&a=", b"?", b"://", b"@", b",", b"-", b"0", b"x", b"\\x",
          b'\\"', b'" "', b": ", b"key=", b"token", b"a.b-", b"\xff", b"\t", b'{"a":', b"web |", b"Sep  1 ",
          b" [", b' "a', b'="a ']  # fmt: skip
