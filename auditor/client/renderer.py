"""Renderer: the thin client in front of a metered render API, for threads and for event loops.

fingerprint → cache → in flight? wait and share → budget and rate → `attempt` → call → store → final event
"""

import os
import typing
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, Unpack, overload

from auditor.caches import is_key
from auditor.client import arguments
from auditor.client.arguments import Seconds, call_seconds, seconds
from auditor.client.clock import Clock
from auditor.client.forks import close_at_exit, renew_in_children
from auditor.client.request import Lives, Rendered
from auditor.model.errors import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    import httpx
    from prometheus_client import CollectorRegistry
    from typing_extensions import TypeVar

    from auditor.caches import Cache
    from auditor.client.batch import BatchReport, Item
    from auditor.client.budget import Budget
    from auditor.client.levels import Tiered
    from auditor.client.options import Hcti, HctiCall, Imejis, ImejisCall
    from auditor.client.sinks import Record, Sink

    P_co = TypeVar("P_co", bound=Imejis | Hcti, default=Any, covariant=True)
else:
    P_co = typing.TypeVar("P_co", covariant=True)


class Renderer(Generic[P_co]):
    """Renders by one provider, account and environment; safe over threads, event loops and `fork`.

    *api_key* is else that of `AUDITOR_API_KEY`, else of the provider's usual variable (`IMEJIS_API_KEY`,
    `HCTI_API_KEY`). *cache* is a store, a `Tiered`, a folder, a URL (`redis://…`, `file:///…`, `s3://…`: with memory in
    front), or None for none. *events* is a folder, an exporter's address, `-` for standard output, a sink, any callable
    that takes a mapping, or None; *spool_mode* (0o600) and *spool_group* say who else reads that folder, as those of
    `Spool`, and *spool* is where events wait that go to an address. *secret* keys fingerprints and digests (else
    `AUDITOR_SECRET`, else the API key): give all hosts of an account the same. Times are in seconds or timedeltas.
    *tries* counts the first one; `retry_uncertain` also repeats calls that may have been billed. An answer of more than
    *max_answer_bytes* is an `InvalidRequestError`, and may have been billed. Where a call fails, an image that expired
    at most *stale_if_error* ago is served. Once the plan is used up, one call every *probe_every* looks whether it
    works again. *registry* takes the metrics; None for none. `ConfigError` names the argument that is wrong.
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
        spool: str | Path | None = None,
        events_hits: Literal["all", "none"] = "all",
        budget: "Budget | None" = None,
        per_second: float | None = None,
        ttl: Seconds = 86_400.0,
        batch_ttl: Seconds = 7 * 86_400.0,
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
        transport: "httpx.AsyncBaseTransport | None" = None,
        clock: Clock | None = None,
    ) -> None:
        # Here and not above: they would double what importing this costs.
        from prometheus_client import REGISTRY

        from auditor.client.budget import Budget, BudgetGuard
        from auditor.client.caller import Caller
        from auditor.client.core import Core
        from auditor.client.meter import Meter
        from auditor.client.sinks import sink_of
        from auditor.model.fingerprint import Scope, derive_key

        api = arguments.api_of(provider)
        api_key = arguments.api_key(api_key, api.key_variable)
        account, environment = arguments.text("account", account), arguments.text("environment", environment).lower()
        arguments.one_of("events_hits", events_hits, ("all", "none"))
        arguments.one_of("retry_uncertain", retry_uncertain, (True, False))
        arguments.one_of("production", production, (True, False, None))
        self._registry: CollectorRegistry | None = REGISTRY if registry == "default" else registry
        arguments.offers("registry", self._registry, "register", "a CollectorRegistry of prometheus_client, or None")
        arguments.offers("transport", transport, "handle_async_request", "an asynchronous transport of httpx")
        clock = clock or Clock()
        secret = arguments.text("secret", secret or os.environ.get("AUDITOR_SECRET") or api_key)
        lives = Lives(
            {"online": seconds("ttl", ttl), "batch": seconds("batch_ttl", batch_ttl)},
            arguments.times("template_ttl", template_ttl),
            seconds("stale_if_error", stale_if_error),
        )
        self._scope = scope = Scope(provider, account, environment, derive_key(secret))
        sink = sink_of(events, clock, spool_mode, spool_group, spool)
        self._meter = meter = Meter(
            scope, sink=sink, registry=self._registry, production=production, hits=events_hits, clock=clock
        )
        guard = BudgetGuard(budget, sink, scope, clock) if budget is not None else None
        caller = partial(
            Caller,
            api,
            meter,
            clock,
            api_key=api_key,
            base_url=api.base_url if base_url is None else arguments.text("base_url", base_url),
            timeout=seconds("timeout", timeout, above=0),
            tries=arguments.whole("tries", tries, 1),
            longest_retry_after=seconds("longest_retry_after", longest_retry_after),
            retry_uncertain=retry_uncertain,
            guard=guard,
            per_second=arguments.rate("per_second", per_second),
            max_answer_bytes=arguments.whole("max_answer_bytes", max_answer_bytes, 1),
            transport=transport,
        )
        every = seconds("probe_every", probe_every, above=0)
        self._core = Core(api, cache, caller, meter, clock, lives, budget or Budget(0), every)
        # A renderer that is not closed takes its thread with it.
        weakref.finalize(self, self._core.background.stop, 0).atexit = False
        close_at_exit(self)
        renew_in_children(self._core)

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
        """The image of a template with some values changed; *options* are the provider's (`format="png"`, …).

        *timeout* is this caller's own: when it passes, `DeadlineError` is raised, and the render goes on. *refresh*
        renders whatever the cache holds. Other failures are `RenderError`s; a request that has no canonical JSON is an
        `InvalidRequestError` before any call.
        """
        request = self._core.begin(
            template, overrides, template_version, placement, ttl, refresh, stale_if_error, options
        )
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
        """As `render`, for event loops. Cancelling it cancels no other caller's wait, and not the render."""
        request = self._core.begin(
            template, overrides, template_version, placement, ttl, refresh, stale_if_error, options
        )
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
        return self._core.background.run(work)

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
        from auditor.client.batch import prerender

        rate = arguments.rate("per_second", per_second) or self._core.per_second
        return await self._core.background.arun(prerender(items, self._core.have, rate, concurrency, progress))

    def purge(self, template: str) -> int:
        """Forget all images of a template, whatever their version: how many were in this process and the store.

        Other processes keep what they have in memory until it expires; a new `template_version` is instant everywhere.
        """
        return self._core.background.spawn(self.apurge(template)).result()

    async def apurge(self, template: str) -> int:
        """As `purge`, for event loops."""
        return await self._core.background.arun(self._core.levels.forget(self._scope.group(template)))

    def delete(self, key: str) -> bool:
        """Forget the image of one key (`Rendered.key`) in this process and the store: whether there was one.

        As with `purge`, other processes keep what they have in memory. `InvalidRequestError` for what is no key.
        """
        return self._core.background.spawn(self.adelete(key)).result()

    async def adelete(self, key: str) -> bool:
        """As `delete`, for event loops."""
        if not is_key(key):
            raise InvalidRequestError("what is to be deleted is no key: give the `key` of what `render` gave")
        return await self._core.background.arun(self._core.levels.forget(key)) > 0

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
