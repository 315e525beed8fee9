"""Format: how one kind of log becomes exchanges or events. A format never drops a record: it reads it or says why not.

A format is a class, one instance for each file, so that it may remember a header. `records` cuts the input into
numbered records, which for most formats are its lines; `parse` reads one. Rejections, ids, secrets and the mapping to
events are the same for all and stand in `auditor.formats.reading`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol
from zoneinfo import ZoneInfo

from auditor.events import BadRecordError, UsageEvent
from auditor.exchanges.exchange import Exchange, Exported
from auditor.formats.lines import Line, LineReader
from auditor.formats.log_template import LogTemplate

NO_REQUEST = Exchange(0, "", "")
"""What `parse` gives for a line that belongs into the log and tells of no request: it counts as filtered."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The head of an input: some 256 KiB of it, unpacked, and its whole lines."""

    path: Path
    data: bytes
    lines: tuple[bytes, ...]
    """Those that are not blank, 200 at most; of an array of JSON objects each is one."""
    array: bool = False
    """Whether the input is such an array."""


class Format(Protocol):
    """One log format."""

    name: ClassVar[str]
    title: ClassVar[str]
    """How people call it."""
    ending: ClassVar[bool]
    """Whether the log stamps the end of a request and does not know how long it took."""
    template: ClassVar[LogTemplate | None]
    """Where one describes the lines, big logs are read by it, many at once."""
    blanks: ClassVar[int]
    """How many blanks the template's first variable has in a plain line; -1 for any number."""
    prefixed: ClassVar[bool]
    """Whether what syslog writes before a line tells something of it."""

    def __init__(self, zone: ZoneInfo) -> None: ...

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """How sure it is that the sample is of this format, 0 to 1."""

    def records(self, path: Path, reader: LineReader) -> Iterable[Line]:
        """The records of an input, numbered from 1 as their file has them."""

    def parse(self, data: bytes) -> Exchange | UsageEvent | Exported | None:
        """What one record tells; None for one that is none (a header, a comment).

        Raises `BadRecordError` with the reason of semantics section 8.
        """


class Lines:
    """A format of lines that do not hang together: only `parse` is left to write."""

    ending: ClassVar[bool] = False
    template: ClassVar[LogTemplate | None] = None
    blanks: ClassVar[int] = -1
    prefixed: ClassVar[bool] = False
    certainty: ClassVar[float] = 1.0
    """What a sample is worth of which every line can be read: less for formats that also read others' lines."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """The share of the lines that it can read."""
        reader = cls(ZoneInfo("UTC"))
        read = sum(reader._reads(line) for line in sample.lines)
        return cls.certainty * read / len(sample.lines) if sample.lines else 0.0

    def records(self, path: Path, reader: LineReader) -> Iterator[Line]:
        """Its lines."""
        del path
        yield from reader

    def parse(self, data: bytes) -> Exchange | UsageEvent | Exported | None:
        """What one line tells."""
        raise NotImplementedError

    def _reads(self, line: bytes) -> bool:
        try:
            self.parse(line)
        except BadRecordError:
            return False
        return True
