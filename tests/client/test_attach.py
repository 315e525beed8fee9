"""Metering what is there: nothing changes for the caller, and nothing is missed."""

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor import MeteredTransport, Metering, Renderer, meter, metered, path_rule, unmeter
from tests.client.conftest import PICTURE, Upstream, outcomes
from tests.client.test_renderer import value
from tests.services import ROOT

DAY = date(2026, 9, 1)
URL = "https://render.imejis.io/v1/og?format=png"
Events = Callable[[], list[dict[str, Any]]]


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An answer in pieces, which may break off."""

    def __init__(self, pieces: list[bytes], breaks: bool = False) -> None:
        self.pieces, self.breaks = pieces, breaks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.breaks:
            raise httpx.ReadError("gone")

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece


@pytest.fixture
def metering(tmp_path: Path, registry: CollectorRegistry) -> Iterator[Metering]:
    """Events into the test's folder."""
    made = Metering(account="main", events=tmp_path / "usage", secret="s", registry=registry)
    yield made
    made.close()


def answer(request: httpx.Request) -> httpx.Response:
    """By the path."""
    if request.url.path.endswith("/slow"):
        raise httpx.ReadTimeout("slow")
    if request.url.path.endswith("/refused"):
        raise httpx.ConnectError("refused")
    if request.url.path.endswith("/full"):
        return httpx.Response(429, json={"data": {"remaining": 0}})
    if request.url.path.endswith("/broken"):
        return httpx.Response(200, headers={"content-type": "image/png"}, stream=Body([PICTURE[:9]], breaks=True))
    return httpx.Response(200, headers={"content-type": "image/png"}, stream=Body([PICTURE[:9], PICTURE[9:]]))


def post(client: Any, url: str, **options: Any) -> Any:
    """With either kind of client."""
    if isinstance(client, httpx.AsyncClient):
        return asyncio.run(client.post(url, **options))
    return client.post(url, **options)


@pytest.fixture(params=[httpx.Client, httpx.AsyncClient])
def client(request: pytest.FixtureRequest) -> Any:
    """Either kind."""
    return request.param(transport=httpx.MockTransport(answer))


def test_a_render_through_someone_s_client(
    client: Any, metering: Metering, events: Events, registry: CollectorRegistry
) -> None:
    """The body passes unchanged and is measured; the key is the renderer's own for the same request."""
    meter(client, metering)
    response = post(client, URL, json={"title.text": "x"}, headers={"dma-api-key": "k"})
    assert response.content == PICTURE
    metering.close()
    attempt, render = events()
    assert attempt["id"] == render["id"] and (attempt["outcome"], render["outcome"]) == ("attempt", "render")
    assert (render["bytes"], render["width"], render["format"]) == (len(PICTURE), 16, "png")
    with Renderer(api_key="k", account="main", secret="s", transport=Upstream(), registry=None) as renderer:
        own = renderer.render("og", {"title.text": "x"}, format="png")
    assert own.key == render["key"] and own.entry.digest == render["digest"]
    assert value(registry, "requests_total", result="render") == 1


def test_failures_are_seen_as_they_are(client: Any, metering: Metering, events: Events) -> None:
    """Raised on as they were; hooks would miss them."""
    meter(client, metering)
    for path, error in (("slow", httpx.ReadTimeout), ("refused", httpx.ConnectError), ("broken", httpx.ReadError)):
        with pytest.raises(error):
            post(client, f"https://render.imejis.io/v1/{path}", json={})
    assert post(client, "https://render.imejis.io/v1/full", json={}).status_code == 429
    metering.close()
    finals = [(e["error"], e["credits"], e["status"]) for e in events() if e["outcome"] == "error"]
    assert finals == [
        ("timeout", None, None), ("connection", 0, None), ("connection", None, None), ("quota", 0, 429),
    ]  # fmt: skip


def test_a_body_that_nobody_reads_was_paid_for(metering: Metering, events: Events) -> None:
    """Streamed and left: a render without a digest would be no lie, but no render would be."""
    client = meter(httpx.Client(transport=httpx.MockTransport(answer)), metering)
    with client.stream("POST", URL, json={}):
        pass
    metering.close()
    assert outcomes(events()) == {"attempt": 1, "render": 1}


def test_other_traffic_is_left_alone(client: Any, metering: Metering, tmp_path: Path) -> None:
    """Other hosts, other paths, uploads that stream."""
    meter(client, metering)
    post(client, "https://example.com/v1/og", json={})
    post(client, "https://render.imejis.io/health", json={})
    assert not (tmp_path / "usage").exists()


def test_it_can_be_undone(client: Any, metering: Metering, tmp_path: Path) -> None:
    """Also after metering twice; transports for patterns of addresses too."""
    before = client._transport
    client._mounts = {httpx._utils.URLPattern("all://x"): before}
    meter(client, metering)
    meter(client, metering)
    assert isinstance(client._transport, MeteredTransport) and client._transport.inner is before
    assert all(isinstance(t, MeteredTransport) for t in client._mounts.values())
    unmeter(client)
    assert client._transport is before and list(client._mounts.values()) == [before]
    post(client, URL, json={})
    assert not (tmp_path / "usage").exists()


def test_a_rule_of_one_s_own(metering: Metering, events: Events, tmp_path: Path) -> None:
    """For an API that nobody described."""
    own = Metering(
        events=tmp_path / "usage", registry=None, secret="s",
        rules=[path_rule("mine", "img.example.com", r"/render/(?P<template>[^/]+)")],
    )  # fmt: skip
    client = meter(httpx.Client(transport=httpx.MockTransport(answer)), own)
    client.post("https://img.example.com/render/card?w=1", json={"a": 1})
    client.post("https://img.example.com/render/card?w=2", json={"a": 1})
    with pytest.raises(httpx.ReadTimeout):
        client.post("https://img.example.com/render/slow")
    client.post("https://img.example.com/render/full")
    own.close()
    found = events()
    assert outcomes(found) == {"attempt": 4, "render": 2, "error": 2}
    assert {e["provider"] for e in found} == {"mine"} and len({e["key"] for e in found if e["template"] == "card"}) == 2


def test_a_get_with_the_key_in_its_address(metering: Metering, events: Events) -> None:
    """The overrides are the query; the key is no input."""
    client = meter(httpx.Client(transport=httpx.MockTransport(answer)), metering)
    client.get("https://render.imejis.io/v1/og?dma-api-key=SECRET&title.text=Hello&format=jpg&quality=80")
    metering.close()
    (render,) = [e for e in events() if e["outcome"] == "render"]
    assert list(render["inputs"]) == ["title.text"] and "SECRET" not in str(render)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_any_function(kind: str, metering: Metering, events: Events) -> None:
    """Its arguments make the key, whether by place or by name."""
    if kind == "sync":

        @metered("og", metering=metering)
        def draw(day: date, title: str, size: int = 2) -> bytes:
            return PICTURE
    else:

        @metered("og", metering=metering)
        async def draw(day: date, title: str, size: int = 2) -> bytes:  # type: ignore[misc]
            return PICTURE

    def call(*args: Any, **kwargs: Any) -> bytes:
        result: Any = draw(*args, **kwargs)
        return asyncio.run(result) if kind == "async" else result

    assert call(DAY, "a") == PICTURE == call(DAY, title="a", size=2) == call(DAY, "b")
    with pytest.raises(TypeError):
        call()
    metering.close()
    renders = [e for e in events() if e["outcome"] == "render"]
    assert [e["key"] == renders[0]["key"] for e in renders] == [True, True, False]
    assert set(renders[0]["inputs"]) == {"day", "title", "size"} and renders[0]["width"] == 16
    assert draw.__wrapped__.__name__ == "draw"  # type: ignore[attr-defined]


def test_a_function_that_fails(metering: Metering, events: Events) -> None:
    """Raised on; what it cost is unknown."""

    @metered("og", metering=metering)
    def draw() -> bytes:
        raise KeyError("x")

    with pytest.raises(KeyError):
        draw()
    metering.close()
    assert [(e["error"], e["credits"]) for e in events() if e["outcome"] == "error"] == [("other", None)]


def test_a_result_that_will_not_show_its_bytes(metering: Metering, events: Events) -> None:
    """An address instead of bytes, a body that was not read: returned as it is, and recorded as paid for."""

    class Address:
        @property
        def content(self) -> bytes:
            raise ValueError("this is an address")

    result = Address()

    @metered("og", metering=metering)
    def draw() -> Address:
        return result

    assert draw() is result
    metering.close()
    assert outcomes(events()) == {"attempt": 1, "render": 1}


def test_compressed_answers_are_understood(metering: Metering, events: Events) -> None:
    """httpx asks for them; a hosted image is a render, a missing plan is one."""
    bodies = iter([
        (200, {"success": True, "url": "https://cdn/x.png", "format": "png"}),
        (429, {"success": False, "reason": "no-plan", "data": {"remaining": 0}}),
    ])  # fmt: skip

    def compressed(_: httpx.Request) -> httpx.Response:
        status, body = next(bodies)
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        return httpx.Response(status, headers=headers, stream=Body([gzip.compress(json.dumps(body).encode())]))

    client = meter(httpx.Client(transport=httpx.MockTransport(compressed)), metering)
    assert client.post(URL, json={}).json()["url"] == "https://cdn/x.png"
    assert client.post(URL, json={}).status_code == 429
    metering.close()
    assert [(e["outcome"], e.get("error")) for e in events() if e["outcome"] != "attempt"] == [
        ("render", None), ("error", "no_plan"),
    ]  # fmt: skip


@pytest.mark.parametrize("kept", ["usage", ""])
def test_a_metered_function_in_a_forked_child(kept: str, tmp_path: Path) -> None:
    """Though a thread of the parent was counting at the fork."""
    script = (
        "import os, sys\nfrom auditor import Metering, metered\n"
        "metering = Metering(events=sys.argv[1] or None, secret='s')\n"
        "@metered('og', metering=metering)\ndef draw(n): return b''\n"
        "draw(1)\nm = metering.meter('imejis')\n"
        "locks = [m._account.requests['render']._value._lock] + ([m.sink._lock] if m.sink else [])\n"
        "[lock.acquire() for lock in locks]\n"
        "if os.fork() == 0:\n    draw(2)\n    os._exit(0)\n"
        "[lock.release() for lock in locks]\nos._exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    folder = str(tmp_path / kept) if kept else ""
    subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, check=True, timeout=20)


def test_events_of_attached_clients_are_valid(metering: Metering, events: Events) -> None:
    """By the normative reader."""
    from auditor.model.event_reader import parse_event

    client = meter(httpx.Client(transport=httpx.MockTransport(answer)), metering)
    client.post(URL, json={"a": {"b": [1, None]}})
    metering.close()
    for event in events():
        parse_event(event, None)  # type: ignore[arg-type]
    assert json.dumps(events()[0]["key"]).startswith('"k1:')
