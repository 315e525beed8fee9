"""The table of `metered`: kinds of functions, what they are called with and return, and the event that is written.

`pytest -s tests/client/test_metered_kinds.py -k table` prints it.
"""

import asyncio
import contextlib
import functools
import gc
import inspect
import threading
import traceback
import types
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor import Metering, metered
from tests.client.conftest import PICTURE

Mark = Callable[..., Any]
Case = Callable[[Mark], Any]
"""Decorates, calls, and gives what the caller got."""
SIZE = len(PICTURE)


def draw(title: str, size: int = 1) -> bytes:
    return PICTURE


async def later(title: str, size: int = 1) -> bytes:
    await asyncio.sleep(0)
    return PICTURE


async def breaks(title: str) -> bytes:
    await asyncio.sleep(0)
    raise httpx.HTTPStatusError("", request=httpx.Request("GET", "https://x"), response=httpx.Response(404))


def steps(title: str) -> Any:
    yield from asyncio.sleep(0).__await__()
    return PICTURE


@types.coroutine
def stepped(title: str) -> Any:
    return (yield from steps(title))


class Promise:
    """Something of one's own that is awaited, and has more to it."""

    __slots__ = ("function", "title")

    def __init__(self, title: str, function: Any = later) -> None:
        self.title, self.function = title, function

    def __await__(self) -> Any:
        return self.function(self.title).__await__()

    def __len__(self) -> int:
        return 7


class Answered:
    """As aiohttp's: awaited, entered, or stepped."""

    def __init__(self, title: str) -> None:
        self._coroutine = later(title)

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    async def __aenter__(self) -> bytes:
        return await self._coroutine

    async def __aexit__(self, *error: object) -> None:
        pass


class Async:
    """A callable with state."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, title: str) -> bytes:
        self.calls += 1
        return await later(title)


class Plain(Async):
    def __call__(self, title: str) -> bytes:  # type: ignore[override]
        self.calls += 1
        return PICTURE


def fixed(function: Any) -> Any:
    """Narrower than what it calls."""

    @functools.wraps(function)
    def call(title: str) -> Any:
        return function(title, size=2)

    return call


def other_default(function: Any) -> Any:
    @functools.wraps(function)
    def call(title: str, size: int = 5) -> Any:
        return function(title, size)

    return call


def whatever(function: Any) -> Any:
    """Gives a default of its own, which nobody sees."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            kwargs.setdefault("size", 5)
        return function(*args, **kwargs)

    return call


class Cards:
    """With methods."""

    def draw(self, title: str, size: int = 1) -> bytes:
        return PICTURE

    async def later(self, title: str) -> bytes:
        return await later(title)


@contextlib.contextmanager
def opened(title: str) -> Iterator[bytes]:
    yield PICTURE


@contextlib.asynccontextmanager
async def aopened(title: str) -> AsyncIterator[bytes]:
    yield PICTURE


def run(function: Any, *args: Any) -> Any:
    async def main() -> Any:
        return await function(*args)

    return asyncio.run(main())


def entered(manager: Any) -> Any:
    with manager as got:
        return got


async def aentered(manager: Callable[[], Any]) -> Any:
    async with manager() as got:
        return got


def cached_twice(mark: Mark) -> Any:
    kept = mark(functools.lru_cache(maxsize=4)(draw))
    return [kept("a"), kept("a")]


def cached_below(above: Callable[[Any], Any]) -> Case:
    def case(mark: Mark) -> Any:
        kept = mark(above(functools.lru_cache(draw)))
        return [kept("a", 1), kept("a", 1)]

    return case


def cached_above_too(mark: Mark) -> Any:
    kept: dict[str, bytes] = {}
    below = functools.lru_cache(draw)

    @functools.wraps(below)
    def above(title: str) -> bytes:
        return kept[title] if title in kept else kept.setdefault(title, below(title))

    marked = mark(above)
    return [marked("a"), marked("a")]


def cached_method(mark: Mark) -> Any:
    class Kept:
        draw = mark(functools.lru_cache(Cards.draw))

    one = Kept()
    return [one.draw("a"), one.draw("a"), one.draw("a", 1)]


def dispatched(mark: Mark) -> Any:
    drawn = functools.singledispatch(draw)
    drawn.register(int, lambda title, size=3: PICTURE)
    marked = mark(drawn)
    assert marked.dispatch(int)(1) == PICTURE and set(marked.registry) == {object, int}
    return [marked(1), marked(1, 1)]


def made_of_another(mark: Mark) -> Any:
    class Made:
        draw = mark(functools.partialmethod(Cards.draw, "a"))
        later = mark(functools.partialmethod(Cards.later, title="a"))

    return [Made().draw(), run(Made().later)]


def broken_body(mark: Mark) -> Any:
    with contextlib.suppress(KeyError), mark(opened)("a"):
        raise KeyError
    return PICTURE


def of_a_thread(mark: Mark) -> Any:
    with ThreadPoolExecutor(1) as pool:
        made = mark(lambda title: pool.submit(draw, title))("a")
        assert isinstance(made, Future)
        return made.result()


def awaited_twice(mark: Mark) -> Any:
    async def main() -> Any:
        made = mark(lambda title: Promise(title))("a")  # noqa: PLW0108
        return [await made, await made, len(made), made.title, isinstance(made, Promise)]

    return asyncio.run(main())


async def tasked(mark: Mark) -> Any:
    task = mark(lambda title: asyncio.get_running_loop().create_task(later(title)))("a")
    got = await task
    await asyncio.sleep(0)
    return [isinstance(task, asyncio.Task), got]


def broken(function: Any) -> Any:
    with pytest.raises(httpx.HTTPStatusError):
        run(function)
    return "HTTPStatusError"


R, E, H = ("render", 1, SIZE, True), ("error", 0, None, True), ("hit", 0, SIZE, True)
UNKNOWN_KEY = ("render", 1, SIZE, False)
NO_BYTES = ("render", 1, None, True)
TABLE: list[tuple[str, str, Case, Any, list[tuple[Any, ...]]]] = [
    ("function", "a", lambda m: m(draw)("a"), PICTURE, [R]),
    ("function, an object", "object()", lambda m: m(draw)(object()), PICTURE, [UNKNOWN_KEY]),
    ("function of a URL", "a", lambda m: m(lambda title: "https://x/a.png")("a"), "https://x/a.png", [NO_BYTES]),
    ("async function", "a", lambda m: run(m(later), "a"), PICTURE, [R]),
    ("async function that fails", "a", lambda m: broken(lambda: m(breaks)("a")), "HTTPStatusError", [E]),
    ("types.coroutine", "a", lambda m: run(m(stepped), "a"), PICTURE, [R]),
    ("types.coroutine above", "a", lambda m: run(types.coroutine(m(steps)), "a"), PICTURE, [R]),
    ("function of a types.coroutine", "a", lambda m: run(m(lambda title: stepped(title)), "a"), PICTURE, [R]),  # noqa: PLW0108
    ("function of a coroutine", "a", lambda m: run(m(lambda title: later(title)), "a"), PICTURE, [R]),  # noqa: PLW0108
    ("function of a coroutine that fails", "a", lambda m: broken(lambda: m(lambda title: breaks(title))("a")), "HTTPStatusError", [E]),  # noqa: PLW0108
    ("function of an awaitable", "a", lambda m: run(m(lambda title: Promise(title)), "a"), PICTURE, [R]),  # noqa: PLW0108
    ("function of an awaitable that fails", "a", lambda m: broken(lambda: m(lambda title: Promise(title, breaks))("a")), "HTTPStatusError", [E]),
    ("awaitable, awaited twice", "a", awaited_twice, [PICTURE, PICTURE, 7, "a", True], [R]),
    ("function of an aiohttp-like call", "a", lambda m: run(m(lambda title: Answered(title)), "a"), PICTURE, [R]),  # noqa: PLW0108
    ("the same, entered", "a", lambda m: run(aentered, lambda: m(lambda title: Answered(title))("a")), PICTURE, [R]),  # noqa: PLW0108
    ("the same, as a task", "a", lambda m: run(lambda: asyncio.create_task(m(lambda title: Answered(title))("a"))), PICTURE, [R]),  # noqa: PLW0108
    ("function of a task", "a", lambda m: asyncio.run(tasked(m)), [True, PICTURE], [R]),
    ("function of a thread's future", "a", of_a_thread, PICTURE, [R]),
    ("lru_cache", "a, a", cached_twice, [PICTURE] * 2, [R, H]),
    ("lru_cache below a decorator", "(a, 1) twice", cached_below(whatever), [PICTURE] * 2, [R, H]),
    ("lru_cache below a partial", "(a, 1) twice", cached_below(functools.partial), [PICTURE] * 2, [R, H]),
    ("lru_cache below another cache", "a, a", cached_above_too, [PICTURE] * 2, [R, ("render", None, SIZE, True)]),
    ("lru_cache of a method", "a, a, (a, 1)", cached_method, [PICTURE] * 3, [R, H, R]),
    ("partial", "a", lambda m: m(functools.partial(draw, "a"))(), PICTURE, [R]),
    ("partial of an async function", "a", lambda m: run(m(functools.partial(later, "a"))), PICTURE, [R]),
    ("partialmethod", "a", made_of_another, [PICTURE] * 2, [R, R]),
    ("singledispatch", "1, (1, 1)", dispatched, [PICTURE] * 2, [R, R]),
    ("callable object", "a", lambda m: m(Plain())("a"), PICTURE, [R]),
    ("callable object, async", "a", lambda m: run(m(Async()), "a"), PICTURE, [R]),
    ("mock", "a", lambda m: m(MagicMock(return_value=PICTURE))("a"), PICTURE, [R]),
    ("mock, async", "a", lambda m: run(m(AsyncMock(return_value=PICTURE)), "a"), PICTURE, [R]),
    ("bound method", "a", lambda m: m(Cards().draw)("a"), PICTURE, [R]),
    ("bound method, async", "a", lambda m: run(m(Cards().later), "a"), PICTURE, [R]),
    ("built-in", "b'…'", lambda m: m(bytes.fromhex)(PICTURE.hex()), PICTURE, [R]),
    ("narrower wrapper", "a", lambda m: m(fixed(draw))("a"), PICTURE, [R]),
    ("generator", "a", lambda m: list(m(lambda title: (yield PICTURE))("a")), [PICTURE], [NO_BYTES]),
    ("context manager", "a", lambda m: entered(m(opened)("a")), PICTURE, [R]),
    ("context manager whose body fails", "a", broken_body, PICTURE, [R]),
    ("async context manager", "a", lambda m: run(aentered, lambda: m(aopened)("a")), PICTURE, [R]),
]  # fmt: skip


@pytest.fixture
def written() -> list[dict[str, Any]]:
    """Events, as they come."""
    return []


@pytest.fixture
def mark(written: list[dict[str, Any]], registry: CollectorRegistry) -> Iterator[Mark]:
    """`metered`, into that list; a fault of ours fails the test."""
    metering = Metering(account="main", events=lambda e: written.append(dict(e)), secret="s", registry=registry)
    yield metered("og", metering=metering)
    metering.close()
    assert not registry.get_sample_value("imgrender_client_faults_total")


def finals(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = [event for event in written if event["outcome"] != "attempt"]
    assert [e["id"] for e in written if e["outcome"] == "attempt"] == [e["id"] for e in done]
    return done


def row(event: dict[str, Any]) -> tuple[Any, ...]:
    assert (event.get("bytes") is None) == (event.get("digest") is None)
    return event["outcome"], event.get("credits"), event.get("bytes"), event["key"].startswith("k1:")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "arguments", "case", "result", "rows"), TABLE, ids=[each[0] for each in TABLE])
def test_table(
    kind: str, arguments: str, case: Case, result: Any, rows: list[Any], mark: Mark, written: list[dict[str, Any]]
) -> None:
    """One event a call, with what is known of it; the caller has what the function gives."""
    got = case(mark)
    gc.collect()
    for event in finals(written):
        outcome, credits, size, known = row(event)
        shown = "image" if result == PICTURE else str(result).replace(str(PICTURE), "image")
        print(
            f"\n{kind:36} {arguments:14} -> {shown:36} {outcome:7} credits {credits!s:4} bytes {size!s:4} "
            f"digest {'yes' if event.get('digest') else 'no ':3} key {'known' if known else 'unknown'}", end="",
        )  # fmt: skip
    assert got == result
    assert [row(event) for event in finals(written)] == rows


# In nobody's way


def test_what_a_function_has_stays_reachable(mark: Mark) -> None:
    """And is that of the function, not a copy of before."""
    kept = mark(functools.lru_cache(maxsize=4)(draw))
    kept("a"), kept("a")
    assert kept.cache_info()[:2] == (1, 1) and kept.cache_parameters()["maxsize"] == 4
    kept.cache_clear()
    assert kept.cache_info().currsize == 0 and kept.__wrapped__.cache_info is not None
    counted = mark(Plain())
    counted("a"), counted("a")
    assert counted.calls == 2 and isinstance(counted, Plain)
    counted.calls = 7
    assert counted.__wrapped__.calls == 7 and not hasattr(counted, "none")
    given = mark(functools.partial(draw, "a", size=3))
    assert (given.func, given.args, given.keywords) == (draw, ("a",), {"size": 3})
    assert isinstance(given, functools.partial) and repr(given) == repr(given.__wrapped__)
    assert {given: 1}[given] == 1 and given == given


@pytest.mark.parametrize("make", [
    lambda: functools.partial(later, "a"), lambda: later, lambda: draw, lambda: stepped, Async, lambda: Cards().later,
    lambda: functools.lru_cache(draw), lambda: fixed(draw), lambda: bytes.fromhex,
])  # fmt: skip
def test_what_is_asked_of_a_function_has_the_same_answer(make: Callable[[], Any], mark: Mark) -> None:
    plain = make()
    made = mark(plain)
    for test in (
        inspect.iscoroutinefunction, asyncio.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isfunction,
        inspect.ismethod, inspect.isbuiltin, inspect.signature, callable, inspect.getdoc,
        lambda each: each.__module__, lambda each: getattr(each, "__qualname__", None), lambda each: isinstance(each, type(plain)),
    ):  # fmt: skip
        assert test(made) == test(plain), test


def test_what_is_no_method_is_none_in_a_class(mark: Mark) -> None:
    """As without us: an object, a partial, a built-in and a bound method take no `self`."""

    class Drawn:
        plain, given, bound = mark(Plain()), staticmethod(mark(functools.partial(draw, "a"))), mark(Cards().draw)

    assert Drawn().plain("a") == Drawn().given() == Drawn().bound("a") == PICTURE


SEEN: ContextVar[str] = ContextVar("seen", default="")


class GoneError(Exception):
    """What a function raises."""


async def fails(title: str) -> bytes:
    await asyncio.sleep(0)
    try:
        raise KeyError(title)
    except KeyError as error:
        raise GoneError(title) from error


def fails_at_once(title: str) -> bytes:
    raise GoneError(title)


async def waits(title: str) -> bytes:
    SEEN.set(title)
    await asyncio.sleep(60)
    return PICTURE


def own(error: BaseException | None) -> tuple[Any, ...]:
    """An error's kind, text, cause and context, and the functions it came through."""
    if error is None:
        return ()
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return type(error), error.args, own(error.__cause__), own(error.__context__), names


async def settled() -> None:
    """All that can go on has."""
    for _ in range(20):
        await asyncio.sleep(0)


async def raised(function: Any) -> Any:
    try:
        await function("a")
    except GoneError as error:
        return own(error)


async def cancelled(function: Any) -> Any:
    async def inside() -> Any:
        return await function("a")

    task = asyncio.ensure_future(inside())
    await settled()
    task.cancel("enough")
    try:
        await task
    except asyncio.CancelledError as error:
        return own(error)


async def not_retrieved(function: Any) -> Any:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))

    tasks = {asyncio.ensure_future(function("a"))}
    await settled()
    tasks.clear()
    gc.collect()
    await settled()
    return told


async def not_awaited(function: Any) -> Any:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        function("a")
        gc.collect()
    return [str(each.message) for each in said]


async def visible(function: Any) -> Any:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await function("b")
    return SEEN.get()


@types.coroutine
def fails_stepped(title: str) -> Any:
    return (yield from fails(title).__await__())


KINDS: dict[str, Callable[[Any], Any]] = {
    "async": lambda f: f,
    "function of a coroutine": lambda f: lambda title: f(title),  # noqa: PLW0108
    "function of a task": lambda f: lambda title: asyncio.ensure_future(f(title)),
    "function of an awaitable": lambda f: lambda title: Promise(title, f),
    "partial": functools.partial,
    "types.coroutine": lambda f: types.coroutine(lambda title: (yield from f(title).__await__())),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("use", "function"), [
    (raised, fails), (cancelled, waits), (not_retrieved, fails), (not_awaited, fails), (visible, waits),
])  # fmt: skip
@pytest.mark.slow
def test_tasks_are_those_of_the_plain_function(kind: str, use: Any, function: Any, mark: Mark) -> None:
    """Errors, their causes and contexts, messages of a cancel, warnings of asyncio, context variables."""
    plain = KINDS[kind](function)
    before, after = asyncio.run(use(plain)), asyncio.run(use(mark(plain)))
    if before and isinstance(before, tuple):
        names = list(after[-1])
        for name in before[-1]:
            assert name in names
            names.remove(name)
        assert len(names) <= 1  # a frame of ours
        before, after = before[:-1], after[:-1]
    assert after == before


@pytest.mark.parametrize("kind", ["sync", "generator", "async generator"])
def test_an_error_passes_one_frame_of_ours(kind: str, mark: Mark) -> None:
    """Itself, without another context."""
    error = GoneError("a")

    def gives(title: str) -> Iterator[bytes]:
        yield PICTURE
        raise error

    async def agives(title: str) -> AsyncIterator[bytes]:
        yield PICTURE
        raise error

    def fail(title: str) -> bytes:
        raise error

    async def drained() -> None:
        async for _ in mark(agives)("a"):
            pass

    uses: dict[str, Callable[[], Any]] = {
        "sync": lambda: mark(fail)("a"), "generator": lambda: list(mark(gives)("a")),
        "async generator": lambda: asyncio.run(drained()),
    }  # fmt: skip
    with pytest.raises(GoneError) as caught:
        uses[kind]()
    assert caught.value is error and error.__context__ is None and error.__cause__ is None
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent.name == "client"
            and frame.filename != __file__]  # fmt: skip
    assert len(ours) == 1


# Keys


@pytest.mark.parametrize(
    ("function", "one", "other"),
    [
        (other_default(draw), (("a",), {}), (("a", 1), {})),  # 5 and 1
        (whatever(draw), (("a",), {}), (("a", 1), {})),  # 5 and 1
        (whatever(draw), (("a",), {}), (("a",), {"size": 1})),
        (functools.lru_cache(whatever(draw)), (("a",), {}), (("a", 1), {})),
        (functools.partial(whatever(draw), "a"), ((), {}), ((), {"size": 1})),
        (functools.singledispatch(other_default(draw)), (("a",), {}), (("a", 1), {})),
        (lambda *args, **kwargs: PICTURE, (("a",), {}), ((), {"args": ("a",)})),
        (functools.partial(dict), ((), {"args": 1}), ((), {"args": 2})),
        (functools.partial(dict), (([("a", 1)],), {"args": 1}), (([("a", 2)],), {"args": 1})),
    ],
)
def test_different_calls_have_different_keys(
    function: Any, one: Any, other: Any, mark: Mark, written: list[dict[str, Any]]
) -> None:
    """Of what is really called, whatever a decorator does between."""
    made = mark(function)
    for args, kwargs in (one, other):
        with contextlib.suppress(TypeError):
            made(*args, **kwargs)
    first, second = finals(written)
    assert first["key"] != second["key"]


@pytest.mark.parametrize(
    ("function", "one", "other"),
    [
        (fixed(draw), (("a",), {}), ((), {"title": "a"})),
        (other_default(draw), (("a",), {}), (("a", 5), {})),
        (whatever(draw), (("a", 1), {}), ((), {"title": "a", "size": 1})),
        (functools.lru_cache(draw), (("a",), {}), (("a", 1), {})),
        (functools.update_wrapper(functools.partial(draw, size=1), draw), (("a",), {}), (("a",), {"size": 1})),
        (Cards().draw, (("a",), {}), (("a", 1), {})),
    ],
)
def test_equal_calls_have_equal_keys(
    function: Any, one: Any, other: Any, mark: Mark, written: list[dict[str, Any]]
) -> None:
    made = mark(function)
    for args, kwargs in (one, other):
        made(*args, **kwargs)
    first, second = finals(written)
    assert first["key"] == second["key"] and first["key"].startswith("k1:")


def test_a_cache_that_others_used_at_the_same_time_is_no_guess(mark: Mark, written: list[dict[str, Any]]) -> None:
    """It may have been a hit: what the call cost is unknown."""
    kept: Any = functools.lru_cache(lambda title: PICTURE if title == "other" else kept("other"))
    kept("other")
    marked = mark(kept)
    marked("a"), marked("a")
    assert [row(event) for event in finals(written)] == [("render", None, SIZE, True), H]


def gives(title: str) -> Any:
    return later(title)


async def items(title: str) -> Any:
    yield PICTURE


BEGUN: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "a generator": (lambda title: (yield PICTURE), next),
    "a function that gives a generator": (lambda title: (each for each in [PICTURE]), next),
    "an async function": (later, lambda running: running.send(None)),
    "a function that gives a coroutine": (gives, lambda running: running.send(None)),
    "a coroutine that is never awaited": (gives, lambda running: None),
    "an old coroutine": (stepped, lambda running: running.send(None)),
    "an async generator": (items, lambda running: next(running.__anext__().__await__(), None)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BEGUN)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_dropped_has_ended_and_hangs_nobody(kind: str) -> None:
    """Though the thread that drops it, as any garbage collection may, holds the lock that the sink needs."""
    lock, written, more = threading.Lock(), [], threading.Event()

    def write(event: Any) -> None:
        free = lock.acquire(timeout=30)
        written.append(event["outcome"] if free else "hangs")
        if free:
            lock.release()
        if len(written) == 2:
            more.set()

    function, begin = BEGUN[kind]
    running = metered("card", events=write, secret="s", registry=None)(function)("a")
    with contextlib.suppress(StopIteration):
        begin(running)
    with lock:
        del running
        gc.collect()
    assert more.wait(90)
    assert written in (["attempt", "error"], ["attempt", "render"])
