"""What a simulation costs: twenty TTLs over millions of events, and cache traces against libCacheSim.

    python benchmarks/simulate.py --size 10m            (or 1m; needs libcachesim, see `make bench-simulate`)
    python benchmarks/simulate.py --size 10m --times 10 --only-events

`--times` replays the log so many times over, with keys and ids of their own, from Parquet: 100 million events without
40 GB of JSON. Each row is a process of its own, measured by the kernel. Miss ratios must agree to be compared.
"""

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from run import HERE, ROOT, SIZES, Run, measured

from auditor.intake import cache as intake_cache

TTLS = [f"{hours}h" for hours in range(1, 21)]
SKEW = 0.9
PEER = """
import sys
import libcachesim as peer

count = sys.argv[3] == "entries"
columns = peer.ReaderInitParam(has_header=False, delimiter=",", obj_id_is_num=True, ignore_obj_size=count)
columns.time_field, columns.obj_id_field, columns.obj_size_field = 1, 2, 3
reader = peer.TraceReader(sys.argv[1], peer.TraceType.CSV_TRACE, columns)
print(peer.LRU(cache_size=int(sys.argv[2])).process_trace(reader)[0])
"""
"""CSV in, miss ratio out."""
REPLICATE = """
import sys
import duckdb

source, target, times = sys.argv[1:]
duckdb.sql(f"SET memory_limit = '1500MB'; SET preserve_insertion_order = false")
duckdb.sql(f'''COPY (
    SELECT r.* REPLACE (line + n * 1000000000 AS line, id || '-' || n AS id, key || '-' || n AS key)
    FROM read_parquet('{source}') r, range({times}) t(n)
) TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 200000)''')
"""
FROM_PARQUET = """
import sys, tempfile
from pathlib import Path
from auditor import config
from auditor.engines.duckdb import DuckDB
from auditor.analysis.demand import demand
from auditor.analysis.identities import drop_replaced
from auditor.analysis.units import locate
from auditor.results.simulation import Setting
from auditor.simulation.outcomes import sums_of

with tempfile.TemporaryDirectory(dir=sys.argv[1]) as name:
    folder = Path(name)
    (folder / "records").mkdir()
    (folder / "records" / "00000000.parquet").symlink_to(sys.argv[2])
    engine = DuckDB(folder, Path(sys.argv[2]).stat().st_size)
    records = drop_replaced(engine, engine.read(folder / "records"), lambda rows: {row: b"{}" for row in rows})
    asked = demand(locate(records, config.load(Path(sys.argv[3])), None, None))
    found = sums_of(asked, [Setting.of(hours * 3600 * 10**6) for hours in range(1, 21)])
    print([sum(outcome.renders for outcome in sums.values()) for sums in found.values()])
    engine.close()
"""


def trace(path: Path, requests: int) -> None:
    """A Zipf trace with a size for each id, the same in every run."""
    rng = np.random.default_rng(1)
    shares = np.cumsum(np.arange(1, requests // 5 + 1, dtype=np.float64) ** -SKEW)
    ids = np.searchsorted(shares, rng.random(requests) * shares[-1])
    seconds = np.arange(requests) // 50 + 1_700_000_000
    np.savetxt(path, np.stack([seconds, ids, ids * 2654435761 % 100_000 + 500], 1), fmt="%d", delimiter=",")


def events(size: str, times: int) -> None:
    """Twenty TTLs over a log."""
    folder = ROOT / ".bench" / size
    log = folder / "usage.jsonl"
    if not log.exists():
        subprocess.run([sys.executable, HERE / "generate.py", "--events", str(SIZES[size]), "--out", log], check=True)
    command = [sys.executable, "-m", "auditor", "simulate", log, "--format", "json"]
    for ttl in TTLS:
        command += ["--ttl", ttl]
    # Once for the cache of the log, and for what numba keeps.
    cold = measured(f"auditor simulate, {len(TTLS)} TTLs, cold", command)
    warm = measured(f"auditor simulate, {len(TTLS)} TTLs, from its cache", command)
    runs = [cold, warm]
    demand = json.loads(warm.output)["demand"]
    if times > 1:
        big = folder / f"times-{times}.parquet"
        kept = max(intake_cache.folder().glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        subprocess.run([sys.executable, "-c", REPLICATE, kept, big, str(times)], check=True)
        try:
            run = measured(
                f"the same, {times} times over, from Parquet",
                [sys.executable, "-c", FROM_PARQUET, folder, big.resolve(), folder / "auditor.toml"],
            )
        finally:
            big.unlink()
        runs.append(run)
        once = [row["renders"] for row in json.loads(warm.output)["rows"]]
        same = json.loads(run.output) == [times * renders for renders in once]
        print(f"renders are exactly {times} times those of one: {same}\n")
    table(runs)
    print(f"\n{demand:,} requests in {SIZES[size]:,} events")
    if size == "10m":
        print(f"{'met    ' if warm.wall <= 20 else 'NOT MET'}  at most 20 s: {warm.wall:.1f}")
        print(f"{'met    ' if warm.peak <= 1536 else 'NOT MET'}  at most 1,536 MiB: {warm.peak:,.0f}")


def traces(size: str) -> int:
    """LRU miss ratios from CSV to result, against the peer."""
    folder = ROOT / ".bench" / "traces"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{size}.csv"
    if not path.exists():
        trace(path, SIZES[size])
    agree = True
    runs = []
    for unit, capacity in (("entries", SIZES[size] // 10), ("bytes", SIZES[size] * 1000)):
        own = [
            sys.executable,
            "-m",
            "auditor",
            "simulate",
            path,
            f"--capacity-{unit}",
            str(capacity),
            "--format",
            "json",
        ]
        measured("once, for what numba keeps", own)
        ours = measured(f"auditor simulate, LRU by {unit}", own)
        peer = measured(f"libCacheSim, LRU by {unit}", [sys.executable, "-c", PEER, path, str(capacity), unit])
        runs += [ours, peer]
        ratio = json.loads(ours.output)["rows"][0]["miss_ratio"]
        other = float(peer.output.split()[-1])
        agree = agree and ratio == round(other, 6)
        print(f"{unit}: {ratio} and {other:.6f}; wall {peer.wall / ours.wall:.1f} x, CPU {peer.cpu / ours.cpu:.1f} x")
    print()
    table(runs)
    return 0 if agree else 1


def table(runs: list[Run]) -> None:
    """Print a row a run."""
    print("| what | wall s | CPU s | peak MiB |")
    print("| --- | --- | --- | --- |")
    for run in runs:
        print(f"| {run.name} | {run.wall:.1f} | {run.cpu:.1f} | {run.peak:,.0f} |")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="1m")
    parser.add_argument("--times", type=int, default=1, help="replay the log so many times over, from Parquet")
    parser.add_argument("--only-events", action="store_true")
    parser.add_argument("--only-traces", action="store_true")
    options = parser.parse_args()
    free = shutil.disk_usage(ROOT).free
    if free < options.times * SIZES[options.size] * 300:
        raise SystemExit(f"too little disk: {free // 10**9} GB are free")
    if not options.only_traces:
        events(options.size, options.times)
    if options.only_events:
        return 0
    if importlib.util.find_spec("libcachesim") is None:
        raise SystemExit("libcachesim is not installed: make bench-simulate")
    return traces(options.size)


if __name__ == "__main__":
    sys.exit(main())
