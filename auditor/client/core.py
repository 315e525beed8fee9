"""Core: what sync and async callers share, from the request to what lands.

in memory? → in flight? wait and share → in the shared store? → our turn? → call → store
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from functools import partial
from typing import Any, NamedTuple

from aiolimiter import AsyncLimiter

from auditor.caches import AHEAD, Cache, Entry
from auditor.client.arguments import Seconds, call_seconds, check_name
from auditor.client.batch import Item
from auditor.client.budget import Budget, Circuit
from auditor.client.caller import Caller
from auditor.client.clock import Clock
from auditor.client.containers import whole
from auditor.client.flights import Background, Flights, turn
from auditor.client.identity import Shapes
from auditor.client.levels import Levels, Tiered, stores_of
from auditor.client.meter import Meter, MeteredTry
from auditor.client.request import FREE, Lives, Rendered, Request
from auditor.model.errors import DeadlineError, InvalidRequestError, NotFoundError, RefusedError, RenderError
from auditor.model.events import Outcome
from auditor.model.provider import Api

log = logging.getLogger("auditor.client")


Landed = tuple[Entry, Outcome]
"""What a flight brought: an entry, and whether it was found, waited for elsewhere, or rendered."""


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
        self,
        api: Api,
        cache: Cache | Tiered | str | os.PathLike[str] | None,
        caller: Callable[[Circuit], Caller],
        meter: Meter,
        clock: Clock,
        lives: Lives,
        cycle: Budget,
        probe_every: float,
    ) -> None:
        self._meter, self._clock, self._lives = meter, clock, lives
        self.per_second = api.per_second
        """What a batch may do, unless told otherwise: what the provider's plans bear."""
        self._shapes = Shapes(meter.scope, api.options)
        self.background = Background()
        longest = max(*lives.sources.values(), *lives.templates.values())
        self.near, far = stores_of(cache, clock)
        self.levels = Levels(self.near, far, meter, clock, self.background.spawn, longest)
        self._caller = caller(Circuit(meter.scope, clock, self.levels, cycle, probe_every))
        self._flights: Flights[Landed] = Flights(self.background)

    def begin(
        self,
        template: str,
        overrides: Mapping[str, Any],
        template_version: str | None,
        placement: str | None,
        ttl: Seconds | None,
        refresh: bool,
        stale: Seconds | None,
        options: Mapping[str, Any],
    ) -> Rendered | Request:
        """What is at hand, else the request to make. A hit makes no more objects than it must."""
        meter, near, started = self._meter, self.near, self._clock.steady()
        shape = self._shapes.of(template, template_version, options)
        slot, body = shape.identify(overrides)
        entry = None if near is None or refresh else near.find(slot.key)
        if placement is not None:
            check_name("placement", placement)
        if entry is not None and not meter.writes_hits:
            meter.count_hit(entry, started)
            return Rendered(entry, Outcome.HIT, slot.key, FREE)
        lives = self._lives
        life = lives.templates.get(template, lives.sources["online"]) if ttl is None else call_seconds("ttl", ttl)
        spare = lives.stale if stale is None else call_seconds("stale_if_error", stale)
        request = Request(
            template, slot, body, shape.options, template_version, placement, "online", life, spare, refresh
        )
        if entry is None:
            return request
        meter.hit(request, entry, self._clock.wall_ns(), started)
        return Rendered(entry, Outcome.HIT, slot.key, FREE)

    async def have(self, item: Item, pace: AsyncLimiter) -> Outcome:
        """Render an item of a batch when it is its turn at *pace*, unless it is at hand."""
        template, version, placement = item.template, item.template_version, item.placement
        shape = self._shapes.of(template, version, item.options)
        slot, body = shape.identify(item.overrides)
        if placement is not None:
            check_name("placement", placement)
        default = self._lives.templates.get(template, self._lives.sources["batch"])
        life = default if item.ttl is None else call_seconds("ttl", item.ttl)
        if self.near is not None and self.near.find(slot.key) is not None:
            return Outcome.HIT
        request = Request(template, slot, body, shape.options, version, placement, "batch", life)
        return (await self.atake(request, None, pace)).outcome

    def take(self, request: Request, patience: float | None) -> Rendered:
        """The image of a request, for a thread; *patience* in seconds, None for as long as it takes."""
        with self._waiting(request) as wait:
            if wait.first:
                self._peek_or_launch(wait)
            landed = wait.flight.result(patience)
        return self._landed(wait, landed)

    async def atake(self, request: Request, patience: float | None, pace: AsyncLimiter | None = None) -> Rendered:
        """As `take`, for event loops; a flight that starts here waits for its turn at *pace*."""
        with self._waiting(request) as wait:
            if wait.first:
                self._launch(wait, pace)
            # Without a timeout, the caller need not be a task.
            async with nullcontext() if patience is None else asyncio.timeout(patience):
                landed = await asyncio.wrap_future(wait.flight)
        return self._landed(wait, landed)

    @contextmanager
    def _waiting(self, request: Request) -> Iterator[Wait]:
        """A caller joins a flight; if it gets nothing, that is recorded, and it is told why."""
        self._caller.ready()
        if request.ttl > self.levels.longest:  # noqa: PLR1730 (a max would undo what another thread raises)
            self.levels.longest = request.ttl
        made = self._meter.begin()
        self._meter.inflight(1)
        wait = Wait(request, made, *self._flights.join(request.flight))
        try:
            yield wait
        except BaseException as error:
            shown = error
            if isinstance(error, RenderError):
                shown = copy(error)  # each caller has its own, with its own traceback
            elif isinstance(error, TimeoutError):
                shown = DeadlineError("the image did not come in time")
            if wait.first:
                pass  # the flight records what becomes of its request, now or when it lands
            elif isinstance(shown, RefusedError):
                self._meter.refused(request, made)
            else:
                self._meter.gave_up(request, shown.word if isinstance(shown, RenderError) else "other", made)
            raise shown from None
        finally:
            self._meter.inflight(-1)

    def _launch(self, wait: Wait, pace: AsyncLimiter | None, *, looked: bool = False) -> None:
        work = self._fly(wait.request, wait.made, pace, looked)
        self._flights.launch(wait.request.flight, wait.flight, work)

    def _peek_or_launch(self, wait: Wait) -> None:
        """A sync caller looks into the shared store itself, and goes to the background only if that is of no use."""
        entry, slot, seen = None, wait.request.slot, self.levels.turn
        try:
            entry = None if wait.request.refresh else self.levels.peek(slot)
        finally:  # also when the caller is interrupted: others may wait for this flight
            if entry is None:
                self._launch(wait, None, looked=self.levels.peeking is not None)
        if entry is not None:
            self.levels.keep(slot, entry, seen)
            self._flights.land(slot.key, wait.flight, (entry, Outcome.HIT))
            self._meter.hit(wait.request, entry, wait.made.ts_ns, wait.made.started)

    def _landed(self, wait: Wait, landed: Landed) -> Rendered:
        """What this caller gets; for those who did not start the flight, it is recorded here."""
        entry, outcome = landed
        if not wait.first:
            if wait.request.source == "batch":  # a check, which is not a request
                outcome = Outcome.HIT
            elif outcome is Outcome.HIT:
                self._meter.hit(wait.request, entry, wait.made.ts_ns, wait.made.started)
            else:
                self._meter.coalesced(wait.request, entry, wait.made)
                outcome = Outcome.COALESCED
        credits = entry.picture.credits if outcome is Outcome.RENDER else FREE
        return Rendered(entry, outcome, wait.request.slot.key, credits)

    def close(self, patience: float) -> None:
        """Wait for flights, then close connections; the next use makes new ones."""
        if self.background.started:
            self._flights.wait(patience)
            with suppress(TimeoutError):
                self.background.spawn(self._disconnect()).result(1)
            self.background.stop()
        self._caller.forked()
        self._meter.close()

    async def _disconnect(self) -> None:
        await self._caller.close()
        await self.levels.close()

    def forked(self) -> None:
        """Go on in a child process, with nothing of the parent's but what is in memory."""
        for part in (self.background, self._flights, self._caller, self.levels, self._meter):
            part.forked()

    async def _fly(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None, looked: bool) -> Landed:
        """One flight. What became of the request that started it is recorded here, even if no caller waits."""
        try:
            entry, outcome = await self._bring(request, made, pace, looked)
        except RenderError:
            raise  # the caller recorded it
        except Exception as error:
            # Under an id of its own: an attempt that was written stays unresolved, since the call may have left.
            self._meter.gave_up(request, "other", self._meter.begin())
            raise RenderError(f"the client failed ({type(error).__name__}); report it") from error
        if outcome is Outcome.COALESCED:
            self._meter.coalesced(request, entry, made)
        elif outcome is Outcome.HIT and request.source == "online":
            self._meter.hit(request, entry, made.ts_ns, made.started)
        return entry, outcome

    async def _bring(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None, looked: bool) -> Landed:
        slot, seen = request.slot, self.levels.turn
        if request.refresh:
            return await self._called(request, made, pace)
        # The flight before this one may have ended since the caller looked.
        if self.near is not None and (entry := self.near.find(slot.key)) is not None:
            return entry, Outcome.HIT
        async with turn(self.levels, slot, self._clock, looked) as (elsewhere, waited):
            if elsewhere is not None:
                self.levels.keep(slot, elsewhere, seen)
                return elsewhere, Outcome.COALESCED if waited else Outcome.HIT
            return await self._called(request, made, pace)

    async def _called(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None) -> Landed:
        """What the provider gave, or what stands in for it."""
        slot, seen = request.slot, self.levels.turn
        entry, outcome = await self._caller.render(request, made, pace, partial(self._spare, request))
        if outcome is Outcome.RENDER and not self.levels.gone(slot, seen) and entry.expires_at > self._clock.now():
            content = entry.picture.content
            if content is not None and not whole(content):
                log.warning("an incomplete image (%s) was delivered, but not stored", entry.picture.media_type)
            else:
                await self.levels.put(slot, entry, seen)
        return entry, outcome

    async def _spare(self, request: Request, error: RenderError) -> Entry | None:
        """The expired image that may stand in: not where the provider says that the request itself is wrong."""
        wrong = isinstance(error, InvalidRequestError | NotFoundError)
        if not request.stale or (wrong and error.status is not None and 400 <= error.status < 500):
            return None
        entry = await self.levels.spare(request.slot)
        now = self._clock.now()
        if entry is None or entry.expires_at + request.stale <= now or entry.stored_at > now + AHEAD:
            return None
        ends = entry.picture.expires_at
        return entry if ends is None or ends > now else None
