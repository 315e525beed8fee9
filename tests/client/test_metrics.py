"""Metrics agree with the events, are bounded, and can be scraped."""

import asyncio
import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from auditor.client.renderer import Renderer
from auditor.model.errors import ConfigError, RenderError
from auditor.model.metrics import CLIENT, LABEL_CAP
from tests.client.conftest import Time, Upstream, fails
from tests.client.test_renderer import raising, value
from tests.services import ROOT

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]


def test_they_agree_with_the_events(
    build: Build, upstream: Upstream, moving: Time, registry: CollectorRegistry, events: Events
) -> None:
    """Requests by result, calls, retries, credits known and uncertain, bytes."""
    upstream.script = [
        fails(500),
        fails(429, {"message": "slow"}),
        fails(502),
        raising(httpx.ReadTimeout("x")),
        fails(400),
    ]
    renderer = build(clock=moving.clock())
    for number in itertools.chain(range(8), range(8), range(3)):
        with suppress(RenderError):
            renderer.render("og", {"n": number})
    renderer.close()
    finals = [event for event in events() if event["outcome"] != "attempt"]
    requests = Counter(event["outcome"] for event in finals if not event.get("retried"))
    assert {r: value(registry, "requests_total", result=r) for r in requests} == requests
    assert value(registry, "requests_total") == sum(requests.values()) == 19
    calls = [event for event in finals if event["outcome"] in ("render", "error")]
    assert value(registry, "api_requests_total") == len(calls) == len(upstream.calls)
    assert value(registry, "api_retries_total") == sum(event.get("retried", False) for event in calls)
    assert value(registry, "credits_used_total") == sum(event["credits"] or 0 for event in calls)
    assert value(registry, "credits_uncertain_total") == sum(event["credits"] is None for event in calls) == 2
    assert value(registry, "output_bytes_total", format="png") == sum(event.get("bytes", 0) for event in finals)
    assert value(registry, "request_duration_seconds_count") == 19
    assert value(registry, "inflight_requests") == 0
    assert value(registry, "credits_used_total", app_env="production", production="true") == requests["render"]


def test_every_metric_is_in_the_table(build: Build, registry: CollectorRegistry) -> None:
    """Names, types, help and labels; none twice; no `_created`."""
    build().render("og", {})
    text = generate_latest(registry).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {definition.name.removesuffix("_total") for definition in CLIENT}
    for definition in CLIENT:
        family = families[definition.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (definition.type, definition.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(definition.labels)
    assert "_created" not in text


@pytest.mark.slow
def test_labels_are_bounded(upstream: Upstream, registry: CollectorRegistry) -> None:
    """10,000 accounts and environments make a bounded number of series; totals are kept; unprintable ones are `other`."""
    for number in range(10_000):
        with Renderer(api_key="k", account=f"a{number}", environment=f"e{number % 50}", registry=registry) as renderer:
            renderer._meter._account.ended("error", 0.1)  # type: ignore[union-attr]
    with Renderer(api_key="k", account="bad\n", registry=registry) as renderer:
        assert renderer._meter.metrics.account("half\ud800") == "other"  # type: ignore[union-attr]
    accounts = {s.labels["account"] for m in registry.collect() for s in m.samples if "account" in s.labels}
    assert len(accounts) == LABEL_CAP + 1 and "other" in accounts
    assert value(registry, "requests_total") == 10_000
    assert value(registry, "label_values_dropped_total", label="account") == 10_000 - LABEL_CAP + 2
    assert len(generate_latest(registry)) < 1 << 20


def test_renderers_of_one_process_share_them(build: Build, registry: CollectorRegistry) -> None:
    """Two of one account add up, two of others stand apart; the registry is asked once."""
    for account in ("a", "a", "b"):
        build(account=account).render("og", {})
    assert [value(registry, "requests_total", account=account) for account in "ab"] == [2, 1]


def test_they_can_be_scraped(build: Build, upstream: Upstream) -> None:
    """As ASGI and as WSGI."""
    renderer = build()
    renderer.render("og", {})

    async def asgi() -> str:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(renderer.metrics_app()), base_url="http://x"
        ) as client:
            return (await client.get("/metrics")).text

    wsgi = httpx.Client(transport=httpx.WSGITransport(renderer.metrics_app("wsgi")), base_url="http://x")
    for text in (asyncio.run(asgi()), wsgi.get("/metrics").text):
        assert 'imgrender_client_requests_total{account="main",provider="imejis",result="render"} 1.0' in text
    with pytest.raises(ConfigError):
        build(registry=None).metrics_app()


def test_multiprocess_mode(tmp_path: Path) -> None:
    """gunicorn's way: four workers' counts add up in one scrape."""
    script = (
        "import sys\nfrom auditor import Renderer\nfrom tests.client.conftest import Upstream\n"
        "r = Renderer(api_key='k', transport=Upstream())\n"
        "[r.render('og', {'n': n % 5}) for n in range(10)]\n"
    )
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
    for _ in range(4):
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, env=environment)
    collect = (
        "from prometheus_client import CollectorRegistry, generate_latest, multiprocess\n"
        "r = CollectorRegistry(); multiprocess.MultiProcessCollector(r)\nprint(generate_latest(r).decode())"
    )
    text = subprocess.run([sys.executable, "-c", collect], check=True, env=environment, capture_output=True, text=True)
    found = {
        s.name + s.labels.get("result", ""): s.value
        for f in text_string_to_metric_families(text.stdout)
        for s in f.samples
    }
    assert found["imgrender_client_requests_totalrender"] == 20
    assert found["imgrender_client_requests_totalhit"] == 20


def test_the_last_paid_render_is_a_time(build: Build, registry: CollectorRegistry, moving: Time) -> None:
    """By the client's clock."""
    build(clock=moving.clock()).render("og", {})
    assert value(registry, "last_paid_render_timestamp_seconds") == moving.now
