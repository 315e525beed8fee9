"""The sandbox as a server: the render API at `/v1/{design}`, its invoice and faults under `/sandbox/`."""

import asyncio
import hashlib
import hmac
import json
import random
import re
import secrets
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web
from aiolimiter import AsyncLimiter

from auditor.model.errors import ConfigError
from auditor.model.fingerprint import canonical
from auditor.providers.imejis import Imejis
from auditor.sandbox.billing import DEFAULT_KEY, EMPTY, NO_PLAN, Books, Subscription
from auditor.sandbox.faults import BILLED, FREE, Fault, Faults
from auditor.sandbox.pictures import DEFAULT_SIZE, MEDIA_TYPES, draw, texts_of
from auditor.system.network import host_in_header, is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LONG = 3600.0
"""Seconds that a hanging call is kept; the client gives up before."""
KEY = "dma-api-key"
"""Of the header, and of the query of a GET."""
_OPTIONS = ("format", "quality", "delivery", "expiresIn")


def _refusal(kind: type[web.HTTPException], headers: Mapping[str, str] | None = None, **document: Any) -> Exception:
    """The answer to a call that the API does not accept, to be raised; nothing is billed."""
    return kind(text=json.dumps({"success": False, **document}), headers=headers, content_type="application/json")


class Sandbox:
    """A sandbox in a thread of its own: `with Sandbox() as sandbox: Renderer(base_url=sandbox.url, …)`.

    *included* are the credits of the key `sandbox`. *latency* is the median in seconds and *spread* the sigma of the
    log-normal around it. *per_second* throttles. *designs* gives sizes in px by name; others are 1200 × 630.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        included: int = 10_000,
        latency: float = 0.0,
        spread: float = 0.3,
        per_second: float | None = None,
        faults: Mapping[str, float] | None = None,
        designs: Mapping[str, tuple[int, int]] | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        keys = {DEFAULT_KEY: Subscription(included), NO_PLAN: Subscription(None), EMPTY: Subscription(100, used=100)}
        self.billing = Books(keys)
        self.faults = Faults(faults, seed)
        self._port, self._latency, self._spread, self._per_second = port, latency, spread, per_second
        self._designs = dict(designs or {})
        self._random = random.Random(seed)  # noqa: S311 (latencies)
        self._clock = clock
        self._api = Imejis(clock)
        self._limiters: dict[str, AsyncLimiter] = {}
        self._hosted: dict[str, tuple[bytes, str]] = {}
        self._signing = secrets.token_bytes(32)
        self.origin = ""
        """`http://127.0.0.1:PORT` once it runs."""

    @property
    def url(self) -> str:
        """The base URL for a renderer."""
        return f"{self.origin}/v1"

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=4 << 20, middlewares=[self._local])
        application.add_routes([
            web.post("/v1/{design}", self._render), web.get("/v1/{design}", self._render),
            web.post("/api/designs/{design}", self._render),
            web.get("/sandbox/pictures/{name}", self._picture),
            web.get("/sandbox/invoice", self._invoice), web.post("/sandbox/faults", self._set_faults),
            web.get("/", self._about),
        ])  # fmt: skip
        return application

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Run until cancelled."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            try:
                site = web.TCPSite(runner, "127.0.0.1", self._port, backlog=4096)
                await site.start()
            except OSError as error:
                what = f"port {self._port} cannot be used ({error.strerror}); name another with --port"
                raise ConfigError(what) from None
            self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    def __enter__(self) -> Self:
        ready = threading.Event()

        async def serve() -> None:
            self._task = asyncio.ensure_future(self.serve(ready.set))
            with suppress(asyncio.CancelledError):
                await self._task

        def run() -> None:
            try:
                asyncio.run(serve())
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, name="auditor-sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        if not self.origin:
            raise ConfigError(f"the sandbox did not start on port {self._port}")
        return self

    def __exit__(self, *error: object) -> None:
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        self._thread.join(5)

    # The render API

    async def _render(self, request: web.Request) -> web.StreamResponse:
        self.billing.calls += 1
        fault = self.faults.draw()
        account, options, overrides, body = await self._admitted(request, throttle=fault is Fault.THROTTLE)
        if fault in FREE:
            return await self._failed(request, fault)
        design = request.match_info["design"]
        self.billing.bill(account, design)
        if self._latency:
            await asyncio.sleep(self._random.lognormvariate(0, self._spread) * self._latency)
        picture_format, texts = options.get("format", "jpeg"), tuple(texts_of(overrides))
        looks = (picture_format, options.get("quality", 85), self._designs.get(design, DEFAULT_SIZE))
        content = await asyncio.to_thread(draw, design, body, texts, *looks)
        if fault in BILLED:
            self.billing.unanswered += 1
            if fault is Fault.DRIP:
                return await self._drip(request, content, MEDIA_TYPES[picture_format])
            return await self._failed(request, fault)
        return self._delivered(options, picture_format, content)

    async def _admitted(
        self, request: web.Request, *, throttle: bool
    ) -> tuple[Subscription, Mapping[str, Any], Mapping[str, Any], bytes]:
        """(account, options, overrides, their canonical bytes) of a call that will be billed; else a refusal."""
        key = request.headers.get(KEY) or request.query.get(KEY)
        if not key:
            raise _refusal(web.HTTPUnauthorized, error="Unauthorized")
        account = self.billing.accounts.get(key)
        if account is None:
            raise _refusal(web.HTTPNotFound, error="Key not found")
        if self._designs and request.match_info["design"] not in self._designs:
            raise _refusal(web.HTTPNotFound, message="Design not found")
        try:
            options = self._api.options(options_of(request.query))
            overrides = await overrides_of(request)
            body = canonical(overrides)
        except (ValueError, ConnectionResetError) as error:
            raise _refusal(web.HTTPBadRequest, message=str(error)) from None
        if account.remaining == 0:
            raise _refusal(web.HTTPTooManyRequests, **account.exhausted(self._clock()))
        if throttle or self._throttled(key):
            waits = {"Retry-After": "1"}
            raise _refusal(web.HTTPTooManyRequests, waits, message="Too many requests", requestId=str(uuid.uuid4()))
        return account, options, overrides, body

    def _delivered(self, options: Mapping[str, Any], picture_format: str, content: bytes) -> web.Response:
        delivery = options.get("delivery", "stream")
        if delivery == "stream":
            return web.Response(body=content, content_type=MEDIA_TYPES[picture_format])
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{picture_format}"
        answer: dict[str, Any] = {
            "success": True, "delivery": delivery, "format": picture_format, "file": {"size": len(content)},
            "requestId": str(uuid.uuid4()), "url": f"{self.origin}/sandbox/pictures/{name}",
        }  # fmt: skip
        self._hosted[name] = (content, MEDIA_TYPES[picture_format])
        if delivery == "signed":
            ends = int(self._clock()) + 60 * options.get("expiresIn", 60)
            answer["url"] += f"?expires={ends}&token={self._token(name, ends)}"
            answer["expiresAt"] = datetime.fromtimestamp(ends, UTC).isoformat()
        return web.json_response(answer)

    def _throttled(self, key: str) -> bool:
        if self._per_second is None:
            return False
        limiter = self._limiters.setdefault(key, AsyncLimiter(self._per_second, 1))
        if not limiter.has_capacity():
            return True
        # There is room, so this does not wait: it only counts.
        asyncio.get_running_loop().create_task(limiter.acquire())
        return False

    async def _failed(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """A status, or no answer: the connection stays open, or is closed at once."""
        if fault in (Fault.SERVER, Fault.GATEWAY, Fault.UNAVAILABLE):
            return web.Response(status=int(fault), text="upstream unavailable")
        if fault in (Fault.HANG, Fault.BILLED_HANG):
            await asyncio.sleep(LONG)
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=500)

    async def _drip(self, request: web.Request, content: bytes, media_type: str) -> web.StreamResponse:
        """A byte a second."""
        response = web.StreamResponse(headers={"Content-Type": media_type, "Content-Length": str(len(content))})
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the client has had enough, which is what this fault is for
            for place in range(len(content)):
                await response.write(content[place : place + 1])
                await asyncio.sleep(1)
        return response

    # Around it

    @web.middleware
    async def _local(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what web pages send: by a name that was made to point here, or to change faults from elsewhere."""
        if not is_loopback(host_in_header(request.headers.get("Host", "localhost"))):
            return web.Response(status=403, text="the Host is another machine; ask 127.0.0.1")
        origin = request.headers.get("Origin")
        if request.path.startswith("/sandbox/") and origin is not None and origin != f"http://{request.host}":
            return web.Response(status=403, text="a page of another origin may not use the sandbox")
        return await handler(request)

    def _token(self, name: str, ends: int) -> str:
        return hmac.digest(self._signing, f"{name}:{ends}".encode(), "sha256").hex()[:32]

    async def _picture(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = self._hosted.get(name)
        if found is None:
            return web.Response(status=404, text="no such image")
        if "token" in request.query:
            ends = int(request.query.get("expires", "0"))
            if not hmac.compare_digest(self._token(name, ends), request.query["token"]) or ends < self._clock():
                return web.Response(status=403, text="the address has expired")
        return web.Response(body=found[0], content_type=found[1])

    async def _invoice(self, _: web.Request) -> web.Response:
        return web.json_response(self.billing.invoice() | {"faults": dict(self.faults.drawn)})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            wanted = await request.json()
            self.faults.set(wanted.get("rates", self.faults.rates))
            self.faults.queue(wanted.get("next", []))
        except (ValueError, AttributeError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"rates": self.faults.rates})

    async def _about(self, _: web.Request) -> web.Response:
        return web.Response(
            text="Render Auditor's sandbox. POST /v1/{design} with the header dma-api-key: sandbox.\n"
            "GET /sandbox/invoice says what was billed; POST /sandbox/faults "
            '{"rates": {"500": 0.1}, "next": ["hang"]} makes it fail.\n'
        )


def options_of(query: Mapping[str, str]) -> dict[str, Any]:
    """The output options among the parameters; numbers as numbers."""
    found: dict[str, Any] = {name: query[name] for name in _OPTIONS if name in query}
    numbers = (name for name in ("quality", "expiresIn") if re.fullmatch("[0-9]+", found.get(name, "")))
    return found | {name: int(found[name]) for name in numbers}


async def overrides_of(request: web.Request) -> Mapping[str, Any]:
    """The overrides of a POST or a GET; `ValueError` if the body is not a JSON object."""
    if request.method == "GET":
        return {name: value for name, value in request.query.items() if name not in (KEY, *_OPTIONS)}
    if not request.can_read_body:
        return {}
    found = await request.json()
    if not isinstance(found, dict):
        raise ValueError("the body has to be a JSON object of overrides")
    return found
