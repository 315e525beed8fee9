"""Identical requests at the same time make one call, and none of them can hurt another."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from auditor.client.renderer import Renderer
from auditor.model.errors import DeadlineError, ProviderError, RenderError
from auditor.model.events import Outcome
from tests.client.conftest import Upstream, fails, outcomes

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]


async def crowd(renderer: Renderer, size: int) -> "list[asyncio.Task[Any]]":
    """So many identical requests that have all joined one flight."""
    tasks = [asyncio.create_task(renderer.arender("og", {"a": 1})) for _ in range(size)]
    await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize("size", [50, 1000])
def test_a_crowd_makes_one_call(build: Build, upstream: Upstream, events: Events, size: int) -> None:
    """One render, the others coalesced, each with an event."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> Counter[Outcome]:
        tasks = await crowd(renderer, size)
        upstream.gate.set()
        return Counter(picture.outcome for picture in await asyncio.gather(*tasks))

    assert asyncio.run(main()) == {Outcome.RENDER: 1, Outcome.COALESCED: size - 1}
    assert len(upstream.calls) == 1
    renderer.close()
    assert outcomes(events()) == {"attempt": 1, "render": 1, "coalesced": size - 1}


def test_threads_share_too(build: Build, upstream: Upstream) -> None:
    """Sync callers of 50 threads, and async ones of another loop."""
    renderer = build()
    upstream.gate.clear()
    barrier = threading.Barrier(51)

    def one() -> Outcome:
        barrier.wait()
        return renderer.render("og", {"a": 1}).outcome

    with ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(one) for _ in range(50)]
        barrier.wait()
        assert upstream.arrived.acquire(timeout=10)
        upstream.gate.set()
        assert Counter(future.result() for future in futures)[Outcome.RENDER] == 1
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("who", ["leader", "waiter", "half"])
def test_cancelling_cancels_nobody_else(build: Build, upstream: Upstream, who: str) -> None:
    """The leader, a waiter, or any set of callers."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> tuple[int, int]:
        tasks = await crowd(renderer, 50)
        gone = {"leader": tasks[:1], "waiter": tasks[7:8], "half": tasks[::2]}[who]
        for task in gone:
            task.cancel()
        await asyncio.sleep(0)
        upstream.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(r, asyncio.CancelledError) for r in results), len(gone)

    cancelled, wanted = asyncio.run(main())
    assert cancelled == wanted and len(upstream.calls) == 1


def test_a_render_that_nobody_waits_for_is_stored(build: Build, upstream: Upstream, events: Events) -> None:
    """It is billed: the next caller gets it as a hit."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> None:
        tasks = await crowd(renderer, 5)
        await asyncio.to_thread(upstream.arrived.acquire)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    upstream.gate.set()
    renderer._core._flights.wait(10)
    assert renderer.render("og", {"a": 1}).outcome is Outcome.HIT
    renderer.close()
    # The leader's request ended as the render; its four companions got nothing, and made no call.
    assert outcomes(events()) == {"attempt": 1, "render": 1, "error": 4, "hit": 1}


def test_each_deadline_is_its_own(build: Build, upstream: Upstream, events: Events) -> None:
    """One caller that will not wait leaves the others, and the render, alone; sync and async."""
    renderer = build()
    upstream.gate.clear()

    async def main() -> Counter[Any]:
        tasks = await crowd(renderer, 10)
        with pytest.raises(DeadlineError):
            await renderer.arender("og", {"a": 1}, timeout=0.01)
        with pytest.raises(DeadlineError):
            await asyncio.to_thread(renderer.render, "og", {"a": 1}, timeout=0.01)
        upstream.gate.set()
        return Counter(picture.outcome for picture in await asyncio.gather(*tasks))

    assert asyncio.run(main()) == {Outcome.RENDER: 1, Outcome.COALESCED: 9}
    renderer.close()
    late = [event for event in events() if event["outcome"] == "error"]
    assert [(event["error"], event["credits"]) for event in late] == [("timeout", 0), ("timeout", 0)]


def test_a_failure_reaches_every_waiter_once_and_the_next_call_is_fresh(
    build: Build, upstream: Upstream, events: Events
) -> None:
    """One call for 50 errors; only the one that called may have cost something."""
    renderer = build(tries=1)
    upstream.gate.clear()
    upstream.script = [fails(502)]

    async def main() -> list[Any]:
        tasks = await crowd(renderer, 50)
        upstream.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    failures = asyncio.run(main())
    assert all(type(error) is ProviderError for error in failures)
    assert len({id(error) for error in failures}) == 50
    assert len(upstream.calls) == 1
    assert renderer.render("og", {"a": 1}).outcome is Outcome.RENDER
    renderer.close()
    errors = [event for event in events() if event["outcome"] == "error"]
    assert Counter(event["credits"] for event in errors) == {None: 1, 0: 49}


def test_closing_while_others_render(build: Build, upstream: Upstream, events: Events) -> None:
    """Whoever still waits hears of it as a RenderError; what left unanswered is unresolved; nothing stays stuck."""
    renderer = build()
    upstream.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(renderer.render, "og", {"a": 1}) for _ in range(3)]
        assert upstream.arrived.acquire(timeout=10)
        renderer.close(patience=0.05)
        for future in waiting:
            with pytest.raises(RenderError):
                future.result(10)
    assert len(renderer._core._flights._flying) == 0
    upstream.gate.set()
    assert renderer.render("og", {"a": 1}).outcome is Outcome.RENDER


def test_without_memory_flights_are_still_shared(build: Build, upstream: Upstream) -> None:
    """Coalescing is not the cache's doing; without one, the next call calls."""
    renderer = build(cache=None)
    upstream.gate.clear()

    async def main() -> None:
        tasks = await crowd(renderer, 20)
        upstream.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert len(upstream.calls) == 1
    assert renderer.render("og", {"a": 1}).outcome is Outcome.RENDER


def test_nothing_is_kept_of_a_flight_that_landed(build: Build) -> None:
    """Neither its future nor its result, but for the cache."""
    renderer = build()
    for number in range(100):
        renderer.render("og", {"a": number})
    assert len(renderer._core._flights._flying) == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_caller_that_is_interrupted_as_its_call_leaves_keeps_nobody_waiting(
    build: Build, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Before the background has the work, or after: its flight ends, and the next call is one of its own."""
    renderer = build()
    background = renderer._core.background
    spawn = background.spawn

    def interrupted(work: Any) -> Any:
        if when == "after":
            spawn(work)
        raise KeyboardInterrupt

    monkeypatch.setattr(background, "spawn", interrupted)
    upstream.gate.clear()
    with pytest.raises(KeyboardInterrupt):
        renderer.render("og", {"a": 1})
    monkeypatch.undo()
    upstream.gate.set()
    assert len(renderer._core._flights._flying) == 0
    assert renderer.render("og", {"a": 1}).outcome in (Outcome.RENDER, Outcome.HIT)


def test_a_process_without_a_thread_to_spare_fails_that_call_alone(
    build: Build, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call starts what the one before could not, and waits for nothing that never began."""
    renderer = build()

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            renderer.render("og", {"a": 1})
    assert renderer.render("og", {"a": 1}, timeout=20).outcome is Outcome.RENDER
    assert len(upstream.calls) == 1


def test_a_caller_that_is_interrupted_as_the_first_thread_starts_hears_of_just_that(
    build: Build, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread runs all the same, and the next call finds it."""
    renderer, start = build(), threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            renderer.render("og", {"a": 1})
    assert renderer.render("og", {"a": 1}, timeout=20).outcome is Outcome.RENDER
    assert len(upstream.calls) == 1
