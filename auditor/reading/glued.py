"""JSON objects behind each other on one line -> a record each.

A program that dies within a line, several that write to one file, and files that were joined leave such lines. What is
damaged before, between or behind the objects is one record, too, which is rejected.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from auditor.reading.array import is_array, line_of, split
from auditor.reading.lines import MAX_LINE, NUMBER_BITS, Line
from auditor.reading.wrapped import bare

_read = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Further(Line):
    """A record behind the first one of its line. Such are numbered down from the highest number, in their order."""

    on: int

    @property
    def place(self) -> int:
        """The number of the line that it stands on."""
        return self.on


def records(lines: Iterable[Line]) -> Iterator[Line]:
    """The records of some lines, most of which are one."""
    number = 1 << NUMBER_BITS
    for line in lines:
        found = apart(line.data)
        yield line if found[0] is line.data else Line(line.number, found[0])
        for data in found[1:]:
            number -= 1
            yield Further(number, data, line.number)


def apart(data: bytes) -> list[bytes]:
    """The records of a line: itself, if it is one object or holds none that is whole."""
    text = bare(data)
    if len(data) > MAX_LINE or not (is_array(text) or (text[:1] == b"{" and not _is_one(text))):
        return [data]
    whole, rest = split(text.decode(errors="surrogateescape"))
    rest = rest.strip()
    found = [*whole, *_torn(rest)] if rest else whole
    return [data] if found == [rest] else [line_of(each) for each in found]


def _is_one(text: bytes) -> bool:
    """Whether a line is one value: far quicker than to read it."""
    try:
        _is_json()(text)
    except (ValueError, RecursionError):
        return False
    return True


@cache
def _is_json() -> Callable[[bytes], object]:
    import msgspec  # (formats are listed without what it takes to read them)

    return msgspec.json.Decoder(msgspec.Raw).decode


def _torn(text: str) -> list[str]:
    """What cannot be read, and the objects behind it.

    An object begins where reading stops, and nothing but objects follows: else it may be a part of what is damaged, as
    JSON is within a text that was not escaped.
    """
    for start in _stops(text):
        if start > 0 and text.startswith("{", start):
            found, rest = split(text[start:])
            return [text[:start].rstrip(), *found] if found and not rest.strip() else [text]
    return [text]


def _stops(text: str) -> tuple[int, ...]:
    """Where an object may begin: where reading stops, which is behind its first quote if what is torn is a text."""
    if not text.startswith("{"):
        return (text.find("{"),)
    with suppress(RecursionError):
        try:
            _read(text)
        except json.JSONDecodeError as error:
            return error.pos - 2, error.pos, error.pos + 1
    return ()
