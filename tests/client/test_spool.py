"""No acknowledged event is lost, none is torn, and no trouble with the disk reaches a caller."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from auditor.client import sinks
from auditor.client.clock import Clock, ProcessIds
from auditor.client.renderer import Renderer
from auditor.client.sinks import Spool
from auditor.model.events import Outcome
from tests.client.conftest import Time, Upstream, outcomes, segments
from tests.client.test_renderer import value
from tests.conftest import whole_lines
from tests.services import ROOT

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]


def written(folder: Path) -> list[dict[str, Any]]:
    """All lines of all segments; a line that is not JSON fails."""
    return [json.loads(line) for file in segments(folder) for line in file.read_bytes().splitlines()]


def test_segments_rotate_by_size_and_age(tmp_path: Path, moving: Time) -> None:
    """A full one is renamed, so that a shipper knows it will not grow."""
    spool = Spool(tmp_path, max_bytes=100, max_age=60, clock=moving.clock())
    for number in range(5):
        spool.write({"n": number, "pad": "x" * 40}, lasting=False)
    assert len(list(tmp_path.glob("*.open.jsonl"))) == 1
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    moving.now += 61
    spool.write({"n": 5}, lasting=False)
    spool.close()
    assert not list(tmp_path.glob("*.open.jsonl"))
    assert [event["n"] for event in written(tmp_path)] == list(range(6))
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in tmp_path.glob("*.jsonl"))


def test_threads_do_not_tear_lines(tmp_path: Path) -> None:
    """32 of them, over rotations."""
    spool = Spool(tmp_path, max_bytes=20_000)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda n: spool.write({"n": n, "pad": "x" * (n % 500)}, lasting=False), range(4000)))
    spool.close()
    assert sorted(event["n"] for event in written(tmp_path)) == list(range(4000))


@pytest.mark.parametrize("sync", ["never", "renders"])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, sync: str) -> None:
    """Each id is told to the parent after it was written; four writers, killed at different moments."""
    script = (
        "import sys, itertools\nfrom auditor import Spool\n"
        f"spool = Spool({str(tmp_path)!r}, max_bytes=50_000, sync={sync!r})\n"
        "for n in itertools.count():\n"
        "    spool.write({'id': f'{sys.argv[1]}-{n}', 'pad': 'x' * 200}, lasting=True)\n"
        "    sys.stdout.write(f'{sys.argv[1]}-{n}\\n'); sys.stdout.flush()\n"
    )
    acknowledged: set[str] = set()
    for writer in range(4):
        process = subprocess.Popen([sys.executable, "-c", script, str(writer)], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        for _ in range(50 + 200 * writer):
            acknowledged.add(process.stdout.readline().decode().strip())
        process.send_signal(signal.SIGKILL)
        acknowledged.update(line.decode().strip() for line in process.stdout if line.endswith(b"\n"))
        process.wait()
    lines = [line for file in tmp_path.glob("usage-*") for line in whole_lines(file.read_bytes())]
    found = [json.loads(line)["id"] for line in lines]
    assert acknowledged <= set(found) and len(found) == len(set(found)) and len(found) <= len(acknowledged) + 4


class Disk:
    """`os.write` of a disk that is full from some moment on, in the middle of a line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room, self._write = room, os.write
        monkeypatch.setattr(sinks.os, "write", self)

    def __call__(self, descriptor: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        done = self._write(descriptor, data[: self.room])
        self.room -= done
        return done


def test_a_full_disk_costs_events_and_nothing_else(
    build: Build, upstream: Upstream, registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Every render returns, drops are counted exactly, one warning; after it, the next line stands on its own."""
    disk = Disk(monkeypatch, 1000)
    renderer = build()
    for number in range(10):
        assert renderer.render("og", {"n": number}).outcome is Outcome.RENDER
    disk.room = 10**9
    assert renderer.render("og", {"n": "after"}).outcome is Outcome.RENDER
    renderer.close()
    good = []
    torn = 0
    for file in (tmp_path / "usage").glob("usage-*.jsonl"):
        for line in file.read_bytes().splitlines():
            try:
                good.append(json.loads(line))
            except ValueError:
                torn += 1
    assert torn == 1
    assert value(registry, "events_dropped_total") == 22 - len(good)
    assert outcomes(good[-2:]) == {"attempt": 1, "render": 1}
    assert sum("dropped" in record.message for record in caplog.records) == 1


def test_a_folder_that_cannot_be_written(build: Build, registry: CollectorRegistry, tmp_path: Path) -> None:
    """Renders return; the folder is tried again later, not for every event."""
    (tmp_path / "usage").write_text("a file is in the way")
    renderer = build()
    assert [renderer.render("og", {"n": n}).outcome for n in range(5)] == [Outcome.RENDER] * 5
    assert value(registry, "events_dropped_total", reason="io") == 10


def test_a_clock_that_is_set_back_delays_no_second_try(tmp_path: Path) -> None:
    """The folder is writable again some seconds later, whatever the hour is called then."""
    folder, wall, steady = tmp_path / "usage", 1_790_000_000, 100.0
    folder.write_text("a file is in the way")
    spool = Spool(folder, clock=Clock(lambda: wall * 10**9, lambda: steady))
    with pytest.raises(OSError, match="exists"):
        spool.write({"n": 1}, lasting=False)
    folder.unlink()
    wall -= 3600
    with pytest.raises(OSError, match="a moment ago"):
        spool.write({"n": 2}, lasting=False)
    steady += 5
    spool.write({"n": 3}, lasting=False)
    spool.close()
    assert written(folder) == [{"n": 3}]


def test_hits_may_be_left_out(build: Build, events: Events, registry: CollectorRegistry) -> None:
    """Then the metrics alone know them."""
    renderer = build(events_hits="none")
    for _ in range(5):
        renderer.render("og", {})
    renderer.close()
    assert outcomes(events()) == {"attempt": 1, "render": 1}
    assert value(registry, "requests_total", result="hit") == 4


def test_other_sinks(upstream: Upstream, capfd: pytest.CaptureFixture[str]) -> None:
    """Any callable gets mappings; `-` is standard output; what a callable raises is dropped and counted."""
    seen: list[Any] = []
    with Renderer(api_key="k", transport=upstream, events=seen.append, registry=None) as renderer:
        renderer.render("og", {})
    assert [event["outcome"] for event in seen] == ["attempt", "render"] and seen[0]["ts"].endswith("Z")
    with Renderer(api_key="k", transport=upstream, events="-", registry=None) as renderer:
        renderer.render("og", {})
    assert [json.loads(line)["outcome"] for line in capfd.readouterr().out.splitlines()] == ["attempt", "render"]

    def broken(event: Any) -> None:
        raise RuntimeError(event["template"])

    with Renderer(api_key="k", transport=upstream, events=broken, registry=None) as renderer:
        assert renderer.render("og", {}).outcome is Outcome.RENDER
        assert renderer._meter.dropped == 2


def test_threads_do_not_tear_lines_of_standard_output(tmp_path: Path) -> None:
    """Longer ones than a pipe takes at once."""
    script = (
        "from auditor.client.sinks import Stdout\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "out = Stdout()\n"
        "with ThreadPoolExecutor(6) as pool:\n"
        "    list(pool.map(lambda n: out.write({'n': n, 'pad': 'x' * 10_000}, lasting=False), range(600)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert sorted(json.loads(line)["n"] for line in process.stdout) == list(range(600))
    assert process.wait() == 0


@pytest.mark.parametrize("part", ["sink", "metrics", "clock of the warning"])
def test_nothing_that_observes_can_break_a_render(build: Build, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Whatever of it raises."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    renderer = build()
    meter: Any = renderer._meter
    if part == "sink":
        monkeypatch.setattr(meter.sink, "write", broken)
    elif part == "metrics":
        for name in ("called", "ended", "child"):
            monkeypatch.setattr(type(meter._account), name, broken)
    else:
        monkeypatch.setattr(meter.sink, "write", broken)
        monkeypatch.setattr(meter, "_warned_ns", "not a number")
    assert [renderer.render("og", {}).outcome for _ in range(3)] == ["render", "hit", "hit"]


def test_ids_are_uuid_7_and_never_the_same() -> None:
    """Over threads; the time is in them, and they sort by it."""
    ids = ProcessIds()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(ids(1_790_000_000_000_000_000) for _ in range(5000)))
               for _ in range(8)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    import uuid

    assert len(set(found)) == 40_000
    parsed = uuid.UUID(found[0])
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == 1_790_000_000_000
    assert ids(1) < ids(1_000_000_000) < ids(1_790_000_000_000_000_000)


FORK = """
import json, os, sys, threading
from auditor import Renderer
from tests.client.conftest import Upstream
from prometheus_client import CollectorRegistry
renderer = Renderer(api_key="k", transport=Upstream(), events=sys.argv[1], registry=CollectorRegistry())
renderer.render("og", {"in": "parent"})
stop = threading.Event()
def busy():
    n = 0
    while not stop.is_set():
        n += 1
        renderer.render("og", {"n": n % 50})
threads = [threading.Thread(target=busy) for _ in range(4)]
for t in threads: t.start()
children = []
for number in range(50):
    pid = os.fork()
    if pid == 0:
        assert renderer.render("og", {"in": "parent"}).outcome == "hit"
        assert renderer.render("og", {"child": number}).outcome == "render"
        renderer.close()
        os._exit(0)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
for t in threads: t.join()
renderer.render("og", {"after": 1})
renderer.close()
print(json.dumps(codes))
"""


def by_process(folder: Path) -> list[list[Path]]:
    """The segments of each process, the one with most events first."""
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("usage-*")):
        found.setdefault(file.name.split("-")[-3], []).append(file)
    return sorted(found.values(), key=lambda files: -sum(file.stat().st_size for file in files))


def written_to(files: list[Path]) -> list[dict[str, Any]]:
    """The events of some segments."""
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def test_fifty_forks_under_load(tmp_path: Path) -> None:
    """Children go on with segments, ids, locks and loops of their own; no id twice, no torn line, nobody hangs."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0] * 50
    events = written(tmp_path)
    finals = [event["id"] for event in events if event["outcome"] != "attempt"]
    assert len(finals) == len(set(finals))
    parent, *children = [written_to(files) for files in by_process(tmp_path)]
    assert [outcomes(child) for child in children] == [{"hit": 1, "attempt": 1, "render": 1}] * 50
    assert parent[-1]["outcome"] == "render"


def test_requests_in_flight_at_a_fork_are_the_parent_s(tmp_path: Path) -> None:
    """The child's gauge does not show them forever."""
    script = (
        "import os, threading\nfrom prometheus_client import REGISTRY\nfrom auditor import Renderer\n"
        "from tests.client.conftest import Upstream\nup = Upstream()\nup.gate.clear()\n"
        "r = Renderer(api_key='k', transport=up)\n"
        "threading.Thread(target=r.render, args=('og', {})).start()\nup.arrived.acquire()\n"
        "def flying(): return REGISTRY.get_sample_value('imgrender_client_inflight_requests', "
        "{'provider': 'imejis', 'account': 'default'})\n"
        "if os.fork() == 0:\n    os._exit(int(flying()))\n"
        "child, parent = os.waitstatus_to_exitcode(os.wait()[1]), flying()\nup.gate.set()\nr.close()\n"
        "os._exit(0 if (child, parent) == (0, 1) else 1)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, check=True, timeout=20)


@pytest.mark.parametrize("lock", ["memory", "spool", "flights", "background", "metric", "family", "labels"])
def test_a_lock_that_is_held_at_a_fork(lock: str, tmp_path: Path) -> None:
    """By a thread that the child does not have: the child renders all the same."""
    script = (
        "import os, sys\nfrom auditor import Renderer\nfrom tests.client.conftest import Upstream\n"
        "r = Renderer(api_key='k', transport=Upstream(), events=sys.argv[1])\nr.render('og', {})\n"
        "m = r._meter._account\n"
        "lock = {'memory': r._core.near._lock, 'spool': r._meter.sink._lock, 'flights': r._core._flights._lock,\n"
        "        'background': r._core.background._lock, 'metric': m.requests['render']._value._lock,\n"
        "        'family': r._meter.metrics.families['api_requests_total']._lock,\n"
        "        'labels': r._meter.metrics.account._lock}[sys.argv[2]]\n"
        "lock.acquire()\n"
        "if os.fork() == 0:\n"
        "    Renderer(api_key='k', transport=Upstream(), account='other', events=None).render('og', {})\n"
        "    r.render('og', {'child': 1})\n    os._exit(0)\n"
        "lock.release()\nos._exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path), lock], cwd=ROOT, check=True, timeout=20)


def test_flights_land_before_the_interpreter_ends(tmp_path: Path) -> None:
    """A program that ends while a render is under way leaves no unresolved attempt."""
    script = (
        "import sys, asyncio, threading\nfrom auditor import Renderer\nfrom tests.client.conftest import Upstream\n"
        "up = Upstream(); up.gate.clear()\n"
        "r = Renderer(api_key='k', transport=up, events=sys.argv[1], registry=None)\n"
        "threading.Thread(target=r.render, args=('og', {}), daemon=True).start()\n"
        "up.arrived.acquire()\nthreading.Timer(0.2, up.gate.set).start()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=True, timeout=30)
    assert outcomes(written(tmp_path)) == {"attempt": 1, "render": 1}


def test_the_default_clock_is_the_system_s() -> None:
    """To the second."""
    import time

    assert abs(Clock().now() - time.time()) < 1
