"""What the gauges of an account's last weeks cost a scrape, and the whole scrape with them.

    python benchmarks/scrape.py --accounts 50 --formats 3 --days 14 [--ledger postgresql://…]

Every account renders in each of its formats in each quarter of an hour. The ledger is kept for the next time, unless it
is given: it has to be a new one then. Machines are noisy: the figures are medians.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from auditor_exporter.families import Families
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.recent import add_recent
from auditor_exporter.snapshot import Snapshot

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.schema import BUCKET_US
from auditor.ledger.state import state_of
from auditor.model.settings import Settings

FOLDER = Path(__file__).parent.parent / ".bench" / "scrape"
NOW_US = 1_789_900_200_000_000
FORMATS = ("png", "jpeg", "webp", "pdf", "avif", "gif")
BAR = 0.2
"""CPU seconds."""


def fill(ledger: Ledger, settings: Settings, log: Path, accounts: int, formats: int, days: int) -> None:
    """Ingest the events."""
    number = 0
    with log.open("w") as out:
        for bucket in range(days * 96):
            ts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((NOW_US - bucket * BUCKET_US) // 1_000_000))
            for account in range(accounts):
                for kind in FORMATS[:formats]:
                    number += 1
                    event = {
                        "v": 1, "id": f"e{number}", "ts": ts, "outcome": "render", "provider": "imejis",
                        "account": f"account-{account}", "environment": "production", "template": "og",
                        "key": f"k1:{number}", "format": kind, "credits": 0.5, "status": 200, "bytes": 1000,
                    }  # fmt: skip
                    out.write(json.dumps(event) + "\n")
    done = Ingest(ledger, settings, lambda: NOW_US / 1_000_000).run([log])
    assert done.counts["events"] == number


def median(rounds: int, work: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    found = []
    for _ in range(rounds):
        started = time.thread_time()
        work()
        found.append(time.thread_time() - started)
    return statistics.median(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--formats", type=int, default=3)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--ledger", help="a new one, instead of a kept file")
    options = parser.parse_args()
    name = f"{options.accounts}-{options.formats}-{options.days}"
    accounts = {f"account-{number}": {"provider": "imejis", "plan": "Pro"} for number in range(options.accounts)}
    settings = settings_of({"accounts": accounts}, "the benchmark")
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / f"{name}.db"
    ready = kept.with_suffix(".ready")
    with Ledger(options.ledger or kept) as ledger:
        if options.ledger or not ready.exists():
            fill(ledger, settings, FOLDER / f"{name}.jsonl", options.accounts, options.formats, options.days)
            if not options.ledger:
                ready.touch()

        def recent() -> None:
            with ledger.read() as connection:
                state = state_of(connection)
                cycles = {("imejis", account): state.cycle("imejis", account, NOW_US) for account in accounts}
                add_recent(connection, Families(), cycles, {payer: payer for payer in cycles}, NOW_US)

        def whole() -> None:
            collected = Snapshot([LedgerCollector(ledger, settings)], lambda: NOW_US / 1_000_000)
            body, _ = collected.exposition()
            assert collected.healthy and b"imgrender_credits_spent_usual" in body

        cost = median(options.rounds, recent)
        all_of_it = median(options.rounds, whole)
    print(f"| {options.accounts} accounts, {options.formats} formats, {options.days} days | CPU ms |\n| --- | --- |")
    print(f"| gauges of the last weeks | {cost * 1000:.0f} |\n| a whole scrape | {all_of_it * 1000:.0f} |")
    print(f"\n{'met' if cost < BAR else 'NOT MET'}  below {BAR:g} s: {cost:.3f} s")


if __name__ == "__main__":
    main()
