"""What an audit costs, against bare DuckDB and a rival script, in one run.

    python benchmarks/run.py --size 1m        (or 10m)

Machines are noisy: read the ratios, not the seconds. Each row is a process of its own, measured by the CPU time and
peak memory that the kernel reports for it. Before anything is compared, the figures of product and rivals must agree.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
NO_EVENT = 3
"""The exit code of an audit without an event."""
SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
COUNT = """
import duckdb, sys
columns = {name: "VARCHAR" for name in ("id", "ts", "outcome", "key")}
log = duckdb.read_json(sys.argv[1], format="newline_delimited", columns=columns)
print(log.aggregate(sys.argv[2]).fetchall())
"""
"""DuckDB 2 counts lines for `count(*)` without parsing them; `count(id)` makes it read the JSON."""


@dataclass(frozen=True)
class Run:
    """One measured process."""

    name: str
    wall: float
    cpu: float
    peak: float
    """MiB."""
    output: bytes


def measured(name: str, command: Sequence[str | Path], code: int = 0) -> Run:
    """Run a command to its end, whose exit code has to be *code*, and say what it cost."""
    started = time.monotonic()
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise SystemExit(f"{name} failed with {process.returncode}")
    return Run(name, time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def figures(output: bytes) -> dict[str, Any]:
    """What has to be equal however it was computed."""
    report = json.loads(output)
    findings = report["findings"]
    if isinstance(findings, list):
        findings = Counter(finding["rule"] for finding in findings)
    inputs = {name: report["inputs"][name] for name in ("lines", "events", "superseded", "duplicates", "rejected")}
    return {"inputs": inputs, "totals": report["totals"], "waste": report["waste"], "findings": dict(findings)}


def main() -> int:
    """Measure, print the table, and check the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="1m")
    parser.add_argument("--all", action="store_true", help="pandas at 10m too; it needs more than 10 GiB")
    options = parser.parse_args()
    folder = ROOT / ".bench" / options.size
    log = folder / "usage.jsonl"
    events = SIZES[options.size]
    if not log.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, HERE / "generate.py", "--events", str(events), "--out", log], check=True)
    audit = [sys.executable, "-m", "auditor", "audit", log, "--format", "json"]
    # Compiled once for a machine, like a wheel: not part of what an audit costs.
    measured("compile", [*audit, "--no-cache", "--until", "2000-01-01"], NO_EVENT)
    runs = [
        measured("DuckDB, bare count(*)", [sys.executable, "-c", COUNT, log, "count(*)"]),
        measured("DuckDB, count(id), which parses", [sys.executable, "-c", COUNT, log, "count(id)"]),
        measured("auditor audit, cold", audit),
        measured("auditor audit, from its cache", audit),
        measured("script with orjson", [sys.executable, HERE / "script_orjson.py", log]),
        measured("auditor --help", [sys.executable, "-m", "auditor", "--help"]),
    ]
    if (options.size != "10m" or options.all) and (HERE / "script_pandas.py").exists():
        runs.insert(4, measured("pandas", [sys.executable, HERE / "script_pandas.py", log]))
    table(runs, events)
    goals({run.name: run for run in runs})
    return 0 if agree(runs) else 1


def table(runs: Sequence[Run], events: int) -> None:
    """Print a row a run."""
    base = next(run for run in runs if run.name.startswith("DuckDB"))
    script = next(run for run in runs if run.name.startswith("script"))
    print("| what | wall s | CPU s | peak MiB | events/s | CPU ÷ count | script's CPU ÷ its |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        print(
            f"| {run.name} | {run.wall:.1f} | {run.cpu:.1f} | {run.peak:,.0f} | {events / run.wall:,.0f} | "
            f"{run.cpu / base.cpu:.1f} | {script.cpu / run.cpu:.1f} |"
        )


def agree(runs: Sequence[Run]) -> bool:
    """Whether all that audit give the same figures; prints what differs."""
    audits = [run for run in runs if run.output.startswith(b"{")]
    first = figures(audits[0].output)
    differing = [run.name for run in audits[1:] if figures(run.output) != first]
    print(
        f"\nfigures of {', '.join(run.name for run in audits)}: {'equal' if not differing else f'{differing} differ'}"
    )
    return not differing


def goals(runs: Mapping[str, Run]) -> None:
    """Say which goals are met; machines are too noisy to fail on them."""
    count, cold = runs["DuckDB, bare count(*)"], runs["auditor audit, cold"]
    parse = runs["DuckDB, count(id), which parses"]
    cached, script = runs["auditor audit, from its cache"], runs["script with orjson"]
    for goal, value, reached in (
        ("cold at most 20 x the CPU of the bare count", cold.cpu / count.cpu, cold.cpu <= 20 * count.cpu),
        ("cold at most 20 x the CPU of a count that parses", cold.cpu / parse.cpu, cold.cpu <= 20 * parse.cpu),
        ("cold at least 3 x less CPU than the script", script.cpu / cold.cpu, script.cpu >= 3 * cold.cpu),
        ("peak at most 1,536 MiB", max(cold.peak, cached.peak), max(cold.peak, cached.peak) <= 1536),
        ("from the cache at least 2 x faster than cold (wall)", cold.wall / cached.wall, cold.wall >= 2 * cached.wall),
    ):
        print(f"{'met    ' if reached else 'NOT MET'}  {goal}: {value:,.1f}")


if __name__ == "__main__":
    sys.exit(main())
