"""Core: what sync and async callers share, from the request to what lands.

in memory? → in flight? wait and share → in the shared store? → our turn? → call → store
"""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from typing import NamedTuple

from aiolimiter import AsyncLimiter

from auditor.caches import AHEAD, Entry, Slot, is_key
from auditor.caches.memory import Memory
from auditor.client.background import Background
from auditor.client.caller import Caller
from auditor.client.clock import Clock
from auditor.client.containers import whole
from auditor.client.far import Far
from auditor.client.flights import Flights, turn
from auditor.client.meter import Meter, MeteredTry
from auditor.client.request import FREE, Rendered, Request
from auditor.model.errors import DeadlineError, InvalidRequestError, NotFoundError, RefusedError, RenderError
from auditor.model.events import Outcome

log = logging.getLogger("auditor.client")
_MOST_PURGES = 4096


class Landed(NamedTuple):
    """What a flight brought: an entry, and whether it was found, waited for elsewhere, or rendered."""

    entry: Entry
    outcome: Outcome


class Wait(NamedTuple):
    """One caller's wait for a flight."""

    request: Request
    made: MeteredTry
    flight: "Future[Landed]"
    first: bool
    """Whether it started the flight: then the flight records what becomes of its request, even if it goes away."""


class Purges:
    """The newest names that were forgotten, each with its turn: a picture that was asked for before is not kept.

    They are so many that years of deletes take no more room than a busy hour.
    """

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}
        self._dropped = 0
        """The newest turn that is not remembered any more."""
        self.turn = 0
        """Of the newest purge."""

    def note(self, name: str) -> None:
        """A template was purged, or a key deleted."""
        self.turn += 1
        self._turns.pop(name, None)
        self._turns[name] = self.turn
        if len(self._turns) > _MOST_PURGES:
            self._dropped = self._turns.pop(next(iter(self._turns)))

    def since(self, turn: int, slot: Slot) -> bool:
        """Whether its template or key was forgotten after *turn*; where that is too long ago to know, it may be."""
        return turn < self._dropped or any(self._turns.get(name, 0) > turn for name in (slot.group, slot.key))


class Core:
    """Flights over two levels of cache and one provider."""

    def __init__(
        self, background: Background, near: Memory | None, far: Far, caller: Caller, meter: Meter, clock: Clock
    ) -> None:
        self.near, self._far, self._caller, self._meter, self._clock = near, far, caller, meter, clock
        self._background = background
        self._flights: Flights[Landed] = Flights(background)
        self._purges = Purges()

    def take(self, request: Request, patience: float | None) -> Rendered:
        """The picture of a request, for a thread; *patience* in seconds, None for as long as it takes."""
        with self._waiting(request) as wait:
            landed = self._peek_or_launch(wait) if wait.first else None
            if landed is None:
                landed = wait.flight.result(patience)
        return self._landed(wait, landed)

    async def atake(self, request: Request, patience: float | None, pace: AsyncLimiter | None = None) -> Rendered:
        """As `take`, for event loops; a flight that starts here waits for its turn at *pace*."""
        with self._waiting(request) as wait:
            if wait.first:
                self._launch(wait, pace)
            async with asyncio.timeout(patience):
                landed = await asyncio.wrap_future(wait.flight)
        return self._landed(wait, landed)

    @contextmanager
    def _waiting(self, request: Request) -> Iterator[Wait]:
        """A caller joins a flight; if it gets nothing, that is recorded, and it is told why."""
        self._caller.ready()
        self._far.longest = max(self._far.longest, request.ttl)
        made = self._meter.begin()
        self._meter.inflight(1)
        wait = Wait(request, made, *self._flights.join(request.flight))
        try:
            yield wait
        except BaseException as error:
            self._missed(wait, error)
            raise _explained(error) from None
        finally:
            self._meter.inflight(-1)

    def _launch(self, wait: Wait, pace: AsyncLimiter | None, *, looked: bool = False) -> None:
        work = self._fly(wait.request, wait.made, pace, looked)
        self._flights.launch(wait.request.flight, wait.flight, work)

    def _peek_or_launch(self, wait: Wait) -> Landed | None:
        """A sync caller looks into the shared store itself, and goes to the background only if that is of no use."""
        entry, slot, seen = None, wait.request.slot, self._purges.turn
        try:
            entry = None if wait.request.refresh else self._far.peek(slot)
        finally:  # also when the caller is interrupted: others may wait for this flight
            if entry is None:
                self._launch(wait, None, looked=self._far.peeks)
        if entry is None:
            return None
        self._keep(slot, entry, seen)
        landed = Landed(entry, Outcome.HIT)
        self._flights.land(slot.key, wait.flight, landed)
        self._meter.hit(wait.request, entry, wait.made.ts_ns, wait.made.started)
        return landed

    def _landed(self, wait: Wait, landed: Landed) -> Rendered:
        """What this caller gets; for those who did not start the flight, it is recorded here."""
        entry, outcome = landed
        if not wait.first:
            if wait.request.source == "batch":  # a check, which is no request
                outcome = Outcome.HIT
            elif outcome is Outcome.HIT:
                self._meter.hit(wait.request, entry, wait.made.ts_ns, wait.made.started)
            else:
                self._meter.coalesced(wait.request, entry, wait.made)
                outcome = Outcome.COALESCED
        credits = entry.picture.credits if outcome is Outcome.RENDER else FREE
        return Rendered(entry, outcome, wait.request.slot.key, credits)

    def _missed(self, wait: Wait, error: BaseException) -> None:
        """A caller gets nothing. The flight records what becomes of the first one's request, now or when it lands."""
        if wait.first:
            return
        if isinstance(error, RefusedError):
            self._meter.refused(wait.request, wait.made)
        elif isinstance(error, RenderError):
            self._meter.gave_up(wait.request, error.word, wait.made)
        else:
            self._meter.gave_up(wait.request, "timeout" if isinstance(error, TimeoutError) else "other", wait.made)

    async def forget(self, name: str) -> int:
        """Forget a key or a group, here and in the shared store; what is on its way is not kept."""
        gone = self._forget(name)
        try:
            return gone + await self._far.forget(name)
        finally:
            self._forget(name)  # what a request took from the store in the meantime

    def _forget(self, name: str) -> int:
        self._purges.note(name)
        if self.near is None:
            return 0
        return self.near.drop(name) if is_key(name) else self.near.forget(name)

    def close(self, patience: float) -> None:
        """Wait for flights, then close connections; the next use makes new ones."""
        if self._background.started:
            self._flights.wait(patience)
            with suppress(TimeoutError):
                self._background.spawn(self._disconnect()).result(1)
            self._background.stop()
        self._caller.forked()

    async def _disconnect(self) -> None:
        await self._caller.close()
        await self._far.close()

    def forked(self) -> None:
        """Go on in a child process, with nothing of the parent's but what is in memory."""
        for part in (self._background, self._flights, self._caller, self.near, self._far):
            if part is not None:
                part.forked()

    async def _fly(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None, looked: bool) -> Landed:
        """One flight. What became of the request that started it is recorded here, whoever still waits."""
        try:
            landed = await self._bring(request, made, pace, looked)
        except RenderError:
            raise  # the caller recorded it
        except Exception as error:
            # Under an id of its own: an attempt that was written stays unresolved, since the call may have left.
            self._meter.gave_up(request, "other", self._meter.begin())
            raise RenderError(f"the client failed ({type(error).__name__}); please report it") from error
        if landed.outcome is Outcome.COALESCED:
            self._meter.coalesced(request, landed.entry, made)
        elif landed.outcome is Outcome.HIT and request.source == "online":
            self._meter.hit(request, landed.entry, made.ts_ns, made.started)
        return landed

    async def _bring(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None, looked: bool) -> Landed:
        slot, seen = request.slot, self._purges.turn
        if request.refresh:
            return await self._called(request, made, pace)
        # The flight before this one may have ended since the caller looked.
        if self.near is not None and (entry := self.near.find(slot.key)) is not None:
            return Landed(entry, Outcome.HIT)
        if not looked and (entry := await self._far.get(slot)) is not None:
            self._keep(slot, entry, seen)
            return Landed(entry, Outcome.HIT)
        async with turn(self._far, slot, self._clock) as (elsewhere, waited):
            if elsewhere is not None:
                self._keep(slot, elsewhere, seen)
                return Landed(elsewhere, Outcome.COALESCED if waited else Outcome.HIT)
            return await self._called(request, made, pace)

    async def _called(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None) -> Landed:
        """What the provider gave, or what stands in for it."""
        slot, seen = request.slot, self._purges.turn
        entry, outcome = await self._caller.render(request, made, pace, partial(self._spare, request))
        if outcome is Outcome.RENDER and not self._purges.since(seen, slot) and entry.expires_at > self._clock.now():
            content = entry.picture.content
            if content is not None and not whole(content):
                log.warning("an incomplete image (%s) was delivered, but not stored", entry.picture.media_type)
            else:
                self._keep(slot, entry, seen)
                await self._far.put(slot, entry)
        return Landed(entry, outcome)

    async def _spare(self, request: Request, error: RenderError) -> Entry | None:
        """The expired picture that may stand in: not where the provider says that the request itself is wrong."""
        wrong = isinstance(error, InvalidRequestError | NotFoundError)
        if not request.stale or (wrong and error.status is not None and 400 <= error.status < 500):
            return None
        entry = self.near.spare(request.slot.key) if self.near is not None else None
        if entry is None:
            entry = await self._far.spare(request.slot)
        now = self._clock.now()
        if entry is None or entry.expires_at + request.stale <= now or entry.stored_at > now + AHEAD:
            return None
        ends = entry.picture.expires_at
        return entry if ends is None or ends > now else None

    def _keep(self, slot: Slot, entry: Entry, seen: int) -> None:
        """In memory, unless it was purged or deleted since the turn that was *seen*."""
        if self.near is not None and not self._purges.since(seen, slot):
            try:
                self.near.keep(slot, entry)
            except Exception:  # (what was paid for is delivered, kept or not)
                self._meter.cache_failed(self.near.name, "put")


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, RenderError):
        return copy(error)  # each caller has its own, with its own traceback
    return DeadlineError("the picture did not come in time") if isinstance(error, TimeoutError) else error
