"""Follow: take what grows, over rotation by rename, deletion and truncation in place.

The files that grew last are held open, so that what was written before one was renamed away or deleted is still read.
A file that is emptied in place (copytruncate) may have lost lines between the last look and then; that is reported, and
its copy, if that is fed too, brings them.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from auditor.feed.sources import MARK_EVERY, Sources
from auditor.feed.taken import Ingested
from auditor.system.files import FileStamp

MOST_OPEN = 100
"""A process may often open 1,024 files, or 256; a folder gets a segment an hour from each process that renders."""

HEAD = 256
"""Bytes, the id of the first event among them."""


class Taker(Protocol):
    """Takes the lines of files: `Ingest` into a ledger, `Forward` to a receiver."""

    def follows(self, names: Iterable[str]) -> Sources:
        """The sources of this process from now on."""
        ...

    def run_one(self, path: Path, done: Ingested) -> None:
        """Take what is new in one file."""
        ...

    def beat(self, *, working: bool = True) -> None:
        """Say that this process looks; *working* if all that should be read could be."""
        ...


@dataclass(slots=True)
class _Known:
    file: tuple[int, int]
    size: int
    head: bytes
    """The first bytes: other ones mean that it was emptied, be it larger again by now."""


class Follow:
    """Looks at files again and again; *paths* is asked again each time, so that new segments are found.

    *absent* names what should be there and is not: while something cannot be looked at, there is no heartbeat. *names*
    are the files, folders and patterns that are followed; each has a heartbeat of its own. What has no files is looked
    at by *also*, which adds to what a look did.
    """

    def __init__(
        self, taker: Taker, paths: Callable[[], Iterable[Path]], absent: Callable[[], Iterable[str]] = tuple,
        names: Sequence[str] = (), also: Sequence[Callable[[Ingested], object]] = (),
    ) -> None:  # fmt: skip
        self._taker, self._paths, self._absent, self._also = taker, paths, absent, also
        self._sources = taker.follows(names)
        self._known: dict[Path, _Known] = {}
        self._open: dict[Path, int] = {}
        """Descriptors; the file that grew last is the last one."""
        self._told: set[tuple[str, str]] = set()

    def look(self) -> Ingested:
        """Everything that is new since the last look; what cannot be read is told once."""
        done = Ingested()
        paths = list(self._paths())
        self._sources.see({*(path for path, _ in self._told), *self._absent()})
        for path in list(self._known):
            self._left_behind(path, done)
        for path in paths:
            self._hold(path, done)
            self._taker.run_one(path, done)
        for look in self._also:
            look(done)
        done.unread += [(name, os.strerror(errno.ENOENT)) for name in self._absent()]
        self._taker.beat(working=not done.unread)
        self._sources.see({path for path, _ in done.unread})
        told, self._told = self._told, set(done.unread)
        done.unread = [each for each in done.unread if each not in told]
        return done

    def _left_behind(self, path: Path, done: Ingested) -> None:
        """The rest of a file whose name is gone, or belongs to another one now."""
        try:
            moved = FileStamp.of(path.stat()).file != self._known[path].file
        except OSError as error:  # (else its folder cannot be entered now)
            moved = isinstance(error, FileNotFoundError)
        if moved:
            if path in self._open:
                descriptor, unread = self._open[path], len(done.unread)
                self._taker.run_one(Path(f"/dev/fd/{descriptor}"), done)
                if len(done.unread) > unread:  # it is tried again
                    return
                del self._open[path]
                os.close(descriptor)
            del self._known[path]

    def _hold(self, path: Path, done: Ingested) -> None:
        """Open it if it grew, and let go of the one that did not for the longest time."""
        known = self._known.get(path)
        try:
            size = path.stat().st_size
            if known is not None and size == known.size:
                return
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            self._open[path] = descriptor = self._open.pop(path) if path in self._open else os.open(path, flags)
            status, head = os.fstat(descriptor), os.pread(descriptor, HEAD, 0)
        except OSError:  # reading it says so
            return
        if known is not None and (size < known.size or not head.startswith(known.head)):
            done.truncated.append(str(path))
        self._known[path] = _Known(FileStamp.of(status).file, size, head)
        if len(self._open) > MOST_OPEN:
            os.close(self._open.pop(next(iter(self._open))))

    def until(
        self, stopping: Event, every: float, tell: Callable[[Ingested], object], failed: Callable[[Exception], object]
    ) -> None:
        """Look every so many seconds; once more after *stopping*, so that nothing that was written before is left.

        *tell* hears of each look; *failed* of a full disk or a database that restarts: it is tried again.
        """

        def attempt(what: Callable[[], object]) -> None:
            try:
                what()
            except Exception as error:
                failed(error)

        last = False
        while not last:
            last = stopping.is_set()
            attempt(lambda: tell(self.look()))
            ends = time.monotonic() + every
            while not last and not stopping.wait(max(0.0, min(MARK_EVERY, ends - time.monotonic()))):
                if time.monotonic() >= ends:
                    break
                attempt(self._sources.mark)
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        self._known.clear()
