"""Events = metrics = audit = the provider's invoice, also after crashes."""

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from auditor.sandbox.server import Sandbox
from tests.client.worker import CONCURRENCY
from tests.conftest import whole_lines
from tests.services import ROOT, RedisServer, redis_server

UNANSWERED = ("hang", "close", "billed-hang", "billed-close", "drip", "502")


class Worker:
    """One process, started anew when it was killed, until its share is done."""

    def __init__(
        self, sandbox: Sandbox, redis: RedisServer, spool: Path, mix: str, requests: int, seed: int, kills: list[int]
    ) -> None:
        self._arguments = (sandbox.url, redis.url, str(spool), mix)
        self.left, self._seed, self._kills = requests, seed, kills
        self.killed = 0
        self.reports: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while self.left > 0:
            self._seed += 100
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.client.worker", *self._arguments, str(self.left), str(self._seed)], cwd=ROOT,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            done = 0
            for line in process.stdout:
                if line.startswith("at "):
                    done = int(line[3:])
                    if self._kills and done >= self._kills[0]:
                        self._kills.pop(0)
                        process.kill()
                        self.killed += 1
                        break
                else:
                    self.reports.append(json.loads(line))
                    done = self.left
            process.wait()
            self.left -= done


def run(
    tmp_path: Path, processes: int, requests: int, *, faults: dict[str, float] | None = None, kills: int = 0,
    redis_dies: bool = False, mix: str = "mixed", latency: float = 0.0,
) -> tuple[Sandbox, list[Worker], dict[str, Any]]:  # fmt: skip
    """Sandbox, workers and the audit of what they wrote."""
    rng = random.Random(20_000 + requests)
    spool = tmp_path / "usage"
    (tmp_path / "redis").mkdir()
    plan = [sorted(rng.randrange(250, requests // 4) for _ in range(kills // processes)) for _ in range(processes)]
    with (
        redis_server(tmp_path / "redis") as redis,
        Sandbox(included=10**6, designs={"dot": (8, 8)}, faults=faults, latency=latency) as sandbox,
    ):
        workers = [Worker(sandbox, redis, spool, mix, requests, seed, kills) for seed, kills in enumerate(plan)]
        if redis_dies:
            while sandbox.billing.calls < 800 and any(worker.thread.is_alive() for worker in workers):
                workers[0].thread.join(0.01)
            redis.process.kill()
            redis.process.wait()
            workers[0].thread.join(2)
            redis.start()
        for worker in workers:
            worker.thread.join(240)
            assert not worker.thread.is_alive()
    result = audit(discover([str(spool)], tmp_path), settings_of({}, "test"), Options(cache=False), lambda *_: None)
    return sandbox, workers, json.loads(json.dumps(document(result), default=str))


def by_process(spool: Path) -> dict[int, list[dict[str, Any]]]:
    """Events by the process whose segments they are in."""
    found: dict[int, list[dict[str, Any]]] = {}
    for file in spool.glob("usage-*.jsonl"):
        pid = int(file.name.split("-")[-3])
        for line in whole_lines(file.read_bytes()):
            found.setdefault(pid, []).append(json.loads(line))
    return found


def check_workers(spool: Path, workers: list[Worker]) -> None:
    """For each worker that lived to its end, its metrics are its events, and nothing was dropped."""
    events = by_process(spool)
    for report in (report for worker in workers for report in worker.reports):
        own = [event for event in events[report["pid"]] if event["outcome"] != "attempt"]
        requests = Counter(event["outcome"] for event in own if not event.get("retried"))
        assert {name: count for name, count in report["requests_total"].items() if count} == requests
        assert sum(report["seen"].values()) == sum(requests.values())
        calls = [event for event in own if "status" in event or "inputs" in event]
        assert report["credits_used_total"].get("all", 0) == sum(event["credits"] or 0 for event in calls)
        assert report["credits_uncertain_total"].get("all", 0) == sum(event["credits"] is None for event in calls)
        assert not any(report["events_dropped_total"].values())


def test_the_invoice_with_crashes(tmp_path: Path) -> None:
    """20,000 requests of 4 processes; 8 of them killed with -9, Redis once; faults on."""
    faults = {"500": 0.01, "502": 0.004, "close": 0.004, "billed-close": 0.004, "billed-hang": 0.002, "hang": 0.002}
    sandbox, workers, report = run(tmp_path, 4, 5000, faults=faults, kills=8, redis_dies=True, latency=0.002)
    totals, inputs = report["totals"], report["inputs"]
    invoice = sandbox.billing.invoice()["credits"]
    credits, uncertain = Decimal(totals["credits"]), int(totals["credits_uncertain"])
    killed = sum(worker.killed for worker in workers)
    ambiguous = sum(sandbox.faults.drawn[fault] for fault in sandbox.faults.drawn if fault in UNANSWERED)
    print(
        f"invoice {invoice} in [{credits}, {credits + uncertain}]; {killed} kills, {ambiguous} ambiguous faults, "
        f"{totals['requests']} requests, {inputs['lines']} lines, {inputs['duplicates']} doubled ids, "
        f"{inputs['rejected']} rejected"
    )
    assert killed == 8
    assert credits <= invoice <= credits + uncertain
    assert uncertain <= killed * CONCURRENCY + ambiguous
    assert uncertain > 0 and invoice > credits, "the faults and kills were real"
    assert inputs["duplicates"] == 0, "no id twice"
    assert inputs["rejected"] <= killed, "no torn line but the last one of who was killed"
    check_workers(tmp_path / "usage", workers)


def test_the_invoice_with_crashes_alone(tmp_path: Path) -> None:
    """What was in flight at a kill is uncertain, and nothing else is: the attempts are there, and were before the call."""
    sandbox, workers, report = run(tmp_path, 4, 1500, kills=8, mix="new", latency=0.02)
    credits, uncertain = Decimal(report["totals"]["credits"]), int(report["totals"]["credits_uncertain"])
    invoice = sandbox.billing.invoice()["credits"]
    killed = sum(worker.killed for worker in workers)
    print(f"invoice {invoice} in [{credits}, {credits + uncertain}]; {killed} kills")
    assert killed == 8
    assert credits < invoice <= credits + uncertain
    assert uncertain <= killed * CONCURRENCY
    check_workers(tmp_path / "usage", workers)


def test_the_invoice_with_faults_alone(tmp_path: Path) -> None:
    """Where all that is ambiguous was billed, the invoice is the upper end exactly."""
    faults = {"500": 0.02, "429": 0.01, "billed-close": 0.02, "billed-hang": 0.003}
    sandbox, workers, report = run(tmp_path, 2, 1500, faults=faults)
    credits, uncertain = Decimal(report["totals"]["credits"]), int(report["totals"]["credits_uncertain"])
    assert sandbox.billing.invoice()["credits"] == credits + uncertain
    assert uncertain == sandbox.billing.invoice()["unanswered"] > 0
    check_workers(tmp_path / "usage", workers)


@pytest.mark.parametrize("processes", [2])
def test_the_invoice_without_faults(tmp_path: Path, processes: int) -> None:
    """Then the three are equal."""
    sandbox, workers, report = run(tmp_path, processes, 1500)
    metrics = sum(worker["credits_used_total"]["all"] for each in workers for worker in each.reports)
    assert Decimal(report["totals"]["credits"]) == sandbox.billing.invoice()["credits"] == metrics
    assert report["totals"]["credits_uncertain"] == 0
    assert report["totals"]["requests"] == 1500 * processes
    check_workers(tmp_path / "usage", workers)
