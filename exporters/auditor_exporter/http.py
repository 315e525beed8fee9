"""The exporter's HTTP server: /metrics, health, a landing page; GET and HEAD alone, on loopback unless protected.

It is asynchronous, so that clients which read or ask slowly hold a socket and no thread, and each only for a while;
collections run one at a time in a thread of their own. On loopback it answers only who names this machine as the host:
a web page whose name was made to point here (DNS rebinding) reads nothing.
"""

import asyncio
import gzip
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from auditor.model.errors import ConfigError
from auditor.system.network import host_of, is_loopback
from auditor.version import __version__
from auditor_exporter.auth import Verdicts
from auditor_exporter.connections import Connections, Held, listeners
from auditor_exporter.snapshot import Shown
from auditor_exporter.webconfig import Live

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
_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
_LOG = logging.getLogger("auditor-exporter")
_LOG.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""What strangers send that is no HTTP is answered and fills no log."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dripping:
    """One answer with *status* on a *transport*, and the end of that connection.

    It is sent drop by drop, so that its client goes on waiting whatever its timeout for a read is.
    """

    def __init__(self, transport: asyncio.Transport, status: int) -> None:
        self._transport = transport
        self._next = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nX-Wait: ".encode()

    def drop(self) -> None:
        """Send a little."""
        if not self._transport.is_closing():
            self._transport.write(self._next + b".")
            self._next = b""

    def end(self, answer: web.StreamResponse, *, head: bool) -> None:
        """Send what *answer* has besides the status, of a *head* no body, and hang up."""
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        headers = {**answer.headers, "Content-Length": str(len(body)), "Connection": "close"}
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        if not self._transport.is_closing():
            self._transport.write(lines.encode() + b"\r\n\r\n" + (b"" if head else body))
            self._transport.close()


_HELD = web.RequestKey("held", Held)
_DRIPPING = web.RequestKey("dripping", Dripping)


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
    snapshot: Shown, live: Live, verdicts: Verdicts, connections: Connections, patience: float, *, local: bool
) -> web.Application:
    """The routes; a *local* one answers only requests to this machine's own names."""

    async def metrics(request: web.Request) -> web.Response:
        accept = request.headers.get("accept", "")
        found = snapshot.at_hand(accept)
        body, kind = found if found is not None else await asyncio.to_thread(snapshot.exposition, accept)
        headers = {"Content-Type": kind, "Vary": "Accept, Accept-Encoding"}
        if takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(_packed, body)
        return web.Response(body=body, headers=headers)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def ready(_: web.Request) -> web.Response:
        if snapshot.at_hand("") is None:
            await asyncio.to_thread(snapshot.exposition)
        text, status = ("ready\n", 200) if snapshot.healthy else ("a collector fails\n", 503)
        return web.Response(text=text, status=status)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    layers = [_patient(patience, connections), _guarded(live, verdicts, local=local)]
    app = web.Application(client_max_size=0, middlewares=layers)
    for path, handler in (("/metrics", metrics), ("/-/healthy", healthy), ("/-/ready", ready), ("/", page)):
        app.router.add_get(path, handler)  # HEAD too
    return app


def _patient(patience: float, connections: Connections) -> Any:
    """Send the answer here, where a client that does not read it can be hung up on."""

    @web.middleware
    async def patient(request: web.Request, handler: Handler) -> web.StreamResponse:
        if held := connections.begins(request.protocol):
            request[_HELD] = held
        try:
            answer = await handler(request)
            if _DRIPPING in request:
                request[_DRIPPING].end(answer, head=request.method == "HEAD")
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

    return patient


def _guarded(live: Live, verdicts: Verdicts, *, local: bool) -> Any:
    """Only for those who may, with the configured headers."""

    async def allowed(request: web.Request, users: Mapping[str, bytes]) -> bool:
        held = request.get(_HELD)

        def late() -> None:
            if held:
                held.late = True
            if request.transport is not None:
                request.setdefault(_DRIPPING, Dripping(request.transport, 401)).drop()

        header = request.headers.get("authorization", "")
        return await verdicts.allows(users, header, held.peer if held else "", late)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        config = live.current()
        answer: web.StreamResponse
        try:
            if local and not is_loopback(host_of(request.headers.get("host", "localhost"))):
                answer = web.Response(status=403, text="403: the Host is another machine; ask localhost\n")
            elif config.users and request.path not in OPEN_TO_ALL and not await allowed(request, config.users):
                challenge = {"WWW-Authenticate": 'Basic realm="Render Auditor"'}
                answer = web.Response(status=401, text="401: Unauthorized\n", headers=challenge)
            else:
                answer = await handler(request)
        except web.HTTPException as error:
            answer = web.Response(status=error.status, text=f"{error.text}\n", headers=error.headers)
        answer.headers.update({**_HEADERS, **config.headers})
        return answer

    return guarded


async def serve(
    snapshot: Shown, host: str, port: int, live: Live, ready: Callable[[str], None], stop: asyncio.Event,
    patience: float = PATIENCE, say: Callable[[str], object] = _LOG.warning,
) -> None:  # fmt: skip
    """Serve until *stop*; *ready* is told the address, *say* when connections are dropped."""
    tls = live.tls()
    connections = Connections(tls, patience, say)
    app = application(snapshot, live, Verdicts(), connections, patience, local=is_loopback(host))
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1, logger=_LOG, keepalive_timeout=patience, handler_cancellation=True
    )
    await runner.setup()
    assert runner.server is not None
    opened: list[socket.socket] = []
    accepting: list[asyncio.Task[None]] = []
    try:
        try:
            opened = await listeners(host, port)
        except OSError as error:
            raise ConfigError(f"{host}:{port} is not free ({error.strerror}); name another --listen") from None
        accepting = [asyncio.create_task(connections.accept(each, runner.server)) for each in opened]
        name, number = opened[0].getsockname()[:2]
        ready(f"{'https' if tls else 'http'}://{f'[{name}]' if ':' in name else name}:{number}")
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *accepting], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    finally:
        for task in accepting:
            task.cancel()
        results = await asyncio.gather(*accepting, return_exceptions=True)
        for each in opened:
            each.close()
        await connections.close()
        await runner.cleanup()
    for result in results:
        if isinstance(result, Exception):  # a fault of ours, which must not look like a server without visitors
            raise result
