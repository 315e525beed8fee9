"""One call over processes and hosts, by way of a real Redis; and no harm when it fails."""

import asyncio
import gc
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from auditor.caches import Entry, Slot
from auditor.caches.memory import Memory
from auditor.caches.redis import Redis
from auditor.client.levels import Tiered
from auditor.client.renderer import Renderer
from auditor.model.events import Outcome
from auditor.model.provider import Picture
from auditor.sandbox.server import Sandbox
from tests.client.conftest import Upstream
from tests.client.test_renderer import value
from tests.services import ROOT, RedisServer, redis_server

CROWD = """
import asyncio, collections, json, sys
from auditor import Redis, Renderer, Memory, Tiered
redis_url, base_url, size, lease = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
cache = Tiered(Memory(), Redis(redis_url, lease_seconds=lease, timeout=5))
renderer = Renderer(api_key="sandbox", base_url=base_url, cache=cache, registry=None)
print("ready", flush=True)
sys.stdin.readline()
async def main():
    found = await asyncio.gather(*(renderer.arender("og", {"a": 1}) for _ in range(size)), return_exceptions=True)
    return collections.Counter(str(getattr(one, "outcome", type(one).__name__)) for one in found)
print(json.dumps(asyncio.run(main())), flush=True)
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test alone."""
    with redis_server(tmp_path) as server:
        yield server


def crowds(
    redis: RedisServer, sandbox: Sandbox, processes: int, size: int, lease: float
) -> list[subprocess.Popen[str]]:
    """Processes that are ready to ask for the same image at once."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD, redis.url, sandbox.url, str(size), str(lease)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for _ in range(processes)
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return started


def go(processes: list[subprocess.Popen[str]]) -> None:
    """All of them, now."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def outcomes(processes: list[subprocess.Popen[str]]) -> Counter[str]:
    """What became of all their requests."""
    total: Counter[str] = Counter()
    for process in processes:
        out, _ = process.communicate(timeout=60)
        total.update(json.loads(out))
    return total


def test_four_processes_of_a_thousand_make_one_call(redis: RedisServer) -> None:
    """With at most 100 commands to Redis: one process looks for all of its callers."""
    with Sandbox(latency=1.0, spread=0.0) as sandbox:
        processes = crowds(redis, sandbox, 4, 1000, 3.0)
        before = redis.commands()
        go(processes)
        found = outcomes(processes)
        commands = redis.commands() - before
        assert found == {"render": 1, "coalesced": 3999} or (found["render"], found.total()) == (1, 4000)
        assert sandbox.billing.invoice()["credits"] == 1
        print(f"4 x 1000: {sandbox.billing.calls} call, {commands} Redis commands, {dict(found)}")
        assert commands <= 100


def test_a_render_longer_than_the_lease_is_made_once(redis: RedisServer) -> None:
    """The lease is renewed while it lasts."""
    with Sandbox(latency=4.0, spread=0.0) as sandbox:
        processes = crowds(redis, sandbox, 3, 20, 1.5)
        go(processes)
        found = outcomes(processes)
        assert (found["render"], found.total()) == (1, 60)
        assert sandbox.billing.invoice()["credits"] == 1


def test_a_killed_leader_costs_one_more_call_at_most(redis: RedisServer) -> None:
    """The others go on within the lease and half a second."""
    with Sandbox(latency=1.0, spread=0.0) as sandbox:
        leader, *others = crowds(redis, sandbox, 4, 50, 1.0)
        go([leader])
        deadline = time.monotonic() + 20
        while sandbox.billing.calls == 0 and time.monotonic() < deadline:
            pass
        go(others)
        leader.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        found = outcomes(others)
        took = time.monotonic() - killed
        assert found.total() == 150 and found["render"] == 1
        assert sandbox.billing.invoice()["credits"] == 2
        print(f"leader killed: 2 calls, all done {took:.1f} s after (lease 1 s, render 1 s)")
        assert took < 1.0 + 0.5 + 1.0 + 2.5, "lease, half a second, the render, and a slow machine"


def test_a_lost_lease_is_not_released_by_its_old_holder(redis: RedisServer) -> None:
    """Release and renewal compare the token."""
    import asyncio

    from auditor.caches import Slot
    from auditor.caches.redis import Redis

    async def main() -> None:
        cache, slot = Redis(redis.url, lease_seconds=5), Slot("g", "k")
        assert await cache.acquire(slot, "first")
        assert not await cache.acquire(slot, "second")
        await cache.release(slot, "second")
        assert not await cache.renew(slot, "second")
        assert await cache.renew(slot, "first")
        assert (await cache.look(slot)) == (None, True)
        await cache.release(slot, "first")
        assert (await cache.look(slot)) == (None, False)
        await cache.close()

    asyncio.run(main())


Build = Callable[..., Renderer]


@pytest.mark.parametrize("failure", ["refused", "stopped", "killed"])
def test_a_redis_that_fails_costs_nothing_but_a_moment_once(
    failure: str, redis: RedisServer, build: Build, upstream: Upstream, registry: CollectorRegistry
) -> None:
    """Rendered and counted; the first request waits at most 0.3 s more, the others not at all."""
    renderer = build(cache=redis.url)
    assert renderer.render("og", {"warm": 1}).outcome is Outcome.RENDER
    if failure == "stopped":
        redis.signal(signal.SIGSTOP)
    else:
        redis.process.kill()
        redis.process.wait()
        if failure == "refused":
            renderer = build(cache=redis.url)
    spent = []
    for number in range(20):
        started = time.perf_counter()
        assert renderer.render("og", {"n": number}).outcome is Outcome.RENDER
        spent.append(time.perf_counter() - started)
    print(f"{failure}: first {spent[0]:.3f} s, then at most {max(spent[1:]):.3f} s")
    assert value(registry, "cache_errors_total", tier="redis") == 1
    assert sum(spent) < 20 * 0.25, "only the first of them may have waited for a timeout"
    assert renderer.render("og", {"n": 0}).outcome is Outcome.HIT


def test_a_purge_of_a_redis_that_hangs_raises_in_time(redis: RedisServer, build: Build, upstream: Upstream) -> None:
    """Whoever purges has to know; what is there is forgotten once it goes on, however many steps that takes."""
    renderer = build(cache=Tiered(Memory(), Redis(redis.url, timeout=0.6)))
    keys = [renderer.render("og", {"n": number}).key for number in range(3)]
    redis.client.mset({f"other:{number}": "x" for number in range(2000)})
    redis.signal(signal.SIGSTOP)
    for forget in (lambda: renderer.purge("og"), lambda: renderer.delete(keys[0])):
        started = time.perf_counter()
        with pytest.raises(TimeoutError):
            forget()
        assert time.perf_counter() - started < 3
    redis.signal(signal.SIGCONT)
    redis.client.ping()
    renderer.purge("og")
    assert redis.client.dbsize() == 2000


@pytest.mark.parametrize("way", ["peek", "get"])
@pytest.mark.parametrize("at", ["send_command", "read_response"])
def test_no_answer_is_taken_for_that_of_the_next_command(redis: RedisServer, way: str, at: str) -> None:
    """A caller that is interrupted in between leaves no connection on which an answer is still to come."""
    store = Redis(redis.url)
    slot = Slot("g", f"k1:{'0' * 64}", b"s" * 32)
    pool = store._reached() if way == "peek" else store._connected().connection_pool

    async def ask() -> Entry | None:
        return store.peek(slot) if way == "peek" else await store.get(slot)

    async def main() -> None:
        assert await ask() is None
        (connection,) = pool._available_connections
        own = getattr(connection, at)
        assert connection.is_connected if way == "get" else connection._sock is not None

        def interrupted(*args: Any, **options: Any) -> None:
            raise KeyboardInterrupt

        setattr(connection, at, interrupted)
        with pytest.raises(KeyboardInterrupt):
            await ask()
        assert not connection.is_connected if way == "get" else connection._sock is None
        assert pool._available_connections == [connection]
        setattr(connection, at, own)
        entry = Entry.of(Picture(b"x", None, "image/png", "png"), 0.0, time.time() + 100)
        await store.put(slot, entry)
        assert await ask() is not None
        await store.close()

    asyncio.run(main())


def test_a_redis_that_comes_back_is_used_over_new_connections(redis: RedisServer) -> None:
    """All that a restart has broken are let go of by one probe, or each would fail a call later on."""
    from redis import exceptions

    store = Redis(redis.url)
    slot = Slot("g", f"k1:{'0' * 64}", b"s" * 32)

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(store.get(slot) for _ in range(8)), return_exceptions=True)

    async def main() -> None:
        assert await crowd() == [None] * 8
        redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(exceptions.ConnectionError):
            await store.get(slot)
        await store.ping()
        assert await crowd() == [None] * 8
        await store.close()

    asyncio.run(main())


def test_a_redis_that_comes_back_is_used_again(redis: RedisServer, build: Build, upstream: Upstream) -> None:
    """Found out by one probe, not by callers."""
    from tests.client.conftest import Time

    moving = Time()
    renderer = build(cache=redis.url, clock=moving.clock())
    redis.signal(signal.SIGSTOP)
    renderer.render("og", {"n": 0})
    far: Any = renderer._core.levels
    assert not far.up
    redis.signal(signal.SIGCONT)
    deadline = time.monotonic() + 20
    while not far.up and time.monotonic() < deadline:
        redis.client.ping()
    assert far.up
    renderer.render("og", {"n": 1})
    assert [name for name in redis.client.scan_iter() if b"lease" not in name]


def test_a_store_outlives_a_renderer_that_nobody_closed(
    redis: RedisServer, upstream: Upstream, registry: CollectorRegistry
) -> None:
    """The next renderer opens it again: what the first left open belongs to an event loop that has ended."""
    options: dict[str, Any] = {"api_key": "a key", "cache": Redis(redis.url), "transport": upstream}
    first = Renderer(**options, registry=None)
    first.render("og", {"a": 1})
    thread = first._core.background._thread
    assert thread is not None
    del first
    gc.collect()
    thread.join(10)
    with Renderer(**options, registry=registry) as second:
        assert [str(second.render("og", {"a": n}).outcome) for n in (1, 2, 2)] == ["hit", "render", "hit"]
    assert value(registry, "cache_errors_total") == 0
