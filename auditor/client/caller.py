"""Caller: one image from the provider, with the tries that it takes, each with an id and an `attempt` of its own."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from auditor.caches import Entry
from auditor.client import answers
from auditor.client.budget import Circuit
from auditor.client.clock import Clock
from auditor.client.failures import precedes_sending
from auditor.client.loading import load, trust
from auditor.client.meter import Meter, MeteredTry
from auditor.client.request import Request
from auditor.model.errors import (
    ConfigError,
    InvalidRequestError,
    NotSentError,
    QuotaExceededError,
    RateExceededError,
    RefusedError,
    RenderError,
    UncertainError,
)
from auditor.model.events import Outcome
from auditor.model.provider import Answer, Api, Picture

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
CONNECT_TIMEOUT = 5.0
SIGNED_MARGIN = 30.0
"""Seconds before the end of a signed address from which on it is not handed out any more."""

SHORTEST = 3
"""Characters of a text that is worth masking: a shorter one tells nothing, and stands in every sentence."""

Guard = Callable[[], AbstractContextManager[Callable[[Decimal | None], None]]]
"""Entered around the write-ahead record of each call; raises `RefusedError` to forbid it, and takes what it cost."""
Rescue = Callable[[RenderError], Awaitable[Entry | None]]
"""What may stand in for an image that failed so."""


@dataclass(eq=False, repr=False)
class Caller:
    """Calls one provider with one key. *timeout* is for one call from start to end, in seconds."""

    api: Api
    meter: Meter
    clock: Clock
    circuit: Circuit
    _: KW_ONLY
    api_key: str
    base_url: str
    timeout: float
    tries: int
    longest_retry_after: float
    retry_uncertain: bool
    guard: Guard | None
    per_second: float | None
    max_answer_bytes: int
    transport: httpx.AsyncBaseTransport | None
    longest_queue: float = 2.0

    def __post_init__(self) -> None:
        self.base_url = _checked(self.base_url).rstrip("/")
        self._secrets = {self.api_key, *(part for part in self.api_key.split(":") if len(part) >= SHORTEST)}
        self._guard: Guard = self.guard or (lambda: nullcontext(lambda _: None))
        self.forked()
        load()
        self.ready()

    def forked(self) -> None:
        """Connections and queues of the parent stay there."""
        self._lock = threading.Lock()
        self._client: httpx.AsyncClient | None = None
        self._limiter = None if self.per_second is None else AsyncLimiter(1, 1 / self.per_second)

    def ready(self) -> None:
        """Have a pool of connections, made in the caller's thread: the loop of all flights must not wait for it."""
        if self._client is None:
            with self._lock:
                self._connected()

    async def render(
        self, request: Request, made: MeteredTry, pace: AsyncLimiter | None, rescue: Rescue
    ) -> tuple[Entry, Outcome]:
        """The image, or what stands in for it; events and metrics are written here, even if no caller waits.

        A caller's *pace* is waited for as long as it takes; the renderer's own rate is a guard and refuses.
        """
        tries = AsyncRetrying(
            stop=stop_after_attempt(self.tries),
            retry=retry_if_exception(self._worth_another),
            wait=self._wait,
            sleep=self.clock.sleep,
            before_sleep=lambda _: self.meter.failed(request, current[1], current[0], retried=True),
            reraise=True,
        )
        current: tuple[MeteredTry, RenderError] = (made, RenderError(""))
        try:
            async for attempt in tries:
                number = attempt.retry_state.attempt_number
                this = made if number == 1 else self.meter.begin()
                with attempt:
                    try:
                        return await self._once(request, this, pace), Outcome.RENDER
                    except RenderError as error:
                        current = (this, error)
                        raise
        except RenderError as error:
            spare = await rescue(error)
            if not isinstance(error, RefusedError):
                # With a spare the request is a hit, so that this was one of its calls and not its end.
                self.meter.failed(request, error, current[0], spared=spare is not None)
            elif spare is None:
                self.meter.refused(request, current[0])
            if spare is None:
                raise
            return spare, Outcome.HIT
        raise AssertionError("tenacity ends with an image or an error")

    async def _once(self, request: Request, made: MeteredTry, pace: AsyncLimiter | None) -> Entry:
        await self.circuit.enter()
        if pace is not None:
            await pace.acquire()
        await self._queue()
        with self._guard() as settle:
            self.meter.attempt(request, made)
        began = self.clock.steady()
        try:
            entry, status = await self._called(request)
        except RenderError as error:
            settle(error.credits)
            if isinstance(error, QuotaExceededError):
                self.circuit.exhausted(error)
            raise
        settle(entry.picture.credits)
        self.meter.rendered(request, entry, made, status)
        await self.circuit.succeeded(began)
        return entry

    async def _called(self, request: Request) -> tuple[Entry, int]:
        """(what one call gave, its status)."""
        answer = await self._exchange(request)
        if not 200 <= answer.status < 300:
            raise self.api.error(answer).without({*self._secrets, *_texts(request.body)})
        picture = self._read(answer, request)
        now = self.clock.now()
        ends = now + request.ttl
        if picture.expires_at is not None:
            ends = min(ends, picture.expires_at - SIGNED_MARGIN)
        spare = ends + request.stale if picture.expires_at is None else ends
        return Entry.of(picture, now, ends, spare if request.stale else 0.0), answer.status

    def _read(self, answer: Answer, request: Request) -> Picture:
        try:
            return self.api.picture(answer, request.options)
        except RenderError:
            raise
        except Exception as error:
            what = f"the answer cannot be read ({type(error).__name__})"
        raise InvalidRequestError(what, status=answer.status, credits=None)

    async def _exchange(self, request: Request) -> Answer:
        call = self.api.call(self.base_url, self.api_key, request.template, request.body, request.options)
        client = self._connected()
        # None: unknown, until a transport of the user's own says by its first event that it would tell.
        sent = False if self.transport is None or type(self.transport) is httpx.AsyncHTTPTransport else None

        async def trace(event: str, info: Any) -> None:
            nonlocal sent
            del info
            sent = sent or event.endswith("send_request_headers.started")

        try:
            async with asyncio.timeout(self.timeout):
                async with client.stream(
                    call.method, call.url, headers=call.headers, content=call.content, extensions={"trace": trace}
                ) as response:
                    return await answers.read(response, self.max_answer_bytes)
        except InvalidRequestError:
            raise
        except (httpx.TimeoutException, TimeoutError) as error:
            what, word, early = f"no answer within {self.timeout:g} s", "timeout", precedes_sending(error)
        except (httpx.HTTPError, OSError) as error:
            what, word, early = "the connection broke", "connection", precedes_sending(error)
        except Exception as error:
            what, word, early = f"the transport failed ({type(error).__name__})", "other", precedes_sending(error)
        # Raised out here, where httpx's error is no longer its context: that one holds the request, with the key.
        raise NotSentError(what) if sent is False or (sent is None and early) else UncertainError(what, word=word)

    async def _queue(self) -> None:
        if self._limiter is None:
            return
        try:
            async with asyncio.timeout(self.longest_queue):
                await self._limiter.acquire()
        except TimeoutError:
            raise RateExceededError(
                f"the call would wait more than {self.longest_queue:g} s at {self.per_second:g} calls a second"
            ) from None

    def _worth_another(self, error: BaseException) -> bool:
        if isinstance(error, UncertainError):
            return self.retry_uncertain
        if not isinstance(error, RenderError) or not error.retry:
            return False
        return error.retry_after is None or error.retry_after <= self.longest_retry_after

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, RenderError) and error.retry_after is not None:
            return error.retry_after
        backoff = min(FIRST_WAIT * 2.0 ** (state.attempt_number - 1), LONGEST_WAIT)
        return backoff * (0.5 + random.random() / 2)  # noqa: S311 (jitter)

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self.transport,
                verify=trust() if self.transport is None else False,
                timeout=httpx.Timeout(self.timeout, connect=min(CONNECT_TIMEOUT, self.timeout)),
                headers={"accept-encoding": answers.OFFERED},
                follow_redirects=False,  # a redirect would carry the key to another host
                trust_env=True,
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("base_url has to begin with https:// (or http://) and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must hold neither a user, a query nor a fragment: they would end up in logs")
    return url


def _texts(body: bytes) -> set[str]:
    """The strings that were sent, at any depth."""
    waiting: list[Any] = [orjson.loads(body)]
    for value in waiting:  # which grows meanwhile
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    return {value for value in waiting if isinstance(value, str) and len(value) >= SHORTEST}
