"""What events that are decades apart cost: process CPU against as many ordinary lines (bar: twice).

Accounts with one event of 2000-02-01 and one of now each against accounts with two events of now, and a log of two
such events in a monthly, a periodic and a daily report. User time and not the clock, whole processes in turn; the
median of the ratios.
"""

import argparse
import json
import os
import statistics
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

FIRST, NOW = datetime(2000, 2, 1, tzinfo=UTC), datetime(2026, 9, 30, 12, tzinfo=UTC)
ACCOUNTS = 10_000
MOST = 2.0
"""Times the CPU of ordinary lines."""


def written(path: Path, accounts: int, apart: timedelta) -> str:
    """A log of two renders *apart* for each account; its path."""
    with path.open("w", encoding="utf-8") as out:
        for number in range(accounts):
            for place, at in enumerate((NOW - apart, NOW)):
                event = {
                    "v": 1, "id": f"{number}-{place}", "ts": at.isoformat(), "outcome": "render",
                    "provider": "imejis", "account": f"a{number}", "environment": "production", "template": "og",
                    "key": f"k1:{number}-{place}",
                }  # fmt: skip
                out.write(json.dumps(event) + "\n")
    return str(path)


def cpu_seconds(*arguments: str) -> float:
    """User time of one command."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(int(NOW.timestamp()) + 86_400)}
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    command = [sys.executable, "-m", "auditor", *arguments]
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"auditor {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime


def main() -> None:
    """Print the medians and the ratio of each case; exit 1 where one is above `MOST` (only with --check)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        logs = {
            accounts: [
                written(place / f"{accounts}-{apart.days}.jsonl", accounts, apart)
                for apart in (timedelta(hours=1), NOW - FIRST)
            ]
            for accounts in (asked.accounts, 1)
        }
        cases = [
            (f"{asked.accounts:,} accounts, JSON", asked.accounts, ("audit", "--format", "json")),
            ("one account, csv-cycles", 1, ("audit", "--format", "csv-cycles")),
            ("one account, auditor report", 1, ("report", "--cycle", "2026-09", "--history", str(place / "history"))),
            ("one account, csv-daily", 1, ("audit", "--format", "csv-daily")),
        ]  # fmt: skip
        above = False
        for name, accounts, command in cases:
            usual, far = zip(
                *(
                    tuple(cpu_seconds(command[0], log, *command[1:]) for log in logs[accounts])
                    for _ in range(asked.rounds)
                ),
                strict=True,
            )
            ratio = statistics.median(there / here for here, there in zip(usual, far, strict=True))
            above |= ratio > MOST
            print(f"{name:28} {statistics.median(usual):6.2f} s  {statistics.median(far):6.2f} s  {ratio:.2f}")
    if asked.check and above:
        raise SystemExit(f"more than {MOST} times the CPU of ordinary lines")


if __name__ == "__main__":
    main()
