"""Wherever our own code breaks, the caller's call is what it would be without us; the fault is said once, and counted."""

import asyncio
import gc
import gzip
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor import Metering, meter, metered, path_rule
from auditor.client.call_rules import provider_rules
from tests.client import injection
from tests.client.conftest import PICTURE
from tests.client.test_attach import Body
from tests.client.test_layers import Layer, again, confirmed, open_circuit, scripted, stale

Mark = Callable[..., Any]
Act = Callable[[], Any]
URL = "https://render.imejis.io/v1/og"
RULES = [
    *provider_rules(), path_rule("mine", "render.example.com", r"/(?P<template>[^/]+)", units=lambda body: body["n"])
]  # fmt: skip
COUNTERS = (("faults_total", {}), ("events_dropped_total", {"reason": "error"}))


class GoneError(Exception):
    """The caller's."""


# Functions: each is marked first, and what is given here calls it


def sync(mark: Mark) -> Act:
    draw = mark(lambda title, size=1: PICTURE)
    return lambda: draw("a", size=2)


def nothing(mark: Mark) -> Act:
    return mark(lambda: None)


def an_answer(mark: Mark) -> Act:
    draw = mark(lambda: httpx.Response(402, json={}))
    return lambda: draw().status_code


def confirms(mark: Mark) -> Act:
    draw = mark(lambda: httpx.Response(304))
    return lambda: draw().status_code


def fails(mark: Mark) -> Act:
    @mark
    def draw(title: str) -> None:
        raise GoneError("mine")

    return lambda: draw("a")


def wrong_arguments(mark: Mark) -> Act:
    return mark(lambda title: PICTURE)


def unstable(mark: Mark) -> Act:
    draw = mark(lambda thing: PICTURE)
    return lambda: draw(object())


def keyed(mark: Mark) -> Act:
    draw = mark(lambda title: PICTURE, key=lambda title: [title, 1.5], units=lambda data: 2, picture=lambda data: data)
    return lambda: draw("a")


def method(mark: Mark) -> Act:
    class Design:
        @mark
        def draw(self, title: str) -> bytes:
            return PICTURE

        @classmethod
        @mark
        def of(cls) -> bytes:
            return PICTURE

    return lambda: [Design().draw("a"), Design.of()]


def coroutine(mark: Mark) -> Act:
    @mark
    async def draw(title: str) -> bytes:
        await asyncio.sleep(0)
        return PICTURE

    return lambda: asyncio.run(draw("a"))


def coroutine_that_fails(mark: Mark) -> Act:
    @mark
    async def draw() -> bytes:
        await asyncio.sleep(0)
        raise GoneError("mine")

    return lambda: asyncio.run(draw())


def awaited(act: Callable[[], Any]) -> Act:
    """What is awaitable once there is a loop."""

    async def main() -> Any:
        return await act()

    return lambda: asyncio.run(main())


def gives_a_coroutine(mark: Mark) -> Act:
    async def later() -> bytes:
        return PICTURE

    return awaited(mark(lambda *_: later()))


def gives_a_coroutine_that_fails(mark: Mark) -> Act:
    async def later() -> bytes:
        raise GoneError("mine")

    return awaited(mark(lambda *_: later()))


def gives_a_task(mark: Mark) -> Act:
    async def later() -> bytes:
        return PICTURE

    return awaited(mark(lambda: asyncio.ensure_future(later())))


def gives_a_future(mark: Mark) -> Act:
    made: Future[bytes] = Future()
    draw = mark(lambda: made)

    def act() -> Any:
        same = draw() is made
        made.set_result(PICTURE)
        return [same, made.result()]

    return act


def generator(mark: Mark) -> Act:
    @mark
    def draw(title: str) -> Iterator[Any]:
        got = yield 1
        try:
            yield got
        except GoneError as error:
            yield str(error)
        return "end"

    def act() -> Any:
        running = draw("a")
        seen = [next(running), running.send("sent"), running.throw(GoneError("thrown"))]
        try:
            next(running)
        except StopIteration as error:
            seen.append(error.value)
        return seen

    return act


def kept_generator(mark: Mark) -> Act:
    @mark
    def draw() -> Iterator[bytes]:
        yield from (PICTURE, PICTURE)

    return lambda: list(draw())


def generator_that_is_left(mark: Mark) -> Act:
    @mark
    def draw() -> Iterator[int]:
        yield from (1, 2)

    def act() -> Any:
        running = draw()
        first = next(running)
        running.close()
        return first

    return act


def gives_a_generator(mark: Mark) -> Act:
    draw = mark(lambda: (number for number in range(3)))
    return lambda: list(draw())


def generator_that_fails(mark: Mark) -> Act:
    @mark
    def draw() -> Iterator[int]:
        yield 1
        raise GoneError("mine")

    return lambda: list(draw())


def listed(act: Callable[[], AsyncIterator[Any]]) -> Act:
    """What comes of it."""

    async def main() -> list[Any]:
        return [item async for item in act()]

    return lambda: asyncio.run(main())


def async_generator(mark: Mark) -> Act:
    @mark
    async def draw() -> AsyncIterator[int]:
        yield 1
        yield 2

    return listed(draw)


def gives_an_async_generator(mark: Mark) -> Act:
    async def later() -> AsyncIterator[int]:
        yield 1

    return listed(mark(lambda *_: later()))


def async_generator_that_fails(mark: Mark) -> Act:
    @mark
    async def draw() -> AsyncIterator[int]:
        yield 1
        raise GoneError("mine")

    return listed(draw)


FUNCTIONS = [
    sync, nothing, an_answer, confirms, fails, wrong_arguments, unstable, keyed, method, coroutine,
    coroutine_that_fails, gives_a_coroutine, gives_a_coroutine_that_fails, gives_a_task, gives_a_future, generator,
    kept_generator, generator_that_is_left, gives_a_generator, generator_that_fails, async_generator,
    gives_an_async_generator, async_generator_that_fails,
]  # fmt: skip


# Clients


def streams() -> httpx.Response:
    """In pieces."""
    return httpx.Response(200, headers={"content-type": "image/png"}, stream=Body([PICTURE[:9], PICTURE[9:]]))


def coded() -> httpx.Response:
    """Compressed."""
    body = gzip.compress(json.dumps({"url": "https://cdn/x.png"}).encode())
    return httpx.Response(
        200, headers={"content-encoding": "gzip", "content-type": "application/json"}, stream=Body([body])
    )


def raises(error: Exception) -> Any:
    """The client's own."""
    raise error


ANSWERS: dict[str, Any] = {
    "image": lambda request: streams(),
    "coded": lambda request: coded(),
    "whole": lambda request: httpx.Response(200, content=PICTURE),
    "redirect": lambda request: httpx.Response(302),
    "confirmed": lambda request: httpx.Response(304),
    "quota": lambda request: httpx.Response(429, json={"message": "Monthly quota exceeded"}),
    "broken": lambda request: raises(httpx.ReadError("mine")),
    "refused": lambda request: raises(httpx.ConnectError("mine")),
}
LAYERED: dict[str, tuple[Any, list[Any]]] = {
    "again": (again, [504, httpx.ReadError("x"), 200]),
    "stale": (stale, [503]),
    "validated": (confirmed, [304]),
    "open circuit": (open_circuit, []),
    "deep": (lambda layer, request: layer.call(request), [200]),
}


def requested(client: Any, act: str) -> Any:
    """What a caller sees of one request: answer and body, read in whole, in part, or not at all."""
    body: dict[str, Any] = {"content": iter([b"{}"])} if act == "sent in pieces" else {"json": {"n": 1}}
    if isinstance(client, httpx.AsyncClient):

        async def main() -> Any:
            async with client.stream("POST", URL, **body) as response:
                return response.status_code, await response.aread()

        return asyncio.run(main())
    with client.stream("POST", "https://render.example.com/og" if act == "priced" else URL, **body) as response:
        if act == "unread":
            return response.status_code
        return response.status_code, next(response.iter_raw(), b"") if act == "read in part" else response.read()


def transport(name: str) -> httpx.MockTransport | Layer:
    """Of one request."""
    if name in LAYERED:
        act, script = LAYERED[name]
        return Layer(httpx.MockTransport(scripted(*script)), act)
    return httpx.MockTransport(ANSWERS[name])


def hold(run: Callable[[Metering | None], Act], caplog: pytest.LogCaptureFixture) -> int:
    """Break each function of ours in turn while what *run* gives runs; how many faults that were."""
    plain = injection.outcome(run(None))

    gc.collect()
    gc.freeze()

    def instrumented() -> tuple[Act, CollectorRegistry]:
        gc.collect()  # what is left of the time before would end while this one runs
        registry = CollectorRegistry()
        metering = Metering(account="main", events=lambda event: None, secret="s", registry=registry, rules=RULES)
        return run(metering), registry

    wrong, tried = [], 0
    for place, number in injection.faults(injection.places(lambda: instrumented()[0])):
        act, registry = instrumented()
        caplog.clear()
        got = injection.injected(act, place, number)
        tried += 1
        counted = sum(registry.get_sample_value(f"imgrender_client_{name}", labels) or 0 for name, labels in COUNTERS)
        said = [message for message in caplog.messages if "so its key is unknown" not in message]
        if got != plain:
            wrong.append((place, number, "reached the caller", got))
        elif not (counted == 1 == len(said) and "InjectedError" in said[0]) and not (
            place[1].partition(".")[0] in injection.READERS and not counted and not said
        ):
            wrong.append((place, number, "counted and said", counted, said))
        assert "SECRETvalue" not in caplog.text
    gc.unfreeze()
    assert not wrong, "\n".join(map(str, wrong))
    return tried


@pytest.mark.slow
@pytest.mark.parametrize("act", FUNCTIONS, ids=lambda act: act.__name__)
def test_a_metered_function_is_what_it_was(act: Callable[[Mark], Act], caplog: pytest.LogCaptureFixture) -> None:
    """Its result and its exception, in whatever way they come."""
    caplog.set_level(logging.WARNING)

    def run(metering: Metering | None) -> Act:
        def mark(function: Any, **options: Any) -> Any:
            if metering is None:
                return function
            if act is kept_generator:
                options["units"] = len
            return metered("og", metering=metering, **options)(function)

        return act(mark)

    assert hold(run, caplog) > (0 if act is wrong_arguments else 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, httpx.Client) for name in (*ANSWERS, *LAYERED)]
    + [(name, httpx.AsyncClient) for name in ("image", "broken", "again", "stale")],
)
def test_a_metered_client_is_what_it_was(name: str, kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Answer, body and failure."""
    caplog.set_level(logging.WARNING)

    def run(metering: Metering | None) -> Act:
        client = kind(transport=transport(name))
        if metering is not None:
            meter(client, metering)
        return lambda: requested(client, "read")

    assert hold(run, caplog) > 20


@pytest.mark.slow
@pytest.mark.parametrize("act", ["unread", "read in part", "sent in pieces", "priced"])
def test_a_body_is_what_it_was(act: str, caplog: pytest.LogCaptureFixture) -> None:
    """However it is read, or sent."""
    caplog.set_level(logging.WARNING)

    def run(metering: Metering | None) -> Act:
        client = httpx.Client(transport=transport("image"))
        if metering is not None:
            meter(client, metering)
        return lambda: requested(client, act)

    assert hold(run, caplog) > 20


class Unbound:
    """A proxy as web frameworks have them: outside of a request nothing can be said of it, not even its class."""

    @property
    def __class__(self) -> Any:
        raise GoneError("no request")

    def __getattr__(self, name: str) -> Any:
        raise GoneError("no request")


class Stopped(Future[bytes]):
    """Of an executor that takes no more."""

    def add_done_callback(self, function: Any) -> None:
        raise GoneError("shut down")


class Sealed(Future[bytes]):
    """Whose result is none of ours."""

    def result(self, timeout: float | None = None) -> bytes:
        raise GoneError("mine")


class Slotted:
    """Nothing but its name."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        raise GoneError(name)


class Untrue(bytes):
    """Bytes that say otherwise."""

    def __bool__(self) -> bool:
        raise GoneError("neither")

    def __getitem__(self, key: Any) -> Any:
        raise GoneError("none")


@pytest.mark.parametrize("make", [Unbound, Stopped, Sealed, Slotted, lambda: Untrue(PICTURE)])
def test_a_result_that_resists_is_given_on(make: Callable[[], Any]) -> None:
    """The very object, from a function of either kind."""
    written: list[Any] = []
    metering = Metering(events=written.append, registry=CollectorRegistry(), secret="s")
    thing = make()

    async def later() -> Any:
        return thing

    assert metered("og", metering=metering)(lambda: thing)() is thing
    assert asyncio.run(metered("og", metering=metering)(later)()) is thing
    assert [event["outcome"] for event in written].count("attempt") == 2


def test_a_call_at_the_end_of_the_stack_still_comes_through() -> None:
    """Where there is room for the function, and one frame more, but not for all of ours."""
    metering = Metering(events=lambda event: None, registry=CollectorRegistry(), secret="s")

    def plain() -> str:
        return "given"

    draw = metered("og", metering=metering)(plain)
    draw()

    def deepest(act: Callable[[], str]) -> int:
        """How deep it can be called."""

        def down(levels: int) -> str:
            return down(levels - 1) if levels else act()

        def fits(levels: int) -> bool:
            try:
                return down(levels) == "given"
            except RecursionError:
                return False

        low = sys.getrecursionlimit() - 200
        found = [levels for levels in range(low, low + 200) if fits(levels)]
        assert found == list(range(low, low + len(found)))
        return len(found)

    assert deepest(draw) == deepest(plain) - 1
