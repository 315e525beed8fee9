"""Renderer: the thin client in front of a metered render API.

fingerprint → cache → in flight? wait and share → budget and rate → `attempt` → call → store → final event
"""

import asyncio
import atexit
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from copy import copy
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

import httpx
from aiolimiter import AsyncLimiter
from prometheus_client import REGISTRY, CollectorRegistry, make_asgi_app, make_wsgi_app

from auditor.caches.base import Cache, Entry, Slot
from auditor.caches.memory import Memory
from auditor.caches.tiered import Tiered
from auditor.client.background import Background
from auditor.client.batch import BatchReport, Item, prerender
from auditor.client.budget import Budget, BudgetGuard
from auditor.client.caller import Caller
from auditor.client.clock import Clock
from auditor.client.far import Far
from auditor.client.flights import Flights
from auditor.client.lease import Turn
from auditor.client.meter import Meter, Try
from auditor.client.request import Rendered, Request
from auditor.client.sinks import Record, Sink, Spool, sink_of
from auditor.errors import ConfigError, DeadlineError, InvalidRequestError, RefusedError, RenderError
from auditor.events import Outcome
from auditor.fingerprint import Prepared, Scope, canonical, certain, derive_key, spelling
from auditor.registry import CACHES, PROVIDERS
from auditor.settings import PRODUCTION

Seconds = float | timedelta
DAY = 86_400.0
_SHAPES = 10_000
"""Pairs of template and options that are prepared; beyond that they are prepared anew."""
_MOST_KNOWN, _LONGEST_KNOWN = 4096, 2048
"""Spellings that are remembered for each of those, and how many bytes one may have."""
_FREE = Decimal(0)


class Landed(NamedTuple):
    """What a flight brought: an entry, and whether it was found, waited for elsewhere, or rendered."""

    entry: Entry
    outcome: Outcome


class _Known(NamedTuple):
    """The identity of one request."""

    slot: Slot
    body: bytes


class _Shape(NamedTuple):
    """What the requests for one template with one set of options have in common."""

    prepared: Prepared
    options: Mapping[str, Any]
    group: str
    known: dict[bytes, _Known]
    """Identities by spelling: a hit is most often spelled like the one before, and need not be put in order again."""


class Renderer:
    """Renders by one provider, account and environment; safe over threads, event loops and `fork`.

    *cache* is a store, a `Tiered`, a URL (`redis://…`, `file:///…`, `s3://…`: with memory in front), or None for none.
    *events* is a folder, `-` for standard output, a sink, any callable that takes a mapping, or None.
    *secret* keys fingerprints and digests (else `AUDITOR_SECRET`, else the API key): give all hosts of an account the
    same. Times are in seconds or timedeltas. *tries* counts the first one; `retry_uncertain` also repeats calls that
    may have been billed. *registry* takes the metrics; None for none.
    """

    def __init__(
        self,
        provider: str = "imejis",
        *,
        api_key: str,
        account: str = "default",
        environment: str = "production",
        cache: Cache | Tiered | str | None = "memory://",
        events: str | Path | Sink | Callable[[Record], object] | None = None,
        events_hits: Literal["all", "none"] = "all",
        budget: Budget | None = None,
        per_second: float | None = None,
        ttl: Seconds = DAY,
        batch_ttl: Seconds = 7 * DAY,
        template_ttl: Mapping[str, Seconds] | None = None,
        timeout: Seconds = 30.0,
        tries: int = 3,
        retry_uncertain: bool = False,
        longest_retry_after: Seconds = 30.0,
        base_url: str | None = None,
        secret: str | None = None,
        production: bool | None = None,
        registry: CollectorRegistry | None = REGISTRY,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        if provider not in PROVIDERS:
            raise ConfigError(f"{provider!r} is no provider; providers are {', '.join(PROVIDERS)}")
        if not api_key or not account or not environment:
            raise ConfigError("api_key, account and environment must not be empty")
        self._api = PROVIDERS[provider].api
        self._clock = clock or Clock()
        secret = secret or os.environ.get("AUDITOR_SECRET") or api_key
        self._scope = Scope(provider, account, environment.lower(), derive_key(secret))
        sink = sink_of(events, self._clock)
        self._meter = Meter(
            self._scope,
            sink=sink,
            registry=registry,
            production=environment.lower() in PRODUCTION if production is None else production,
            hits=events_hits,
            clock=self._clock,
        )
        self._background = Background()
        self._near, far = _levels(cache, self._clock)
        self._far = Far(far, self._meter, self._clock, self._background.spawn) if far is not None else None
        folder = sink.folder if isinstance(sink, Spool) else None
        self._guard = BudgetGuard(budget, folder, self._scope, self._clock) if budget is not None else None
        self._caller = Caller(
            self._api,
            self._meter,
            self._clock,
            api_key=api_key,
            base_url=_checked_url(base_url or self._api.base_url),
            timeout=_seconds(timeout),
            tries=tries,
            longest_retry_after=_seconds(longest_retry_after),
            retry_uncertain=retry_uncertain,
            guard=self._guard or nullcontext,
            per_second=per_second,
            transport=transport,
        )
        self._ttl = {"online": _seconds(ttl), "batch": _seconds(batch_ttl)}
        self._template_ttl = {name: _seconds(value) for name, value in (template_ttl or {}).items()}
        self._registry = registry
        self._flights: Flights[Landed] = Flights(self._background)
        self._shapes: dict[tuple[Any, ...], _Shape] = {}
        self._purges = 0
        _RENDERERS.add(self)

    def __repr__(self) -> str:
        scope = self._scope
        return f"Renderer({scope.provider!r}, account={scope.account!r}, environment={scope.environment!r})"

    def render(
        self,
        template: str,
        overrides: Mapping[str, Any],
        *,
        placement: str | None = None,
        template_version: str | None = None,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        **options: Any,
    ) -> Rendered:
        """The picture of a template with some values changed; *options* are the provider's (`format="png"`, …).

        *timeout* is this caller's own: when it passes, `DeadlineError` is raised, and the render goes on. Other
        failures are `RenderError`s; a request that has no canonical JSON is an `InvalidRequestError` before any call.
        """
        request = self._begin(template, overrides, template_version, placement, ttl, options)
        if isinstance(request, Rendered):
            return request
        made, flight, first = self._join(request)
        try:
            if first:
                self._peek_or_launch(request, made, flight)
            landed = flight.result(None if timeout is None else _seconds(timeout))
        except BaseException as error:
            self._missed(request, made, first, error, flight)
            raise _explained(error) from None
        finally:
            self._meter.inflight(-1)
        return self._shared(request, made, first, landed)

    async def arender(
        self,
        template: str,
        overrides: Mapping[str, Any],
        *,
        placement: str | None = None,
        template_version: str | None = None,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,  # noqa: ASYNC109 (each caller's own, while the render goes on)
        **options: Any,
    ) -> Rendered:
        """As `render`, for event loops. Cancelling it cancels nobody else's wait, and not the render."""
        request = self._begin(template, overrides, template_version, placement, ttl, options)
        if isinstance(request, Rendered):
            return request
        made, flight, first = self._join(request)
        try:
            if first:
                self._launch(request, made, flight, None)
            async with asyncio.timeout(None if timeout is None else _seconds(timeout)):
                landed = await asyncio.wrap_future(flight)
        except BaseException as error:
            self._missed(request, made, first, error, flight)
            raise _explained(error) from None
        finally:
            self._meter.inflight(-1)
        return self._shared(request, made, first, landed)

    def prerender(
        self,
        items: Iterable[Item],
        *,
        concurrency: int = 8,
        per_second: float | None = None,
        progress: Callable[[BatchReport], None] | None = None,
    ) -> BatchReport:
        """Render what is not in the cache yet, at the pace that the provider bears; see `aprerender`."""
        work = self._background.spawn(self._prerender(items, concurrency, per_second, progress))
        try:
            return work.result()
        except BaseException:
            work.cancel()  # no further items; what flies already is paid for, and lands
            raise

    async def aprerender(
        self,
        items: Iterable[Item],
        *,
        concurrency: int = 8,
        per_second: float | None = None,
        progress: Callable[[BatchReport], None] | None = None,
    ) -> BatchReport:
        """Render what is not in the cache yet.

        A batch that was interrupted goes on where it was, since what is in the cache is not rendered again. It stops at
        the budget, an empty plan or a wrong key; other failures are reported item by item. *per_second* defaults to
        what the provider's plans bear. *progress* is called in another thread.
        """
        work = self._background.spawn(self._prerender(items, concurrency, per_second, progress))
        return await asyncio.wrap_future(work)

    def purge(self, template: str) -> int:
        """Forget all pictures of a template, whatever their version: how many were in this process and the store.

        Other processes keep what they have in memory until it expires; a new `template_version` is instant everywhere.
        """
        return self._background.spawn(self._purge(template)).result()

    async def apurge(self, template: str) -> int:
        """As `purge`, for event loops."""
        return await asyncio.wrap_future(self._background.spawn(self._purge(template)))

    def metrics_app(self, kind: Literal["asgi", "wsgi"] = "asgi") -> Any:
        """An application that shows the metrics of this renderer's registry."""
        if self._registry is None:
            raise ConfigError("this renderer has no registry; give it registry=")
        return make_asgi_app(self._registry) if kind == "asgi" else make_wsgi_app(self._registry)

    def close(self, patience: float = 5.0) -> None:
        """Wait for flights, *patience* seconds at most, then close connections and the spool. It can be used again."""
        if self._background.started:
            self._flights.wait(patience)
            with suppress(TimeoutError):
                self._background.spawn(self._disconnect()).result(1)
            self._background.stop()
        self._caller.forked()
        self._meter.close()

    async def aclose(self, patience: float = 5.0) -> None:
        """As `close`, for event loops."""
        await asyncio.to_thread(self.close, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # The way of one request

    def _begin(
        self,
        template: str,
        overrides: Mapping[str, Any],
        template_version: str | None,
        placement: str | None,
        ttl: Seconds | None,
        options: Mapping[str, Any],
    ) -> "Rendered | Request":
        """What is at hand, else the request to make. A hit makes no more objects than it must."""
        meter, near, started = self._meter, self._near, self._clock.steady()
        shape = self._shape(template, template_version, options)
        slot, body = self._known(shape, overrides)
        entry = None if near is None else near.find(slot.key)
        if entry is not None and not meter.writes_hits:
            meter.count_hit(entry, started)
            return Rendered(entry, Outcome.HIT, slot.key, _FREE)
        life = self._template_ttl.get(template, self._ttl["online"]) if ttl is None else _seconds(ttl)
        request = Request(template, slot, body, shape.options, template_version, placement, "online", life)
        if entry is None:
            return request
        meter.hit(request, entry, self._clock.wall_ns(), started)
        return Rendered(entry, Outcome.HIT, slot.key, _FREE)

    def _batched(self, item: Item) -> Request:
        shape = self._shape(item.template, item.template_version, item.options)
        slot, body = self._known(shape, item.overrides)
        life = self._template_ttl.get(item.template, self._ttl["batch"]) if item.ttl is None else item.ttl
        return Request(item.template, slot, body, shape.options, item.template_version, item.placement, "batch", life)

    def _shape(self, template: str, template_version: str | None, options: Mapping[str, Any]) -> _Shape:
        try:
            shape = self._shapes.get((template, template_version, *options.items()))
        except TypeError:  # an option that cannot be hashed: the provider will say what is wrong with it
            shape = None
        if shape is not None:
            return shape
        if not isinstance(template, str) or not template:
            raise InvalidRequestError("the template is no name")
        try:
            checked = self._api.options(options)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        prepared = self._scope.prepare(template, checked, template_version)
        shape = _Shape(prepared, checked, self._scope.group(template), {})
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        self._shapes[(template, template_version, *options.items())] = shape
        return shape

    def _known(self, shape: _Shape, overrides: Mapping[str, Any]) -> _Known:
        spelled = spelling(overrides)
        found = shape.known.get(spelled) if spelled is not None else None
        if found is not None:
            return found
        try:
            body = canonical(overrides)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        found = _Known(Slot(shape.group, shape.prepared.key(body)), body)
        if spelled is not None and len(spelled) <= _LONGEST_KNOWN and certain(spelled):
            if len(shape.known) >= _MOST_KNOWN:
                shape.known.clear()
            shape.known[spelled] = found
        return found

    def _join(self, request: Request) -> tuple[Try, "Future[Landed]", bool]:
        made = self._meter.begin()
        self._meter.inflight(1)
        flight, first = self._flights.join(request.slot.key)
        return made, flight, first

    def _launch(self, request: Request, made: Try, flight: "Future[Landed]", pace: AsyncLimiter | None) -> None:
        self._flights.launch(request.slot.key, flight, self._fly(request, made, pace))

    def _peek_or_launch(self, request: Request, made: Try, flight: "Future[Landed]") -> None:
        """A sync caller looks into the shared store itself, and goes to the background only if that is of no use."""
        entry = None
        try:
            entry = self._far.peek(request.slot) if self._far is not None else None
        finally:  # also when the caller is interrupted: others may wait for this flight
            if entry is None:
                self._launch(request, made, flight, None)
        if entry is not None:
            self._keep(request.slot, entry)
            self._flights.land(request.slot.key, flight, Landed(entry, Outcome.HIT))
            self._meter.hit(request, entry, made.ts_ns, made.started)

    async def _fly(self, request: Request, made: Try, pace: AsyncLimiter | None) -> Landed:
        """One flight. What became of the request that started it is recorded here, whoever still waits."""
        try:
            landed = await self._bring(request, made, pace)
        except RenderError:
            raise  # the caller recorded it
        except Exception as error:
            self._meter.gave_up(request, "other", made)
            raise RenderError(f"the client failed ({type(error).__name__}); please report it") from error
        if landed.outcome is Outcome.COALESCED:
            self._meter.coalesced(request, landed.entry, made)
        elif landed.outcome is Outcome.HIT and request.source == "online":
            self._meter.hit(request, landed.entry, made.ts_ns, made.started)
        return landed

    async def _bring(self, request: Request, made: Try, pace: AsyncLimiter | None) -> Landed:
        slot, far, near = request.slot, self._far, self._near
        # The flight before this one may have ended since the caller looked.
        if near is not None and (entry := near.find(slot.key)) is not None:
            return Landed(entry, Outcome.HIT)
        if far is not None and (entry := await far.get(slot)) is not None:
            self._keep(slot, entry)
            return Landed(entry, Outcome.HIT)
        purges = self._purges
        async with Turn(far, slot, self._clock) as turn:
            elsewhere, waited = await turn.wait()
            if elsewhere is not None:
                self._keep(slot, elsewhere)
                return Landed(elsewhere, Outcome.COALESCED if waited else Outcome.HIT)
            entry = await self._caller.render(request, made, pace)
            if purges == self._purges and entry.expires_at > self._clock.now():
                self._keep(slot, entry)
                if far is not None:
                    await far.put(slot, entry)
        return Landed(entry, Outcome.RENDER)

    def _keep(self, slot: Slot, entry: Entry) -> None:
        if self._near is not None:
            self._near.keep(slot, entry)

    def _shared(self, request: Request, made: Try, first: bool, landed: Landed) -> Rendered:
        """What this caller gets; for those who did not start the flight, it is recorded here."""
        if first:
            credits = landed.entry.picture.credits if landed.outcome is Outcome.RENDER else _FREE
            return Rendered(landed.entry, landed.outcome, request.slot.key, credits)
        if landed.outcome is Outcome.HIT:
            self._meter.hit(request, landed.entry, made.ts_ns, made.started)
            return Rendered(landed.entry, Outcome.HIT, request.slot.key, _FREE)
        self._meter.coalesced(request, landed.entry, made)
        return Rendered(landed.entry, Outcome.COALESCED, request.slot.key, _FREE)

    def _missed(self, request: Request, made: Try, first: bool, error: BaseException, flight: "Future[Landed]") -> None:
        if first:
            return  # recorded by the flight, now or when it lands
        if isinstance(error, RefusedError) and flight.done():
            self._meter.refused(request, made)
        elif isinstance(error, RenderError):
            self._meter.gave_up(request, error.word, made)
        else:
            self._meter.gave_up(request, "timeout" if isinstance(error, TimeoutError) else "other", made)

    # Chores

    async def _prerender(
        self,
        items: Iterable[Item],
        concurrency: int,
        per_second: float | None,
        progress: Callable[[BatchReport], None] | None,
    ) -> BatchReport:
        rate = self._api.per_second if per_second is None else per_second
        pace = AsyncLimiter(1, 1 / rate)

        async def one(item: Item) -> Outcome:
            request = self._batched(item)
            if self._near is not None and self._near.find(request.slot.key) is not None:
                return Outcome.HIT
            made, flight, first = self._join(request)
            try:
                if first:
                    self._launch(request, made, flight, pace)
                landed = await asyncio.wrap_future(flight)
            except BaseException as error:
                self._missed(request, made, first, error, flight)
                raise
            finally:
                self._meter.inflight(-1)
            return landed.outcome if first else Outcome.HIT

        return await prerender(items, one, concurrency, progress)

    async def _purge(self, template: str) -> int:
        group = self._scope.group(template)
        self._purges += 1
        gone = self._near.forget(group) if self._near is not None else 0
        return gone + (await self._far.purge(group) if self._far is not None else 0)

    async def _disconnect(self) -> None:
        await self._caller.close()
        if self._far is not None:
            await self._far.close()

    def _forked(self) -> None:
        self._background.forked()
        self._flights.forked()
        self._caller.forked()
        self._meter.forked()
        if self._near is not None:
            self._near.forked()
        if self._far is not None:
            self._far.forked()
        if self._guard is not None:
            self._guard.forked()


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, RenderError):
        return copy(error)  # each caller has its own, with its own traceback
    return DeadlineError("the picture did not come in time") if isinstance(error, TimeoutError) else error


def _levels(cache: Cache | Tiered | str | None, clock: Clock) -> tuple[Memory | None, Cache | None]:
    if isinstance(cache, str):
        cache = open_cache(cache, clock)
    if cache is None:
        return None, None
    if isinstance(cache, Tiered):
        return cache.near, cache.far
    if isinstance(cache, Memory):
        return cache, None
    return None, cache


_SCHEMES = {"memory": "memory", "redis": "redis", "rediss": "redis", "unix": "redis"}


def open_cache(url: str, clock: Clock) -> Cache | Tiered:
    """The store of a URL; in front of one that others share stands memory."""
    scheme, found, _ = url.partition("://")
    store = CACHES[_SCHEMES.get(scheme, "files") if found else "files"].from_url(url, clock.now)
    return store if isinstance(store, Memory) else Tiered(Memory(clock=clock.now), store)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("base_url has to begin with https:// (or http://) and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must hold neither a user, a query nor a fragment: they would end up in logs")
    return url


def _seconds(value: Seconds) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


_RENDERERS: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


def _after_fork() -> None:
    for renderer in list(_RENDERERS):
        renderer._forked()


@atexit.register
def _at_exit() -> None:
    for renderer in list(_RENDERERS):
        renderer.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
