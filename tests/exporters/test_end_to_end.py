"""Sandbox → client → spool → exporter → a real Prometheus and Alertmanager: the same credits everywhere, and alerts."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from auditor_exporter.alertfiles import parameters_of, write_all

from auditor import Renderer, Sandbox
from tests.services import ROOT, free_port, need, until

CONFIG = """
[accounts.main]
provider = "imejis"
plan = "Tiny"

[plans.imejis.Tiny]
price = "1.00"
currency = "USD"
included = 35
"""


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`auditor-exporter serve --follow`, as a user starts it."""
    (tmp_path / "auditor.toml").write_text(CONFIG)
    process = subprocess.Popen(
        [sys.executable, "-m", "auditor_exporter.main", "serve", "--config", "auditor.toml", "--ledger", "ledger.db", "--follow", "usage", "--every", "0.1",
         "--listen", "127.0.0.1:0"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().strip(), process
    process.kill()
    process.wait()


class Webhook(http.server.BaseHTTPRequestHandler):
    """Takes what Alertmanager sends."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        """Keep (alert, status)."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen += [(alert["labels"]["alertname"], alert["status"]) for alert in body["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[str]:
    """Its address."""
    Webhook.seen.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def alertmanager(tmp_path: Path, webhook: str) -> Iterator[str]:
    """HOST:PORT of one that tells the webhook at once; other alerts are inhibited while the exporter is down."""
    config = yaml.safe_load((ROOT / "grafana" / "alertmanager.example.yml").read_text())
    config["route"] = {"receiver": "team", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    config["receivers"] = [{"name": "team", "webhook_configs": [{"url": webhook, "send_resolved": True}]}]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    process = subprocess.Popen(
        [need("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={tmp_path / 'alertmanager.yml'}",
         f"--storage.path={tmp_path / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
         "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


SCALED = ["burn=0.5", "long=8s", "burn_for=1s", "down_for=2s", "patience=1h", "projection_for=1h"]
"""The parameters that a user has, for seconds instead of hours; promtool proves the unscaled rules."""


@pytest.fixture
def prometheus(tmp_path: Path, exporter: tuple[str, Any], alertmanager: str) -> Iterator[Callable[[str], list[Any]]]:
    """Queries to a Prometheus that scrapes the exporter each second and knows our rules."""
    address, _ = exporter
    port = free_port()
    write_all(tmp_path / "alerting", parameters_of(SCALED))
    document = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": "imgrender", "static_configs": [{"targets": [urllib.parse.urlsplit(address).netloc]}]}
        ],
        "rule_files": [str(tmp_path / "alerting" / part / "imgrender.yml") for part in ("rules", "alerts")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(document))
    process = subprocess.Popen(
        [need("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def query(expression: str) -> list[Any]:
        parameters = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{parameters}", timeout=5) as answer:
                return list(json.load(answer)["data"]["result"])
        except OSError:
            return []

    yield query
    process.terminate()
    process.wait()


def test_from_a_burn_to_the_pager(
    tmp_path: Path, exporter: tuple[str, subprocess.Popen[str]], prometheus: Callable[[str], list[Any]]
) -> None:
    """Credits are the invoice; a burn fires; a killed exporter fires and resolves nothing; nothing else does."""
    started = time.monotonic()
    timeline: list[str] = []

    def note(what: str) -> None:
        timeline.append(f"{time.monotonic() - started:5.1f} s  {what}")

    def value(expression: str) -> float | None:
        found = prometheus(expression)
        return float(found[0]["value"][1]) if found else None

    with Sandbox(designs={"dot": (8, 8)}) as sandbox:
        with Renderer(
            api_key="sandbox", base_url=sandbox.url, account="main", events=tmp_path / "usage", registry=None
        ) as renderer:
            renderer.render("dot", {"n": -1})
            until(lambda: value("sum(imgrender_requests_total)") == 1)
            note("the first render is in Prometheus")
            for number in range(60):
                renderer.render("dot", {"n": number % 25})
        invoice = sandbox.billing.invoice()["credits"]
    assert invoice == 26
    note("26 credits burnt")
    until(lambda: value("sum(imgrender_requests_total)") == 61)
    assert value("sum(imgrender_credits_used_total)") == invoice
    assert value('sum(imgrender_period_credits_used{account="main",production="true"})') == invoice
    assert value("sum(imgrender_credits_saved_total)") == 35
    assert value("imgrender_plan_credits") == 35
    note(f"imgrender_period_credits_used = {invoice} = the invoice")
    until(lambda: ("ImgRenderCreditsFastBurn", "firing") in Webhook.seen)
    note("ImgRenderCreditsFastBurn fires at the webhook")
    _, process = exporter
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    note("the exporter is stopped")
    until(lambda: ("ImgRenderExporterDown", "firing") in Webhook.seen)
    note("ImgRenderExporterDown fires at the webhook")
    print("\n".join(timeline))
    assert value('ALERTS{alertname="ImgRenderCreditsFastBurn",alertstate="firing"}') == 1
    assert {name for name, status in Webhook.seen if status == "firing"} <= {
        "ImgRenderCreditsFastBurn", "ImgRenderExporterDown", "ImgRenderCreditsExhaustSoon",
    }  # fmt: skip
    assert not [name for name, status in Webhook.seen if status == "resolved"], "the exporter's death resolves nothing"
