"""What a cache gives back is what was put in, for the same key, or nothing."""

import asyncio
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from auditor.caches import Cache, Entry, Slot, decode, encode
from auditor.caches.files import Files
from auditor.caches.memory import ENTRY_BYTES, Memory
from auditor.caches.redis import Redis
from auditor.client.levels import Tiered
from auditor.client.renderer import Renderer
from auditor.model.events import Outcome
from auditor.model.provider import Picture
from auditor.registry import CACHES
from tests.client.conftest import PICTURE, Time, Upstream
from tests.client.test_renderer import value
from tests.conftest import ROOT
from tests.services import RedisServer, redis_server

SLOT = Slot("group", "k1:" + "a" * 64)
NOW = 1_790_000_000.0


def entry(content: bytes | None = PICTURE, life: float = 100.0, url: str | None = None) -> Entry:
    """An image that lives for some seconds."""
    return Entry.of(Picture(content, url, "image/png", "png", 16, 8, None, Decimal(0)), NOW, NOW + life)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "files", "redis"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    """Each store of the registry."""
    if request.param == "memory":
        return Memory(clock=lambda: NOW)
    if request.param == "files":
        return Files(tmp_path / "renders")
    server: RedisServer = request.getfixturevalue("redis")
    server.client.flushall()
    return Redis(server.url, clock=lambda: NOW)


def run(work: Any) -> Any:
    """In an event loop."""
    return asyncio.run(work)


def test_every_store_is_tested_here() -> None:
    """A new one has to be added to the fixture."""
    assert set(CACHES) == {"memory", "files", "redis"}


def test_a_store_keeps_what_it_was_given(cache: Cache) -> None:
    """By slot, and forgets by group."""

    async def main() -> None:
        other = Slot("other", "k1:" + "b" * 64)
        hosted = entry(None, url="https://cdn/x.png")
        assert await cache.get(SLOT) is None
        await cache.put(SLOT, entry())
        await cache.put(other, hosted)
        assert await cache.get(SLOT) == entry() and await cache.get(other) == hosted
        assert await cache.purge("group") == 1
        assert await cache.get(SLOT) is None and await cache.get(other) == hosted
        await cache.ping()
        await cache.close()

    run(main())


@given(st.data())
def test_a_damaged_entry_is_a_miss(data: st.DataObject) -> None:
    """One byte changed, cut off or added anywhere, or another key: nothing, and never an exception."""
    whole = encode(SLOT, entry())
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(st.integers(1, 255))
    damaged = whole[:place] + bytes([whole[place] ^ changed]) + whole[place + 1 :]
    assert decode(SLOT, damaged) is None
    assert decode(SLOT, whole[:place]) is None
    assert decode(SLOT, whole + b"x") is None
    assert decode(Slot("group", "k1:" + "c" * 64), whole) is None
    assert decode(SLOT, whole) == entry()


@pytest.mark.parametrize("store", ["files", "redis"])
def test_damage_in_a_real_store_is_rendered_again(
    store: str, tmp_path: Path, upstream: Upstream, request: pytest.FixtureRequest
) -> None:
    """Truncated, swapped or emptied."""
    far: Cache
    if store == "files":
        far = Files(tmp_path / "renders")
    else:
        server: RedisServer = request.getfixturevalue("redis")
        server.client.flushall()
        far = Redis(server.url)
    with Renderer(api_key="k", cache=far, transport=upstream, registry=None) as renderer:
        renderer.render("og", {})
        assert renderer.render("og", {}).outcome is Outcome.HIT
        for damage in (lambda data: data[:-1], lambda data: b"", lambda data: data[:50] + b"!" + data[51:]):
            if store == "files":
                (file,) = [path for path in (tmp_path / "renders").rglob("*") if path.is_file()]
                file.write_bytes(damage(file.read_bytes()))
            else:
                (name,) = server.client.keys()
                server.client.set(name, damage(server.client.get(name)))
            assert renderer.render("og", {}).outcome is Outcome.RENDER


def test_names_of_files_are_hashes(tmp_path: Path, upstream: Upstream) -> None:
    """Whatever the template is called, everything stays inside, and nobody else may look."""
    with Renderer(api_key="k", cache=Files(tmp_path / "in"), transport=upstream, registry=None) as renderer:
        for template in ("../../x", "/etc/passwd", "a" * 300, "é", "%2e%2e"):
            renderer.render(template, {"secret": "value"})
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert all(path.parts[0] == "in" and set("".join(path.parts[1:])) <= set("0123456789abcdef") for path in files)
    assert (tmp_path / "in").stat().st_mode & 0o777 == 0o700


def test_memory_lets_the_least_recently_used_go() -> None:
    """By entries and by bytes with what entries cost; an image larger than all of it is not admitted."""
    slots = [Slot("g", f"k{number}") for number in range(4)]
    by_count = Memory(entries=2, clock=lambda: NOW)
    for slot in slots[:2]:
        by_count.keep(slot, entry())
    assert by_count.find("k0") is not None
    by_count.keep(slots[2], entry())
    assert [by_count.find(slot.key) is not None for slot in slots] == [True, False, True, False]
    by_size = Memory(bytes=2 * ENTRY_BYTES + 250, clock=lambda: NOW)
    for slot in slots:
        by_size.keep(slot, entry(b"x" * 100))
    assert [by_size.find(slot.key) is not None for slot in slots] == [False, False, True, True]
    by_size.keep(slots[0], entry(b"x" * by_size.max_bytes))
    assert by_size.find("k0") is None and len(by_size) == 2 and by_size.bytes == 2 * ENTRY_BYTES + 200
    by_size.keep(slots[2], entry(b"y" * 10))
    assert by_size.bytes == 2 * ENTRY_BYTES + 110


@pytest.mark.parametrize("content", [b"", b"x", None])
def test_memory_counts_what_an_entry_takes(content: bytes | None) -> None:
    """However small their images, or long their addresses, entries do not take more than it may."""

    def fill(memory: Memory) -> int:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(3000):
            picture = Picture(
                content, f"https://x/{number}" if content is None else None, "image/png", "png", 1, 1, None,
                Decimal(1), Decimal(number),
            )  # fmt: skip
            memory.keep(
                Slot("g", f"k1:{number:064x}"), Entry.of(picture, NOW + number / 7, NOW + number, float(number))
            )
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        most = Memory(bytes=1 << 20, entries=10**7, clock=lambda: NOW)
        assert fill(most) <= 1.1 * (1 << 20) and 900 < len(most) < 1100
        assert most.bytes <= 1 << 20
    finally:
        tracemalloc.stop()


def test_memory_under_readers_and_writers() -> None:
    """Readers move entries without the lock; eviction and purging survive that."""
    memory = Memory(entries=3000, clock=lambda: NOW)
    for number in range(3000):
        memory.keep(Slot("g", f"k{number}"), entry(b"x"))
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[int], object]) -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                work(number)
        except BaseException as error:
            failures.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    readers = [lambda n: memory.find(f"k{n % 3000}")] * 3
    writers = [lambda n: memory.keep(Slot("g", f"new{n}"), entry(b"y"))]
    threads = [threading.Thread(target=guarded, args=(work,)) for work in (*readers, *writers)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        memory.forget("nobody's")
    stop.set()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert not failures and len(memory) == 3000 and memory.bytes == 3000 * (ENTRY_BYTES + 1)


def test_what_was_read_before_a_purge_is_not_kept_after_it(upstream: Upstream) -> None:
    """The shared store takes its time to forget; a request in between does not bring the old image back."""

    class Slow(Memory):
        name = "slow"
        during: Any = None

        async def purge(self, group: str) -> int:
            if self.during is not None:
                await asyncio.to_thread(self.during)
            return self.forget(group)

    far = Slow()
    with Renderer(api_key="k", cache=Tiered(Memory(), far), transport=upstream, registry=None) as renderer:
        renderer.render("og", {})
        far.during = lambda: renderer.render("og", {})
        renderer.purge("og")
        assert renderer.render("og", {}).outcome is Outcome.RENDER


def test_memory_forgets_in_time(moving: Time) -> None:
    """At the entry's end, or its own if that is sooner."""
    memory = Memory(clock=lambda: moving.now, ttl=50)
    moving.now = NOW
    memory.keep(SLOT, entry(life=100))
    moving.now = NOW + 49.9
    assert memory.find(SLOT.key) is not None
    moving.now = NOW + 50
    assert memory.find(SLOT.key) is None


def test_two_levels(redis: RedisServer, upstream: Upstream) -> None:
    """What one process rendered, another finds in Redis, and from then on in its memory."""
    redis.client.flushall()

    def renderer(**scope: str) -> Renderer:
        return Renderer(
            api_key="k", cache=Tiered(Memory(), Redis(redis.url)), transport=upstream, registry=None, **scope
        )

    with renderer() as first, renderer() as second, renderer(account="other") as other:
        assert first.render("og", {}).outcome is Outcome.RENDER
        assert second.render("og", {}).outcome is Outcome.HIT
        redis.client.flushall()
        assert second.render("og", {}).outcome is Outcome.HIT
        assert other.render("og", {}).outcome is Outcome.RENDER
        assert second.purge("og") == 1
        assert second.render("og", {}).outcome is Outcome.RENDER


class Hanging(Memory):
    """A store that never answers."""

    name = "hanging"
    timeout = 0.02

    async def get(self, slot: Slot) -> Entry | None:
        await asyncio.Event().wait()
        return None


def test_a_store_that_hangs_is_left_alone(upstream: Upstream, registry: CollectorRegistry) -> None:
    """Whatever it is: its own timeout, once."""
    with Renderer(api_key="k", cache=Tiered(Memory(), Hanging()), transport=upstream, registry=registry) as renderer:
        assert [renderer.render("og", {"n": n}).outcome for n in range(3)] == [Outcome.RENDER] * 3
    assert value(registry, "cache_errors_total", tier="hanging", op="get") == 1


class Broken(Memory):
    """A store that does anything but its work."""

    name = "broken"

    def __init__(self, answer: BaseException | object) -> None:
        super().__init__()
        self.answer = answer

    async def get(self, slot: Slot) -> Entry | None:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return cast("Entry", self.answer)


@pytest.mark.parametrize(
    "answer", [RuntimeError(), asyncio.CancelledError(), StopAsyncIteration(), b"no entry"], ids=repr
)
def test_whatever_a_store_does_the_render_goes_on(upstream: Upstream, registry: CollectorRegistry, answer: Any) -> None:
    """It raises, cancels itself, or answers what is not an entry: all of it is a failure of the cache and of nothing else."""
    with Renderer(
        api_key="k", cache=Tiered(Memory(), Broken(answer)), transport=upstream, registry=registry
    ) as renderer:
        assert renderer.render("og", {}, timeout=10).outcome is Outcome.RENDER
    assert value(registry, "cache_errors_total", tier="broken", op="get") == 1


def test_caches_by_url(tmp_path: Path, upstream: Upstream) -> None:
    """A shared one has memory in front."""
    for url in (
        f"file://{tmp_path}/a",
        str(tmp_path / "b"),
        "memory://?bytes=1000000&entries=5",
        "redis://127.0.0.1:1/0",
    ):
        with Renderer(api_key="k", cache=url, transport=upstream, registry=None) as renderer:
            assert renderer.render("og", {}).outcome is Outcome.RENDER
            assert renderer.render("og", {}).outcome is Outcome.HIT


FORKED = """
import asyncio, os, sys

from auditor.caches import Slot
from auditor.caches.files import Files

store = Files("memory:///")

def ask():
    try:
        print(asyncio.run(store.get(Slot("g", "k1:" + "a" * 64))), flush=True)
    except OSError as error:
        print(error, flush=True)

for process in sys.argv[1].split():
    if process == "fork" and os.fork():
        os.wait()
        break
    if process == "ask":
        ask()
"""


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("fork ask ask", ["None", "None"]),
        ("ask fork ask", ["None", "lost"]),
        ("ask fork ask fork ask", ["None", "lost", "lost"]),
        ("fork ask fork ask", ["None", "lost"]),
    ],
)
def test_an_object_store_says_at_once_that_its_threads_stayed_in_the_parent(way: str, said: list[str]) -> None:
    """A child of a process that used it, however far down; who forks first has threads of its own."""
    command = [sys.executable, "-c", FORKED, way]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60, text=True)
    lost = "an object store cannot be used after a fork of the process that used it"
    assert run.stdout.splitlines() == [lost if each == "lost" else each for each in said], run.stderr
