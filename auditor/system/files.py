"""Files that appear whole or not at all, and the stamp that tells whether a file is still what it was."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

SETTLED = 60.0
"""Seconds without a write after which none is waited for."""


class FileStamp(NamedTuple):
    """What of a file changes with every write to it, and with another file in its place."""

    device: int
    inode: int
    size: int
    """In bytes."""
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "FileStamp":
        """The stamp of a file with this status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def is_settled(self, now: float) -> bool:
        """Whether it was not written to for a while, *now* in seconds since 1970."""
        return abs(now - self.mtime_ns / 1e9) >= SETTLED

    @property
    def file(self) -> tuple[int, int]:
        """Which file it is, whatever is written to it: (device, inode)."""
        return self.device, self.inode


@contextmanager
def replacing(path: Path, mode: int = 0o600, *, prefix: str = ".", durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of *path* once all of it is there; after an error, nothing is left of it.

    It is written beside *path* under a name that begins with *prefix*; *durable* waits until the disk has it.
    `OSError` where that cannot be.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(descriptor)
        aside.chmod(mode)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
