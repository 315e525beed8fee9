"""The Python to copy: run against the sandbox, it renders each image of the planted calls once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from auditor import Renderer, Sandbox
from auditor.providers.imejis import Imejis
from auditor.sandbox import server
from auditor.sandbox.pictures import draw
from tests.conftest import DIGEST, documented, event, lines
from tests.services import RedisServer, redis_server

HOSTILE = [
    "banner",
    "a\"b'c",
    "line\nbreak",
    "${HOME}",
    "}) or exit(1) #",
    "\\",
    "a{0!r}",
    "long-name-" * 12,
    "\u202eodd",
    "日本",
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis in place of the user's own."""
    with redis_server_of(tmp_path_factory.mktemp("redis")) as server:
        yield server


redis_server_of = redis_server


def calls(field: str) -> list[dict[str, Any]]:
    """The inputs of 48 calls for 3 images, with two fields that never show, one of them nested."""
    return [
        {"title": {"text": f"Post {n % 3}", field: n // 3 // 4}, "rendered_at": f"2026-09-01T08:{n // 3 % 4:02d}"}
        for n in range(48)
    ]


def snippets(found: dict[str, Any], rule: str) -> set[str]:
    """The different texts of the findings of a rule."""
    return {each["snippet"]["text"] for each in found["findings"] if each["rule"] == rule}


def run(text: str, redis: RedisServer) -> dict[str, Any]:
    """What a snippet defines; only the Redis is another one."""
    names: dict[str, Any] = {}
    exec(compile(text.replace("redis://127.0.0.1:6379/0", redis.url), "<snippet>", "exec"), names)
    return names


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The provider, at its usual address and with the key of the environment: designs that show texts, nothing else."""

    def shown(design: str, _: bytes, texts: tuple[str, ...], *rest: Any) -> bytes:
        return draw(design, repr(texts).encode(), texts, *rest)

    monkeypatch.setattr(server, "draw", shown)
    with Sandbox() as running:
        monkeypatch.setattr(Imejis, "base_url", running.url)
        monkeypatch.setenv("AUDITOR_API_KEY", "sandbox")
        monkeypatch.setattr("prometheus_client.REGISTRY", CollectorRegistry())
        yield running


@pytest.mark.parametrize("name", HOSTILE)
def test_each_image_is_rendered_once(sandbox: Sandbox, redis: RedisServer, tmp_path: Path, name: str) -> None:
    """Without a cache 48 renders; two processes with the snippet of the audit of these make 3 of the same calls.

    Names are whatever a log holds, and stay text.
    """
    redis.client.flushall()
    account, environment = f"acc {name}", f"env {name}".lower()
    with Renderer(
        "imejis", account=account, environment=environment, cache=None, events=tmp_path / "usage", registry=None
    ) as bare:
        for overrides in calls(name):
            bare.render("og-card", overrides)
    paid = sandbox.billing.invoice()["credits"]
    assert paid == 48
    owner = {"account": account, "environment": environment, "template": name, "digest": DIGEST}
    others = [
        event(f"e{n}", f"2026-09-01T08:{n:02d}:00Z", key=f"k{n}", inputs={name: str(n)}, **owner) for n in range(9)
    ]
    (tmp_path / "others.jsonl").write_bytes(lines(others))
    logs = [tmp_path / "usage", tmp_path / "others.jsonl"]
    (text,) = snippets(documented(logs, tmp_path, {"production_environments": [environment]}), "volatile-inputs")
    for _ in range(2):
        names = run(text, redis)
        assert names["LEFT_OUT"] == {"og-card": sorted(["rendered_at", f"title.{name}"]), name: [name]}
        with names["renderer"] as renderer:
            images = [names["render"]("og-card", overrides) for overrides in calls(name)]
        assert {image.width for image in images} == {1200}
        assert (renderer._scope.account, renderer._scope.environment) == (account, environment)
    assert sandbox.billing.invoice()["credits"] - paid == 3


def test_without_volatile_fields_it_is_the_renderer_alone(sandbox: Sandbox, redis: RedisServer, tmp_path: Path) -> None:
    """Repeats of two templates have one fix, which both share."""
    redis.client.flushall()
    with Renderer("imejis", account="main", cache=None, events=tmp_path / "usage", registry=None) as bare:
        for n in range(12):
            bare.render(f"t{n % 2}", {"a": n % 4})
    found = documented([tmp_path / "usage"], tmp_path)
    (text,) = snippets(found, "duplicate-renders")
    assert "LEFT_OUT" not in text
    before = sandbox.billing.invoice()["credits"]
    names = run(text, redis)
    with names["renderer"] as renderer:
        for n in range(12):
            renderer.render(f"t{n % 2}", {"a": n % 4})
    assert sandbox.billing.invoice()["credits"] - before == 4


def test_a_provider_that_the_client_does_not_call_has_none(tmp_path: Path) -> None:
    """Of Bannerbear the client counts the calls that another library makes."""
    log = tmp_path / "usage.jsonl"
    events = [event(f"e{n}", f"2026-09-01T08:{n:02d}:00Z", provider="bannerbear") for n in range(4)]
    log.write_bytes(lines(events))
    (finding,) = [each for each in documented([log], tmp_path)["findings"] if each["rule"] == "duplicate-renders"]
    assert "snippet" not in finding
