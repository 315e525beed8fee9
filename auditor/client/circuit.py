"""Circuit: once a plan is used up, no call of its account leaves until it is filled again, but one that looks.

The provider's answer opens it, until the time that it named or the next billing cycle. Meanwhile one call in a while
is let through; with a store that hosts share, one of them all. A call that succeeds closes it.
"""

import hashlib
import uuid
from datetime import UTC, datetime

from auditor.caches import Slot
from auditor.client.budget import Budget
from auditor.client.clock import Clock
from auditor.client.levels import Levels
from auditor.model.errors import CircuitOpenError, QuotaExceededError
from auditor.model.fingerprint import Scope
from auditor.model.plans import cycles

_LONGEST = 366 * 86_400.0
"""Seconds: no billing cycle is longer."""


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
        self.check()

    def check(self) -> None:
        """`CircuitOpenError` while it is open."""
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
        """A call of then, on the steady clock, gave a picture."""
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
