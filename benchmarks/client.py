"""What a cached render costs, against the caches that people put in front of HTTP, in one run.

    python benchmarks/client.py           (ROUNDS=40 by default; needs redis-server for the rows about Redis)

Machines are noisy: every candidate runs a short cell in each round, in an order that is turned each time; a row is the
least of its cells, a ratio the median of the rounds' ratios. The image has 50 kB, the request 300 bytes.
"""

import argparse
import asyncio
import gc
import hashlib
import io
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import rfc8785
from prometheus_client import CollectorRegistry

sys.path.insert(0, str(Path(__file__).parents[1]))
from auditor import Metering, Redis, Renderer, Sandbox, meter, path_rule
from auditor.model.fingerprint import Scope, canonical, derive_key
from tests.services import redis_server

BODY = b"".join((
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\xb0\0\0\x02\x76\x08\0\0\0\0\xf4\xf6\xc4\xea",
    (50_000).to_bytes(4), b"IDAT", bytes(50_000), bytes(4), b"\0\0\0\0IEND\xaeB`\x82",
))  # fmt: skip
OVERRIDES = {
    "title.text": "How we cut render cost by 70 % — a café story", "author": {"text": "Zoë Müller"},
    "avatar.image": "https://example.com/a/17.png", "tags": ["python", "caching", "og"], "date": "2026-01-02",
    "reads": 12345, "score": 4.75, "dark": True, "subtitle": "x" * 60,
}  # fmt: skip
URL = "https://render.imejis.io/v1/og?format=png"


@dataclass
class Cell:
    """A candidate: *run* does so many operations, and tells the seconds if they are not all of the call."""

    name: str
    run: Callable[[int], None]
    number: int


def answer(_: httpx.Request) -> httpx.Response:
    """An image."""
    return httpx.Response(200, headers={"content-type": "image/png", "cache-control": "max-age=9999"}, content=BODY)


class Canned(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """An image at once, for both kinds of client."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sync."""
        return answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Async."""
        return answer(request)


def repeated(one: Callable[[], Any]) -> Callable[[int], None]:
    """A loop over a function."""

    def run(number: int) -> None:
        for _ in range(number):
            one()

    return run


def in_loop(loop: asyncio.AbstractEventLoop, one: Callable[[], Any]) -> Callable[[int], None]:
    """A loop over a coroutine function, inside one event loop."""

    async def many(number: int) -> None:
        for _ in range(number):
            await one()

    return lambda number: loop.run_until_complete(many(number))


def stored(renderer: Renderer, **options: Any) -> None:
    """Have the image in its cache, so that hits are measured and nothing else."""
    renderer.render("og", OVERRIDES, **options)
    assert renderer.render("og", OVERRIDES, **options).outcome == "hit"


def renderers(stack: ExitStack, folder: Path) -> Iterator[tuple[str, Renderer]]:
    """What the hit path may carry."""
    made = {
        "auditor, memory, bare": {"registry": None},
        "auditor, memory, metrics": {"registry": CollectorRegistry()},
        "auditor, memory, metrics and event": {"registry": CollectorRegistry(), "events": folder / "usage"},
    }
    for name, options in made.items():
        renderer = stack.enter_context(Renderer(api_key="k", transport=Canned(), **options))  # type: ignore[arg-type]
        stored(renderer, format="png")
        yield name, renderer


def cells(stack: ExitStack, loop: asyncio.AbstractEventLoop, folder: Path) -> Iterator[Cell]:
    """All candidates."""
    for name, renderer in renderers(stack, folder):
        yield Cell(name, repeated(lambda r=renderer: r.render("og", OVERRIDES, format="png")), 1000)
        if name.endswith("bare"):
            yield Cell(
                f"{name}, async", in_loop(loop, lambda r=renderer: r.arender("og", OVERRIDES, format="png")), 1000
            )
    for size in (1_000, 500_000):
        transport = httpx.MockTransport(
            lambda _, n=size: httpx.Response(200, headers={"content-type": "image/png"}, content=b"x" * n)
        )
        sized = stack.enter_context(Renderer(api_key="k", transport=transport, registry=None))
        stored(sized)
        yield Cell(f"auditor, memory, {size // 1000} kB", repeated(lambda r=sized: r.render("og", OVERRIDES)), 1000)
    yield from keys()
    yield from rivals(stack, loop)
    yield from attached(stack, folder)
    yield from by_redis(stack, loop, folder)


def keys() -> Iterator[Cell]:
    """Identity of a request."""
    scope = Scope("imejis", "main", "production", derive_key("s"))
    prepared = scope.prepare("og", {"format": "png"})
    yield Cell("canonical JSON, ours", repeated(lambda: canonical(OVERRIDES)), 2000)
    yield Cell("canonical JSON, rfc8785", repeated(lambda: rfc8785.dumps(OVERRIDES)), 500)
    yield Cell("key, ours", repeated(lambda: prepared.key(canonical(OVERRIDES))), 2000)
    yield Cell("key, rfc8785 and sha256", repeated(lambda: hashlib.sha256(rfc8785.dumps(OVERRIDES)).hexdigest()), 500)


def rivals(stack: ExitStack, loop: asyncio.AbstractEventLoop) -> Iterator[Cell]:
    """Memory hits of others: hishel cannot cache a POST, so it gets a GET; aiocache and cashews get a JSON key."""
    import aiocache
    import cashews
    import hishel
    import hishel.httpx
    import requests
    import requests_cache
    import urllib3

    storage = hishel.SqliteStorage(connection=sqlite3.connect(":memory:", check_same_thread=False))
    cached = stack.enter_context(httpx.Client(transport=hishel.httpx.CacheTransport(Canned(), storage=storage)))
    for _ in range(3):
        last = cached.get(URL)
    assert last.extensions["caching"]["from_cache"], "hishel did not serve from its cache"
    yield Cell("hishel, memory (SQLite)", repeated(lambda: cached.get(URL)), 20)

    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request: Any, **_: Any) -> Any:
            response = requests.Response()
            response.status_code, response.url, response.request = 200, request.url, request
            response.raw = urllib3.HTTPResponse(
                io.BytesIO(BODY), {"content-type": "image/png"}, 200, preload_content=False, request_url=request.url
            )
            return response

        def close(self) -> None:
            pass

    session = requests_cache.CachedSession(backend="memory", allowable_methods=["GET", "POST"], match_headers=False)
    session.mount("https://", Adapter())
    session.post(URL, json=OVERRIDES)
    assert session.post(URL, json=OVERRIDES).from_cache
    yield Cell("requests-cache, memory", repeated(lambda: session.post(URL, json=OVERRIDES)), 10)

    @aiocache.cached(cache=aiocache.SimpleMemoryCache, key_builder=lambda _, data: json.dumps(data, sort_keys=True))
    async def by_aiocache(data: Mapping[str, Any]) -> bytes:
        return BODY

    yield Cell("aiocache, memory, JSON key", in_loop(loop, lambda: by_aiocache(OVERRIDES)), 300)
    memory = cashews.Cache()
    memory.setup("mem://")

    @memory(ttl="1h", key="{data:json}")
    async def by_cashews(data: str) -> bytes:
        return BODY

    yield Cell("cashews, memory", in_loop(loop, lambda: by_cashews(json.dumps(OVERRIDES, sort_keys=True))), 20)


def attached(stack: ExitStack, folder: Path) -> Iterator[Cell]:
    """What metering someone's httpx client adds to a call that takes no time at all."""
    plain = stack.enter_context(httpx.Client(transport=Canned()))
    metered = stack.enter_context(httpx.Client(transport=Canned()))
    meter(metered, Metering(registry=CollectorRegistry(), secret="s"))
    full = stack.enter_context(httpx.Client(transport=Canned()))
    meter(full, Metering(registry=CollectorRegistry(), secret="s", events=folder / "attached"))
    for name, client in (("httpx, plain", plain), ("httpx, metered", metered), ("httpx, metered with events", full)):
        yield Cell(f"{name}, no network", repeated(lambda c=client: c.post(URL, json=OVERRIDES)), 50)
    sandbox = stack.enter_context(Sandbox(designs={"og": (600, 315)}, included=10**9))
    rule = path_rule("imejis", "127.0.0.1", r"/v1/(?P<template>[^/]+)")
    for name, options in (("plain", None), ("metered", {}), ("metered with events", {"events": folder / "loopback"})):
        client = stack.enter_context(httpx.Client(headers={"dma-api-key": "sandbox"}))
        if options is not None:
            meter(client, Metering(registry=CollectorRegistry(), secret="s", rules=[rule], **options))  # type: ignore[arg-type]
        url = f"{sandbox.url}/og?format=png"
        yield Cell(f"httpx, {name}, loopback", repeated(lambda c=client, u=url: c.post(u, json=OVERRIDES)), 20)


def by_redis(stack: ExitStack, loop: asyncio.AbstractEventLoop, folder: Path) -> Iterator[Cell]:
    """A hit in Redis with nothing in memory, against a raw GET of the same bytes."""
    import redis
    import redis.asyncio

    (folder / "redis").mkdir()
    server = stack.enter_context(redis_server(folder / "redis"))
    server.client.set("raw", BODY)
    yield Cell("redis-py GET, sync", repeated(lambda: server.client.get("raw")), 50)
    client = redis.asyncio.Redis(port=server.port)
    yield Cell("redis-py GET, async", in_loop(loop, lambda: client.get("raw")), 50)
    renderer = stack.enter_context(Renderer(api_key="k", transport=Canned(), cache=Redis(server.url), registry=None))
    stored(renderer)
    yield Cell("auditor, Redis hit, sync", repeated(lambda: renderer.render("og", OVERRIDES)), 50)
    yield Cell("auditor, Redis hit, async", in_loop(loop, lambda: renderer.arender("og", OVERRIDES)), 50)


def measure(candidates: list[Cell], rounds: int) -> dict[str, list[float]]:
    """µs an operation, by name, a value a round."""
    found: dict[str, list[float]] = {cell.name: [] for cell in candidates}
    for cell in candidates:
        cell.run(cell.number)
    gc.collect()
    gc.disable()
    for turn in range(rounds):
        for cell in candidates if turn % 2 else reversed(candidates):
            started = time.perf_counter()
            cell.run(cell.number)
            found[cell.name].append((time.perf_counter() - started) / cell.number * 1e6)
    gc.enable()
    return found


GOALS: tuple[tuple[str, str, str, float], ...] = (
    # (what, slower, faster, at least)
    ("bare against hishel", "hishel, memory (SQLite)", "auditor, memory, bare", 50),
    ("bare against aiocache", "aiocache, memory, JSON key", "auditor, memory, bare, async", 8),
    ("bare against requests-cache", "requests-cache, memory", "auditor, memory, bare", 150),
    ("with metrics against hishel", "hishel, memory (SQLite)", "auditor, memory, metrics", 30),
    ("with metrics against aiocache", "aiocache, memory, JSON key", "auditor, memory, metrics", 5),
    ("with metrics against requests-cache", "requests-cache, memory", "auditor, memory, metrics", 90),
    ("canonical JSON against rfc8785", "canonical JSON, rfc8785", "canonical JSON, ours", 7),
    ("key against rfc8785 and sha256", "key, rfc8785 and sha256", "key, ours", 7),
)
LIMITS: tuple[tuple[str, str, str, float], ...] = (
    # (what, slower, faster, at most)
    ("an event on top of metrics", "auditor, memory, metrics and event", "auditor, memory, metrics", 1.6),
    ("500 kB against 1 kB", "auditor, memory, 500 kB", "auditor, memory, 1 kB", 1.1),
    ("Redis hit, async, against a raw GET", "auditor, Redis hit, async", "redis-py GET, async", 1.5),
    ("Redis hit, sync, against a raw async GET", "auditor, Redis hit, sync", "redis-py GET, async", 1.5),
    ("Redis hit, sync, against a raw sync GET", "auditor, Redis hit, sync", "redis-py GET, sync", 1.5),
    ("attached, metrics, loopback", "httpx, metered, loopback", "httpx, plain, loopback", 1.2),
    ("attached, and events, loopback", "httpx, metered with events, loopback", "httpx, plain, loopback", 1.5),
    ("attached, metrics, no network", "httpx, metered, no network", "httpx, plain, no network", 1.15),
    ("attached, and events, no network", "httpx, metered with events, no network", "httpx, plain, no network", 1.15),
)


def ratio(found: Mapping[str, list[float]], slower: str, faster: str) -> float:
    """The median over the rounds."""
    return statistics.median(a / b for a, b in zip(found[slower], found[faster], strict=True))


@contextmanager
def candidates() -> Iterator[list[Cell]]:
    """All of them, and their servers and folders while they run."""
    loop = asyncio.new_event_loop()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield list(cells(stack, loop, folder))
    loop.close()


def main() -> int:
    """Measure, print the table and the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with candidates() as all_of_them:
        found = measure(all_of_them, options.rounds)
    print("| path | least µs | median µs |\n| --- | --- | --- |")
    for name, values in found.items():
        print(f"| {name} | {min(values):,.1f} | {statistics.median(values):,.1f} |")
    print("\n| goal | wanted | reached | |\n| --- | --- | --- | --- |")
    for what, slower, faster, wanted in GOALS:
        reached = ratio(found, slower, faster)
        print(f"| {what} | ≥ {wanted:g} × | {reached:,.1f} × | {'met' if reached >= wanted else 'NOT MET'} |")
    for what, slower, faster, wanted in LIMITS:
        reached = ratio(found, slower, faster)
        print(f"| {what} | ≤ {wanted:g} × | {reached:,.2f} × | {'met' if reached <= wanted else 'NOT MET'} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
