"""Renderer: the thin client in front of a metered render API, for threads and for event loops.

fingerprint → cache → in flight? wait and share → budget and rate → `attempt` → call → store → final event
"""

import atexit
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, Unpack, overload

import httpx

from auditor.caches import is_key
from auditor.client import arguments
from auditor.client.arguments import Seconds, call_seconds, check_name, seconds
from auditor.client.clock import Clock
from auditor.client.forks import renew_in_children
from auditor.client.request import FREE, Rendered, Request
from auditor.model.errors import ConfigError, InvalidRequestError
from auditor.model.events import Outcome
from auditor.registry import PROVIDERS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from typing_extensions import TypeVar

    from auditor.caches import Cache
    from auditor.client.batch import BatchReport, Item
    from auditor.client.budget import Budget
    from auditor.client.options import Hcti, HctiCall, Imejis, ImejisCall
    from auditor.client.sinks import Record, Sink
    from auditor.client.stores import Tiered
    from auditor.model.provider import Api

    P_co = TypeVar("P_co", bound=Imejis | Hcti, default=Any, covariant=True)
else:
    from typing import TypeVar

    P_co = TypeVar("P_co", covariant=True)

DAY = 86_400.0


class Renderer(Generic[P_co]):
    """Renders by one provider, account and environment; safe over threads, event loops and `fork`.

    *api_key* is else that of `AUDITOR_API_KEY`, else of the provider's usual variable (`IMEJIS_API_KEY`,
    `HCTI_API_KEY`). *cache* is a store, a `Tiered`, a folder, a URL (`redis://…`, `file:///…`, `s3://…`: with memory in
    front), or None for none. *events* is a folder, `-` for standard output, a sink, any callable that takes a mapping,
    or None; *spool_mode* (0o600) and *spool_group* say who else reads that folder, as those of `Spool`.
    *secret* keys fingerprints and digests (else `AUDITOR_SECRET`, else the API key): give all hosts of an account the
    same. Times are in seconds or timedeltas. *tries* counts the first one; `retry_uncertain` also repeats calls that
    may have been billed. An answer of more than *max_answer_bytes* is an `InvalidRequestError`, and may have been
    billed. Where a call fails, a picture that expired at most *stale_if_error* ago is served. Once the
    plan is used up, one call every *probe_every* looks whether it works again. *registry* takes the metrics; None for
    none. `ConfigError` names the argument that is wrong.
    """

    def __init__(
        self,
        provider: P_co = "imejis",  # type: ignore[assignment]
        *,
        api_key: str | None = None,
        account: str = "default",
        environment: str = "production",
        cache: "Cache | Tiered | str | os.PathLike[str] | None" = "memory://",
        events: "str | Path | Sink | Callable[[Record], object] | None" = None,
        spool_mode: int | str | None = None,
        spool_group: str | int | None = None,
        events_hits: Literal["all", "none"] = "all",
        budget: "Budget | None" = None,
        per_second: float | None = None,
        ttl: Seconds = DAY,
        batch_ttl: Seconds = 7 * DAY,
        template_ttl: Mapping[str, Seconds] | None = None,
        timeout: Seconds = 30.0,
        tries: int = 3,
        retry_uncertain: bool = False,
        longest_retry_after: Seconds = 30.0,
        max_answer_bytes: int = 64 << 20,
        stale_if_error: Seconds = 0.0,
        probe_every: Seconds = 60.0,
        base_url: str | None = None,
        secret: str | None = None,
        production: bool | None = None,
        registry: "CollectorRegistry | Literal['default'] | None" = "default",
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        # Here and not above: they would double what importing this costs.
        from prometheus_client import REGISTRY

        from auditor.client.background import Background
        from auditor.client.budget import Budget, BudgetGuard
        from auditor.client.caller import Caller
        from auditor.client.circuit import Circuit
        from auditor.client.core import Core
        from auditor.client.far import Far
        from auditor.client.identity import Shapes
        from auditor.client.meter import Meter
        from auditor.client.sinks import sink_of
        from auditor.client.stores import levels
        from auditor.model.fingerprint import Scope, derive_key

        self._api = api = _api_of(provider)
        api_key = arguments.api_key(api_key, api.key_variable)
        account, environment = arguments.text("account", account), arguments.text("environment", environment).lower()
        arguments.one_of("events_hits", events_hits, ("all", "none"))
        arguments.one_of("retry_uncertain", retry_uncertain, (True, False))
        arguments.one_of("production", production, (True, False, None))
        self._registry: CollectorRegistry | None = REGISTRY if registry == "default" else registry
        arguments.offers("registry", self._registry, "register", "a CollectorRegistry of prometheus_client, or None")
        arguments.offers("transport", transport, "handle_async_request", "an asynchronous transport of httpx")
        if budget is not None and not isinstance(budget, Budget):
            raise ConfigError(f"budget={budget!r}: write Budget({budget!r}), from auditor import Budget")
        self._clock = clock = clock or Clock()
        secret = arguments.text("secret", secret or os.environ.get("AUDITOR_SECRET") or api_key)
        self._ttl = {"online": seconds("ttl", ttl), "batch": seconds("batch_ttl", batch_ttl)}
        if not isinstance(template_ttl, Mapping | None):
            raise ConfigError(f"template_ttl={template_ttl!r}: give a mapping of templates to TTLs")
        self._template_ttl = {
            name: seconds(f"template_ttl[{name!r}]", value) for name, value in (template_ttl or {}).items()
        }
        self._stale = seconds("stale_if_error", stale_if_error)
        self._scope = scope = Scope(provider, account, environment, derive_key(secret))
        sink = sink_of(events, clock, spool_mode, spool_group)
        self._meter = meter = Meter(
            scope, sink=sink, registry=self._registry, production=production, hits=events_hits, clock=clock
        )
        self._guard = BudgetGuard(budget, sink, scope, clock) if budget is not None else None
        near, store = levels(cache, clock)
        self._background = background = Background()
        longest = max(*self._ttl.values(), *self._template_ttl.values())
        far = Far(store, meter, clock, background.spawn, longest)
        every = seconds("probe_every", probe_every, above=0)
        caller = Caller(
            api,
            meter,
            clock,
            Circuit(scope, clock, far, budget or Budget(0), every),
            api_key=api_key,
            base_url=api.base_url if base_url is None else arguments.text("base_url", base_url),
            timeout=seconds("timeout", timeout, above=0),
            tries=arguments.whole("tries", tries, 1),
            longest_retry_after=seconds("longest_retry_after", longest_retry_after),
            retry_uncertain=retry_uncertain,
            guard=self._guard,
            per_second=arguments.rate("per_second", per_second),
            max_answer_bytes=arguments.whole("max_answer_bytes", max_answer_bytes, 1),
            transport=transport,
        )
        self._shapes = Shapes(scope, api.options)
        self._core = Core(background, near, far, caller, meter, clock)
        # A renderer that nobody closes takes its thread with it.
        weakref.finalize(self, background.stop, 0).atexit = False
        _RENDERERS.add(self)
        renew_in_children(self)

    def __repr__(self) -> str:
        scope = self._scope
        return f"Renderer({scope.provider!r}, account={scope.account!r}, environment={scope.environment!r})"

    @overload
    def render(
        self: "Renderer[Imejis]", template: str, overrides: Mapping[str, Any], **options: "Unpack[ImejisCall]"
    ) -> Rendered: ...
    @overload
    def render(
        self: "Renderer[Hcti]", template: str, overrides: Mapping[str, Any], **options: "Unpack[HctiCall]"
    ) -> Rendered: ...
    def render(
        self,
        template: str,
        overrides: Mapping[str, Any],
        *,
        placement: str | None = None,
        template_version: str | None = None,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,
        refresh: bool = False,
        stale_if_error: Seconds | None = None,
        **options: Any,
    ) -> Rendered:
        """The picture of a template with some values changed; *options* are the provider's (`format="png"`, …).

        *timeout* is this caller's own: when it passes, `DeadlineError` is raised, and the render goes on. *refresh*
        renders whatever the cache holds. Other failures are `RenderError`s; a request that has no canonical JSON is an
        `InvalidRequestError` before any call.
        """
        request = self._begin(template, overrides, template_version, placement, ttl, refresh, stale_if_error, options)
        if isinstance(request, Rendered):
            return request
        return self._core.take(request, None if timeout is None else call_seconds("timeout", timeout))

    @overload
    async def arender(
        self: "Renderer[Imejis]", template: str, overrides: Mapping[str, Any], **options: "Unpack[ImejisCall]"
    ) -> Rendered: ...
    @overload
    async def arender(
        self: "Renderer[Hcti]", template: str, overrides: Mapping[str, Any], **options: "Unpack[HctiCall]"
    ) -> Rendered: ...
    async def arender(
        self,
        template: str,
        overrides: Mapping[str, Any],
        *,
        placement: str | None = None,
        template_version: str | None = None,
        ttl: Seconds | None = None,
        timeout: Seconds | None = None,  # noqa: ASYNC109 (each caller's own, while the render goes on)
        refresh: bool = False,
        stale_if_error: Seconds | None = None,
        **options: Any,
    ) -> Rendered:
        """As `render`, for event loops. Cancelling it cancels nobody else's wait, and not the render."""
        request = self._begin(template, overrides, template_version, placement, ttl, refresh, stale_if_error, options)
        if isinstance(request, Rendered):
            return request
        return await self._core.atake(request, None if timeout is None else call_seconds("timeout", timeout))

    def prerender(
        self,
        items: "Iterable[Item]",
        *,
        concurrency: int = 8,
        per_second: float | None = None,
        progress: "Callable[[BatchReport], None] | None" = None,
    ) -> "BatchReport":
        """Render what is not in the cache yet, at the pace that the provider bears; see `aprerender`."""
        work = self.aprerender(items, concurrency=concurrency, per_second=per_second, progress=progress)
        return self._background.run(work)

    async def aprerender(
        self,
        items: "Iterable[Item]",
        *,
        concurrency: int = 8,
        per_second: float | None = None,
        progress: "Callable[[BatchReport], None] | None" = None,
    ) -> "BatchReport":
        """Render what is not in the cache yet.

        A batch that was interrupted goes on where it was, since what is in the cache is not rendered again. It stops at
        the budget, an empty plan or a wrong key; other failures are reported item by item. *per_second* defaults to
        what the provider's plans bear. *progress* is called in another thread.
        """
        from aiolimiter import AsyncLimiter

        from auditor.client.batch import prerender

        pace = AsyncLimiter(1, 1 / (arguments.rate("per_second", per_second) or self._api.per_second))

        async def one(item: "Item") -> Outcome:
            shape = self._shapes.of(item.template, item.template_version, item.options)
            slot, body = shape.identify(item.overrides)
            if item.placement is not None:
                check_name("placement", item.placement)
            default = self._template_ttl.get(item.template, self._ttl["batch"])
            life = default if item.ttl is None else call_seconds("ttl", item.ttl)
            if self._core.near is not None and self._core.near.find(slot.key) is not None:
                return Outcome.HIT
            request = Request(
                item.template, slot, body, shape.options, item.template_version, item.placement, "batch", life
            )
            return (await self._core.atake(request, None, pace)).outcome

        return await self._background.arun(prerender(items, one, concurrency, progress))

    def purge(self, template: str) -> int:
        """Forget all pictures of a template, whatever their version: how many were in this process and the store.

        Other processes keep what they have in memory until it expires; a new `template_version` is instant everywhere.
        """
        return self._background.run(self.apurge(template))

    async def apurge(self, template: str) -> int:
        """As `purge`, for event loops."""
        return await self._background.arun(self._core.forget(self._scope.group(template)))

    def delete(self, key: str) -> bool:
        """Forget the picture of one key (`Rendered.key`) in this process and the store: whether there was one.

        As with `purge`, other processes keep what they have in memory. `InvalidRequestError` for what is no key.
        """
        return self._background.run(self.adelete(key))

    async def adelete(self, key: str) -> bool:
        """As `delete`, for event loops."""
        if not is_key(key):
            raise InvalidRequestError("what is to be deleted is no key: give the `key` of what `render` gave")
        return await self._background.arun(self._core.forget(key)) > 0

    def metrics_app(self, kind: Literal["asgi", "wsgi"] = "asgi") -> Any:
        """An application that shows the metrics of this renderer's registry, or in multiprocess mode of all workers.

        It answers 503 where several workers share its address without that mode, as far as it can tell.
        """
        if self._registry is None:
            raise ConfigError("this renderer has no registry; give it registry=")
        arguments.one_of("kind", kind, ("asgi", "wsgi"))
        from auditor.client.scrape import metrics_app

        return metrics_app(self._registry, kind)

    def close(self, patience: float = 5.0) -> None:
        """Wait for flights, *patience* seconds at most, then close connections and the spool. It can be used again."""
        self._core.close(patience)
        self._meter.close()

    async def aclose(self, patience: float = 5.0) -> None:
        """As `close`, for event loops."""
        import asyncio

        await asyncio.to_thread(self.close, patience)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Renderer holds connections and its API key, so it cannot be pickled; make one in each process"
        )

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
        refresh: bool,
        stale: Seconds | None,
        options: Mapping[str, Any],
    ) -> "Rendered | Request":
        """What is at hand, else the request to make. A hit makes no more objects than it must."""
        meter, near, started = self._meter, self._core.near, self._clock.steady()
        shape = self._shapes.of(template, template_version, options)
        slot, body = shape.identify(overrides)
        entry = None if near is None or refresh else near.find(slot.key)
        if placement is not None:
            check_name("placement", placement)
        if entry is not None and not meter.writes_hits:
            meter.count_hit(entry, started)
            return Rendered(entry, Outcome.HIT, slot.key, FREE)
        life = self._template_ttl.get(template, self._ttl["online"]) if ttl is None else call_seconds("ttl", ttl)
        spare = self._stale if stale is None else call_seconds("stale_if_error", stale)
        request = Request(
            template, slot, body, shape.options, template_version, placement, "online", life, spare, refresh
        )
        if entry is None:
            return request
        meter.hit(request, entry, self._clock.wall_ns(), started)
        return Rendered(entry, Outcome.HIT, slot.key, FREE)

    def forked(self) -> None:
        """Go on in a child process; called there by itself."""
        for part in (self._core, self._meter, self._guard):
            if part is not None:
                part.forked()


def _api_of(provider: object) -> "Api":
    if not isinstance(provider, str) or provider not in PROVIDERS:
        raise ConfigError(f"{provider!r} is no provider; providers are {', '.join(PROVIDERS)}")
    api = PROVIDERS[provider].api
    if api is None:
        speaks = ", ".join(name for name, each in PROVIDERS.items() if each.api is not None)
        raise ConfigError(f"the client counts calls to {provider}, but does not make them; it speaks to {speaks}")
    return api


_RENDERERS: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    for renderer in list(_RENDERERS):
        renderer.close()
