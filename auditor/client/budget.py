"""Budget: so many credits a period for one environment of an account, counted in the spool folder, over processes.

The processes that share a spool folder take turns by a lock on a file in it, which the system frees if one of them is
killed. The process that has the lock reads the count, and adds its own call before it lets go: so every call that may
have been billed is counted before the next one is decided on.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditor.client.clock import Clock
from auditor.client.count import Count
from auditor.client.forks import renew_in_children
from auditor.client.sinks import Sink, Spool
from auditor.model.errors import BudgetExceededError, ConfigError
from auditor.model.fingerprint import Scope
from auditor.model.plans import cycles

log = logging.getLogger("auditor.client")
LOCK_NAME = ".budget.lock"
PATIENCE = 2.0
"""Seconds to wait for the lock: a process that was frozen while it had it must not stop the renders of all others."""
Settle = Callable[[Decimal | None], None]
"""Takes what a call cost, None for unknown."""


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

    def __post_init__(self) -> None:
        number = isinstance(self.credits, int | Decimal) and not isinstance(self.credits, bool)
        if not number or not Decimal(self.credits).is_finite() or self.credits < 0:
            raise ConfigError(f"Budget(credits={self.credits!r}): a whole number or a Decimal from 0 is needed")
        if self.per not in ("cycle", "ever"):
            raise ConfigError(f"Budget(per={self.per!r}): write per='cycle' or per='ever'")
        if self.on_exceeded not in ("refuse", "warn"):
            raise ConfigError(f"Budget(on_exceeded={self.on_exceeded!r}): write 'refuse' or 'warn'")
        day = self.anchor_day
        if isinstance(day, bool) or not isinstance(day, int) or not 1 <= day <= 31:
            raise ConfigError(f"Budget(anchor_day={day!r}): a day of the month from 1 to 31 is needed")
        _ = self.zone

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose midnights begin cycles."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            raise ConfigError(f"the budget's timezone {self.timezone!r} is unknown; write Europe/Berlin") from None


class BudgetGuard:
    """Decides, under the lock, whether one more call fits."""

    def __init__(self, budget: Budget, sink: Sink | None, scope: Scope, clock: Clock) -> None:
        if not isinstance(budget, Budget):
            raise ConfigError(f"budget={budget!r}: write Budget({budget!r}), from auditor import Budget")
        if not isinstance(sink, Spool):
            raise ConfigError("a budget is counted in the spool folder: give events= a folder")
        self._budget, self._folder, self._scope, self._clock = budget, sink.folder, scope, clock
        self._series = "ever" if budget.per == "ever" else f"{budget.anchor_day} {budget.timezone}"
        self.forked()
        renew_in_children(self)

    def forked(self) -> None:
        """The child reads for itself."""
        self._count = Count(self._folder, self._scope, self._series)

    @contextmanager
    def __call__(self) -> Iterator[Settle]:
        """Hold the lock while the `attempt` is written; `BudgetExceededError` if the budget is used up.

        What it gives takes the credits that the call cost in the end; until then, and where that stays unknown, it
        counts as 1.
        """
        with _locked(self._folder):
            now_us = self._clock.wall_ns() // 1000
            ever, day = self._budget.per == "ever", self._budget.anchor_day
            start_us = 0 if ever else cycles(now_us, now_us, day, self._budget.zone)[0].start_us
            counted = self._count.current(start_us, now_us)
            used = max(self._count.used(cycle) for cycle in counted)
            if used + 1 > self._budget.credits:
                what = (
                    f"{used.normalize():f} of {self._budget.credits} credits of {self._scope.environment} are used "
                    f"({self._budget.per})"
                )
                if self._budget.on_exceeded == "refuse":
                    raise BudgetExceededError(what)
                log.warning("over budget: %s", what)
            count = self._count
            for cycle in counted:
                count.add(cycle, Decimal(1))

            def settle(credits: Decimal | None) -> None:
                if credits is not None and credits != 1:
                    for cycle in counted:
                        count.add(cycle, credits - 1)

            yield settle


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
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(folder / LOCK_NAME, flags, 0o600)
    except OSError as error:
        # A disk that cannot be written must not stop renders; events that cannot be written are counted as dropped.
        log.warning("the budget's lock cannot be used (%s); counting without it", type(error).__name__)
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
