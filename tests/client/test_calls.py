"""What a caller may ask for: a fresh image, one forgotten, an old one rather than none, and no calls on an empty plan."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor.caches.memory import Memory
from auditor.caches.redis import Redis
from auditor.client.batch import Item
from auditor.client.budget import Budget
from auditor.client.levels import Tiered
from auditor.client.renderer import Renderer
from auditor.model.errors import (
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
    RefusedError,
    RenderError,
    ThrottledError,
)
from auditor.model.event_reader import parse_event
from auditor.model.events import Outcome
from tests.client.conftest import Time, Upstream, fails, outcomes, png
from tests.client.test_caches import redis  # noqa: F401 (a fixture)
from tests.client.test_renderer import NO_PLAN, QUOTA, raising, value
from tests.services import RedisServer

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]
DAY = 86_400.0


@pytest.fixture(params=["memory", "folder", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path, moving: Time) -> Callable[[], Any]:
    """A cache that a second renderer shares, but for memory; with the clock of the test."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.client.flushall()
        return lambda: Tiered(Memory(clock=lambda: moving.now), Redis(server.url, timeout=5, clock=lambda: moving.now))
    shared = Memory(clock=lambda: moving.now)
    return lambda: shared if request.param == "memory" else str(tmp_path / "renders")


def answer(content: bytes) -> Callable[[httpx.Request], httpx.Response]:
    """An image."""
    return lambda _: httpx.Response(200, headers={"content-type": "image/png"}, content=content)


OLD, NEW = png(8, 8), png(9, 9)


def test_refresh_renders_whatever_is_there(
    build: Build, upstream: Upstream, stores: Callable[[], Any], moving: Time, events: Events
) -> None:
    """And stores what came, for others too."""
    upstream.script = [answer(OLD), answer(NEW)]
    first, second = (build(cache=stores(), clock=moving.clock(), events=None) for _ in range(2))
    assert first.render("og", {}).content == OLD
    fresh = first.render("og", {}, refresh=True)
    assert (fresh.content, fresh.outcome, fresh.credits) == (NEW, Outcome.RENDER, Decimal(1))
    assert [each.render("og", {}).content for each in (first, second)] == [NEW, NEW]
    assert len(upstream.calls) == 2


def test_refreshes_at_once_share_a_call_and_no_other_s(build: Build, upstream: Upstream) -> None:
    """One that only looks may bring an old image."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> list[Any]:
        waits = [renderer.arender("og", {}, refresh=refresh) for refresh in (True, False, True, False)]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        for _ in range(2):
            await asyncio.to_thread(upstream.arrived.acquire)
        upstream.gate.set()
        return await asyncio.gather(*tasks)

    assert sorted(each.outcome for each in asyncio.run(main())) == ["coalesced", "coalesced", "render", "render"]
    assert len(upstream.calls) == 2


def test_a_refresh_that_fails_leaves_the_old_one(build: Build, upstream: Upstream) -> None:
    """It is still good."""
    renderer = build()
    renderer.render("og", {})
    upstream.script = [fails(400)]
    with pytest.raises(InvalidRequestError):
        renderer.render("og", {}, refresh=True)
    assert renderer.render("og", {}).outcome is Outcome.HIT


def test_delete_forgets_one_picture(build: Build, stores: Callable[[], Any], moving: Time) -> None:
    """Here and in the store, and no other."""
    renderer, other = (build(cache=stores(), clock=moving.clock()) for _ in range(2))
    key = renderer.render("og", {"a": 1}).key
    renderer.render("og", {"a": 2})
    assert renderer.delete(key) is True
    assert renderer.delete(key) is False
    assert renderer.render("og", {"a": 2}).outcome is Outcome.HIT
    assert other.render("og", {"a": 1}).outcome is Outcome.RENDER

    async def main() -> bool:
        return await other.adelete(key)

    assert asyncio.run(main()) is True


@pytest.mark.parametrize("key", ["", "*", "k1:*", "k1:" + "g" * 64, "../../etc/passwd", None, b"k1:" + b"a" * 64])
def test_what_is_no_key_deletes_nothing(build: Build, key: Any) -> None:
    """A pattern would delete everything."""
    renderer = build()
    renderer.render("og", {})
    with pytest.raises(InvalidRequestError, match="key"):
        renderer.delete(key)
    assert renderer.render("og", {}).outcome is Outcome.HIT


def test_a_delete_during_a_render_keeps_the_old_picture_out(build: Build, upstream: Upstream) -> None:
    """As a purge does."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> str:
        task = asyncio.ensure_future(renderer.arender("og", {}))
        await asyncio.to_thread(upstream.arrived.acquire)
        (key,) = renderer._core._flights._flying
        await renderer.adelete(key)
        upstream.gate.set()
        await task
        return (await renderer.arender("og", {})).outcome

    assert asyncio.run(main()) == "render"


@pytest.mark.parametrize("others", [0, 10, 6000])
@pytest.mark.parametrize("gone", ["key", "template", None])
def test_what_was_deleted_during_a_render_is_known_among_many(
    gone: str | None, others: int, build: Build, upstream: Upstream
) -> None:
    """Thousands of other deletes neither hide the one that counts nor, up to 4,096, cost an image its place."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> str:
        task = asyncio.ensure_future(renderer.arender("og", {}))
        await asyncio.to_thread(upstream.arrived.acquire)
        (key,) = renderer._core._flights._flying
        if gone == "key":
            await renderer.adelete(key)
        elif gone == "template":
            await renderer.apurge("og")
        for number in range(others):
            renderer._core.levels.drop(f"k1:{number:064x}")
        upstream.gate.set()
        await task
        return (await renderer.arender("og", {})).outcome

    assert asyncio.run(main()) == ("hit" if gone is None and others <= 4096 else "render")
    assert len(renderer._core.levels._turns) <= 4096


def test_deletes_of_years_take_no_more_room_than_some(build: Build) -> None:
    """Of keys and of templates, each of which was there once."""
    renderer = build()
    for number in range(10_000):
        renderer._core.levels.drop(f"k1:{number:064x}")
        renderer._core.levels.drop(f"template {number}")
    assert len(renderer._core.levels._turns) <= 4096
    assert renderer.render("og", {}).outcome is Outcome.RENDER
    assert renderer.render("og", {}).outcome is Outcome.HIT


FAILURES: list[tuple[Any, bool]] = [
    (fails(500), True),
    (fails(503), True),
    (fails(504), True),
    (fails(429, QUOTA), True),
    (fails(429, NO_PLAN), True),
    (fails(429, {"message": "slow down"}), True),
    (fails(401, {"error": "Unauthorized"}), True),
    (raising(httpx.ReadTimeout("x")), True),
    (raising(httpx.ConnectError("x")), True),
    (lambda _: httpx.Response(200, headers={"content-type": "text/html"}, content=b"sorry"), True),
    (fails(404, {"message": "Design not found"}), False),
    (fails(400, {"message": "no"}), False),
]


@pytest.mark.parametrize(("failure", "served"), FAILURES)
@pytest.mark.parametrize("where", ["constructor", "call"])
def test_an_old_picture_stands_in_for_a_failure(
    build: Build, upstream: Upstream, moving: Time, stores: Callable[[], Any], events: Events,
    registry: CollectorRegistry, failure: Any, served: bool, where: str,
) -> None:  # fmt: skip
    """Served as a hit, which costs nothing; the call that failed is a call and no request."""
    window = {"stale_if_error": 3600} if where == "constructor" else {}
    call = {} if window else {"stale_if_error": 3600}
    renderer = build(cache=stores(), clock=moving.clock(), ttl=100, tries=1, **window)
    upstream.script = [answer(OLD), failure, failure]
    renderer.render("og", {}, **call)
    moving.now += 3000
    if served:
        stale = renderer.render("og", {}, **call)
        assert (stale.content, stale.outcome, stale.credits) == (OLD, Outcome.HIT, 0)
        assert "max-age=0" in stale.cache_headers(moving.now)["Cache-Control"]
    else:
        with pytest.raises(RenderError):
            renderer.render("og", {}, **call)
    renderer.close()
    written = events()
    assert outcomes(written)["attempt"] == 2
    final = [event for event in written if event["outcome"] == "error"]
    assert [event.get("retried", False) for event in final] == [served]
    for event in written:
        parse_event(event, None)  # type: ignore[arg-type]
    requests = {name: value(registry, "requests_total", result=name) for name in ("render", "hit", "error")}
    assert requests == {"render": 1, "hit": served, "error": not served}
    assert value(registry, "api_requests_total") == 2


def test_it_stands_in_no_longer_than_allowed(build: Build, upstream: Upstream, moving: Time) -> None:
    """Nor without being asked for; a batch says that it failed; what was purged is gone."""
    renderer = build(clock=moving.clock(), ttl=100, tries=1, stale_if_error=50)
    renderer.render("og", {})
    moving.now += 149
    upstream.script = [fails(500)] * 9
    assert renderer.render("og", {}).outcome is Outcome.HIT
    with pytest.raises(RenderError):
        renderer.render("og", {}, stale_if_error=0)
    assert renderer.prerender([Item("og", {})], per_second=1000).rendered == 0
    moving.now += 2
    with pytest.raises(RenderError):
        renderer.render("og", {})
    assert renderer.render("og", {}, stale_if_error=1000).outcome is Outcome.HIT
    renderer.purge("og")
    with pytest.raises(RenderError):
        renderer.render("og", {}, stale_if_error=1000)


def test_it_stands_in_where_a_guard_forbids_the_call(build: Build, moving: Time, events: Events) -> None:
    """Of a budget: no call, no refusal, a hit; also for all who wait."""
    renderer = build(clock=moving.clock(), ttl=100, stale_if_error=DAY, budget=Budget(1))
    renderer.render("og", {})
    moving.now += 200
    assert renderer.render("og", {}).outcome is Outcome.HIT
    with pytest.raises(BudgetExceededError):
        renderer.render("og", {"other": 1})
    renderer.close()
    assert outcomes(events()) == {"attempt": 1, "render": 1, "hit": 1, "refused": 1}


def test_a_signed_address_that_ended_stands_in_for_nothing(build: Build, upstream: Upstream, moving: Time) -> None:
    """It is dead."""
    ends = "2026-09-21T14:20:00Z"
    document = {"success": True, "url": "https://cdn/1.png?token=s", "format": "png", "expiresAt": ends}
    upstream.script = [lambda _: httpx.Response(200, json=document), fails(500)]
    renderer = build(clock=moving.clock(), tries=1, stale_if_error=DAY)
    renderer.render("og", {}, delivery="signed")
    moving.now += 3600
    with pytest.raises(RenderError):
        renderer.render("og", {}, delivery="signed")


def quota(resets: str | None) -> Callable[[httpx.Request], httpx.Response]:
    """The answer of an empty plan."""
    data = {"usage": 100, "limit": 100, "remaining": 0, **({"resetAt": resets} if resets else {})}
    return fails(429, {"success": False, "message": "used up", "data": data})


def refused(renderer: Renderer, count: int = 1) -> bool:
    """Whether so many different requests are all refused without a call."""
    for number in range(count):
        try:
            renderer.render("og", {"refused": f"{number} {id(renderer)} {len(SEEN)}"})
        except CircuitOpenError:
            SEEN.append(number)
        else:
            return False
    return True


SEEN: list[int] = []


def test_an_empty_plan_is_not_called_on_and_on(
    build: Build, upstream: Upstream, moving: Time, events: Events, registry: CollectorRegistry
) -> None:
    """Refused until `resetAt`, but for one call every 60 s."""
    upstream.script = [quota("2026-09-21T14:30:00Z")] * 99  # 983 s after the clock's start, 14:13:20 + …
    renderer = build(clock=moving.clock(), cache=None)
    with pytest.raises(QuotaExceededError):
        renderer.render("og", {})
    assert refused(renderer, 20) and len(upstream.calls) == 1
    moving.now += 59
    assert refused(renderer) and len(upstream.calls) == 1
    moving.now += 1
    with pytest.raises(QuotaExceededError):
        renderer.render("og", {})
    assert refused(renderer, 20) and len(upstream.calls) == 2
    moving.now += 30
    assert refused(renderer)
    with pytest.raises(CircuitOpenError) as caught:
        renderer.render("og", {})
    assert "2026-09-21T14:30:00Z" in str(caught.value) and "main" in str(caught.value)
    assert isinstance(caught.value, RefusedError) and caught.value.credits == 0
    upstream.script = []
    moving.now = 1_790_001_000.0  # 14:30 has come
    assert not refused(renderer, 3) and len(upstream.calls) >= 3
    renderer.close()
    written = outcomes(events())
    assert written["attempt"] == len(upstream.calls) and written["error"] == 2
    assert written["refused"] == value(registry, "requests_total", result="refused") >= 43


def test_a_call_that_succeeds_closes_it(build: Build, upstream: Upstream, moving: Time) -> None:
    """Somebody took a larger plan; how often to look is configured."""
    upstream.script = [quota(None)]
    renderer = build(clock=moving.clock(), cache=None, probe_every=5)
    with pytest.raises(QuotaExceededError):
        renderer.render("og", {})
    moving.now += 4
    assert refused(renderer)
    moving.now += 1
    assert renderer.render("og", {}).outcome is Outcome.RENDER
    assert renderer.render("og", {"other": 1}).outcome is Outcome.RENDER


@pytest.mark.parametrize(
    "failure", [fails(500), fails(401), raising(httpx.ReadTimeout("x")), fails(429, {"message": "slow"})]
)
def test_a_look_that_fails_otherwise_leaves_it_open(
    build: Build, upstream: Upstream, moving: Time, failure: Any
) -> None:
    """It says nothing of the plan."""
    upstream.script = [quota(None), failure]
    renderer = build(clock=moving.clock(), cache=None, tries=1)
    with pytest.raises(QuotaExceededError):
        renderer.render("og", {})
    moving.now += 60
    with pytest.raises(RenderError):
        renderer.render("og", {})
    assert refused(renderer, 5)


def test_without_a_time_it_is_open_until_the_next_cycle(build: Build, upstream: Upstream, moving: Time) -> None:
    """At the budget's anchor, else the first of the month in UTC; a time that is past is none."""
    for answer, budget, opens in (
        (quota(None), None, 1_790_812_800.0),  # 2026-10-01T00:00:00Z
        (quota("2020-01-01T00:00:00Z"), None, 1_790_812_800.0),
        (quota("9999-12-31T23:59:59-12:00"), None, 1_790_000_000.0 + 366 * DAY),
        (quota(None), Budget(9, anchor_day=25, timezone="Europe/Berlin"), 1_790_287_200.0),  # 2026-09-24T22:00:00Z
    ):
        moving.now = 1_790_000_000.0
        upstream.script = [answer]
        renderer = build(clock=moving.clock(), cache=None, budget=budget, probe_every=3000 * DAY)
        with pytest.raises(QuotaExceededError):
            renderer.render("og", {})
        moving.now = opens - 1
        assert refused(renderer)
        moving.now = opens
        assert renderer.render("og", {"later": 1}).outcome is Outcome.RENDER


def test_hits_are_served_all_the_same(build: Build, upstream: Upstream, moving: Time) -> None:
    """And a throttle, a wrong key or a missing design is no empty plan."""
    renderer = build(clock=moving.clock(), tries=1)
    renderer.render("og", {"a": 1})
    upstream.script = [
        fails(429, {"message": "slow"}),
        fails(401),
        fails(404, {"message": "Design not found"}),
        quota(None),
    ]
    for kind in (ThrottledError, AuthenticationError, NotFoundError, QuotaExceededError):
        with pytest.raises(kind):
            renderer.render("og", {"b": 1})
    assert refused(renderer)
    assert renderer.render("og", {"a": 1}).outcome is Outcome.HIT
    assert renderer.prerender([Item("og", {"c": n}) for n in range(9)]).stopped is not None


def test_one_look_for_all_processes_of_a_redis(
    build: Build,
    upstream: Upstream,
    moving: Time,
    redis: RedisServer,  # noqa: F811
) -> None:
    """Of three; when it succeeds, the others soon find out, each by one call."""
    redis.client.flushall()
    renderers = [build(clock=moving.clock(), cache=Redis(redis.url, timeout=5)) for _ in range(3)]
    upstream.script = [quota(None)] * 4
    for renderer in renderers:
        with pytest.raises(QuotaExceededError):
            renderer.render("og", {"n": id(renderer)})
    moving.now += 60
    looks = []
    for renderer in renderers:
        try:
            renderer.render("og", {"look": id(renderer)})
        except CircuitOpenError:
            looks.append(False)
        except QuotaExceededError:
            looks.append(True)
    assert looks == [True, False, False] and len(upstream.calls) == 4
    upstream.script = [quota(None)]
    moving.now += 60  # by this clock; for the server hardly any time has passed
    with pytest.raises(QuotaExceededError):
        renderers[0].render("og", {"second look": 1})
    assert refused(renderers[1]) and refused(renderers[2]) and len(upstream.calls) == 5
    redis.client.flushall()  # the minute of that look is over
    moving.now += 60
    assert [each.render("og", {"again": id(each)}).outcome for each in renderers] == [Outcome.RENDER] * 3


def test_a_call_from_before_does_not_close_it(build: Build, upstream: Upstream, moving: Time) -> None:
    """Its credit was the last one."""
    upstream.gate.clear()
    renderer = build(clock=moving.clock(), cache=None)

    async def main() -> None:
        last = asyncio.ensure_future(renderer.arender("og", {"last": 1}))
        await asyncio.to_thread(upstream.arrived.acquire)
        moving.now += 1
        renderer._core._caller.circuit.exhausted(QuotaExceededError("used up"))
        upstream.gate.set()
        await last

    asyncio.run(main())
    assert refused(renderer)
