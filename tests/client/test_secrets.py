"""A canary in the key, the inputs and the address turns up nowhere."""

import base64
import hashlib
import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from auditor import Budget, Files, Memory, Metering, Redis, Renderer, Tiered, meter, metered
from auditor.caches import Cache
from auditor.model.errors import RenderError
from auditor.sandbox.server import Sandbox
from tests.client.conftest import Upstream, fails
from tests.client.test_renderer import raising
from tests.services import redis_server

KEY, INPUT, ADDRESS = "CANARYkey7391", "CANARYinput7391", "CANARYaddress7391"


def shapes(canary: str) -> set[bytes]:
    """How it might look if somebody was careless: plain, encoded, hashed without a key."""
    raw = canary.encode()
    found = {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode()}
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, raw)
        found |= {digest.hexdigest().encode(), digest.hexdigest()[:16].encode()}
    return found


@pytest.fixture
def everything() -> Iterator[io.StringIO]:
    """All that any logger says, at DEBUG."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for library in ("httpx", "httpcore"):  # the exporter quiets them for its process
        logging.getLogger(library).setLevel(logging.NOTSET)
    yield said
    root.removeHandler(handler)
    root.setLevel(before)


def explained(error: BaseException) -> str:
    """All that an error report may take from an exception: text, repr, traceback, attributes, causes."""
    parts = []
    current: BaseException | None = error
    while current is not None:
        parts += [str(current), repr(current), "".join(traceback.format_exception(current)), repr(vars(current))]
        current = current.__cause__ or current.__context__
    return "\n".join(parts) + repr(pickle.dumps(error))


def test_no_canary_anywhere(tmp_path: Path, everything: io.StringIO) -> None:
    """Events, logs, labels, exceptions, names of files, repr; with every store and every kind of failure."""
    registry = CollectorRegistry()
    upstream = Upstream()
    failures = [
        fails(401, {"error": "Unauthorized"}), fails(404, {"error": "Key not found"}), fails(429, {"reason": "no-plan"}),
        fails(500), fails(400, {"message": "no"}), raising(httpx.ReadTimeout("x")), raising(httpx.ConnectError("x")),
        fails(404, {"error": f"Key {KEY} not found"}), fails(400, {"message": f"text {INPUT!r} is too long"}),
        lambda _: httpx.Response(200, json={"success": True}),
        lambda _: httpx.Response(200, json={"url": f"https://cdn/x.png?token={ADDRESS}", "expiresAt": "2099-01-01T00:00:00Z"}),
    ]  # fmt: skip
    texts: list[str] = []
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as server:
        stores: list[Cache | Tiered] = [Memory(), Files(tmp_path / "renders"), Tiered(Memory(), Redis(server.url))]
        for store in stores:
            with Renderer(
                api_key=KEY, cache=store, events=tmp_path / "usage", registry=registry, transport=upstream, tries=1,
                budget=Budget(100),
            ) as renderer:  # fmt: skip
                for place, failure in enumerate(failures):
                    upstream.script = [failure]
                    try:
                        picture = renderer.render("og", {"title.text": INPUT, "n": place}, delivery="hosted")
                        texts += [repr(picture), repr(picture.entry), repr(picture.entry.picture)]
                    except RenderError as error:
                        texts.append(explained(error))
                renderer.render("og", {"title.text": INPUT})
                renderer.render("og", {"title.text": INPUT})
                for bad in ({"a": {INPUT}}, {"a": INPUT + "\ud800"}, {INPUT: float("nan")}):
                    with pytest.raises(RenderError) as caught:
                        renderer.render("og", bad)
                    texts.append(explained(caught.value))
                texts += [repr(renderer), repr(vars(renderer)["_scope"]), repr(store)]
                request: Any = renderer._core.begin("og", {"t": INPUT}, None, None, None, False, None, {})
                texts.append(repr(request))
        names = [name.decode() for name in server.client.scan_iter()]
    with Sandbox() as sandbox:
        with Renderer(api_key=KEY, base_url=sandbox.url, events=tmp_path / "usage", registry=registry) as renderer:
            with pytest.raises(RenderError) as caught:
                renderer.render("og", {"title.text": INPUT})
            texts.append(explained(caught.value))
        own = httpx.Client()
        meter(own, Metering(events=tmp_path / "usage", registry=registry))
        own.get(f"{sandbox.url}/og", params={"dma-api-key": KEY, "title.text": INPUT, "x": ADDRESS})

    @metered("og", events=tmp_path / "usage", registry=registry)
    def draw(title: str) -> bytes:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        draw(INPUT)
    haystack = [text.encode() for text in [*texts, *names, everything.getvalue()]]
    haystack.append(generate_latest(registry))
    for path in tmp_path.rglob("*"):
        haystack.append(str(path.relative_to(tmp_path)).encode())
        if path.is_file() and "usage" in str(path):
            haystack.append(path.read_bytes())
    everything_found = b"\n".join(haystack)
    assert b"imgrender_client_requests_total" in everything_found and b'"outcome":"render"' in everything_found
    assert b"POST" in everything.getvalue().encode(), "httpx was heard"
    for canary in (KEY, INPUT, ADDRESS):
        for shape in shapes(canary):
            assert shape not in everything_found, shape


def test_digests_of_names_cannot_be_guessed(tmp_path: Path) -> None:
    """A dictionary of 100,000 names matches nothing without the secret."""
    events: list[Any] = []
    with Renderer(
        api_key="k", secret="not guessable", events=events.append, transport=Upstream(), registry=None
    ) as renderer:
        for number in range(50):
            renderer.render("og", {"name": f"user{number}"})
    known = {value for event in events for value in event.get("inputs", {}).values()}
    assert len(known) == 50
    for number in range(100_000):
        name = f'"user{number}"'.encode()
        assert hashlib.sha256(name).hexdigest()[:16] not in known
        assert hashlib.blake2b(name, digest_size=32).hexdigest()[:16] not in known
