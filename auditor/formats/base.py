"""Format: how one kind of log becomes events. A format never drops a line: it gives an event or says why not."""

from collections.abc import Iterable, Iterator
from typing import Protocol
from zoneinfo import ZoneInfo

from auditor.events import Rejection, UsageEvent
from auditor.formats.lines import Line


class Format(Protocol):
    """One log format."""

    name: str

    def read(self, path: str, lines: Iterable[Line], zone: ZoneInfo) -> Iterator[tuple[int, UsageEvent | Rejection]]:
        """(line number, event or rejection) of each line that is not blank."""
