"""Format: how one kind of log becomes exchanges or events. A format never drops a record: it reads it or says why not.

A format is a class, one instance for each file, so that it may remember a header. `records` cuts the input into
numbered records, which for most formats are its lines; `parse` reads one. Rejections, ids, secrets and the mapping to
events are the same for all and stand in `auditor.reading.reader`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from auditor.exchanges.exchange import Exchange, Exported
from auditor.model.events import BadRecordError, UsageEvent
from auditor.reading import glued
from auditor.reading.behind import Fixed, Tail
from auditor.reading.lines import MAX_LINE, Line, LineReader
from auditor.reading.log_template import LogTemplate

NO_REQUEST = Exchange(0, "", "")
"""What `parse` gives for a line that belongs into the log and tells of no request: it counts as filtered."""


_REQUEST = 2
Row = Mapping[str, Any]
"""A row of a table: column -> value."""
RowReader = Callable[[Row], Exchange]
Fits = Callable[[str, str | None, str], bool]
"""Whether a request (method, host, target) is for an image."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The head of an input: some 256 KiB of it, unpacked, and its whole lines."""

    path: Path
    data: bytes
    lines: tuple[bytes, ...]
    """Those that are not blank, 200 at most; of an array of JSON objects each is one."""
    array: bool = False
    """Whether the input is such an array."""
    key: str = ""
    """The key at which its documents hold one, if they do."""


class Format:
    """One log format: of lines that do not hang together only `parse` is left to write."""

    name: ClassVar[str]
    title: ClassVar[str]
    """How people call it."""
    ending: ClassVar[bool] = False
    """Whether the log stamps the end of a request and does not know how long it took."""
    template: ClassVar[LogTemplate | None] = None
    """Where one describes the lines, big logs are read by it, many at once."""
    blanks: ClassVar[int] = -1
    """How many blanks the template's first variable has in a plain line, with a dash behind the first; -1 for any."""
    tail: ClassVar[Tail | Fixed | None] = None
    """What reads the rest of a line behind an open template."""
    prefixed: ClassVar[bool] = False
    """Whether what syslog writes before a line tells something of it."""
    objects: ClassVar[bool] = False
    """Whether its lines are JSON objects, of which several may stand on one."""
    longest: ClassVar[int] = MAX_LINE
    """Bytes of the longest line that is read."""
    too_long: ClassVar[str] = "the line is longer than 1 MiB"
    """Why a record of more than `MAX_LINE` is not read."""
    unread: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Paths of the numbers of one log that are not read, and that may be counts or prices."""
    certainty: ClassVar[float] = 1.0
    """What a sample is worth of which every line can be read: less for formats that also read others' lines."""
    mixed: ClassVar[bool] = False
    """Whether lines of any kind tell of no request: without a request nothing tells that a log is of the format."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    @classmethod
    def refined(cls, exchanges: Iterable[tuple[bytes, Exchange]], fits: Fits) -> "type[Any]":
        """The format of one log of its kind, by the first of its (lines, exchanges): where they differ, it shows there.

        *fits* says whether a request (method, host, target) is for an image. Itself where all logs are alike.
        """
        del exchanges, fits
        return cls

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """How sure it is that the sample is of this format, 0 to 1.

        The share of the lines that it can read; one that holds no request's method does not vote.
        """
        reader = cls(ZoneInfo("UTC"))
        votes = [vote for line in cls.each(sample.lines) if (vote := reader._vote(line)) is not None]
        if cls.mixed:
            return 1 - votes.count(0) / len(votes) if _REQUEST in votes else 0.0
        return cls.certainty * sum(map(bool, votes)) / len(votes) if votes else 0.0

    @classmethod
    def question(cls, sample: Sample) -> str | None:
        """What a sample lacks that looks like a log of this format, and what answers; None for any other."""
        del sample
        return None

    @classmethod
    def row_reader(cls, columns: Mapping[str, str], zone: ZoneInfo) -> RowReader | None:
        """What reads the rows of a table that was made of such logs; None for a table of something else.

        *columns* are the table's, by what `auditor.reading.names.column_name` makes of them.
        """
        del columns, zone
        return None

    @classmethod
    def parts(cls, line: bytes) -> Iterable[bytes]:
        """The records that a line holds: itself, or the objects on it, or those of the batch that it is."""
        return glued.apart(line) if cls.objects else (line,)

    def records(self, path: Path, reader: LineReader) -> Iterable[Line]:
        """The records of an input, numbered from 1 as their file has them: its lines, or the objects on them."""
        del path
        return glued.records(reader) if self.objects else reader

    @classmethod
    def each(cls, lines: Iterable[bytes]) -> Iterable[bytes]:
        """The records of some lines."""
        return (part for line in lines for part in cls.parts(line))

    def remember(self, data: bytes) -> None:
        """Take from a record that is passed over what the ones behind it are read by: a header."""

    def parse(self, data: bytes) -> Exchange | UsageEvent | Exported | None:
        """What one record tells; None for one that is none (a header, a comment).

        Raises `BadRecordError` with the reason of semantics section 8.
        """
        raise NotImplementedError

    def _vote(self, line: bytes) -> int | None:
        """What a line is: `_REQUEST`, 1 for any other that can be read, 0 for one that cannot.

        None for what is read as a request without a method: garbage, or not its own.
        """
        try:
            item = self.parse(line)
        except BadRecordError as bad:
            return _REQUEST if isinstance(bad, UnknownStatusError) else 0
        if not isinstance(item, Exchange) or item is NO_REQUEST:
            return 1
        return _REQUEST if item.method else None


class UnknownStatusError(BadRecordError):
    """A record that is of the format, but has a word for its status that may mean anything."""
