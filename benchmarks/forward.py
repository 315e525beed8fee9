"""What sending events to a ledger elsewhere costs, over the loopback, and how fast an outage is caught up.

    python benchmarks/forward.py --events 200000 [--postgres postgresql://…]

An exporter with `--web.ingest` and `auditor forward` are processes of their own. First a whole log is sent: events a
second, and the most memory that each of the two had. Then an exporter has been away for an hour of --live events a
second: they wait in segments, and more of them come while they are sent. Caught up at N times the live rate means that
so many events were sent for each that came meanwhile.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from ledger import log_of

LEAST, TIMES = 5_000, 3
"""The bars: events a second, and how much faster than they come."""


@contextmanager
def exporter(ledger: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Its address and process."""
    command = [sys.executable, "-m", "auditor_exporter.main", "serve", "--web.ingest", "--ledger", ledger]
    process = subprocess.Popen([*command, "--listen", "127.0.0.1:0"], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().removesuffix("/metrics"), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        process.stdout.close()


def most_memory(process: int) -> float:
    """MiB that a process had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) / 1024


def lines_of(address: str) -> int:
    """That were booked."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
        page = answer.read().decode()
    return int(
        sum(float(each) for each in re.findall(r"^imgrender_ledger_lines_total\{.*\} (\S+)$", page, re.MULTILINE))
    )


def forwarding(address: str, path: Path, *more: str) -> subprocess.Popen[bytes]:
    """A forwarder of one file or folder."""
    command = [sys.executable, "-m", "auditor", "forward", str(path), "--to", address, *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def throughput(log: Path, count: int, ledger: str, folder: Path) -> float:
    """Events a second of a whole log."""
    with exporter(ledger, folder) as (address, receiving):
        began, peak = time.monotonic(), 0.0
        sending = forwarding(address, log)
        while sending.poll() is None:
            peak = max(peak, most_memory(sending.pid))
            time.sleep(0.05)
        took = time.monotonic() - began
        print(
            f"{count:,} events in {took:.1f} s: {count / took:,.0f} events/s; at most {peak:.0f} MiB in the forwarder, "
            f"{most_memory(receiving):.0f} MiB in the exporter ({lines_of(address):,} lines in the ledger)"
        )
    return count / took


def catching_up(log: Path, live: int, ledger: str, folder: Path) -> float:
    """How many events are sent for each that comes, after an hour without a receiver."""
    lines = log.read_bytes().splitlines(keepends=True)
    waiting = min(live * 3600, len(lines) * 3 // 4)
    usage = folder / "usage"
    usage.mkdir()
    (usage / "waiting.jsonl").write_bytes(b"".join(lines[:waiting]))
    come, stop = 0, threading.Event()

    def comes() -> None:
        nonlocal come
        began = time.monotonic()
        with (usage / "live.jsonl").open("ab", buffering=0) as file:
            while not stop.wait(0.05):
                due = min(int((time.monotonic() - began) * live), len(lines) - waiting)
                file.write(b"".join(lines[waiting + come : waiting + due]))
                come = due

    writer = threading.Thread(target=comes)
    with exporter(ledger, folder) as (address, _):
        before, began = lines_of(address), time.monotonic()
        writer.start()
        sending = forwarding(address, usage, "--follow", "--every", "0.2")
        while True:
            time.sleep(0.2)
            there, took = lines_of(address) - before, time.monotonic() - began
            if there >= waiting and come - (there - waiting) < live:
                break
        stop.set()
        writer.join()
        sending.send_signal(signal.SIGTERM)
        sending.wait()
    print(
        f"{waiting:,} events that waited and {there - waiting:,} that came meanwhile, {live:,} a second, in "
        f"{took:.1f} s: {there / took / live:.1f} times the live rate"
    )
    return there / took / live


def main() -> int:
    """Measure, and say what is below its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--live", type=int, default=40, help="events a second")
    parser.add_argument("--postgres", help="a new database, instead of SQLite")
    options = parser.parse_args()
    os.environ["SOURCE_DATE_EPOCH"] = os.environ.get("SOURCE_DATE_EPOCH", str(int(time.time())))
    log, folder = log_of(options.events), Path(tempfile.mkdtemp(prefix="auditor-forward-"))
    count = log.read_bytes().count(b"\n")
    try:
        ledger = options.postgres or str(folder / "one.db")
        rate = throughput(log, count, ledger, folder)
        # Into the same database their ids are known, which is no less work.
        other = folder / "other.jsonl"
        other.write_bytes(log.read_bytes().replace(b'"id":"', b'"id":"again-').replace(b'"id": "', b'"id": "again-'))
        times = catching_up(other, options.live, options.postgres or str(folder / "two.db"), folder)
    finally:
        shutil.rmtree(folder)
    missed = [f"below {LEAST:,} events/s"] * (rate < LEAST) + [f"below {TIMES} times the live rate"] * (times < TIMES)
    print("; ".join(missed) or "both bars are met")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
