"""What each report costs after the audit, and how large it is: bars are 2 s and 3 MB for 10 M events.

    python benchmarks/reports.py .bench/10m/usage.jsonl       (`make bench SIZE=10m` leaves it there)

The log is audited once; then each format is written in this process, and again, since the first HTML starts V8.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path

from auditor import config
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.registry import REPORTS


def main() -> None:
    """Print a row a format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="a log of generate.py, with its auditor.toml beside it")
    log = parser.parse_args().log
    with tempfile.TemporaryDirectory() as scratch:
        began = time.process_time()
        settings = config.load(log.parent / "auditor.toml")
        result = audit(discover([str(log)], Path(scratch)), settings, Options(), lambda *_: None)
        print(f"audit of {result.inputs.events:,} events: {time.process_time() - began:.1f} CPU s")
    print("| format | first, s | again, s | CPU s | bytes |\n| --- | ---: | ---: | ---: | ---: |")
    for name, report in REPORTS.items():
        walls, cpu = [], time.process_time()
        for _ in range(2):
            out = io.StringIO(newline="")
            began = time.perf_counter()
            report.write(result, out)
            walls.append(time.perf_counter() - began)
        used = time.process_time() - cpu
        size = len(out.getvalue().encode())
        print(f"| {name} | {walls[0]:.2f} | {walls[1]:.2f} | {used:.2f} | {size:,} |")


if __name__ == "__main__":
    main()
