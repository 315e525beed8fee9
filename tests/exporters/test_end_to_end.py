"""Sandbox → client → spool → exporter → a real Prometheus: the same credits everywhere."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor import Renderer, Sandbox
from tests.services import ROOT, free_port, need

CONFIG = """
[accounts.main]
provider = "imejis"
plan = "Basic"
"""


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true answer; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`auditor-exporter serve --follow`, as a user starts it."""
    (tmp_path / "auditor.toml").write_text(CONFIG)
    process = subprocess.Popen(
        [sys.executable, "-m", "exporters.main", "serve", "--ledger", "ledger.db", "--follow", "usage", "--every", "0.1",
         "--listen", "127.0.0.1:0"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().strip(), process
    process.kill()
    process.wait()


@pytest.fixture
def prometheus(tmp_path: Path, exporter: tuple[str, Any]) -> Iterator[Callable[[str], list[Any]]]:
    """Queries to a Prometheus that scrapes the exporter each second."""
    address, _ = exporter
    port = free_port()
    target = urllib.parse.urlsplit(address).netloc
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: imgrender, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
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


def test_the_credits_are_the_invoice(
    tmp_path: Path, exporter: tuple[str, subprocess.Popen[str]], prometheus: Callable[[str], list[Any]]
) -> None:
    """Counter, gauge of the period and invoice agree; the exporter ends tidily and has booked everything."""
    with Sandbox(designs={"dot": (8, 8)}) as sandbox:
        with Renderer(
            api_key="sandbox", base_url=sandbox.url, account="main", events=tmp_path / "usage", registry=None
        ) as renderer:
            for number in range(60):
                renderer.render("dot", {"n": number % 25})
        invoice = sandbox.billing.invoice()["credits"]
    assert invoice == 25

    def value(expression: str) -> float | None:
        found = prometheus(expression)
        return float(found[0]["value"][1]) if found else None

    until(lambda: value("sum(imgrender_requests_total)") == 60)
    assert value("sum(imgrender_credits_used_total)") == invoice
    assert value('sum(imgrender_period_credits_used{account="main",production="true"})') == invoice
    assert value("sum(imgrender_credits_saved_total)") == 35
    assert value("imgrender_plan_credits") == 1000
    assert value('up{job="imgrender"}') == 1
    _, process = exporter
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    until(lambda: value('up{job="imgrender"}') == 0)
