"""Prometheus and Alertmanager, of Debian's packages, with the rules, alerts and the example that this project ships."""

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import yaml

from scripts.live.history import CLIENT, EXPORTER, Place
from scripts.live.processes import ROOT, LiveError, Processes
from tests.grafana.prometheus import Prometheus
from tests.services import free_port

PACKAGES = ("prometheus", "prometheus-alertmanager")
EXAMPLE = ROOT / "grafana" / "alertmanager.example.yml"
EXAMPLE_RECEIVER = "http://127.0.0.1:9999"
"""Where the example sends to."""


def install() -> None:
    """The packages, unless they are there."""
    done = subprocess.run(  # noqa: S603 (our own script)
        [ROOT / "scripts" / "services.sh", *PACKAGES], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LiveError(f"{' and '.join(PACKAGES)} cannot be installed ({last}); install them with apt-get")


def alertmanager(processes: Processes, folder: Path, receiver: str, waits: Mapping[str, str]) -> str:
    """HOST:PORT of one with our example, whose alerts go to *receiver*; *waits* are those of its route."""
    document = yaml.safe_load(EXAMPLE.read_text().replace(EXAMPLE_RECEIVER, receiver))
    document["route"] |= waits
    config = _written(folder / "alertmanager.yml", document)
    address = f"127.0.0.1:{free_port()}"
    processes.serve(
        "alertmanager", "prometheus-alertmanager", f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={address}", "--cluster.listen-address=",
    )  # fmt: skip
    _ready(processes, "Alertmanager", address)
    return address


def prometheus(
    processes: Processes, place: Place, exporter: str, client: str, alertmanager: str, every: int, holds: int
) -> Prometheus:
    """A server with our rules, over the history, that scrapes and evaluates *every* so many seconds.

    A sample of the history *holds* for the seconds between two of them.
    """
    targets = (("imgrender", exporter, EXPORTER), ("shop", client, CLIENT))
    rules = place.folder / "alerting"
    document = {
        "global": {"scrape_interval": f"{every}s", "scrape_timeout": f"{every}s", "evaluation_interval": f"{every}s"},
        "rule_files": [str(rules / part / "imgrender.yml") for part in ("rules", "alerts")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        # The instance is a name: it is that of the history, whatever port is free now.
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address], "labels": {"instance": instance}}]}
            for job, address, instance in targets
        ],
    }
    config = _written(place.folder / "prometheus.yml", document)
    port = free_port()
    processes.serve(
        "prometheus", "prometheus", f"--config.file={config}", f"--storage.tsdb.path={place.data}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d",
        f"--query.lookback-delta={holds}s",
    )  # fmt: skip
    _ready(processes, "Prometheus", f"127.0.0.1:{port}")
    return Prometheus(port)


def _written(path: Path, document: Any) -> Path:
    path.write_text(yaml.safe_dump(document))
    return path


def _ready(processes: Processes, name: str, address: str) -> None:
    def answers() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://{address}/-/ready").is_success
        return False

    processes.until(answers, f"{name} answers")
