"""What a server shows, opened again: when the configuration changes, on SIGHUP, and until the ledger can be opened.

The new one is opened before the old one is closed, so that nothing that is followed is missed between them. A
configuration that cannot be used leaves the one before it in force.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError

from auditor import config as configuration
from auditor.ledger.database import NoLedgerError
from auditor.ledger.sqlite import PlaceError
from auditor.model.errors import AuditorError, ConfigError
from auditor.model.metrics import RELOAD
from auditor.model.settings import Settings
from auditor.system.files import FileStamp
from auditor_exporter.families import Families
from auditor_exporter.snapshot import Collects, Snapshot, build_info, reason

LOOK = 5.0
"""Seconds between two looks at the file, and between two tries of what could not be opened or was refused."""
Begin = Callable[[Settings], AbstractContextManager[Snapshot]]


@dataclass
class Down:
    """Stands for the ledger while it cannot be opened."""

    error: Exception
    name: str = "ledger"

    def collect(self, _families: Families, _now: float) -> None:
        """Fail."""
        raise self.error


class Reloading(Collector):
    """Has the newest `snapshot` that could be opened.

    *path* is the configuration file, which need not be there if it was not *named*; *begin* opens what is shown,
    *others* are shown without the ledger while that is down, and *more* always. *say* hears of what fails and *done* of
    what works again; *tell* is what tells a supervisor of each reload.
    """

    def __init__(
        self, path: Path, begin: Begin, say: Callable[[str], object], *, named: bool,
        others: Callable[[Settings], Iterable[Collects]] = lambda _: (), done: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.time, look: float = LOOK, tell: Callable[[str], object] = lambda _: None,
        more: Iterable[Collector] = (),
    ) -> None:  # fmt: skip
        self._path, self._begin, self._say, self._done = path, begin, say, done
        self._named = named
        self._others, self._clock, self._look, self._tell = others, clock, look, tell
        self._wake, self._stopping = threading.Event(), False
        self._seen = self._stamp()
        self.settings = configuration.load(path if named or self._seen else None)
        self._opened: ExitStack | None = None
        self._more = (self, build_info(), ProcessCollector(registry=None), PlatformCollector(registry=None), *more)
        self._said = {"file": "", "ledger": ""}
        self._wanted = False
        """Whether the reload that failed was asked for."""
        self.worked, self.worked_at = True, clock()
        self.asked = False
        """Whether a reload was asked for that has not begun."""
        try:
            self._open(self.settings)
        except AuditorError as error:
            if not is_down(error):
                raise
            self._fails("ledger", error, f"it is tried again every {look:g} s")
            self.snapshot = Snapshot([Down(error), *others(self.settings)])
        self.snapshot.more = self._more
        self._thread = threading.Thread(target=self._until, name="reload", daemon=True)
        self._thread.start()

    def reload(self) -> None:
        """Read the file again soon, whether it changed or not."""
        self.asked = True
        self._wake.set()

    def collect(self) -> Iterable[Metric]:
        """Whether the configuration in force is the one of the file."""
        for definition, value in zip(RELOAD, (float(self.worked), self.worked_at), strict=True):
            yield GaugeMetricFamily(definition.name, definition.help, value=value)

    def look(self) -> None:
        """Once: open what is not open, and read the file if it changed, a reload was asked for, or it was refused.

        What refused it may be over although the file is the same: the ledger was changed, or the file's mode.
        """
        stamp, asked = self._stamp(), self.asked
        changed = stamp != self._seen
        if changed or asked or not self.worked:
            self._wanted = asked or (self._wanted and not changed)
            self._seen, self.asked = stamp, False
            self._read(stamp, changed=changed, tell=changed or asked)
        if self._opened is None and not changed and not asked:
            try:
                self._open(self.settings)
            except Exception as error:
                self._fails("ledger", error, f"it is tried again every {self._look:g} s")
            else:
                self._said["ledger"] = ""
                self._done("the ledger is open")

    def _read(self, stamp: tuple[int, ...] | None, *, changed: bool, tell: bool) -> None:
        """*tell* of it; why it cannot be used is said once, and once more for a *changed* file."""
        if tell:
            self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        if changed:
            self._said["file"] = ""
        try:
            if stamp is None and (self._named or not self._wanted):
                raise ConfigError(f"{self._path}: the file is gone")
            settings = configuration.load(self._path if stamp else None)
            if self._opened is not None and settings != self.settings:
                self._open(settings)
            self.settings = settings  # (with which the next look opens the ledger, if it is not open)
        except Exception as error:
            self.worked = False
            self._fails("file", error, "the configuration before it stays in force")
        else:
            self._said["file"], self._wanted = "", False
            self.worked, self.worked_at = True, self._clock()
            self._done("the configuration was read again")
        if tell:
            self._tell("READY=1")

    def _fails(self, what: str, error: Exception, then: str) -> None:
        """Say why, unless it is why it failed the last time."""
        if (words := reason(error)) != self._said[what]:
            self._said[what] = words
            self._say(f"{words}; {then}")

    def _open(self, settings: Settings) -> None:
        stack = ExitStack()
        shown = stack.enter_context(self._begin(settings))
        shown.more = self._more
        before, self._opened, self.snapshot = self._opened, stack, shown
        if before is not None:
            before.close()

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            return FileStamp.of(self._path.stat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # there, and reading it says why it cannot be used
            return (0,)

    def _until(self) -> None:
        while True:
            self._wake.wait(self._look)
            self._wake.clear()
            if self._stopping:
                return
            self.look()

    def __enter__(self) -> "Reloading":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(30)
        if self._opened is not None:
            self._opened.close()


def is_down(error: BaseException) -> bool:
    """Whether a ledger could not be opened since its server or its file is not there for now: it may come."""
    if isinstance(error, NoLedgerError | PlaceError):
        return True
    cause = error.__context__
    return isinstance(cause, OperationalError) and "psycopg" in type(cause.orig).__module__
