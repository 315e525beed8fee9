"""What a forwarder and a receiver say to each other: paths, and which part of which file a request carries.

A file is known by its content (`auditor.feed.tail`), and the receiver keeps how far it has it. A request whose part
begins elsewhere is answered with the receiver's own marks, from which the forwarder goes on: it keeps no state.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, convert

from auditor.feed.tail import Mark

EVENTS, MARKS, SOURCES = "/v1/events", "/v1/marks", "/v1/sources"
MAX_BODY = 8 << 20
"""Bytes of a request, packed and unpacked; a piece of a file has some 5 MiB at most."""
MAX_LINES = 100_000
"""Lines of a request: a rejected one takes the ledger much longer than its bytes do."""
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"
_MOST = 1 << 53
_LONGEST_PATH = 5_000


def digest_of(text: str) -> str:
    """A SHA-256 digest as it is written; `ValueError` for other text."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("is not a SHA-256 digest of 64 hexadecimal digits")
    return text


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,16}", text) or int(text) > _MOST:
        raise ValueError(f"is not a whole number up to {_MOST}")
    return int(text)


def _path(text: str) -> str:
    if not text or len(text) > _LONGEST_PATH or "\0" in text:
        raise ValueError(f"is not a path of at most {_LONGEST_PATH:,} characters")
    return text


@dataclass(frozen=True, slots=True)
class Part:
    """Where the lines of a request stand: in the file of this *first_line* at *path*, from *start* to *end*.

    *seen* is the highest number among the receiver's marks that the forwarder found to be of other files; *content* is
    the digest of the lines as they are sent, without what stands around them in the file.
    """

    first_line: str
    path: str
    seen: int
    start: Mark
    end: Mark
    content: str

    def query(self) -> dict[str, str]:
        """As the query of a request."""
        start, end = self.start, self.end
        return {
            "first_line": self.first_line, "path": self.path, "seen": str(self.seen),
            "position": str(start.position), "lines": str(start.lines), "before": start.before,
            "end": str(end.position), "end_lines": str(end.lines), "end_before": end.before,
            "content": self.content,
        }  # fmt: skip

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Part | None":
        """Of the query of a request; None where it has none, `ValueError` where it is none."""
        if not query:
            return None

        def take(name: str, read: Any) -> Any:
            try:
                return read(query.get(name, ""))
            except ValueError as error:
                raise ValueError(f"the parameter {name} {error}") from None

        start = Mark(take("position", _number), take("lines", _number), take("before", digest_of))
        end = Mark(take("end", _number), take("end_lines", _number), take("end_before", digest_of))
        first_line, path, seen = take("first_line", digest_of), take("path", _path), take("seen", _number)
        found = cls(first_line, path, seen, start, end, take("content", digest_of))
        if query.keys() != found.query().keys():
            raise ValueError(f"the query has other parameters than {', '.join(found.query())}")
        if end.position <= start.position or end.lines <= start.lines:
            raise ValueError("the part ends where it begins")
        return found


class RejectedLine(Struct):
    """A line of a part, from 1, that the ledger did not take, and why."""

    line: int
    detail: str


class Taken(Struct):
    """What became of a part; nothing is counted if the ledger had it already."""

    lines: int
    events: int
    superseded: int
    duplicates: int
    set_aside: int
    late: int
    rejected: list[RejectedLine]
    """The first ones of `rejected_total`."""
    rejected_total: int
    again: bool


class _Marked(Struct):
    number: int
    position: int
    lines: int
    before: str


def marks_to(marks: Mapping[int, Mark]) -> list[dict[str, Any]]:
    """Marks by their numbers, as JSON."""
    return [
        {"number": number, "position": mark.position, "lines": mark.lines, "before": mark.before}
        for number, mark in marks.items()
    ]


def marks_from(found: Any) -> dict[int, Mark]:
    """What `marks_to` wrote; `ValueError` for anything else."""
    return {each.number: Mark(each.position, each.lines, each.before) for each in convert(found, list[_Marked])}
