"""What an audit of an access log costs, against GoAccess and the bare scan of the same file, in one run.

    python benchmarks/logs.py --lines 1000000

Machines are noisy: read the ratios, not the seconds. GoAccess counts visitors, files, agents and more; the audit
replays a cache and writes findings. The lines that both count have to be as many.
"""

import argparse
import json
import random
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from run import NO_EVENT, ROOT, Run, measured

CONFIG = r"""
[sources.shop]
path = '/image/\d+/(?P<template>[^/]+)/(?P<width>\d+)x(?P<height>\d+)'
"""
COUNT = """
import duckdb, sys
print(duckdb.sql(f"SELECT count(line) FROM read_csv('{sys.argv[1]}', columns={{'line': 'VARCHAR'}}, delim='\\x01', "
                 "quote='', escape='', header=false, auto_detect=false)").fetchall())
"""
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{n}.0.{n * 31}.{n} Safari/537.36"
    for n in range(90, 130)
    for system in ("Windows NT 10.0; Win64; x64", "Linux; Android 14; SM-S911B", "Macintosh; Intel Mac OS X 10_15_7")
]


def generate(path: Path, lines: int) -> None:
    """A shop's images, nginx combined: some repeat often, most seldom, one address in ten stands once."""
    rng = random.Random(1)
    kinds, sizes = ("product", "brand", "banner", "category"), ("150x150", "200x200", "400x300", "1200x630")
    moment = datetime(2026, 9, 1, tzinfo=UTC)
    with path.open("w", encoding="ascii") as out:
        for n in range(lines):
            if n % 25 == 0:
                moment += timedelta(seconds=1)
                stamp = moment.strftime("%d/%b/%Y:%H:%M:%S +0000")
            picture = int(rng.paretovariate(0.6)) % (lines // 4) if rng.random() < 0.9 else lines + n
            status = "200" if rng.random() < 0.98 else rng.choice(("304", "404", "499", "502"))
            out.write(
                f"10.{picture % 250}.{n % 251}.{rng.randrange(250)} - - [{stamp}] "
                f'"GET /image/{picture}/{kinds[picture % 4]}/{sizes[picture % 4]}?v={picture % 3} HTTP/1.1" {status} '
                f'{2000 + picture % 9000} "https://shop.example/c/{picture % 97}" "{AGENTS[n * 7 % len(AGENTS)]}"\n'
            )


def main() -> int:
    """Measure, print the table, and check the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    goaccess = shutil.which("goaccess")
    if goaccess is None:
        raise SystemExit("goaccess is missing: scripts/services.sh goaccess")
    folder = ROOT / ".bench" / f"logs-{options.lines}"
    folder.mkdir(parents=True, exist_ok=True)
    log, config, out = folder / "access.log", folder / "auditor.toml", folder / "goaccess.json"
    if not log.exists():
        generate(log, options.lines)
    config.write_text(CONFIG)
    audit = [sys.executable, "-m", "auditor", "audit", log, "--format", "json", "--no-cache"]
    measured("compile", [*audit, "--until", "2000-01-01"], NO_EVENT)
    rival = [goaccess, log, "--log-format=COMBINED", "--no-global-config", "--no-progress", "-o", out]
    runs = [
        measured("wc -l", ["wc", "-l", log]),
        measured("DuckDB, count of lines", [sys.executable, "-c", COUNT, log]),
        measured("auditor audit", audit),
        measured("GoAccess", rival),
        measured("auditor audit, again", audit),
        measured("GoAccess, again", rival),
    ]
    table(runs, options.lines)
    report, theirs = json.loads(runs[2].output), json.loads(out.read_bytes())["general"]
    counted = report["inputs"]["events"] + report["inputs"]["filtered"]
    print(f"\nlines: {counted:,} here, {theirs['valid_requests']:,} by GoAccess")
    cpu = min(runs[3].cpu, runs[5].cpu) / min(runs[2].cpu, runs[4].cpu)
    wall = min(runs[3].wall, runs[5].wall) / min(runs[2].wall, runs[4].wall)
    print(f"{'met    ' if wall > 1 else 'NOT MET'}  faster than GoAccess: {wall:.2f} x (wall), {cpu:.2f} x (CPU)")
    return 0 if counted == theirs["valid_requests"] else 1


def table(runs: list[Run], lines: int) -> None:
    """Print a row a run."""
    scan, rival = runs[1], min((run for run in runs if run.name.startswith("GoAccess")), key=lambda run: run.cpu)
    print("| what | wall s | CPU s | peak MiB | lines/s | CPU ÷ scan | GoAccess' CPU ÷ its |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        print(
            f"| {run.name} | {run.wall:.1f} | {run.cpu:.1f} | {run.peak:,.0f} | {lines / run.wall:,.0f} | "
            f"{run.cpu / scan.cpu:.1f} | {rival.cpu / run.cpu:.2f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
