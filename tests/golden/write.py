"""The golden report of sample_logs/: written by `make golden`, compared byte for byte by test_golden.py."""

import os
import subprocess
import sys
from pathlib import Path

from tests.formats.samples import SAMPLES, golden, golden_of

ROOT = Path(__file__).parents[2]
GOLDEN = {"json": Path(__file__).with_name("sample_logs.json"), "text": Path(__file__).with_name("sample_logs.txt")}
EPOCH = "1790812800"
"""2026-10-01, the day after the quarter that the samples tell of."""


def report(report_format: str) -> bytes:
    """What `auditor audit sample_logs` prints, from the root of the project, in that format."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "auditor", "audit", "sample_logs", "--format", report_format]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return done.stdout


if __name__ == "__main__":
    for name, path in GOLDEN.items():
        path.write_bytes(report(name))
        print(f"{path.relative_to(ROOT)} written", file=sys.stderr)
    for sample in SAMPLES:
        golden_of(sample).write_text("".join(line + "\n" for line in golden(sample)), encoding="utf-8")
        print(f"{golden_of(sample).relative_to(ROOT)} written", file=sys.stderr)
