"""Forwarding: a spool whose segments are sent to a receiver in the background, and removed once it has them.

An event is on disk before anything is sent, so that no caller waits for a network, and what was not sent goes later:
with this process, or with the next one that uses the folder. Of the processes that share a folder, the one that holds
its lock sends for all.
"""

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from auditor.client.clock import Clock
from auditor.client.forks import close_at_exit
from auditor.client.sinks import Record, Spool
from auditor.feed.address import Address
from auditor.feed.forward import Forward
from auditor.feed.sender import Sender, UndeliveredError
from auditor.feed.taken import Ingested
from auditor.model.errors import AuditorError, ConfigError, InputError

log = logging.getLogger("auditor.client")
EVERY = 1.0
"""Seconds between two looks at what was written."""
AT_EXIT = 5.0
"""Seconds that the end of a process waits for what it wrote last."""
REFUSED = 60.0
"""Seconds until a receiver that refuses us is asked again."""
OTHERS = 60.0
"""Seconds between two looks at what other processes wrote, where this one writes nothing."""
_ABANDONED = 86_400.0
"""Seconds after which an open segment is no longer written to: a live process begins a new one after an hour."""
_LOCK = ".forward.lock"


def default_folder(address: Address) -> Path:
    """Where events wait that go to an address: a folder in the user's state directory."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigError("events= is an address, and there is no home directory; name a folder with spool=") from None
    return base / "render-auditor" / f"events-{hashlib.sha256(address.shown.encode()).hexdigest()[:12]}"


class ForwardingSpool(Spool):
    """Segments in *folder* that go to *address*; a thread of this process sends them from the first event on."""

    def __init__(
        self, address: Address, folder: str | Path | None = None, /, *, every: float = EVERY,
        clock: Clock | None = None, transport: Any = None, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(default_folder(address) if folder is None else folder, clock=clock, **options)
        self._address, self._every, self._transport = address, every, transport
        self._lock_file: int | None = None
        self._quiet()
        close_at_exit(self)

    def _quiet(self) -> None:
        self._thread: threading.Thread | None = None
        self._written, self._stopping = threading.Event(), threading.Event()
        self._starting = threading.Lock()

    def write(self, event: Record, *, lasting: bool) -> None:
        """Append a line; it is sent soon. Raises `OSError` where it cannot be kept."""
        super().write(event, lasting=lasting)
        if not self._written.is_set():
            self._written.set()
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._stopping = threading.Event()
                self._thread = threading.Thread(
                    target=self._until, args=(self._stopping,), name="usage events", daemon=True
                )
                self._thread.start()

    def _until(self, stopping: threading.Event) -> None:
        said, thread = "", threading.get_ident()

        def elsewhere(record: logging.LogRecord) -> bool:
            return record.thread != thread

        # Else an application that logs httpx's requests would log ours too, every second.
        logging.getLogger("httpx").addFilter(elsewhere)
        sender = Sender(self._address, wait=stopping.wait, say=log.warning, transport=self._transport)
        forward = Forward(sender, self._clock.now)
        try:
            while True:
                last = stopping.is_set()
                self._written.clear()
                pause = self._every
                try:
                    self._pass(forward)
                    said = ""
                except Exception as error:
                    # Words of our own name no secret; others may hold a path or a value.
                    words = str(error) if isinstance(error, AuditorError) else type(error).__name__
                    if words != said and not isinstance(error, UndeliveredError):
                        log.warning("usage events wait in %s: %s", self.folder, words)
                    said, pause = words, REFUSED
                if last:
                    return
                if not stopping.wait(pause) and not said:
                    self._await(stopping)
        finally:
            sender.close()
            logging.getLogger("httpx").removeFilter(elsewhere)

    def _await(self, stopping: threading.Event) -> None:
        """Sleep until something is written here, and look now and then what others wrote."""
        ends = self._clock.steady() + OTHERS
        while not self._written.wait(self._every) and not stopping.is_set() and self._clock.steady() < ends:
            pass

    def _pass(self, forward: Forward) -> None:
        """Send what is new, unless another process does."""
        with self._turn() as ours:
            unread: list[tuple[str, str]] = []
            for path in sorted(self.folder.glob("usage-*.jsonl")) if ours else ():
                done = Ingested()
                forward.run_one(path, done)
                unread += done.unread
                for line in done.rejected:
                    log.warning("the receiver rejected line %d of %s: %s", line[1], path.name, line[2])
                kept = done.unread or done.gone or done.damaged
                with suppress(FileNotFoundError):  # another process sealed it meanwhile
                    if not kept and self._is_over(path) and forward.has_sent(path):
                        path.unlink()
            if unread:
                raise InputError(unread[0][1])

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether this process may send now; the system gives the turn away if it dies."""
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._lock_file = descriptor
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            self._lock_file = None
            # Closing alone would not do where a child was forked meanwhile, which has it too.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def close(self) -> None:
        """Seal the open segment, and wait a little until everything is sent; the rest stays for the next time."""
        super().close()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._stopping.set()
            thread.join(AT_EXIT)
            self._written.clear()

    def forked(self) -> None:
        """The thread is the parent's, and so is its turn."""
        super().forked()
        if self._lock_file is not None:
            with suppress(OSError):
                os.close(self._lock_file)
            self._lock_file = None
        self._quiet()

    def _is_over(self, path: Path) -> bool:
        """Whether a segment will not be written to any more."""
        return not path.name.endswith(".open.jsonl") or self._clock.now() - path.stat().st_mtime > _ABANDONED
