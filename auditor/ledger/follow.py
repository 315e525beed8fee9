"""Follow: ingest what grows, over rotation by rename, deletion and truncation in place.

Each file is held open, so that what was written before it was renamed away or deleted is still read. A file that is
emptied in place (copytruncate) may have lost lines between the last look and then; that is reported, and its copy, if
that is fed too, brings them.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from auditor.ledger.ingest import Ingest, Ingested


@dataclass(slots=True)
class _Held:
    descriptor: int
    inode: tuple[int, int]
    size: int


class Follow:
    """Looks at files again and again; *paths* is asked anew each time, so that new segments are found."""

    def __init__(self, ingest: Ingest, paths: Callable[[], Iterable[Path]]) -> None:
        self._ingest, self._paths = ingest, paths
        self._held: dict[Path, _Held] = {}

    def look(self) -> Ingested:
        """Everything that is new since the last look."""
        done = Ingested()
        for path in list(self._held):
            self._left_behind(path, done)
        for path in self._paths():
            self._hold(path, done)
            self._ingest.run_one(path, done)
        self._ingest.beat()
        return done

    def _left_behind(self, path: Path, done: Ingested) -> None:
        """The rest of a file whose name is gone, or belongs to another one now."""
        held = self._held[path]
        try:
            status = path.stat()
            moved = (status.st_dev, status.st_ino) != held.inode
        except FileNotFoundError:
            moved = True
        if moved:
            self._ingest.run_one(Path(f"/dev/fd/{held.descriptor}"), done)
            os.close(held.descriptor)
            del self._held[path]

    def _hold(self, path: Path, done: Ingested) -> None:
        held = self._held.get(path)
        try:
            size = path.stat().st_size
            if held is None:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                status = os.fstat(descriptor)
                self._held[path] = _Held(descriptor, (status.st_dev, status.st_ino), size)
                return
        except FileNotFoundError:
            return
        if size < held.size:
            done.truncated.append(str(path))
        held.size = size

    def until(
        self, stopping: Event, every: float, tell: Callable[[Ingested], object], failed: Callable[[Exception], object]
    ) -> None:
        """Look every so many seconds; once more after *stopping*, so that nothing that was written before is left.

        *tell* hears of each look; *failed* of a full disk or a database that restarts: it is tried again.
        """
        last = False
        while not last:
            last = stopping.is_set()
            try:
                tell(self.look())
            except Exception as error:
                failed(error)
            if not last:
                stopping.wait(every)
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for held in self._held.values():
            os.close(held.descriptor)
        self._held.clear()
