"""Names that others choose make no scrape slow: what it reads has few rows, and every credit is in one of them."""

import os
import time
from decimal import Decimal
from pathlib import Path

import pytest
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from sqlalchemy import func, select

from auditor.config import settings_of
from auditor.ledger import schema
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples, total
from tests.ledger.conftest import configured, sums

PLACES = int(os.environ.get("AUDITOR_PLACES", "20000"))
"""100000 for the full figure."""
ROWS = 21 * 51 * 6 * 3
"""Environments, accounts, outcomes and formats that are told apart; far fewer come together."""
NOW = 1_789_900_000.0


@pytest.mark.slow
@pytest.mark.parametrize("field", ["account", "environment", "provider", "all"])
def test_a_scrape_does_not_grow_with_names(field: str, tmp_path: Path) -> None:
    """Accounts, environments, providers, all at once: under a second of CPU, 2 MiB, and the totals are the ledger's."""
    named = ("account", "environment", "provider") if field == "all" else (field,)
    count = PLACES if field == "all" else PLACES // 10
    log = tmp_path / "usage.jsonl"
    with log.open("wb") as out:
        for start in range(0, count, 1000):
            made = (
                event(
                    f"e{n}", "2026-09-20T10:00:00Z", **{name: f"{name}-{n}" for name in named}, credits=0.5, key=f"k{n}"
                )
                for n in range(start, start + 1000)
            )
            out.write(lines(made))
    with Ledger(tmp_path / "l.db") as ledger:
        configured(ledger, {"accounts": {"mine": {"provider": "imejis", "plan": "Basic", "anchor_day": 15}}})
        Ingest(ledger, settings_of({}, "test")).run([log])
        log.write_bytes(lines([event("mine", "2026-09-20T10:00:00Z", account="mine", credits=7)]))
        Ingest(ledger, settings_of({}, "test")).run([log])
        collected = Snapshot([LedgerCollector(ledger, settings_of({}, "test"))], lambda: NOW)
        started = time.thread_time()
        body = collected.exposition()[0]
        spent = time.thread_time() - started
        with ledger.read() as connection:
            rows = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (schema.totals, schema.periods, schema.paid, schema.rollups)
            ]
        exact = sums(ledger, "rollups")[()]
    found = samples(collected)
    print(f"{count:,} of {field}: {rows} rows, {len(body):,} bytes, {spent * 1000:.0f} ms CPU")
    assert spent < 1 and len(body) <= 2 << 20
    assert max(rows[:3]) < ROWS < rows[3] + ROWS and rows[3] == count + 1
    assert Decimal(str(total(found, "credits_used_total"))) == exact.credits == Decimal(count) / 2 + 7
    assert total(found, "period_credits_used") == float(exact.credits)
    assert total(found, "requests_total") == count + 1
    assert total(found, "credits_used_total", account="mine", production="true") == 7
    label = {"environment": "app_env", "all": "account"}.get(field, field)
    assert total(found, "label_values_dropped_total", label=label) >= count - 51
    if field == "account":
        assert total(found, "credits_used_total", account="other", app_env="production", production="true") > count / 4
