"""What is metered is the call that is paid for, whatever stands between it and the caller; and nothing is in the way."""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor import MeteredTransport, Metering, meter, path_rule, unmeter
from auditor.client import transports, watch
from auditor.client.attach import _without_query
from auditor.model.errors import ConfigError
from tests.client.conftest import PICTURE, outcomes
from tests.client.test_attach import Body
from tests.client.test_renderer import value

URL = "https://render.imejis.io/v1/og"
Events = Callable[[], list[dict[str, Any]]]
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def metering(tmp_path: Path, registry: CollectorRegistry) -> Iterator[Metering]:
    """Events into the test's folder."""
    made = Metering(account="main", events=tmp_path / "usage", secret="s", registry=registry)
    yield made
    made.close()


@pytest.fixture
def finals(events: Events, metering: Metering) -> Events:
    """The final events."""

    def read() -> list[dict[str, Any]]:
        metering.close()
        return [event for event in events() if event["outcome"] != "attempt"]

    return read


def png(request: httpx.Request) -> httpx.Response:
    """An image in pieces."""
    return httpx.Response(200, headers={"content-type": "image/png"}, stream=Body([PICTURE[:9], PICTURE[9:]]))


class Layer(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Between a client and the transport that makes its calls; *act* is what it does."""

    def __init__(self, below: Any, act: Callable[["Layer", httpx.Request], httpx.Response]) -> None:
        self.wrapped, self._act = below, act
        self.kept: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._act(self, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._act(self, request)

    def call(self, request: httpx.Request) -> httpx.Response:
        """One call."""
        response: httpx.Response = self.wrapped.handle_request(request)
        return response


def scripted(*statuses: int | Exception) -> Handler:
    """Answers in turn."""
    waiting = list(statuses)

    def answer(request: httpx.Request) -> httpx.Response:
        now = waiting.pop(0)
        if isinstance(now, Exception):
            raise now
        return png(request) if now == 200 else httpx.Response(now)

    return answer


def again(layer: Layer, request: httpx.Request) -> httpx.Response:
    """Until there is an image, three times at most."""
    for left in (2, 1, 0):
        try:
            response = layer.call(request)
        except httpx.TransportError:
            if not left:
                raise
            continue
        if response.status_code < 400 or not left:
            return response
        response.close()
    raise AssertionError


def stale(layer: Layer, request: httpx.Request) -> httpx.Response:
    """An old image in place of a failure."""
    try:
        response = layer.call(request)
    except httpx.TransportError:
        return httpx.Response(200, content=PICTURE)
    return response if response.status_code < 400 else httpx.Response(200, content=PICTURE)


def confirmed(layer: Layer, request: httpx.Request) -> httpx.Response:
    """What the provider says is still good; its answer is left as it is."""
    layer.call(request)
    return httpx.Response(200, content=PICTURE)


def open_circuit(layer: Layer, request: httpx.Request) -> httpx.Response:
    """No call."""
    raise httpx.ConnectError("the circuit is open")


def only_if_cached(layer: Layer, request: httpx.Request) -> httpx.Response:
    """No call either."""
    return httpx.Response(504)


LAYERS: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("again", again, [504, 504, 200], ["error timeout None retried", "error timeout None retried", "render 1"]),
    ("again, refused first", again, [httpx.ConnectError("x"), 200], ["error connection 0 retried", "render 1"]),
    ("again, in vain", again, [500, 429, 404],
     ["error server 0 retried", "error throttled 0 retried", "error not_found 0"]),
    ("again, broken at last", again, [503, httpx.ReadError("x"), httpx.ReadTimeout("x")],
     ["error server 0 retried", "error connection None retried", "error timeout None"]),
    ("stale after a failure", stale, [503], ["error server 0 retried", "hit 0"]),
    ("stale after a broken call", stale, [httpx.ReadError("x")], ["error connection None retried", "hit 0"]),
    ("a good call", stale, [200], ["render 1"]),
    ("confirmed", confirmed, [304], ["hit 0"]),
    ("open circuit", open_circuit, [], ["refused"]),
    ("only if cached", only_if_cached, [], ["refused"]),
]  # fmt: skip


@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
@pytest.mark.parametrize("deep", [1, 2])
@pytest.mark.parametrize(("act", "script", "right"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS])
def test_each_call_is_an_event_and_each_request_one(
    kind: Any, deep: int, act: Any, script: Any, right: list[str], metering: Metering, finals: Events
) -> None:
    """Through one layer, or two."""
    transport: Any = Layer(httpx.MockTransport(scripted(*script)), act)
    for _ in range(deep - 1):
        transport = Layer(transport, lambda layer, request: layer.call(request))
    client = meter(kind(transport=transport), metering)

    def post() -> Any:
        return asyncio.run(client.post(URL, json={})) if kind is httpx.AsyncClient else client.post(URL, json={})

    with contextlib.suppress(httpx.TransportError):
        post()
    found = finals()
    assert [said(event) for event in found] == right
    assert len({event["key"] for event in found}) == 1 and len({event["id"] for event in found}) == len(found)


def said(event: dict[str, Any]) -> str:
    """An event in words."""
    error = f" {event['error']}" if event.get("error") else ""
    credits = f" {event['credits']}" if event["outcome"] != "refused" else ""
    return f"{event['outcome']}{error}{credits}" + (" retried" if event.get("retried") else "")


def test_layers_in_a_list_in_a_dict_and_in_a_client(metering: Metering, finals: Events) -> None:
    """Wherever a layer keeps the transport below."""

    class Kept(httpx.BaseTransport):
        def __init__(self, below: Any, way: str) -> None:
            self.way = way
            self.list, self.dict, self.client = [], {}, None  # type: ignore[var-annotated]
            if way == "list":
                self.list = [below]
            elif way == "dict":
                self.dict = {"a": below}
            else:
                self.client = httpx.Client(transport=below)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if self.client is not None:
                for _ in range(2):
                    response = self.client.send(request)
                return httpx.Response(response.status_code, content=response.content)
            below = (self.list or list(self.dict.values()))[0]
            below.handle_request(request).read()
            return below.handle_request(request)  # type: ignore[no-any-return]

    for way in ("list", "dict", "client"):
        client = meter(httpx.Client(transport=Kept(httpx.MockTransport(png), way)), metering)
        assert client.post(URL, json={}).content == PICTURE
    assert outcomes(finals()) == {"render": 6}


def test_a_transport_that_was_built_in_counts_once(metering: Metering, finals: Events) -> None:
    """Below a layer, and with `meter` on top."""
    inside = MeteredTransport(httpx.MockTransport(scripted(504, 200)), metering)
    client = meter(httpx.Client(transport=Layer(inside, again)), metering)
    client.post(URL, json={})
    unmeter(client)
    client._transport.wrapped = MeteredTransport(httpx.MockTransport(png), metering)  # type: ignore[attr-defined]
    client.post(URL, json={})
    assert [said(event) for event in finals()] == ["error timeout None retried", "render 1", "render 1"]


def test_layers_are_as_they_were_afterwards(metering: Metering, finals: Events) -> None:
    """Nothing of ours is left in them."""
    base = httpx.MockTransport(png)
    layer = Layer(Layer(base, lambda layer, request: layer.call(request)), again)
    client = meter(httpx.Client(transport=layer, mounts={"all://x": Layer(base, again)}), metering)
    assert isinstance(layer.wrapped.wrapped, MeteredTransport)
    unmeter(client)
    assert client._transport is layer and layer.wrapped.wrapped is base
    assert all(transport.wrapped is base for transport in client._mounts.values())  # type: ignore[union-attr]
    client.post(URL, json={})
    assert finals() == []


def test_undoing_passes_over_places_that_are_gone(metering: Metering) -> None:
    """A layer may have dropped what it held, or hold something else there."""

    class Balancing(Layer):
        def __init__(self, *below: Any) -> None:
            self.many, self.named = list(below), dict(enumerate(below))

    layer = Balancing(*(httpx.MockTransport(png) for _ in range(3)))
    client = meter(httpx.Client(transport=layer), metering)
    assert all(isinstance(each, MeteredTransport) for each in (*layer.many, *layer.named.values()))
    del layer.many[1:], layer.named[0]
    other = layer.named[1] = httpx.MockTransport(png)
    unmeter(client)
    left = [*layer.many, *layer.named.values()]
    assert client._transport is layer and layer.named[1] is other
    assert len(left) == 3 and not any(isinstance(each, MeteredTransport) for each in left)


def test_what_a_layer_asks_for_itself_is_no_render(metering: Metering, finals: Events) -> None:
    """A token, before each call."""

    def with_token(layer: Layer, request: httpx.Request) -> httpx.Response:
        layer.call(httpx.Request("POST", "https://auth.example.com/token")).read()
        return layer.call(request)

    client = meter(httpx.Client(transport=Layer(httpx.MockTransport(png), with_token)), metering)
    client.post(URL, json={})
    assert outcomes(finals()) == {"render": 1}


def test_a_call_in_the_background_is_not_lost(metering: Metering, finals: Events) -> None:
    """A layer that refreshes in a thread of its own, after it has answered."""

    def refreshed(layer: Layer, request: httpx.Request) -> httpx.Response:
        if layer.kept is None:
            layer.kept = layer.call(request)
            layer.kept.read()
        else:
            thread = threading.Thread(target=lambda: layer.call(request).read())
            thread.start()
            thread.join()
        return httpx.Response(200, content=layer.kept.content)

    client = meter(httpx.Client(transport=Layer(httpx.MockTransport(png), refreshed)), metering)
    for _ in range(2):
        client.post(URL, json={})
    assert outcomes(finals()) == {"render": 2, "hit": 1}


def hidden(answer: Handler) -> Any:
    """A layer whose inside nobody sees."""

    class Opaque(httpx.BaseTransport):
        __slots__ = ()

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return answer(request)

    return Opaque()


@pytest.mark.parametrize(
    ("word", "right"),
    [({"from_cache": True}, "hit"), ({"hishel_from_cache": True}, "hit"), ({"caching": {"from_cache": True}}, "hit"),
     ({"from_cache": False}, "render"), ({"caching": None}, "render"), ({"from_cache": "yes"}, "render"), ({}, "render")],
)  # fmt: skip
def test_where_the_inside_is_hidden_the_layer_s_word_counts(
    word: Any, right: str, metering: Metering, finals: Events, caplog: pytest.LogCaptureFixture
) -> None:
    """And `meter` says at once, and once, what it cannot see."""
    client = httpx.Client(transport=hidden(lambda _: httpx.Response(200, content=PICTURE, extensions=word)))
    meter(meter(client, metering), metering)
    (message,) = caplog.messages
    assert "Opaque" in message and "MeteredTransport(" in message
    client.post(URL, json={})
    assert [event["outcome"] for event in finals()] == [right]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (httpx.Response(304), ("hit", None, 304, 0, None)),
        (httpx.Response(301), ("error", "other", 301, 0, None)),
        (httpx.Response(302), ("error", "other", 302, 0, None)),
        (httpx.Response(307), ("error", "other", 307, 0, None)),
        (httpx.Response(402), ("error", "quota", 402, 0, None)),
        (httpx.Response(429), ("error", "throttled", 429, 0, None)),
        (httpx.Response(200, json={"url": "x"}), ("render", None, 200, 1, None)),
        (httpx.Response(200, content=b"<p>", headers={"content-type": "text/html"}), ("render", None, 200, 1, None)),
        (httpx.Response(202, json={"id": 1}), ("render", None, 202, 1, None)),
        (httpx.Response(204), ("render", None, 204, 1, None)),
        (httpx.Response(200, headers={"content-type": "image/png"}), ("render", None, 200, 1, None)),
        (httpx.Response(206, content=PICTURE, headers={"content-type": "image/png"}), ("render", None, 206, 1, None)),
        (httpx.Response(201, content=PICTURE, headers={"content-type": "Image/PNG; q=1"}), ("render", None, 201, 1, len(PICTURE))),
        (httpx.Response(200, content=PICTURE), ("render", None, 200, 1, len(PICTURE))),
        (httpx.Response(200, content=b"%PDF", headers={"content-type": "application/pdf"}), ("render", None, 200, 1, 4)),
    ],
)  # fmt: skip
def test_what_an_answer_stands_for(answer: httpx.Response, right: Any, tmp_path: Path, events: Events) -> None:
    """Of a provider that nobody described; only a whole image has a size and a digest."""
    rule = path_rule("mine", "img.example.com", r"/(?P<template>[^/]+)")
    metering = Metering(events=tmp_path / "usage", registry=None, rules=[rule])
    client = meter(httpx.Client(transport=httpx.MockTransport(lambda _: answer)), metering)
    assert client.post("https://img.example.com/card").status_code == answer.status_code
    metering.close()
    (event,) = [event for event in events() if event["outcome"] != "attempt"]
    assert (event["outcome"], event.get("error"), event["status"], event["credits"], event.get("bytes")) == right
    assert ("digest" in event) is ("bytes" in event)


@pytest.mark.parametrize(
    ("host", "path", "status", "body", "word"),
    [
        ("hcti.io", "/v1/image/t", 429, {}, "quota"),
        ("api.abyssale.com", "/banner-builder/t/generate", 429, {"message": "API Limits reached"}, "quota"),
        ("api.abyssale.com", "/banner-builder/t/generate", 429, {"message": "5 requests a second"}, "throttled"),
        ("api.orshot.com", "/v1/studio/render", 403, {"error": "You've consumed all requests"}, "quota"),
        ("api.orshot.com", "/v1/studio/render", 403, {"error": "no such key"}, "auth"),
        ("get.renderform.io", "/api/v2/render", 402, {}, "quota"),
        ("render.imejis.io", "/v1/t", 429, {"message": "Monthly quota exceeded"}, "quota"),
        ("render.imejis.io", "/v1/t", 429, {"message": "Too many requests"}, "throttled"),
    ],
)
def test_quota_is_told_from_throttles_as_the_provider_declares(
    host: str, path: str, status: int, body: Any, word: str, metering: Metering, finals: Events
) -> None:
    """Neither costs a credit."""
    client = meter(httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(status, json=body))), metering)
    client.post(f"https://{host}{path}", json={"template": "t", "templateId": "t"})
    (event,) = finals()
    assert (event["error"], event["credits"]) == (word, 0)


def test_bodies_that_are_no_json_object_have_keys_of_their_own(metering: Metering, finals: Events) -> None:
    """Forms, lists, blobs; also where only the body names the template."""
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    for body in ({"data": {"html": "a"}}, {"data": {"html": "b"}}, {"json": [1]}, {"json": [2]}, {"content": b"\xff"},
                 {"json": {"html": "a"}}, {"json": {"html": "b"}}):  # fmt: skip
        for _ in range(2):
            client.post("https://hcti.io/v1/image", **body)
    keys = [event["key"] for event in finals()]
    assert keys[::2] == keys[1::2] and len(set(keys)) == 7 and all(key.startswith("k1:") for key in keys)


def pieces() -> Iterator[bytes]:
    """A body that streams."""
    yield b"{}"


def test_a_body_that_streams_has_no_key(
    metering: Metering, finals: Events, caplog: pytest.LogCaptureFixture, registry: CollectorRegistry
) -> None:
    """Never that of another; one warning that says how to tell it, and no inputs to blame."""
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    for url in (URL, URL, "https://api.orshot.com/v1/studio/render", "https://hcti.io/v1/image"):
        client.post(url, content=pieces())
    client.post(URL, files={"a": b"x"})
    found = finals()
    assert len(found) == 5 == len({event["key"] for event in found})
    assert all(event.get("inputs") is None and event["key"].startswith("u1:") for event in found)
    assert len(caplog.messages) == 3 and all("key=" in message for message in caplog.messages)
    assert value(registry, "faults_total") == 0


def test_the_key_of_a_body_that_streams_can_be_told(tmp_path: Path, events: Events) -> None:
    """By the request that the caller makes."""
    with_key = {"events": tmp_path / "usage", "registry": None, "key": lambda request: request.headers["x-title"]}
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), **with_key)  # type: ignore[arg-type]
    for title in ("a", "a", "b"):
        client.post(URL, content=pieces(), headers={"x-title": title})
    client.post(URL, content=pieces())  # the function fails: unknown
    keys = [event["key"] for event in events() if event["outcome"] == "render"]
    assert keys[0] == keys[1] and len(set(keys)) == 3 and keys[3].startswith("u1:")


def test_four_images_cost_four_credits(tmp_path: Path, events: Events) -> None:
    """By the body of the request, exactly; unknown where it does not tell."""
    rules = [
        path_rule("mine", "img.example.com", r"/(?P<template>generations)", units=lambda body: body["n"], credits=0.1),
        path_rule("mine", "img.example.com", r"/(?P<template>batch)", credits=lambda body: len(body["items"])),
    ]
    metering = Metering(events=tmp_path / "usage", registry=None, rules=rules)
    client = meter(httpx.Client(transport=httpx.MockTransport(png)), metering)
    client.post("https://img.example.com/generations", json={"n": 3})
    client.post("https://img.example.com/generations", json={})
    client.post("https://img.example.com/batch", json={"items": [1, 2]})
    client.post("https://img.example.com/batch", content=pieces())
    metering.close()
    found = [event["credits"] for event in events() if event["outcome"] == "render"]
    assert [None if credits is None else str(credits) for credits in found] == ["0.3", None, "2", None]


# Nothing is in the way


def broken(*args: Any, **kwargs: Any) -> Any:
    """A fault of our own."""
    raise LookupError("SECRETvalue")


PLACES = [
    (Metering, "knows"), (Metering, "rule"), (Metering, "identified"), (Metering, "request"), (transports, "started"),
    (transports, "from_cache"), (transports._Tap, "_head"), (transports._Tap, "_watch_body"), (watch.Journey, "begin"),
    (watch.Watch, "heard"), (watch.Watch, "_ended"), (watch.Watch, "_entry"), (watch.Watch, "_refusal"),
    (watch, "failure_of"),
]  # fmt: skip


@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_a_fault_of_ours_stays_with_us(
    owner: Any, name: str, layered: bool, kind: Any, metering: Metering, registry: CollectorRegistry,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The answer, its failure and its stream are those of the plain client; the fault is counted, and said once."""
    script = [200, 404, httpx.ReadError("x"), 200] * 2
    transport: Any = httpx.MockTransport(scripted(*script))
    if layered:
        transport = Layer(transport, lambda layer, request: layer.call(request))
    client = meter(kind(transport=transport), metering)
    monkeypatch.setattr(owner, name, broken)

    async def once() -> Any:
        return await client.post(URL, json={})

    def post() -> Any:
        return asyncio.run(once()) if kind is httpx.AsyncClient else client.post(URL, json={})

    for _ in range(2):
        assert post().content == PICTURE
        assert post().status_code == 404
        with pytest.raises(httpx.ReadError, match="x"):
            post()
        assert post().content == PICTURE
    assert value(registry, "faults_total") > 0
    assert len(caplog.messages) == 1 and "LookupError" in caplog.text and "SECRETvalue" not in caplog.text


def test_a_stream_that_is_not_bytes_passes(metering: Metering) -> None:
    """What cannot be measured is still delivered."""

    class Odd(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[Any]:
            yield from ("text", 7, None)

    odd = httpx.Response(200, stream=Odd(), extensions={"trailers": [("a", "b")], "network_stream": object()})
    client = meter(httpx.Client(transport=httpx.MockTransport(lambda _: odd)), metering)
    with client.stream("POST", URL, json={}) as response:
        assert list(response.stream) == ["text", 7, None]  # type: ignore[arg-type]
        assert response.extensions["trailers"] == [("a", "b")] and "network_stream" in response.extensions


def test_what_else_a_transport_and_a_stream_have_is_there(metering: Metering) -> None:
    """Attributes that other tools read."""

    class Named(httpx.MockTransport):
        nickname = "n"

    class Marked(Body):
        mark = 3

    client = meter(httpx.Client(transport=Named(lambda _: httpx.Response(200, stream=Marked([PICTURE])))), metering)
    assert client._transport.nickname == "n"  # type: ignore[attr-defined]
    with client.stream("POST", URL, json={}) as response:
        assert response.stream._stream.mark == 3  # type: ignore[union-attr]
        assert isinstance(response.stream._stream, httpx.SyncByteStream)  # type: ignore[union-attr]


@pytest.mark.parametrize("close", ["break", "exception", "unread", "cancel"])
def test_a_body_that_is_left_is_closed_at_once(close: str, metering: Metering, finals: Events) -> None:
    """The stream below hears of it as without us."""
    closed: list[str] = []

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            try:
                yield b"a"
                if close == "cancel":
                    await asyncio.sleep(3600)
                yield b"b"
            finally:
                closed.append("iterator")

        async def aclose(self) -> None:
            closed.append("stream")

    async def main() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow()))
        async with meter(httpx.AsyncClient(transport=transport), metering) as client:
            try:
                async with asyncio.timeout(0.05 if close == "cancel" else None):
                    async with client.stream("POST", URL, json={}) as response:
                        if close != "unread":
                            async for _ in response.aiter_raw():
                                if close == "break":
                                    break
                                if close == "exception":
                                    raise KeyError("mine")
            except (KeyError, TimeoutError):
                pass
        assert "stream" in closed

    asyncio.run(main())
    (event,) = finals()
    assert event["outcome"] == ("error" if close == "cancel" else "render") and "digest" not in event


@pytest.mark.parametrize("thing", [object(), httpx, httpx.Client, "x", None, 7, json])
def test_anything_else_is_refused_with_what_is_supported(thing: Any, metering: Metering) -> None:
    """At once, and in one sentence."""
    for act in (lambda: meter(thing, metering), lambda: unmeter(thing)):
        with pytest.raises(ConfigError, match=r"httpx\.AsyncClient.*requests\.Session.*MeteredTransport"):
            act()


def test_options_and_a_metering_are_one_too_many(metering: Metering) -> None:
    """One of them would be ignored."""
    with pytest.raises(ConfigError, match="account, key"):
        meter(httpx.Client(), metering, account="x", key=len)
    with pytest.raises(TypeError):
        meter(httpx.Client(), acount="x")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("args", "right"),
    [(("GET", httpx.URL("https://x/y?key=1")), ("GET", httpx.URL("https://x/y"))),
     (("POST", "/v1/og?dma-api-key=k", 200), ("POST", "/v1/og", 200)), (("why? because",), ("why? because",))],
)  # fmt: skip
def test_logged_addresses_lose_their_query(args: Any, right: Any) -> None:
    """Of httpx, httpx2 and urllib3 alike."""
    record = logging.LogRecord("x", 10, "x", 1, "%s", args, None)
    assert _without_query(record) and record.args == right
