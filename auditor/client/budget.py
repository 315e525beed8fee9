"""Guards of calls: a budget, and a circuit that is open once the plan is used up.

Budget: so many credits a period for one environment of an account, counted in the spool folder, over processes.

The processes that share a spool folder take turns by a lock on a file in it, which the system frees if one of them is
killed. The process that has the lock reads the count, and adds its own call before it lets go: so every call that may
have been billed is counted before the next one is decided on.

Circuit: once a plan is used up, no call of its account leaves until it is filled again, but one that looks. The
provider's answer opens it, until the time that it named or the next billing cycle. Meanwhile one call in a while is let
through; with a store that hosts share, one of them all. A call that succeeds closes it.
"""

import fcntl
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditor.caches import Slot
from auditor.client.clock import Clock
from auditor.client.count import Count
from auditor.client.forks import renew_in_children
from auditor.client.levels import Levels
from auditor.client.sinks import Sink, Spool
from auditor.model.errors import BudgetExceededError, CircuitOpenError, ConfigError, QuotaExceededError
from auditor.model.fingerprint import Scope
from auditor.model.plans import cycles

log = logging.getLogger("auditor.client")
_LONGEST = 366 * 86_400.0
"""Seconds: no billing cycle is longer."""
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
    """Until the lock is ours: some milliseconds, unless the process that has it was stopped in the middle of it."""
    ends = time.monotonic() + PATIENCE
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= ends:
            log.warning("another process keeps the budget's lock; counting without it")
            return
        time.sleep(0.001)


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


class Circuit:
    """Of one account in one process, *every* so many seconds one call looks whether the plan works again."""

    def __init__(self, scope: Scope, clock: Clock, levels: Levels, cycle: Budget, every: float) -> None:
        self._account, self._clock, self._levels, self._cycle, self._every = scope.account, clock, levels, cycle, every
        account = hashlib.blake2b(f"{scope.provider}\0{scope.account}".encode(), key=scope.secret, digest_size=16)
        self._slot, self._token = Slot("probe", f"probe:{account.hexdigest()}"), uuid.uuid4().hex
        self._until: float | None = None
        """Seconds since 1970; None while it is closed."""
        self._opened = self._next = 0.0
        """When it opened and when the next call may look, on the steady clock."""

    async def enter(self) -> None:
        """`CircuitOpenError`, unless it is closed or this call is the one that looks."""
        now = self._clock.steady()
        if self._open and now >= self._next:
            self._next = now + self._every
            if await self._ours():
                return
        if self._open and self._until is not None:
            ends = datetime.fromtimestamp(self._until, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            left = self._until - self._clock.now()
            raise CircuitOpenError(
                f"the credits of {self._account} are used up until {ends}, so no call was made", retry_after=left
            )

    def exhausted(self, error: QuotaExceededError) -> None:
        """The provider said so: open until the time that it named, or the next cycle."""
        now, steady = self._clock.now(), self._clock.steady()
        if not self._open:
            self._opened = steady
        self._next = max(self._next, steady + self._every)
        self._until = None if error.resets_at is None else min(error.resets_at, now + _LONGEST)
        if self._until is None or self._until <= now:
            moment = int(now * 1e6)
            self._until = cycles(moment, moment, self._cycle.anchor_day, self._cycle.zone)[0].end_us / 1e6

    async def succeeded(self, began: float) -> None:
        """A call of then, on the steady clock, gave an image."""
        if self._until is not None and began >= self._opened:
            self._until = None
            # So that the other processes need not wait for their turn to find out.
            await self._levels.release(self._slot, self._token)

    @property
    def _open(self) -> bool:
        if self._until is not None and self._clock.now() >= self._until:
            self._until = None
        return self._until is not None

    async def _ours(self) -> bool:
        if not self._levels.leases:
            return True
        # Our own turn of before may not have run out there yet; that of another process is theirs.
        await self._levels.release(self._slot, self._token)
        return await self._levels.acquire(self._slot, self._token, self._every) or not self._levels.up
