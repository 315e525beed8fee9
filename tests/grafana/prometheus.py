"""A real Prometheus over a history: blocks made by promtool, our rules evaluated over all of it."""

import json
import math
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auditor_exporter.alertfiles import alerting, recording
from auditor_exporter.alerts import Parameters

from auditor.ledger.database import Ledger
from tests.grafana.history import WHOLE, Scene, Shop
from tests.grafana.processes import STEP
from tests.services import free_port, need

Matrix = list[dict[str, Any]]


class Prometheus:
    """Its HTTP API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer; AssertionError with what it says otherwise."""
        try:
            with urllib.request.urlopen(
                f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=300
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def at(self, expr: str, when: float) -> Matrix:
        """An instant query."""
        return list(self.get("/api/v1/query", query=expr, time=str(when))["result"])

    def over(self, expr: str, start: float, end: float, step: float) -> Matrix:
        """A range query."""
        asked = {"query": expr, "start": str(start), "end": str(end), "step": str(step)}
        return list(self.get("/api/v1/query_range", **asked)["result"])

    def values(self, label: str, series: str, start: float, end: float) -> list[str]:
        """What `label_values(series, label)` gives."""
        return list(self.get(f"/api/v1/label/{label}/values", start=str(start), end=str(end), **{"match[]": series}))


@contextmanager
def past(scene: Scene = WHOLE) -> Iterator[tuple[Prometheus, Ledger]]:
    """A server over the whole history with its rules, and the ledger of it."""
    # In memory: thousands of commits, and nothing that has to survive a power cut.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="history-", dir=memory) as name, Ledger(Path(name) / "ledger.db") as ledger:
        folder, data = Path(name), Path(name) / "data"
        with (folder / "history.om").open("w") as out:
            Shop(folder, ledger, scene).run(out)
        blocks(folder / "history.om", data)
        with served(data) as server, (folder / "rules.om").open("w") as out:
            out.writelines(ruled(server, scene.start.timestamp() + STEP, scene.end.timestamp(), Parameters()))
        blocks(folder / "rules.om", data)
        with served(data) as server:
            yield server, ledger


def blocks(samples: Path, data: Path) -> None:
    """OpenMetrics with times -> blocks of a database."""
    # (a hidden flag: by default it reads the whole file once for every two hours)
    make = [need("prometheus", "promtool"), "tsdb", "create-blocks-from", "--max-block-duration=1000h"]
    done = subprocess.run([*make, "openmetrics", samples, data], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def served(data: Path, step: int = STEP) -> Iterator[Prometheus]:
    """A server over the blocks; samples hold for a *step*, as with a scrape interval of so many seconds."""
    port = free_port()
    config = data.parent / "prometheus.yml"
    config.write_text("{}\n")
    process = subprocess.Popen(
        [need("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}",
         f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y",
         f"--query.lookback-delta={step}s"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        server = Prometheus(port)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{server.url}/-/ready", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()


def ruled(server: Prometheus, start: float, end: float, parameters: Parameters, step: int = STEP) -> Iterator[str]:
    """Samples that our rules would have left: records, and alerts from when they are pending on, as Prometheus evaluates.

    Rules that read rules have them put in their place, since blocks cannot be made one on the other without a restart.
    """
    records = {rule["record"]: rule["expr"] for rule in recording(parameters)["groups"][0]["rules"]}
    for name, expr in records.items():
        yield from _samples(name, {}, server.over(_expanded(expr, records, step), start, end, step))
    for rule in alerting(parameters)["groups"][0]["rules"]:
        labels = {"alertname": rule["alert"], **rule["labels"]}
        found = server.over(f"clamp(({_expanded(rule['expr'], records, step)}), 1, 1)", start, end, step)
        yield from _alerted(labels, found, _seconds(rule.get("for", "0s")), step)
    yield "# EOF\n"


def _expanded(expr: str, records: Mapping[str, str], step: int) -> str:
    while found := re.search(r"account:\w+:\w+", expr):
        inner = f"({records[found[0]]})"
        rest = expr[found.end() :]
        if selector := re.match(r"\{[^}]*\}", rest):
            inner, rest = _selected(inner, selector[0]), rest[selector.end() :]
        if ranged := re.match(r"\[(\w+)\]", rest):
            inner, rest = f"{inner}[{ranged[1]}:{step}s]", rest[ranged.end() :]
        expr = expr[: found.start()] + inner + rest
    return expr


def _selected(inner: str, selector: str) -> str:
    """Only series of a record have selectors; an expression is joined with the values of the label."""
    for label, operator, values in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector):
        wanted = " or ".join(
            f'label_replace(vector(1), "{label}", "{value}", "", "")' for value in values.split("|")
        )  # fmt: skip
        inner = f"({inner} {'unless' if operator == '!=' else 'and'} on ({label}) ({wanted}))"
    return inner


def _alerted(labels: Mapping[str, str], found: Matrix, patience: float, step: int) -> Iterator[str]:
    """The state of alerts, and since when each is active."""
    for series in found:
        active = before = -math.inf
        states: dict[str, list[list[Any]]] = {"pending": [], "firing": []}
        since = []
        for at, _ in series["values"]:
            active = active if at - before <= step else at
            before = at
            states["firing" if at - active >= patience else "pending"].append([at, "1"])
            since.append([at, str(active)])
        for state, values in states.items():
            yield from _samples("ALERTS", {**labels, "alertstate": state}, [{**series, "values": values}])
        yield from _samples("ALERTS_FOR_STATE", labels, [{**series, "values": since}])


def _seconds(duration: str) -> float:
    """Of a duration as our rules write them."""
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[duration[-1]]


def _samples(name: str, more: Mapping[str, str], found: Matrix) -> Iterator[str]:
    for series in found:
        labels = {label: value for label, value in series["metric"].items() if label != "__name__"} | more
        inside = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
        yield from (f"{name}{{{inside}}} {value} {at}\n" for at, value in series["values"])
