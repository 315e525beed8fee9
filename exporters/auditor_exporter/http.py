"""The exporter's HTTP server: /metrics, health, a landing page, usage that is sent; on loopback unless protected.

It is asynchronous, so that clients which read or ask slowly hold a socket and no thread, and each only for a while;
collections run one at a time in a thread of their own. On loopback it answers only who names this machine as the host:
a web page whose name was made to point here (DNS rebinding) reads nothing.
"""

import asyncio
import gzip
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from auditor.model.errors import ConfigError
from auditor.system.network import host_in_header, is_loopback
from auditor.version import __version__
from auditor_exporter.auth import Verdicts, user_of
from auditor_exporter.connections import Connections, Held, listeners
from auditor_exporter.problems import ProblemError
from auditor_exporter.receiving import SENDER, Receiving
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.tokens import Tokens
from auditor_exporter.webconfig import Live, WebConfig

PORT = 19710
PATIENCE = 30.0
"""Seconds in which a client has to send its request, idle time before it included, and then to read the answer."""
_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Render Auditor exporter</title>
<h1>Render Auditor exporter {__version__}</h1>
<ul><li><a href="/metrics">Metrics</a></li>
<li><a href="/-/healthy">Healthy?</a></li><li><a href="/-/ready">Ready?</a></li></ul>
</html>
"""
_CHALLENGE = 'Basic realm="Render Auditor"'
_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
_LOG = logging.getLogger("auditor-exporter")
_LOG.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""What strangers send that is not HTTP is answered and fills no log."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Late:
    """A refusal that is kept back, and the end of its connection.

    It is sent drop by drop, so that its client goes on waiting whatever its timeout for a read is.
    """

    def __init__(self, held: Held | None, transport: asyncio.Transport | None) -> None:
        self._held, self._transport = held, transport
        self.peer = held.peer if held else ""
        self.begun = False

    def __call__(self) -> None:
        """Send a little."""
        if self._held:
            self._held.late = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write((b"" if self.begun else b"HTTP/1.1 401 Unauthorized\r\nX-Wait: ") + b".")
            self.begun = True

    def end(self, answer: web.StreamResponse, *, head: bool) -> None:
        """Send what *answer* has besides the status, of a *head* no body, and hang up."""
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        headers = {**answer.headers, "Content-Length": str(len(body)), "Connection": "close"}
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(lines.encode() + b"\r\n\r\n" + (b"" if head else body))
            self._transport.close()


def check_receiving(listen: str, host: str, live: Live, tokens: Tokens, *, insecure: bool) -> None:
    """Who may send usage to other hosts than loopback has to show who they are, and encrypted unless *insecure*."""
    safe = live.config.tls is not None or insecure
    if not is_loopback(host) and not (safe and (live.config.protects or live.config.users or tokens)):
        raise ConfigError(
            f"--listen {listen!r} with --web.ingest lets other machines write to the ledger: give TLS and "
            "basic_auth_users in --web.config.file, or with --insecure users or --web.ingest-tokens"
        )


def address_of(listen: str, live: Live, *, insecure: bool) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`; other hosts than loopback need a configuration that protects, or *insecure*."""
    match = re.fullmatch(r"(?:\[([^\[\]]+)\]:|([^:\[\]]*):)?([0-9]{1,5})", listen)
    if match is None or int(match[3]) > 65_535:
        raise ConfigError(f"--listen {listen!r}: write HOST:PORT, as 127.0.0.1:{PORT} or [::1]:{PORT}")
    host = match[1] or (match[2] if match[2] is not None else "127.0.0.1")
    port = match[3]
    live.exposed = not is_loopback(host) and not insecure
    if live.exposed and not live.config.protects:
        raise ConfigError(
            f"--listen {listen!r} is open to other machines: give TLS and basic_auth_users in --web.config.file, "
            "or say --insecure"
        )
    return host, int(port)


OPEN_TO_ALL = ("/-/healthy", "/-/ready")
"""What a container's health check asks, which knows no password; the answers hold nothing."""


_REFUSED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*", re.IGNORECASE)


def takes_gzip(accept: str) -> bool:
    """Whether an `Accept-Encoding` header does."""
    parts = (part.partition(";") for part in accept.split(","))
    codings = {name.strip().lower(): not _REFUSED.fullmatch(quality) for name, _, quality in parts}
    return codings.get("gzip", codings.get("x-gzip", codings.get("*", False)))


@lru_cache(12)
def _packed(body: bytes) -> bytes:
    """gzip, in some 10 ms for a MiB; what many ask for is packed once."""
    return gzip.compress(body, 5, mtime=0)


def application(
    shown: Callable[[], Snapshot], live: Live, connections: Connections, patience: float, receiving: Receiving | None,
    *, local: bool,
) -> web.Application:  # fmt: skip
    """The routes; a *local* one answers only requests to this machine's own names."""

    async def metrics(request: web.Request) -> web.Response:
        accept = request.headers.get("accept", "")
        found = shown().at_hand(accept)
        body, kind = found if found is not None else await asyncio.to_thread(shown().exposition, accept)
        headers = {"Content-Type": kind, "Vary": "Accept, Accept-Encoding"}
        if takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(_packed, body)
        return web.Response(body=body, headers=headers)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def ready(_: web.Request) -> web.Response:
        if shown().at_hand("") is None:
            await asyncio.to_thread(shown().exposition)
        text, status = ("ready\n", 200) if shown().healthy else ("a collector fails\n", 503)
        return web.Response(text=text, status=status)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    app = web.Application(client_max_size=0, middlewares=[_layer(live, connections, patience, receiving, local=local)])
    if receiving is not None:
        receiving.add_to(app.router)
    for path, handler in (("/metrics", metrics), ("/-/healthy", healthy), ("/-/ready", ready), ("/", page)):
        app.router.add_get(path, handler)  # HEAD too
    return app


async def _may(
    request: web.Request, config: WebConfig, verdicts: Verdicts, late: Late, receiving: Receiving | None
) -> bool:
    """Whether the sender of a request may ask this; its name for what it sends stays with the request."""
    header = request.headers.get("authorization", "")
    if receiving is None or not _is_wire(request):
        known = None if config.users and request.path not in OPEN_TO_ALL else ""
    else:
        known = receiving.sender(request, config)
    may = known is not None or (bool(config.users) and await verdicts.allows(config.users, header, late.peer, late))
    request[SENDER] = f"user {user_of(header)}" if known is None else known
    return may


def _is_wire(request: web.Request) -> bool:
    """Whether a program asks, which gets its errors as JSON."""
    return request.path.startswith("/v1/")


async def _answer(
    request: web.Request, handler: Handler, config: WebConfig, verdicts: Verdicts, late: Late,
    receiving: Receiving | None, *, local: bool,
) -> web.StreamResponse:  # fmt: skip
    """Only for those who may, with the configured headers."""
    answer: web.StreamResponse
    try:
        if local and not is_loopback(host_in_header(request.headers.get("host", "localhost"))):
            raise web.HTTPForbidden(text="403: the Host is another machine; ask localhost")
        if not await _may(request, config, verdicts, late, receiving):
            raise web.HTTPUnauthorized(text="401: Unauthorized", headers={"WWW-Authenticate": _CHALLENGE})
        answer = await handler(request)
    except ProblemError as problem:
        answer = problem.answer()
    except web.HTTPException as error:
        kept = {name: value for name, value in error.headers.items() if name != "Content-Type"}
        answer = web.Response(status=error.status, text=f"{error.text}\n", headers=error.headers)
        if _is_wire(request):
            answer = ProblemError(error.status, str(error.text).partition(": ")[2] or error.reason).answer(kept)
    if receiving is not None and _is_wire(request):
        receiving.count(answer.status)
    answer.headers.update({**_HEADERS, **config.headers})
    return answer


def _layer(live: Live, connections: Connections, patience: float, receiving: Receiving | None, *, local: bool) -> Any:
    """Send the answer here, where a client that does not read it can be hung up on."""
    verdicts = Verdicts()

    @web.middleware
    async def layer(request: web.Request, handler: Handler) -> web.StreamResponse:
        held = connections.begins(request.protocol)
        late = Late(held, request.transport)
        try:
            answer = await _answer(request, handler, live.current(), verdicts, late, receiving, local=local)
            if late.begun:
                late.end(answer, head=request.method == "HEAD")
                return answer
            if request.transport is not None:
                request.transport.set_write_buffer_limits(0)
            try:
                async with asyncio.timeout(patience):
                    await answer.prepare(request)
                    await answer.write_eof()
            except (TimeoutError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()
        finally:
            if held:
                connections.ends(held)
        return answer

    return layer


async def serve(
    shown: Callable[[], Snapshot], host: str, port: int, live: Live, ready: Callable[[str], None], stop: asyncio.Event,
    patience: float = PATIENCE, say: Callable[[str], object] = _LOG.warning, receiving: Receiving | None = None,
) -> None:  # fmt: skip
    """Serve what is *shown* until *stop*; *ready* is told the address, *say* when connections are dropped."""
    tls = live.tls()
    connections = Connections(tls, patience, say)
    app = application(shown, live, connections, patience, receiving, local=is_loopback(host))
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=1,
        logger=_LOG,
        keepalive_timeout=patience,
        handler_cancellation=True,
        auto_decompress=False,
    )
    await runner.setup()
    assert runner.server is not None
    async with AsyncExitStack() as closing:
        closing.push_async_callback(runner.cleanup)
        closing.push_async_callback(connections.close)
        try:
            opened = [closing.enter_context(each) for each in await listeners(host, port)]
        except OSError as error:
            raise ConfigError(f"{host}:{port} is not free ({error.strerror}); name another --listen") from None
        name, number = opened[0].getsockname()[:2]
        ready(f"{'https' if tls else 'http'}://{f'[{name}]' if ':' in name else name}:{number}")
        accepting = (connections.accept(each, runner.server) for each in opened)
        tasks = [asyncio.ensure_future(each) for each in (stop.wait(), *accepting)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):  # a fault of ours, which must not look like a server without visitors
            raise result
