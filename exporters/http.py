"""The exporter's HTTP server: /metrics, health, a landing page; GET and HEAD alone, on loopback.

It is asynchronous, so that clients which read or ask slowly hold a socket and no thread; collections run one at a time
in a thread of their own.
"""

import asyncio
import ipaddress
from collections.abc import Callable

from aiohttp import web

from auditor import __version__
from auditor.errors import ConfigError
from exporters.snapshot import Snapshot

PORT = 19710
_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Render Auditor exporter</title>
<h1>Render Auditor exporter {__version__}</h1>
<ul><li><a href="/metrics">Metrics</a></li>
<li><a href="/-/healthy">Healthy?</a></li><li><a href="/-/ready">Ready?</a></li></ul>
</html>
"""
_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


def address_of(listen: str, *, insecure: bool) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`; other hosts than loopback are refused: neither TLS nor a password protect it."""
    host, found, port = listen.rpartition(":")
    host = host.strip("[]") if found else "127.0.0.1"
    if not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"--listen {listen!r}: write HOST:PORT, as 127.0.0.1:{PORT}")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not insecure:
        raise ConfigError(
            f"--listen {listen!r} is open to other machines, with neither TLS nor a password: put a proxy that has "
            "both in front of 127.0.0.1, or say --insecure"
        )
    return host, int(port)


def application(snapshot: Snapshot) -> web.Application:
    """The routes."""

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = await asyncio.to_thread(snapshot.exposition, request.headers.get("accept", ""))
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": content_type})

    async def healthy(request: web.Request) -> web.Response:
        del request
        return web.Response(text="healthy\n", headers=_HEADERS)

    async def ready(request: web.Request) -> web.Response:
        del request
        await asyncio.to_thread(snapshot.exposition)
        text, status = ("ready\n", 200) if snapshot.healthy else ("a collector fails\n", 503)
        return web.Response(text=text, status=status, headers=_HEADERS)

    async def page(request: web.Request) -> web.Response:
        del request
        return web.Response(text=_PAGE, content_type="text/html", headers=_HEADERS)

    app = web.Application(client_max_size=0)
    for path, handler in (("/metrics", metrics), ("/-/healthy", healthy), ("/-/ready", ready), ("/", page)):
        app.router.add_get(path, handler)  # HEAD too
    return app


async def serve(snapshot: Snapshot, host: str, port: int, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until *stop*; *ready* is told the address."""
    runner = web.AppRunner(application(snapshot), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigError(f"{host}:{port} is not free ({error.strerror}); name another --listen") from None
        bound = runner.addresses[0]
        ready(f"http://{bound[0]}:{bound[1]}")
        await stop.wait()
    finally:
        await runner.cleanup()
