"""The exporter's HTTP server: /metrics, health, a landing page; GET and HEAD alone, on loopback unless protected.

It is asynchronous, so that clients which read or ask slowly hold a socket and no thread, and each only for a while;
collections run one at a time in a thread of their own.
"""

import asyncio
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from auditor import __version__
from auditor.errors import ConfigError
from exporters.auth import BusyError, Verdicts
from exporters.snapshot import Snapshot
from exporters.webconfig import Live

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


def address_of(listen: str, live: Live, *, insecure: bool) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`; other hosts than loopback need a configuration that protects, or *insecure*."""
    match = re.fullmatch(r"(?:\[([^\[\]]+)\]:|([^:\[\]]*):)?([0-9]{1,5})", listen)
    if match is None or int(match[3]) > 65_535:
        raise ConfigError(f"--listen {listen!r}: write HOST:PORT, as 127.0.0.1:{PORT} or [::1]:{PORT}")
    host = match[1] or (match[2] if match[2] is not None else "127.0.0.1")
    port = match[3]
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    live.exposed = not loopback and not insecure
    if live.exposed and not live.config.protects:
        raise ConfigError(
            f"--listen {listen!r} is open to other machines: give TLS and basic_auth_users in --web.config.file, "
            "or say --insecure"
        )
    return host, int(port)


def application(snapshot: Snapshot, live: Live, verdicts: Verdicts, patience: float = PATIENCE) -> web.Application:
    """The routes."""

    async def metrics(request: web.Request) -> web.Response:
        accept = request.headers.get("accept", "")
        found = snapshot.at_hand(accept)
        if found is None:
            found = await asyncio.to_thread(snapshot.exposition, accept)
        return web.Response(body=found[0], headers={"Content-Type": found[1]})

    async def healthy(request: web.Request) -> web.Response:
        del request
        return web.Response(text="healthy\n")

    async def ready(request: web.Request) -> web.Response:
        del request
        if snapshot.at_hand("") is None:
            await asyncio.to_thread(snapshot.exposition)
        text, status = ("ready\n", 200) if snapshot.healthy else ("a collector fails\n", 503)
        return web.Response(text=text, status=status)

    async def page(request: web.Request) -> web.Response:
        del request
        return web.Response(text=_PAGE, content_type="text/html")

    app = web.Application(client_max_size=0, middlewares=[_patient(patience), _guarded(live, verdicts)])
    for path, handler in (("/metrics", metrics), ("/-/healthy", healthy), ("/-/ready", ready), ("/", page)):
        app.router.add_get(path, handler)  # HEAD too
    return app


def _patient(patience: float) -> Any:
    """Send the answer here, where a client that does not read it can be hung up on."""

    @web.middleware
    async def patient(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(0)
        try:
            async with asyncio.timeout(patience):
                await answer.prepare(request)
                await answer.write_eof()
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        return answer

    return patient


def _guarded(live: Live, verdicts: Verdicts) -> Any:
    """Only for those who may, with the configured headers."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        config = live.current()
        answer: web.StreamResponse
        try:
            if config.users and not await verdicts.allows(config.users, request.headers.get("authorization", "")):
                challenge = {"WWW-Authenticate": 'Basic realm="Render Auditor"'}
                answer = web.Response(status=401, text="401: Unauthorized\n", headers=challenge)
            else:
                answer = await handler(request)
        except BusyError:
            answer = web.Response(status=503, text="503: too many passwords to check\n", headers={"Retry-After": "1"})
        except web.HTTPException as error:
            answer = web.Response(status=error.status, text=f"{error.text}\n", headers=error.headers)
        answer.headers.update({**_HEADERS, **config.headers})
        return answer

    return guarded


async def serve(
    snapshot: Snapshot, host: str, port: int, live: Live, ready: Callable[[str], None], stop: asyncio.Event,
    patience: float = PATIENCE,
) -> None:  # fmt: skip
    """Serve until *stop*; *ready* is told the address."""
    app = application(snapshot, live, Verdicts(), patience)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, logger=_LOG, keepalive_timeout=patience)
    await runner.setup()
    try:
        tls = live.tls()
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise ConfigError(f"{host}:{port} is not free ({error.strerror}); name another --listen") from None
        name, number = runner.addresses[0][:2]
        ready(f"{'https' if tls else 'http'}://{f'[{name}]' if ':' in name else name}:{number}")
        await stop.wait()
    finally:
        await runner.cleanup()
