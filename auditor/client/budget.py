"""Budget: so many credits a period for one environment of an account, counted from the spool, exact over processes.

The processes that share a spool folder take turns by a lock on a file in it, which the system frees if one of them is
killed. Whoever has the lock reads what all segments have grown by, and writes its own `attempt` before it lets go: so
every call that may have been billed is counted before the next one is decided on.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditor.client.clock import Clock
from auditor.errors import BudgetExceededError, ConfigError
from auditor.events import Outcome, parse_event
from auditor.fingerprint import Scope
from auditor.plans import cycles

log = logging.getLogger("auditor.client")
LOCK_NAME = ".budget.lock"
PATIENCE = 2.0
"""Seconds to wait for the lock: a process that was frozen while it had it must not stop the renders of all others."""
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Budget:
    """At most *credits* per cycle (or `ever`) for the renderer's environment; calls that may have been billed count 1.

    A cycle starts at midnight of *anchor_day* in *timezone*, as the provider's does.
    """

    credits: Decimal | int
    per: Literal["cycle", "ever"] = "cycle"
    on_exceeded: Literal["refuse", "warn"] = "refuse"
    anchor_day: int = 1
    timezone: str = "UTC"


class Tally:
    """Credits of one scope in a folder of segments, read on from where it was left."""

    def __init__(self, folder: Path, scope: Scope) -> None:
        self._folder, self._scope = folder, scope
        self._read: dict[str, int] = {}
        self._finished: set[str] = set()
        self._calls: dict[str, tuple[int, Decimal, bool]] = {}

    def used(self, since_us: int) -> Decimal:
        """Credits from *since_us* on, calls without an answer as 1 each."""
        for path in self._folder.glob("usage-*.jsonl"):
            if path.name not in self._finished:
                self._grow(path, since_us)
        self._calls = {identity: call for identity, call in self._calls.items() if call[0] >= since_us}
        return sum((credits for _, credits, _ in self._calls.values()), Decimal(0))

    def _grow(self, path: Path, since_us: int) -> None:
        sealed = not path.name.endswith(".open.jsonl")
        name = path.name.replace(".open.jsonl", ".jsonl")
        done = self._read.get(name, 0)
        try:
            if sealed and path.stat().st_mtime_ns // 1000 < since_us:
                self._finished.add(path.name)
                return
            with path.open("rb") as file:
                file.seek(done)
                data = file.read()
        except FileNotFoundError:
            if not sealed:  # it was sealed between listing and opening, and has its other name now
                self._grow(path.with_name(name), since_us)
            return
        except OSError as error:
            log.warning("a segment cannot be counted for the budget (%s)", type(error).__name__)
            return
        if sealed:  # nothing is written to it any more
            self._finished.add(path.name)
        whole = data.rfind(b"\n") + 1
        self._read[name] = done + whole
        for line in data[:whole].splitlines():
            # Most lines are hits; as the client writes them, they need not be parsed.
            if b'"outcome":"hit"' not in line and b'"outcome":"coalesced"' not in line:
                self._count(line)

    def _count(self, line: bytes) -> None:
        try:
            event = parse_event(json.loads(line, parse_float=Decimal), _UTC)
        except (ValueError, TypeError, AttributeError, RecursionError):  # a torn line; the audit reports it
            return
        scope = self._scope
        if (event.provider, event.account, event.environment) != (scope.provider, scope.account, scope.environment):
            return
        if event.outcome not in (Outcome.ATTEMPT, Outcome.RENDER, Outcome.ERROR):
            return
        credits = Decimal(1) if event.credits is None else event.credits
        final = event.outcome is not Outcome.ATTEMPT
        known = self._calls.get(event.id)
        if known is None:
            self._calls[event.id] = (event.ts_us, credits, final)
        elif final:  # it replaces the attempt; of two finals the dearer one
            self._calls[event.id] = (known[0], max(known[1], credits) if known[2] else credits, True)


class BudgetGuard:
    """Decides, under the lock, whether one more call fits."""

    def __init__(self, budget: Budget, folder: Path | None, scope: Scope, clock: Clock) -> None:
        if folder is None:
            raise ConfigError("a budget is counted from the spool: give events= a folder")
        self._budget, self._folder, self._scope, self._clock = budget, folder, scope, clock
        try:
            self._zone = ZoneInfo(budget.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(f"the budget's timezone {budget.timezone!r} is unknown; write Europe/Berlin") from None
        self.forked()

    def forked(self) -> None:
        """The child counts for itself."""
        self._tally = Tally(self._folder, self._scope)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the lock while the `attempt` is written; `BudgetExceededError` if the budget is used up."""
        with _locked(self._folder):
            used = self._tally.used(self._start_us())
            if used + 1 > self._budget.credits:
                what = (
                    f"{used.normalize():f} of {self._budget.credits} credits of {self._scope.environment} are used "
                    f"({self._budget.per})"
                )
                if self._budget.on_exceeded == "refuse":
                    raise BudgetExceededError(what)
                log.warning("over budget: %s", what)
            yield

    def _start_us(self) -> int:
        if self._budget.per == "ever":
            return 0
        now = self._clock.wall_ns() // 1000
        return cycles(now, now, self._budget.anchor_day, self._zone)[0].start_us


def _wait_for(descriptor: int) -> None:
    """Until the lock is ours: some milliseconds, unless whoever has it was stopped in the middle of it."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                log.warning("another process keeps the budget's lock; counting without it")
                return
            time.sleep(0.001)
        else:
            return


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        # A disk that cannot be written must not stop renders; events that cannot be written are counted as dropped.
        log.warning("the budget cannot be counted (%s)", type(error).__name__)
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks: counted all the same, less exactly
            _wait_for(descriptor)
        yield
    finally:
        with suppress(OSError):  # closing it would not do where a child was forked meanwhile, which holds it too
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
