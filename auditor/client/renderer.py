"""Renderer: the thin client in front of a metered render API, for threads and for event loops.

fingerprint → cache → in flight? wait and share → budget and rate → `attempt` → call → store → final event
"""

import asyncio
import atexit
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from aiolimiter import AsyncLimiter
from prometheus_client import REGISTRY, CollectorRegistry, make_asgi_app, make_wsgi_app

from auditor.caches.base import Cache
from auditor.caches.tiered import Tiered
from auditor.client.batch import BatchReport, Item, prerender
from auditor.client.budget import Budget, BudgetGuard
from auditor.client.caller import Caller
from auditor.client.clock import Clock
from auditor.client.core import FREE, Core
from auditor.client.forks import renew_in_children
from auditor.client.identity import Shapes, check_name
from auditor.client.meter import Meter
from auditor.client.request import Rendered, Request
from auditor.client.sinks import Record, Sink, Spool, sink_of
from auditor.client.stores import levels
from auditor.errors import ConfigError
from auditor.events import Outcome
from auditor.fingerprint import Scope, derive_key
from auditor.registry import PROVIDERS
from auditor.settings import PRODUCTION

Seconds = float | timedelta
DAY = 86_400.0


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
        api = PROVIDERS[provider].api
        if api is None:
            speaks = ", ".join(name for name, each in PROVIDERS.items() if each.api is not None)
            raise ConfigError(f"the client counts calls to {provider}, but does not make them; it speaks to {speaks}")
        self._api = api
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
        folder = sink.folder if isinstance(sink, Spool) else None
        self._guard = BudgetGuard(budget, folder, self._scope, self._clock) if budget is not None else None
        caller = Caller(
            self._api,
            self._meter,
            self._clock,
            api_key=api_key,
            base_url=base_url or self._api.base_url,
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
        self._shapes = Shapes(self._scope, self._api.options)
        self._core = Core(*levels(cache, self._clock), caller, self._meter, self._clock)
        # A renderer that nobody closes takes its thread with it.
        weakref.finalize(self, self._core.background.stop, 0).atexit = False
        _RENDERERS.add(self)
        renew_in_children(self)

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
        return self._core.take(request, None if timeout is None else _seconds(timeout))

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
        return await self._core.atake(request, None if timeout is None else _seconds(timeout))

    def prerender(
        self,
        items: Iterable[Item],
        *,
        concurrency: int = 8,
        per_second: float | None = None,
        progress: Callable[[BatchReport], None] | None = None,
    ) -> BatchReport:
        """Render what is not in the cache yet, at the pace that the provider bears; see `aprerender`."""
        work = self._core.background.spawn(self._prerender(items, concurrency, per_second, progress))
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
        work = self._core.background.spawn(self._prerender(items, concurrency, per_second, progress))
        return await asyncio.wrap_future(work)

    def purge(self, template: str) -> int:
        """Forget all pictures of a template, whatever their version: how many were in this process and the store.

        Other processes keep what they have in memory until it expires; a new `template_version` is instant everywhere.
        """
        return self._core.background.spawn(self._core.purge(self._scope.group(template))).result()

    async def apurge(self, template: str) -> int:
        """As `purge`, for event loops."""
        return await asyncio.wrap_future(self._core.background.spawn(self._core.purge(self._scope.group(template))))

    def metrics_app(self, kind: Literal["asgi", "wsgi"] = "asgi") -> Any:
        """An application that shows the metrics of this renderer's registry."""
        if self._registry is None:
            raise ConfigError("this renderer has no registry; give it registry=")
        return make_asgi_app(self._registry) if kind == "asgi" else make_wsgi_app(self._registry)

    def close(self, patience: float = 5.0) -> None:
        """Wait for flights, *patience* seconds at most, then close connections and the spool. It can be used again."""
        self._core.close(patience)
        self._meter.close()

    async def aclose(self, patience: float = 5.0) -> None:
        """As `close`, for event loops."""
        await asyncio.to_thread(self.close, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

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
        meter, near, started = self._meter, self._core.near, self._clock.steady()
        shape = self._shapes.of(template, template_version, options)
        slot, body = shape.identify(overrides)
        entry = None if near is None else near.find(slot.key)
        if placement is not None:
            check_name("placement", placement)
        if entry is not None and not meter.writes_hits:
            meter.count_hit(entry, started)
            return Rendered(entry, Outcome.HIT, slot.key, FREE)
        life = self._template_ttl.get(template, self._ttl["online"]) if ttl is None else _seconds(ttl)
        request = Request(template, slot, body, shape.options, template_version, placement, "online", life)
        if entry is None:
            return request
        meter.hit(request, entry, self._clock.wall_ns(), started)
        return Rendered(entry, Outcome.HIT, slot.key, FREE)

    def _batched(self, item: Item) -> Request:
        shape = self._shapes.of(item.template, item.template_version, item.options)
        slot, body = shape.identify(item.overrides)
        if item.placement is not None:
            check_name("placement", item.placement)
        life = self._template_ttl.get(item.template, self._ttl["batch"]) if item.ttl is None else item.ttl
        return Request(item.template, slot, body, shape.options, item.template_version, item.placement, "batch", life)

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
            if self._core.near is not None and self._core.near.find(request.slot.key) is not None:
                return Outcome.HIT
            return (await self._core.atake(request, None, pace)).outcome

        return await prerender(items, one, concurrency, progress)

    def forked(self) -> None:
        """Go on in a child process; called there by itself."""
        self._core.forked()
        self._meter.forked()
        if self._guard is not None:
            self._guard.forked()


def _seconds(value: Seconds) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


_RENDERERS: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    for renderer in list(_RENDERERS):
        renderer.close()
