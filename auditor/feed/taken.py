"""What a run over files did, and what it met that people should look at."""

import errno
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from auditor.system.files import FileStamp

NO_MEMORY = "not enough memory"
"""Why a file cannot be read now; it can when others need less."""
SHOWN = 5
"""Rejected lines that are named; all are kept."""


@dataclass(slots=True)
class Ingested:
    """What a run did, by the words of the conservation line, and what it met."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, int, str]] = field(default_factory=list)
    """(path, line, reason) of the first ones."""
    damaged: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(path, error) of files that were set aside."""
    gone: list[str] = field(default_factory=list)
    """Files that vanished before they were read."""
    unread: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of files that are there and cannot be read."""
    truncated: list[str] = field(default_factory=list)
    """Files that were emptied in place: lines may be missing."""

    def complaints(self) -> Iterator[str]:
        """A sentence for whatever the user should look at."""
        for path, line, reason in self.rejected[:SHOWN]:
            yield f"{path} line {line}: {reason}"
        if len(self.rejected) > SHOWN:
            yield f"and {len(self.rejected) - SHOWN:,} more; the ledger keeps all of them in its table `rejections`"
        for path, damage in self.damaged:
            yield f"{path} is cut off or damaged ({damage}); the lines before the cut were taken"
        for path, error in self.failed:
            yield f"{path} was set aside ({error}); it is tried again when it changes, and after a restart"
        for path in self.truncated:
            yield f"{path} was emptied in place: lines written since the last look may be missing; feed its copy too"
        for path in self.gone:
            yield f"{path} vanished before it was read"
        for path, reason in self.unread:
            yield f"{path} cannot be read ({reason}); what it holds is missing"


def stamp(path: Path) -> FileStamp:
    """Of a regular file; `OSError` for anything else."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would block its reader forever
        raise OSError(errno.EINVAL, "it is not a regular file")
    return FileStamp.of(status)
