"""Core: what sync and async callers share, from the request to what lands.

in memory? → in flight? wait and share → in the shared store? → our turn? → call → store
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from typing import NamedTuple

from aiolimiter import AsyncLimiter

from auditor.caches import AHEAD, Cache, Entry, Slot
from auditor.caches.memory import Memory
from auditor.client.background import Background
from auditor.client.caller import Caller
from auditor.client.circuit import Circuit
from auditor.client.clock import Clock
from auditor.client.containers import whole
from auditor.client.far import Far
from auditor.client.flights import Flights
from auditor.client.lease import Turn
from auditor.client.meter import Meter, MeteredTry
from auditor.client.purges import Purges
from auditor.client.request import FREE, Rendered, Request
from auditor.model.errors import DeadlineError, InvalidRequestError, NotFoundError, RefusedError, RenderError
from auditor.model.events import Outcome

log = logging.getLogger("auditor.client")


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


class Core:
    """Flights over two levels of cache and one provider."""

    def __init__(
        self, near: Memory | None, far: Cache | None, caller: Caller, meter: Meter, clock: Clock, *,
        longest: float, circuit: Callable[[Far | None], Circuit],
    ) -> None:  # fmt: skip
        self._caller, self._meter, self._clock = caller, meter, clock
        self.background = Background()
        self.near = near
        self._far = Far(far, meter, clock, self.background.spawn, longest) if far is not None else None
        caller.circuit = circuit(self._far)
        self._flights: Flights[Landed] = Flights(self.background)
        self._purges = Purges()

    def take(self, request: Request, patience: float | None) -> Rendered:
        """The picture of a request, for a thread; *patience* in seconds, None for as long as it takes."""
        wait = self._join(request)
        try:
            landed = self._peek_or_launch(wait) if wait.first else None
            if landed is None:
                landed = wait.flight.result(patience)
        except BaseException as error:
            self._missed(wait, error)
            raise _explained(error) from None
        finally:
            self._meter.inflight(-1)
        return self._landed(wait, landed)

    async def atake(self, request: Request, patience: float | None, pace: AsyncLimiter | None = None) -> Rendered:
        """As `take`, for event loops; a flight that starts here waits for its turn at *pace*."""
        wait = self._join(request)
        try:
            if wait.first:
                self._launch(wait, pace)
            waiting = asyncio.wrap_future(wait.flight)
            if patience is None:
                landed = await waiting
            else:
                async with asyncio.timeout(patience):
                    landed = await waiting
        except BaseException as error:
            self._missed(wait, error)
            raise _explained(error) from None
        finally:
            self._meter.inflight(-1)
        return self._landed(wait, landed)

    def pace(self, per_second: float) -> AsyncLimiter:
        """What a batch waits for before each call."""
        return AsyncLimiter(1, 1 / per_second)

    def _join(self, request: Request) -> Wait:
        self._caller.ready()
        if self._far is not None and request.ttl > self._far.longest:
            self._far.longest = request.ttl
        made = self._meter.begin()
        self._meter.inflight(1)
        return Wait(request, made, *self._flights.join(request.flight))

    def _launch(self, wait: Wait, pace: AsyncLimiter | None, *, looked: bool = False) -> None:
        work = self._fly(wait.request, wait.made, pace, looked)
        self._flights.launch(wait.request.flight, wait.flight, work)

    def _peek_or_launch(self, wait: Wait) -> Landed | None:
        """A sync caller looks into the shared store itself, and goes to the background only if that is of no use."""
        entry, slot = None, wait.request.slot
        if wait.request.refresh:
            self._launch(wait, None, looked=True)
            return None
        seen = self._purges.turn
        try:
            entry = self._far.peek(slot) if self._far is not None else None
        finally:  # also when the caller is interrupted: others may wait for this flight
            if entry is None:
                self._launch(wait, None, looked=self._far is not None and self._far.peeks)
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
        key = wait.request.slot.key
        if wait.first:
            return Rendered(entry, outcome, key, entry.picture.credits if outcome is Outcome.RENDER else FREE)
        if wait.request.source == "batch":  # a check, which is no request
            return Rendered(entry, Outcome.HIT, key, FREE)
        if outcome is Outcome.HIT:
            self._meter.hit(wait.request, entry, wait.made.ts_ns, wait.made.started)
            return Rendered(entry, Outcome.HIT, key, FREE)
        self._meter.coalesced(wait.request, entry, wait.made)
        return Rendered(entry, Outcome.COALESCED, key, FREE)

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

    async def purge(self, group: str) -> int:
        """Forget a group, here and in the shared store; what is on its way is not kept."""
        gone = 0
        try:
            gone += self._forget(group)
            gone += await self._far.purge(group) if self._far is not None else 0
        finally:
            self._forget(group)  # what a request took from the store in the meantime
        return gone

    async def delete(self, key: str) -> int:
        """Forget one picture, here and in the shared store; one that is being rendered is not kept."""
        gone = 0
        try:
            gone += self._drop(key)
            gone += await self._far.delete(key) if self._far is not None else 0
        finally:
            self._drop(key)
        return gone

    def _drop(self, key: str) -> int:
        self._purges.note(key)
        return self.near.drop(key) if self.near is not None else 0

    def _gone(self, slot: Slot, seen: int) -> bool:
        """Whether its template was purged or itself deleted since the turn that was *seen*."""
        return self._purges.since(seen, slot.group, slot.key)

    def _forget(self, group: str) -> int:
        self._purges.note(group)
        return self.near.forget(group) if self.near is not None else 0

    def close(self, patience: float) -> None:
        """Wait for flights, then close connections; the next use makes new ones."""
        if self.background.started:
            self._flights.wait(patience)
            with suppress(TimeoutError):
                self.background.spawn(self._disconnect()).result(1)
            self.background.stop()
        self._caller.forked()

    async def _disconnect(self) -> None:
        await self._caller.close()
        if self._far is not None:
            await self._far.close()

    def forked(self) -> None:
        """Go on in a child process, with nothing of the parent's but what is in memory."""
        for part in (self.background, self._flights, self._caller, self.near, self._far):
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
        slot, far, near = request.slot, self._far, self.near
        if request.refresh:
            return await self._called(request, made, pace)
        # The flight before this one may have ended since the caller looked.
        if near is not None and (entry := near.find(slot.key)) is not None:
            return Landed(entry, Outcome.HIT)
        seen = self._purges.turn
        if far is not None and not looked and (entry := await far.get(slot)) is not None:
            self._keep(slot, entry, seen)
            return Landed(entry, Outcome.HIT)
        async with Turn(far, slot, self._clock) as turn:
            elsewhere, waited = await turn.wait()
            if elsewhere is not None:
                self._keep(slot, elsewhere, seen)
                return Landed(elsewhere, Outcome.COALESCED if waited else Outcome.HIT)
            return await self._called(request, made, pace)

    async def _called(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None) -> Landed:
        """What the provider gave, or what stands in for it."""
        slot, far = request.slot, self._far
        seen = self._purges.turn

        async def rescue(error: RenderError) -> Entry | None:
            return await self._spare(request, error) if request.stale else None

        entry, outcome = await self._caller.render(request, made, pace, rescue)
        if outcome is Outcome.RENDER and not self._gone(slot, seen) and entry.expires_at > self._clock.now():
            content = entry.picture.content
            if content is not None and not whole(content):
                log.warning("an incomplete image (%s) was delivered, but not stored", entry.picture.media_type)
            else:
                self._keep(slot, entry, seen)
                if far is not None:
                    await far.put(slot, entry)
        return Landed(entry, outcome)

    async def _spare(self, request: Request, error: RenderError) -> Entry | None:
        """The expired picture that may stand in: not where the provider says that the request itself is wrong."""
        wrong = isinstance(error, InvalidRequestError | NotFoundError)
        if wrong and error.status is not None and 400 <= error.status < 500:
            return None
        entry = self.near.spare(request.slot.key) if self.near is not None else None
        if entry is None and self._far is not None:
            entry = await self._far.spare(request.slot)
        now = self._clock.now()
        if entry is None or entry.expires_at + request.stale <= now or entry.stored_at > now + AHEAD:
            return None
        ends = entry.picture.expires_at
        return entry if ends is None or ends > now else None

    def _keep(self, slot: Slot, entry: Entry, seen: int) -> None:
        """In memory, unless it was purged or deleted since the turn that was *seen*."""
        if self.near is not None and not self._gone(slot, seen):
            try:
                self.near.keep(slot, entry)
            except Exception:  # (what was paid for is delivered, kept or not)
                self._meter.cache_failed(self.near.name, "put")


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, RenderError):
        return copy(error)  # each caller has its own, with its own traceback
    return DeadlineError("the picture did not come in time") if isinstance(error, TimeoutError) else error
