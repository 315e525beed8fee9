"""The example for Alertmanager: amtool accepts it, routes lead where they should, a blind alert keeps quiet."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from auditor_exporter.alerts import source

from tests.services import ROOT, free_port, need

EXAMPLE = ROOT / "grafana" / "alertmanager.example.yml"


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real one."""
    return subprocess.run(
        [need("prometheus-alertmanager", "amtool"), *arguments], capture_output=True, text=True, check=False
    )


def test_amtool_accepts_it() -> None:
    """`amtool check-config`."""
    done = amtool("check-config", str(EXAMPLE))
    assert done.returncode == 0 and "1 inhibit rules" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "team"), ("info", "team")])
def test_routes(severity: str, receiver: str) -> None:
    """By severity, whichever alert it is."""
    done = amtool("config", "routes", "test", f"--config.file={EXAMPLE}", f"severity={severity}", "alertname=X")
    assert done.stdout.split() == [receiver], done.stdout + done.stderr


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """A real one with the example, which tells nobody within the test's time."""
    config = yaml.safe_load(EXAMPLE.read_text())
    config["route"]["group_wait"] = "1h"
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    process = subprocess.Popen(
        [need("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={tmp_path / 'alertmanager.yml'}",
         f"--storage.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def asked(url: str, body: Any = None, seconds: float = 20) -> Any:
    """GET, or POST of JSON; tried again until it listens."""
    request = urllib.request.Request(
        url, data=None if body is None else json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read() or b"null")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_while_the_exporter_is_down_the_others_keep_quiet(alertmanager: str) -> None:
    """Every other alert of the job, and none of another job; ExporterDown itself is told."""
    names = [alert.alert for alert in source().alerts]
    down = "ImgRenderExporterDown"
    alerts = [
        {"labels": {"alertname": name, "job": job, "severity": "warning"}}
        for job in ("imgrender", "shop")
        for name in names
        if (name, job) != (down, "shop")
    ]
    others = [alert for alert in alerts if alert["labels"]["alertname"] != down]
    asked(f"{alertmanager}/api/v2/alerts", others)
    asked(f"{alertmanager}/api/v2/alerts", [alert for alert in alerts if alert not in others])
    found = asked(f"{alertmanager}/api/v2/alerts")
    deadline = time.monotonic() + 20
    while sum(bool(each["status"]["inhibitedBy"]) for each in found) < len(names) - 1 and time.monotonic() < deadline:
        time.sleep(0.1)
        found = asked(f"{alertmanager}/api/v2/alerts")
    quiet = {(each["labels"]["alertname"], each["labels"]["job"]) for each in found if each["status"]["inhibitedBy"]}
    assert quiet == {(name, "imgrender") for name in names if name != down}
    assert len(found) == len(alerts)
