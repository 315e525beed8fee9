"""What `from auditor import Renderer` costs a web application: process CPU against `import httpx` alone.

Whole processes, interpreter start included, in turn; the median of each and their ratio. As in a base install, click
cannot be imported: where it can, httpx loads its own command line too, and the ratio is lower. Processor time and not
the clock, so that a busy machine changes little; the ratio, since machines differ.
"""

import argparse
import os
import statistics
import sys
from tempfile import TemporaryDirectory

RUNS = 20
BASE = "import os, sys; sys.modules['click'] = None; "
MOST = 1.5
"""Times the CPU of `import httpx`."""


def cpu_seconds(code: str, folder: str) -> float:
    """User and system time of one process that runs *code*."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", f"{BASE}os.chdir({folder!r}); {code}"], os.environ)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{code!r} failed")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print both medians and the ratio; exit 1 where it is above `MOST` (only with --check)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--check", action="store_true", help=f"fail above {MOST} times")
    options = parser.parse_args()
    codes = {"import httpx": "import httpx", "from auditor import Renderer": "from auditor import Renderer"}
    took: dict[str, list[float]] = {name: [] for name in codes}
    with TemporaryDirectory() as folder:
        for code in codes.values():  # compiled and in the page cache
            cpu_seconds(code, folder)
        for _ in range(options.runs):
            for name, code in codes.items():
                took[name].append(cpu_seconds(code, folder))
    plain, ours = (statistics.median(times) for times in took.values())
    print(f"| process CPU, median of {options.runs} | ms | ratio |\n| --- | ---: | ---: |")
    print(f"| `import httpx` | {plain * 1000:.0f} | 1.00 |")
    print(f"| `from auditor import Renderer` | {ours * 1000:.0f} | {ours / plain:.2f} |")
    if options.check and ours / plain > MOST:
        raise SystemExit(f"importing Renderer costs {ours / plain:.2f} times `import httpx`: at most {MOST} is allowed")


if __name__ == "__main__":
    main()
