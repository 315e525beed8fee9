"""Where usage events go: a folder of segments, an address, standard output, or any callable.

The spool writes one `os.write` a line to a segment of this process alone, opened with O_APPEND: what was written
survives the process, and no line is ever torn by another. A process that is killed in the middle of a write may leave
an unfinished last line, which was never acknowledged. A power cut needs `sync="renders"`, which waits for the disk at
attempts and renders. Errors are raised to the meter, which counts them; no caller ever sees one.
"""

import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import orjson

from auditor.client.clock import Clock
from auditor.model.errors import ConfigError
from auditor.system.access import Access

Record = Mapping[str, Any]
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_RETRY_EVERY = 5.0
"""Seconds between two tries to begin a segment."""
_SEGMENTS = count()


@runtime_checkable
class Sink(Protocol):
    """Takes events."""

    def write(self, event: Record, *, lasting: bool) -> None:
        """Keep an event; *lasting* ones (attempts, renders, errors) are worth waiting for the disk."""

    def close(self) -> None:
        """Finish what is open."""
        return

    def forked(self) -> None:
        """Go on in a child process."""
        return


class Stdout(Sink):
    """Events as JSON Lines on standard output, for containers whose runtime collects it.

    Threads do not tear each other's lines; of several processes on one pipe, only lines up to 4 KiB are safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, event: Record, *, lasting: bool) -> None:
        """One write a line."""
        del lasting
        line = orjson.dumps(event, option=_LINE)
        with self._lock:
            _write_all(sys.stdout.fileno(), line)

    def forked(self) -> None:
        """Another thread may have held the lock."""
        self._lock = threading.Lock()


class Called(Sink):
    """Events given to a function, one mapping each; what it raises is counted as a dropped event."""

    def __init__(self, function: Callable[[Record], object]) -> None:
        self._function = function

    def write(self, event: Record, *, lasting: bool) -> None:
        """Call it."""
        del lasting
        self._function(orjson.loads(orjson.dumps(event, option=_LINE)))


class Spool:
    """Segments `usage-HOST-PID-START-N.open.jsonl` in a folder; a full or old one is renamed without `.open`.

    *spool_mode* 0o640 lets the group *spool_group* (a name or number, else the process's own) read, 0o644 everybody.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        max_bytes: int = 64 << 20,
        max_age: float = 3600.0,
        sync: Literal["never", "renders"] = "never",
        spool_mode: int | str | None = None,
        spool_group: str | int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._access = Access.of(spool_mode, spool_group)
        self._max_bytes, self._max_age_ns, self._sync = max_bytes, int(max_age * 1e9), sync
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._descriptor: int | None = None
        self._path = self.folder
        self._size = 0
        self._opened_ns = 0
        self._torn = False
        self._failed: float | None = None
        """On the steady clock: one that is set back must not make this an hour."""

    def write(self, event: Record, *, lasting: bool) -> None:
        """Append a line; raises `OSError` where it cannot."""
        line = orjson.dumps(event, option=_LINE)
        now = self._clock.wall_ns()
        with self._lock:
            if self._descriptor is None or self._size >= self._max_bytes or now - self._opened_ns >= self._max_age_ns:
                self._rotate(now)
            assert self._descriptor is not None
            # After a write that the disk cut short, the next line begins on a line of its own.
            data = b"\n" + line if self._torn else line
            self._torn = True
            _write_all(self._descriptor, data)
            self._torn = False
            self._size += len(data)
            if lasting and self._sync == "renders":
                os.fdatasync(self._descriptor)

    def _rotate(self, now: int) -> None:
        self._seal()
        if self._failed is not None and self._clock.steady() - self._failed < _RETRY_EVERY:
            raise OSError("the folder of events could not be written a moment ago")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._access.share_folder(self.folder)
            host = re.sub(r"[\W_]", "-", socket.gethostname().partition(".")[0][:32]) or "host"
            path = self.folder / f"usage-{host}-{os.getpid()}-{now}-{next(_SEGMENTS)}.open.jsonl"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            self._descriptor = os.open(path, flags, 0o600)
            self._access.share(self._descriptor)
            if self._sync == "renders":
                _sync_folder(self.folder)
        except OSError:
            self._failed = self._clock.steady()
            raise
        self._failed = None
        self._path, self._size, self._opened_ns, self._torn = path, 0, now, False

    def _seal(self) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        os.close(descriptor)
        sealed = self._path.with_name(self._path.name.replace(".open.jsonl", ".jsonl"))
        with suppress(OSError):  # it may have been moved or shipped already; what was written is written
            self._path.rename(sealed)

    def close(self) -> None:
        """Seal the open segment."""
        with self._lock:
            self._seal()

    def forked(self) -> None:
        """A segment belongs to one process: the child begins its own and leaves the parent's alone."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._lock = threading.Lock()
        self._forget()


def sink_of(
    events: str | Path | Sink | Callable[[Record], object] | None,
    clock: Clock,
    spool_mode: int | str | None = None,
    spool_group: str | int | None = None,
    spool: str | Path | None = None,
) -> Sink | None:
    """The sink that an `events=` argument stands for; *spool* is the folder of those that are sent to an address."""
    sent = isinstance(events, str) and events.startswith(("https://", "http://"))
    if (spool_mode, spool_group) != (None, None) and (not isinstance(events, str | Path) or str(events) == "-"):
        raise ConfigError("spool_mode= and spool_group= need a folder of events; a Spool takes them itself")
    if spool is not None and not sent:
        raise ConfigError("spool= is where events wait that go to an address; give events= one, as https://HOST:PORT")
    if events is None:
        return None
    if isinstance(events, str | Path):
        if not str(events):
            raise ConfigError("events='' names no folder: write a folder, '-' for standard output, or None")
        if str(events) == "-":
            return Stdout()
        if sent:
            from auditor.client.forwarding import ForwardingSpool  # (what sends is not what most need)
            from auditor.feed.address import Address

            where = Address.of(str(events), "events")
            return ForwardingSpool(where, spool, spool_mode=spool_mode, spool_group=spool_group, clock=clock)
        return Spool(events, spool_mode=spool_mode, spool_group=spool_group, clock=clock)
    if not isinstance(events, Sink) and not callable(events):
        raise ConfigError(
            f"events= is {type(events).__name__}: give a folder, an address, '-', a sink, a callable, or None"
        )
    return events if isinstance(events, Sink) else Called(events)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
