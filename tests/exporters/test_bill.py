"""What a period costs in the end: on the plan that it is on, or on the one that it then needs."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.bill import PeriodBill, bill_of
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.model.plans import Plan
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples
from tests.ledger.conftest import configured

NOW = datetime(2026, 9, 16, tzinfo=UTC)
"""The middle of a month of 30 days."""


def plan(name: str, price: str, included: int, **more: Any) -> Plan:
    """Of the provider of these tests."""
    return Plan("p", name, Decimal(price), Decimal(included), **more)


SMALL, LARGE, EURO = plan("Small", "10", 100), plan("Large", "25", 1000), plan("Euro", "1", 9999, currency="EUR")
OVER = plan("Over", "10", 100, overage=Decimal("0.03"))
OFFERED = (SMALL, LARGE, EURO)


@pytest.mark.parametrize(
    ("credits", "on", "available", "topups", "expected"),
    [
        (Fraction(0), SMALL, 100, 0, PeriodBill(SMALL, Fraction(10))),
        (Fraction(100), SMALL, 100, 0, PeriodBill(SMALL, Fraction(10))),
        (Fraction("100.5"), SMALL, 100, 0, PeriodBill(LARGE, Fraction(25))),
        (Fraction(150), SMALL, 150, 7, PeriodBill(SMALL, Fraction(17))),
        (Fraction(151), SMALL, 150, 7, PeriodBill(LARGE, Fraction(32))),
        (Fraction(1050), SMALL, 150, 0, PeriodBill(LARGE, Fraction(25))),  # (the 50 beside the plan stay)
        (Fraction(1051), SMALL, 150, 0, None),
        (Fraction(101), OVER, 100, 0, PeriodBill(OVER, Fraction("10.03"))),
        (Fraction(50), plan("Year", "100", 100, period="year"), 100, 0, None),
    ],
)
def test_the_bill_of_a_period(
    credits: Fraction, on: Plan, available: int, topups: int, expected: PeriodBill | None
) -> None:
    """Exactly, in one currency; a plan that nobody sells is none."""
    found = bill_of(credits, on, Fraction(available), Fraction(topups), OFFERED)
    if on.name == "Year":
        assert found is not None and found.amount == Fraction(25, 3)
    else:
        assert found == expected


def shown(folder: Path, days: int, account: dict[str, Any], a_day: int) -> dict[str, float]:
    """Plan -> the bill that is shown at NOW, for an account that is so many days old."""
    config = {"accounts": {"main": {"provider": "imejis", **account}}}
    made = [
        event(f"{day} {n}", (NOW - timedelta(days=day, minutes=-5)).isoformat(), account="main")
        for day in range(1, days + 1) for n in range(a_day)
    ]  # fmt: skip
    log = folder / "usage.jsonl"
    log.write_bytes(lines(made))
    settings = settings_of(config, "test")
    with Ledger(folder / "l.db") as ledger:
        configured(ledger, config)
        Ingest(ledger, settings, NOW.timestamp).run([log])
        found = samples(Snapshot([LedgerCollector(ledger, settings)], NOW.timestamp))
    return {dict(at)["plan"]: value for (name, at), value in found.items() if name == "imgrender_period_projected_bill"}


@pytest.mark.parametrize(
    ("days", "account", "a_day", "expected"),
    [
        (9, {"plan": "Basic"}, 5, {"Basic": 14.99}),
        (15, {"plan": "Basic"}, 40, {"Pro": 24.99}),
        (15, {"plan": "Basic", "topups": [{"date": date(2026, 9, 2), "credits": 500, "price": "6"}]}, 40, {"Basic": 20.99}),
        (15, {"plan": "Pro"}, 400, {}),
        (6, {"plan": "Basic"}, 5, {}),
        (9, {}, 5, {}),
    ],
)  # fmt: skip
def test_it_is_shown_where_it_is_known(
    tmp_path: Path, days: int, account: dict[str, Any], a_day: int, expected: dict[str, float]
) -> None:
    """A week of usage and a plan are needed; and one that holds what is coming."""
    assert shown(tmp_path, days, account, a_day) == expected
