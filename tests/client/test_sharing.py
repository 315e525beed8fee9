"""What clients share, copy, drop and send twice: each paid call is one event, of the client that is metered alone."""

import asyncio
import copy
import gc
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditor import MeteredTransport, Metering, meter, path_rule, unmeter
from auditor.client.unread import UNREAD
from tests.client.conftest import PICTURE
from tests.client.pinned import path_with
from tests.client.test_attach import Body
from tests.client.test_layers import Layer, png
from tests.services import ROOT

URL = "https://render.imejis.io/v1/og"
WHOLE, PART = "render 200 k1 whole", "render 200 k1 in part"
EXPECTED: dict[str, list[Any]] = {
    "unread_and_dropped": [7, ["error 503", *[PART] * 6]],
    "dropped_in_a_cycle": [1, [PART]],
    "dropped_by_a_thread_that_holds_a_lock_of_the_sink": [1, [PART]],
    "unread_at_exit": [2, ["error 503", PART]],
    "unread_and_forked": [1, [PART]],
    "what_is_read_is_as_it_was": [2, [WHOLE]],
    "read_in_other_ways": [6, [WHOLE] * 6],
    "an_adapter_that_is_shared": [7, [WHOLE]],
    "two_metered_sessions_on_one_adapter": [5, [WHOLE]],
    "copied_and_pickled": [5, [WHOLE]],
    "copied_with_all_that_they_have": [3, [WHOLE]],
    "replaced_by_another_tool": [3, ["error 503", WHOLE]],
    "let_go": [1, [WHOLE]],
    "mounted_closed_and_used_again": [4, [WHOLE] * 4],
    "digest": [2, ["error 401 retried", WHOLE]],
    "digest_that_streams": [2, ["error 401 retried", WHOLE]],
    "an_auth_class_that_sends": [4, ["hit 304", WHOLE, WHOLE]],
    "redirected_to_another_render": [5, ["error 302", "error 302", "error 307", WHOLE, WHOLE]],
    "a_hook_that_posts_again": [6, ["error 503", "error 503", "error 503 retried", WHOLE, WHOLE]],
    "a_subclass_of_ones_own": [6, ["error 503", "error 503 retried", *[WHOLE] * 4]],
    "hedged": [4, [PART, WHOLE]],
    "retried_by_urllib3": [3, ["error 504 retried", "error 504 retried", WHOLE]],
    "bodies_that_are_known": [6, [*[WHOLE] * 4, *["render 200 u1 whole"] * 2]],
    "an_answer_of_another_kind": [2, ["error 503", PART]],
}
OF_REQUESTS_CACHE: dict[str, list[Any]] = {
    "cached_after_a_redirect": [2, ["error 302", "hit 200", "hit 200", WHOLE]],
    "cached_with_digest": [2, ["error 401 retried", "hit 200", "hit 200", WHOLE]],
    "cached_with_a_hook": [1, ["hit 200", WHOLE]],
    "cached_and_refreshed_in_the_background": [2, ["hit 200", "hit 304", WHOLE]],
}


@pytest.mark.parametrize("versions", ["oldest", "middle", "newest"])
def test_sessions_of_requests(versions: str) -> None:
    """The same for all versions."""
    path = path_with(versions)
    told = subprocess.run(
        [sys.executable, "-m", "tests.client.tried_sessions"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    rows = {name: row for name, *row in map(json.loads, told.stdout.splitlines())}
    expected = EXPECTED | (OF_REQUESTS_CACHE if versions == "middle" else {})
    assert {name: rows.get(name) for name in expected} == expected


class Written(list[Any]):
    """Events as they are written, by whichever thread."""

    def __init__(self) -> None:
        super().__init__()
        self.more = threading.Condition()

    def append(self, event: Any) -> None:
        """One more."""
        with self.more:
            super().append(dict(event))
            self.more.notify_all()

    def ended(self) -> list[str]:
        """The words, as soon as each attempt has its end."""
        with self.more:
            self.more.wait_for(lambda: "attempt" not in words(self), 10)
            return words(self)


@pytest.fixture
def seen() -> Written:
    """Events as they are written."""
    return Written()


@pytest.fixture
def metering(seen: Written) -> Metering:
    """Into that list."""
    return Metering(account="main", events=seen.append, secret="s", registry=None)


def words(seen: list[Any]) -> list[str]:
    """Final events, and attempts without one."""
    finals = [event for event in seen if event["outcome"] != "attempt"]
    assert len({event["id"] for event in finals}) == len(finals), "ended twice"
    lost = {event["id"] for event in seen} - {event["id"] for event in finals}
    retried = {True: " retried", None: ""}
    return sorted(
        [f"{each['outcome']}{retried[each.get('retried')]}" for each in finals] + ["attempt" for _ in lost],
    )


# Answers that nobody reads


def failing(_: httpx.Request) -> httpx.Response:
    """No image."""
    return httpx.Response(503, stream=Body([b"n", b"o"]))


def untouched(_: httpx.Response) -> None:
    """Nothing is read."""


def in_part(response: httpx.Response) -> None:
    """A piece."""
    next(response.iter_raw())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "act", "right"),
    [(png, untouched, "render"), (png, in_part, "render"), (failing, untouched, "error"), (failing, in_part, "error")],
)
@pytest.mark.parametrize("layered", [False, True])
def test_an_answer_that_is_dropped_has_ended(
    answer: Any, act: Any, right: str, layered: bool, metering: Metering, seen: Written
) -> None:
    """Once, with its status, and without size and digest; closing it late changes nothing."""
    transport: httpx.BaseTransport = httpx.MockTransport(answer)
    if layered:
        transport = Layer(transport, lambda layer, request: layer.call(request))
    client = meter(httpx.Client(transport=transport), metering)
    response = client.send(client.build_request("POST", URL, json={}), stream=True)
    act(response)
    assert words(seen) == ["attempt"]
    del response
    gc.collect()
    assert seen.ended() == [right]
    assert seen[-1]["status"] == (200 if right == "render" else 503) and "digest" not in seen[-1]
    assert seen[-1]["credits"] == (1 if right == "render" else 0)


@pytest.mark.slow
def test_an_async_answer_that_is_dropped_has_ended(metering: Metering, seen: Written) -> None:
    """In the loop, and after it."""

    async def main() -> list[Any]:
        client = meter(httpx.AsyncClient(transport=httpx.MockTransport(png)), metering)
        for _ in range(2):
            kept = [await client.send(client.build_request("POST", URL), stream=True)]
            if len(words(seen)) == 1:
                kept.clear()
                gc.collect()
                assert seen.ended() == ["render"]
        return kept

    kept = asyncio.run(main())
    assert words(seen) == ["attempt", "render"]
    kept.clear()
    gc.collect()
    assert seen.ended() == ["render", "render"]


@pytest.mark.slow
def test_a_stream_that_is_never_left_has_ended(metering: Metering, seen: Written) -> None:
    """Entered by hand, and forgotten."""
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    entered = client.stream("POST", URL)
    entered.__enter__()
    del entered
    gc.collect()
    assert seen.ended() == ["render"]


@pytest.mark.slow
def test_a_reader_that_outlives_the_answer_is_measured(metering: Metering, seen: Written) -> None:
    """As long as somebody can read, nothing has ended."""
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    pieces = client.send(client.build_request("POST", URL), stream=True).iter_raw()
    gc.collect()
    assert words(seen) == ["attempt"] and b"".join(pieces) == PICTURE
    gc.collect()
    assert words(seen) == ["render"] and seen[-1]["bytes"] == len(PICTURE)


@pytest.mark.slow
def test_a_stream_that_is_copied_is_read_and_ends_once(metering: Metering, seen: Written) -> None:
    """As it may be where it is of bytes."""
    transport = MeteredTransport(
        httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(PICTURE))), metering
    )
    response = transport.handle_request(httpx.Request("POST", URL))
    copied = copy.copy(response.stream)
    assert b"".join(copied) == b"".join(response.stream) == PICTURE
    del copied
    gc.collect()
    assert words(seen) == ["render"]


@pytest.mark.slow
def test_nothing_is_kept_of_answers_that_are_over(metering: Metering, seen: Written) -> None:
    """Read, closed, failed or dropped."""
    before = len(UNREAD._calls)
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    client.post(URL)
    with client.stream("POST", URL):
        pass
    client.send(client.build_request("POST", URL), stream=True)
    gc.collect()
    assert seen.ended() == ["render"] * 3 and len(UNREAD._calls) == before


@pytest.mark.parametrize("way", ["global", "cycle", "async", "process"])
def test_an_answer_at_hand_at_exit_has_ended(way: str, tmp_path: Path) -> None:
    """Of the interpreter, also of a child of multiprocessing."""
    script = f"""
import asyncio, gc, httpx, multiprocessing, os
from auditor import MeteredTransport, Metering, meter
from tests.client.test_layers import png
gc.disable()
def act():
    metering = Metering(events={str(tmp_path / "usage")!r}, secret="s")
    if {way!r} == "async":
        client = meter(httpx.AsyncClient(transport=httpx.MockTransport(png)), metering)
        return asyncio.run(client.send(client.build_request("POST", {URL!r}), stream=True))
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    response = client.send(client.build_request("POST", {URL!r}), stream=True)
    response.me = response
    return response
if {way!r} == "process":
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join()
elif {way!r} == "cycle":
    act()
else:
    kept = act()
"""
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (told.returncode, told.stderr) == (0, "")
    lines = [json.loads(line) for file in (tmp_path / "usage").iterdir() for line in file.open()]
    assert [line["outcome"] for line in lines] == ["attempt", "render"]


def test_a_child_does_not_end_what_its_parent_reads(metering: Metering, seen: Written) -> None:
    """A fork copies the answer, not the duty."""
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    response = client.send(client.build_request("POST", URL), stream=True)
    child = os.fork()
    if child == 0:
        del response
        gc.collect()
        UNREAD.end()
        os._exit(len(seen) - 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert response.read() == PICTURE and words(seen) == ["render"]


@pytest.mark.slow
def test_dropping_an_answer_hangs_nobody(metering: Metering) -> None:
    """Though this thread holds the lock that the sink needs: the end is written when it is free."""
    lock, written = threading.Lock(), threading.Event()

    def write(event: Any) -> None:
        with lock:
            if event["outcome"] == "render":
                written.set()

    client = meter(httpx.Client(transport=httpx.MockTransport(png)), events=write, registry=None)
    response = client.send(client.build_request("POST", URL), stream=True)
    with lock:
        del response
        gc.collect()
        assert not written.is_set()
    assert written.wait(10)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["another call", "close"])
def test_dropping_an_answer_hangs_nobody_without_threads(then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where no thread can be started: the end is written with the next call, or when the metering is closed."""
    lock, written, hung = threading.Lock(), [], []

    def write(event: Any) -> None:
        if lock.acquire(timeout=0.1):
            written.append(event["outcome"])
            lock.release()
        else:
            hung.append(event["outcome"])

    def no_more(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("auditor.client.unread._thread.start_new_thread", no_more)
    metering = Metering(events=write, registry=None)
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    response = client.send(client.build_request("POST", URL), stream=True)
    with lock:
        del response
        gc.collect()
    assert (written, hung) == (["attempt"], [])
    if then == "close":
        metering.close()
        assert written == ["attempt", "render"]
    else:
        another = client.send(client.build_request("POST", URL), stream=True)
        assert Counter(written) == {"attempt": 2, "render": 1}
        assert another.read() == PICTURE and Counter(written) == {"attempt": 2, "render": 2}


@pytest.mark.slow
def test_closing_waits_for_ends_that_are_being_written() -> None:
    """No event comes after the spool was sealed."""
    let, done = threading.Event(), []

    class Slow:
        def write(self, event: Any, *, lasting: bool) -> None:
            if event["outcome"] == "render":
                let.wait(10)
            done.append(event["outcome"])

        def close(self) -> None:
            done.append("closed")

        def forked(self) -> None:
            """Nothing."""

    metering = Metering(events=Slow(), secret="s", registry=None)
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    response = client.send(client.build_request("POST", URL), stream=True)
    del response
    gc.collect()
    assert done == ["attempt"]
    closing = threading.Thread(target=metering.close)
    closing.start()
    closing.join(0.05)
    assert done == ["attempt"]  # it waits
    let.set()
    closing.join(10)
    assert done == ["attempt", "render", "closed"]


# Layers that clients share


@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
@pytest.mark.parametrize("how", ["layer", "two layers", "mounts"])
def test_a_client_that_shares_layers_with_a_metered_one_is_not_metered(
    kind: Any, how: str, metering: Metering, seen: Written
) -> None:
    """Its calls leave at the same place."""

    class Passing(Layer):
        async def handle_async_request(self, request: httpx.Request) -> Any:
            return await self.wrapped.handle_async_request(request)

    shared: Any = Passing(httpx.MockTransport(png), lambda layer, request: layer.call(request))
    if how == "two layers":
        shared = Passing(shared, lambda layer, request: layer.call(request))
    built = {"mounts": {"all://": shared}} if how == "mounts" else {"transport": shared}
    plain, mine = kind(**built), meter(kind(**built), metering)

    def post(client: Any) -> bytes:
        response = asyncio.run(client.post(URL)) if kind is httpx.AsyncClient else client.post(URL)
        return bytes(response.content)

    assert [post(client) for client in (plain, mine, plain)] == [PICTURE] * 3
    assert words(seen) == ["render"]


def test_two_metered_clients_on_one_layer(metering: Metering, seen: Written) -> None:
    """Each has its own events; undone for one, the other goes on, and what was below is back at the end."""
    others: list[Any] = []
    leaf = httpx.MockTransport(png)
    shared = Layer(leaf, lambda layer, request: layer.call(request))
    one = meter(httpx.Client(transport=shared), metering)
    two = meter(httpx.Client(transport=shared), events=lambda event: others.append(dict(event)), registry=None)
    one.post(URL)
    two.post(URL)
    assert (words(seen), words(others)) == (["render"], ["render"])
    unmeter(one)
    one.post(URL)
    two.post(URL)
    assert (words(seen), words(others)) == (["render"], ["render", "render"])
    unmeter(two)
    assert shared.wrapped is leaf


def test_two_metered_clients_on_one_transport_that_somebody_extended() -> None:
    """Its pool is metered once."""

    class Extended(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return super().handle_request(request)

    events: list[Any] = []
    rules = [path_rule("mine", "127.0.0.1", r"/(?P<template>[^/]+)")]
    shared = Extended()
    pool = shared._pool
    plain = httpx.Client(transport=shared)
    one, two = [
        meter(
            httpx.Client(transport=shared), account=account, rules=rules, registry=None,
            events=lambda event: events.append(dict(event)),
        )
        for account in ("a", "b")
    ]  # fmt: skip
    for client in (plain, one, two):
        with pytest.raises(httpx.ConnectError):
            client.post("http://127.0.0.1:1/og")
    assert [event["account"] for event in events if event["outcome"] == "error"] == ["a", "b"]
    assert words(events) == ["error", "error"]
    unmeter(one)
    unmeter(two)
    assert shared._pool is pool


def test_a_client_inside_a_transport_counts_for_what_is_under_way(
    metering: Metering, seen: Written, caplog: pytest.LogCaptureFixture
) -> None:
    """What it sends otherwise could be anybody's, and `meter` says so."""
    inner = httpx.Client(transport=httpx.MockTransport(png))

    class Through(httpx.BaseTransport):
        def __init__(self) -> None:
            self.client = inner

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = self.client.send(request)
            return httpx.Response(response.status_code, content=response.content)

    client = meter(httpx.Client(transport=Through()), metering)
    assert "Through holds a client of its own" in caplog.text
    for each in (client, inner):
        assert each.post(URL).content == PICTURE
    assert words(seen) == ["render"]


def test_what_a_shared_layer_does_by_itself_is_of_a_client_that_is_still_metered(
    metering: Metering, seen: Written
) -> None:
    """Not of the one that was first."""
    others = Written()
    shared = Layer(httpx.MockTransport(png), lambda layer, request: layer.call(request))
    one = meter(httpx.Client(transport=shared), metering)
    two = meter(httpx.Client(transport=shared), events=others.append, registry=None)
    unmeter(one)
    thread = threading.Thread(target=lambda: shared.call(two.build_request("POST", URL)).read())
    thread.start()
    thread.join()
    assert (words(seen), words(others)) == ([], ["render"])


# Two calls for one request


def both(act: Callable[[Any, httpx.Request], httpx.Response]) -> Callable[[Layer, httpx.Request], httpx.Response]:
    """A layer that sends twice, in threads; *act* makes one answer of two futures."""

    def hedge(layer: Layer, request: httpx.Request) -> httpx.Response:
        with ThreadPoolExecutor(2) as pool:
            return act([pool.submit(layer.call, request) for _ in range(2)], request)

    return hedge


def first_good(futures: Any, _: Any) -> httpx.Response:
    """The other one is closed."""
    answers = [each.result() for each in futures]
    best = min(answers, key=lambda each: each.status_code)
    for each in answers:
        if each is not best:
            each.close()
    return best  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("statuses", "right"),
    [([200, 200], ["render", "render"]), ([503, 200], ["error retried", "render"]),
     ([503, 502], ["error", "error retried"]), ([200, 404], ["error retried", "render"])],
)  # fmt: skip
@pytest.mark.parametrize("way", ["threads", "tasks"])
def test_hedged_calls_are_as_many_events_and_one_request(
    way: str, statuses: list[int], right: list[str], metering: Metering, seen: Written
) -> None:
    """Each is paid for; one is the request's own end, and there is no hit that nobody served."""
    waiting, gate = list(statuses), threading.Barrier(2)

    def answer(request: httpx.Request) -> httpx.Response:
        status = waiting.pop(0)
        if way == "threads":
            gate.wait(10)
        return png(request) if status == 200 else httpx.Response(status, stream=Body([b"no"]))

    class Tasks(Layer):
        async def handle_async_request(self, request: httpx.Request) -> Any:
            async def one() -> Any:
                response = await self.wrapped.handle_async_request(request)
                await asyncio.sleep(0)
                return response

            answers = await asyncio.gather(one(), one())
            best = min(answers, key=lambda each: each.status_code)
            for each in answers:
                if each is not best:
                    await each.aclose()
            return best

    if way == "threads":
        layer: Any = Layer(httpx.MockTransport(answer), both(first_good))
        response = meter(httpx.Client(transport=layer), metering).post(URL)
    else:
        layer = Tasks(httpx.MockTransport(answer), lambda *_: httpx.Response(500))
        response = asyncio.run(meter(httpx.AsyncClient(transport=layer), metering).post(URL))
    assert response.status_code == min(statuses)
    assert words(seen) == right


def test_the_slower_of_two_calls_is_cancelled(metering: Metering, seen: Written) -> None:
    """It may have been billed; the request got its image from the other one."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if len([event for event in seen if event["outcome"] == "attempt"]) == 1:
            await asyncio.sleep(3600)
        return png(request)

    class Hedge(Layer):
        async def handle_async_request(self, request: httpx.Request) -> Any:
            slow = asyncio.ensure_future(self.wrapped.handle_async_request(request))
            await asyncio.sleep(0)
            quick = await self.wrapped.handle_async_request(request)
            slow.cancel()
            await asyncio.wait([slow])
            return quick

    layer = Hedge(httpx.MockTransport(answer), lambda *_: httpx.Response(500))
    client = meter(httpx.AsyncClient(transport=layer), metering)
    assert asyncio.run(client.post(URL)).content == PICTURE
    assert words(seen) == ["error retried", "render"]
    assert [event["credits"] for event in seen if event["outcome"] == "error"] == [None]


# Bodies that are sent again


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
def test_a_redirect_that_repeats_the_body_has_its_key(
    kind: Any, status: int, metering: Metering, seen: Written
) -> None:
    """It is known, by bytes, JSON or form; that of a generator is not, and is not read for it."""

    def answer(request: httpx.Request) -> httpx.Response:
        there = request.url.path.endswith("/og")
        return png(request) if there else httpx.Response(status, headers={"location": URL})

    client = meter(kind(transport=httpx.MockTransport(answer), follow_redirects=True), metering)
    for body in ({"json": {"a": 1}}, {"content": b'{"a":1}'}, {"data": {"a": "1"}}):
        for url in (URL, URL.replace("og", "old")):
            response = asyncio.run(client.post(url, **body)) if kind is httpx.AsyncClient else client.post(url, **body)
            assert response.content == PICTURE
    keys = [event["key"] for event in seen if event["outcome"] == "render"]
    assert all(key.startswith("k1:") for key in keys) and keys[::2] == keys[1::2] and len(set(keys)) == 2


def test_a_class_of_ones_own_named_like_that_of_httpx_is_not_read(metering: Metering, seen: Written) -> None:
    """A body that can be read once is the call's."""

    class ByteStream(httpx.SyncByteStream):
        def __init__(self) -> None:
            self.left = [b"{}"]

        def __iter__(self) -> Iterator[bytes]:
            yield self.left.pop()

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.read() == b"{}"
        return png(request)

    client = meter(httpx.Client(transport=httpx.MockTransport(answer)), metering)
    assert client.send(httpx.Request("POST", URL, stream=ByteStream())).content == PICTURE
    assert seen[-1]["key"].startswith("u1:")
