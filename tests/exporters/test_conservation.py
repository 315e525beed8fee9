"""Writers, rotation, ingest and exporter, killed with -9 at random: spool = ledger = exporter = an independent count."""

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from auditor.ledger.database import Ledger
from tests.conftest import whole_lines
from tests.ledger.conftest import corrected, counts, feed, sums
from tests.services import ROOT, PostgresServer

KILLS = int(os.environ.get("AUDITOR_KILLS", "50"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

WRITER = """
import random, sys, time
from datetime import UTC, datetime
from auditor import Spool
from auditor.client.clock import NEW_ID
spool, rng = Spool(sys.argv[1], max_bytes=20_000), random.Random(int(sys.argv[2]))
while True:
    for _ in range(10):
        base = {"v": 1, "id": NEW_ID(time.time_ns()), "ts": datetime.now(UTC), "provider": "imejis",
                "account": rng.choice(["main", "other"]), "environment": rng.choice(["production", "staging"]),
                "template": "og", "key": f"k1:{rng.randrange(60)}"}
        outcome = rng.choice(["render", "render", "hit", "error"])
        if outcome != "hit":
            spool.write(base | {"outcome": "attempt"}, lasting=True)
        if outcome == "render":
            spool.write(base | {"outcome": "render", "bytes": 10, "credits": rng.choice([1, 2, 0.5])}, lasting=True)
        elif outcome == "hit":
            spool.write(base | {"outcome": "hit", "count": rng.randrange(1, 4)}, lasting=True)
        elif rng.random() < 0.7:
            spool.write(base | {"outcome": "error", "status": 500, "error": "server", "credits": 0}, lasting=True)
    print("written", flush=True)
    time.sleep(0.1)
"""

ROTATOR = """
import gzip, os, random, sys, time
from pathlib import Path
folder, rng = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
while True:
    for path in sorted(folder.glob("*.jsonl")):
        # Sealed segments only: the client's own process writes to the newest of its name.
        aside = path.with_name(path.name + ".1")
        if time.time() - path.stat().st_mtime > 0.5 and not aside.exists() and rng.random() < 0.5:
            path.rename(aside)
            packed = aside.with_suffix(".gz.part")
            packed.write_bytes(gzip.compress(aside.read_bytes()))
            packed.rename(aside.with_suffix(".1.gz"))
            aside.unlink()
    print("rotated", flush=True)
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A real PostgreSQL."""
    started = PostgresServer()
    yield started
    started.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a new ledger."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    postgres: PostgresServer = request.getfixturevalue("server")
    return postgres.database()


class Victim:
    """A process that is started anew after it was killed."""

    def __init__(self, start: Callable[[], subprocess.Popen[str]]) -> None:
        self._start = start
        self.process = start()

    def kill(self) -> None:
        """With -9, and up again."""
        self.end()
        self.process = self._start()

    def end(self) -> None:
        """With -9."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def hear(self) -> str:
        """The next line of its output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def started(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """A Python process whose output is read."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=cwd, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def exported(url: str) -> dict[str, Decimal]:
    """Series and their values, as the exporter shows them."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        body = answer.read().decode()
    return {
        series: Decimal(value)
        for series, value in re.findall(r"^(imgrender_\w+(?:\{.*\})?) ([-+.0-9einf]+)$", body, re.MULTILINE)
    }


def counted(folder: Path) -> tuple[Counter[str], Counter[str]]:
    """(facts of the spool's lines, sums by metric) by a reading of its own: the final event beats the attempt."""
    by_id: dict[str, dict[str, Any]] = {}
    known: Counter[str] = Counter()
    for path in folder.iterdir():
        data = path.read_bytes()
        for line in whole_lines(gzip.decompress(data) if path.suffix == ".gz" else data):
            found = json.loads(line, parse_float=Decimal)
            known["lines"] += 1
            known[found["outcome"] + " lines"] += 1
            if found["id"] not in by_id or found["outcome"] != "attempt":
                by_id[found["id"]] = found
    total: Counter[str] = Counter()
    known["events"] = len(by_id)
    for event in by_id.values():
        total["uncertain"] += event["outcome"] == "attempt"
        total["requests"] += 0 if event["outcome"] == "attempt" else event.get("count", 1)
        total["credits"] += Decimal(event.get("credits", 0))
        total["bytes"] += event.get("bytes", 0)
    return known, total


def summed(series: dict[str, Decimal], name: str) -> Decimal:
    """Over all labels."""
    return sum((value for key, value in series.items() if key.partition("{")[0] == name), Decimal(0))


def test_fifty_kills(address: str, tmp_path: Path) -> None:
    """Two writers, rotation, an ingester and an exporter that ingests too: no counter falls, and nothing is lost."""
    folder = tmp_path / "usage"
    folder.mkdir()
    rng = random.Random(50)
    seeds = iter(range(1000))
    follow = ("--ledger", address, "--every", "0.05")
    exporter = Victim(
        lambda: started(
            "-m",
            "auditor_exporter.main",
            "serve",
            "--follow",
            str(folder),
            *follow,
            "--listen",
            "127.0.0.1:0",
            cwd=tmp_path,
        )
    )
    victims = {
        "writer": Victim(lambda: started("-c", WRITER, str(folder), str(next(seeds)), cwd=tmp_path)),
        "other writer": Victim(lambda: started("-c", WRITER, str(folder), str(next(seeds)), cwd=tmp_path)),
        "rotation": Victim(lambda: started("-c", ROTATOR, str(folder), str(next(seeds)), cwd=tmp_path)),
        "ingest": Victim(
            lambda: started("-m", "auditor", "ingest", str(folder), "--follow", *follow, cwd=tmp_path)
        ),
        "exporter": exporter,
    }  # fmt: skip
    url = exporter.hear()
    highest: dict[str, Decimal] = {}
    killed: Counter[str] = Counter()
    any_moment = threading.Event()
    scrapes = 0

    def look() -> None:
        nonlocal scrapes
        series = exported(url)
        scrapes += 1
        for name, value in series.items():
            if name.partition("{")[0].endswith("_total"):
                assert value >= highest.get(name, 0), f"{name} fell"
                highest[name] = value

    try:
        while killed.total() < KILLS:
            name = rng.choice(list(victims))
            if name != "exporter":
                victims[name].hear()  # it has done something since it was started
            any_moment.wait(rng.random() / 5)
            victims[name].kill()
            killed[name] += 1
            if name == "exporter":
                url = exporter.hear()
            look()
        for name in ("writer", "other writer", "rotation"):
            victims[name].end()
        for half in folder.glob("*.part"):
            half.unlink()
        known, oracle = counted_once(folder)
        deadline = time.monotonic() + 60
        while summed(exported(url), "imgrender_ledger_events") != known["events"] and time.monotonic() < deadline:
            time.sleep(0.1)
        look()
        series = exported(url)
    finally:
        for victim in victims.values():
            victim.end()
    with Ledger(address) as ledger:
        again = feed(ledger, *sorted(folder.iterdir()))
        ledger_counts, total, exact = counts(ledger), sums(ledger, "totals")[()], sums(ledger, "rollups")[()]
        wrong = corrected(ledger)
    print(f"{killed.total()} kills {dict(killed)}, {scrapes} scrapes, {known['lines']} lines, {known['events']} events")
    print(f"spool {dict(oracle)}\nledger {exact}\nexporter credits {summed(series, 'imgrender_credits_used_total')}")
    assert again.counts["events"] == 0, "the live ones had missed some"
    assert (ledger_counts["rows"], ledger_counts["lines"]) == (known["events"], known["lines"])
    for sums_of_ledger in (total, exact):
        assert sums_of_ledger.requests - wrong.get("requests", 0) * (sums_of_ledger is total) == oracle["requests"]
        assert sums_of_ledger.credits == oracle["credits"]
        assert sums_of_ledger.bytes == oracle["bytes"]
        assert sums_of_ledger.uncertain == oracle["uncertain"]
    assert summed(series, "imgrender_requests_total") == oracle["requests"]
    assert summed(series, "imgrender_credits_used_total") == oracle["credits"]
    assert summed(series, "imgrender_period_credits_used") == oracle["credits"]
    assert len(killed) == len(victims), "each of them was killed"


def counted_once(folder: Path) -> tuple[Counter[str], Counter[str]]:
    """Of the spool; a rotation killed between two steps leaves a file beside its packed copy, which counts once."""
    for packed in folder.glob("*.gz"):
        aside = packed.with_suffix("")
        if aside.exists():
            shutil.move(aside, folder.parent / aside.name)
    return counted(folder)
