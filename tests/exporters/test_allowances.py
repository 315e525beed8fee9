"""What Prometheus sees of a plan is what the audit says of the current cycle, whatever was carried over or bought."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.bill import bill_of
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot

from auditor.config import settings_of
from auditor.intake.sources import Source
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.model.plans import cycles, micros
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples
from tests.ledger.conftest import configured

FIRST, NOW = datetime(2025, 3, 3, tzinfo=UTC), datetime(2025, 9, 21, 14, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia")


def generated(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(configuration, events) of six accounts that differ in all that an allowance depends on."""
    rng = random.Random(seed)
    plans = {}
    for name in ("A", "B", "C", "D"):
        plans[name] = {
            "price": str(rng.choice([0, 12, Decimal("24.99"), 100])), "included": rng.choice([3, 20, 50, 200]),
            "period": rng.choice(["month", "year"]),
        }  # fmt: skip
        if rng.random() < 0.5:
            plans[name]["overage"] = str(rng.choice([Decimal("0.02"), Decimal("1.5")]))
        if rng.random() < 0.6:
            plans[name]["rollover"] = True
            if rng.random() < 0.5:
                plans[name]["rollover_cycles"] = rng.randrange(1, 4)
            if rng.random() < 0.4:
                plans[name]["rollover_limit"] = str(rng.choice([1, Decimal("1.5"), 3]))
    accounts, made = {}, []
    days = (NOW - FIRST).days
    for number in range(6):
        account: dict[str, Any] = {
            "provider": "imejis", "plan": rng.choice("ABCD"), "anchor_day": rng.choice([1, 15, 29, 31]),
            "timezone": rng.choice(ZONES),
        }  # fmt: skip
        changes = rng.sample(range(days + 1), rng.randrange(3))
        account["plans"] = [
            {"since": FIRST.date() + timedelta(days=day), "plan": rng.choice("ABCD")} for day in sorted(changes)
        ]
        account["topups"] = []
        for _ in range(rng.randrange(3)):
            day = FIRST.date() + timedelta(days=rng.randrange(days + 1))
            bought = {"date": day, "credits": rng.randrange(1, 300), "price": "9"}
            if rng.random() < 0.5:
                bought["expires"] = day + timedelta(days=rng.randrange(90))
            account["topups"].append(bought)
        accounts[f"a{number}"] = account
        for n in range(rng.randrange(1, 120)):
            at = FIRST + timedelta(seconds=rng.randrange(int((NOW - FIRST).total_seconds())))
            fields = {"credits": rng.choice([1, 1, 0.5, 3])} if rng.random() < 0.8 else {"outcome": "hit"}
            made.append(event(f"{number} {n}", at.isoformat(), account=f"a{number}", **fields))
        made.append(event(f"{number} now", (NOW - timedelta(minutes=1)).isoformat(), account=f"a{number}"))
    return {"plans": {"imejis": plans}, "accounts": accounts}, made


def compared(config: dict[str, Any], made: list[dict[str, Any]], folder: Path, now: datetime) -> int:
    """How many accounts were compared."""
    log = folder / "usage.jsonl"
    log.write_bytes(lines(made))
    settings = settings_of(config, "test")
    result = audit([Source("log", log, cacheable=False)], settings, Options(cache=False), lambda *_: None)
    report = document(result)
    charged = {each.account: each.cycles[-1].paid.charged for each in result.report.accounts}
    with Ledger(folder / "l.db") as ledger:
        Ingest(ledger, settings_of({}, "another host's")).run([log])
        configured(ledger, config)
        taken = Snapshot([LedgerCollector(ledger, settings_of({}, "another host's"))], now.timestamp)
        found = samples(taken)
    for account in report["accounts"]:
        cycle = account["cycles"][-1]
        at = {"account": account["account"]}
        shown = {
            name.removeprefix("imgrender_"): (dict(labels), value)
            for (name, labels), value in found.items() if at.items() <= dict(labels).items()
        }  # fmt: skip
        plan = settings.catalogue["imejis"][
            [each.name for each in settings.catalogue["imejis"]].index(account_plan(settings, account, now))
        ]
        labels, credits = shown["plan_credits"]
        assert credits == pytest.approx(float(cycle["included"]), rel=1e-12), account["account"]
        assert labels["hard_cap"] == ("true" if plan.overage is None else "false")
        assert shown["plan_price"][1] == pytest.approx(float(plan.monthly))
        assert shown["plan_price"][0]["plan"] == plan.name
        assert shown.get("plan_overage_price", ({}, None))[1] == (None if plan.overage is None else float(plan.overage))
        used = sum(v for (name, labels), v in found.items()
                   if name == "imgrender_period_credits_used" and at.items() <= dict(labels).items())  # fmt: skip
        assert used == float(cycle["credits"])
        of = settings.accounts[account["account"]]
        (current,) = cycles(micros(now), micros(now), of.anchor_day, of.timezone)
        bought = sum((Fraction(each.price) for each in of.bought(current)), Fraction(0))
        bill = bill_of(Fraction(str(cycle["credits"])), plan, Fraction(str(cycle["included"])), bought, ())
        assert (bill and bill.amount) == charged[account["account"]]
        start = datetime.fromisoformat(str(cycle["start"]))
        assert shown["period_start_timestamp_seconds"][1] == start.timestamp()
    return len(report["accounts"])


def account_plan(settings: Any, account: dict[str, Any], now: datetime) -> str:
    """The plan that is in force now, found by its own rule: the newest, a larger one at once, a smaller one later."""
    of = settings.accounts[account["account"]]
    (cycle,) = cycles(micros(now), micros(now), of.anchor_day, of.timezone)
    plan = of.plan_of(cycle)
    assert plan is not None
    return str(plan.name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_metrics_and_audit_agree(seed: int, tmp_path: Path) -> None:
    """Top-ups, rollover with and without an end and a limit, overage, yearly plans, changes within a cycle."""
    assert compared(*generated(seed), tmp_path, NOW) == 6


def test_the_three_accounts_that_paged_for_nothing(tmp_path: Path) -> None:
    """A top-up, credits carried over, overage: none is used up."""
    config = {
        "plans": {"imejis": {
            "Own": {"price": "9", "included": 100, "rollover": True},
            "Over": {"price": "9", "included": 3, "overage": "0.01"},
        }},
        "accounts": {
            "lat": {"provider": "imejis", "plan": "Free", "topups": [{"date": date(2025, 9, 2), "credits": 500, "price": "9"}]},
            "roll": {"provider": "imejis", "plan": "Own"}, "over": {"provider": "imejis", "plan": "Over"},
        },
    }  # fmt: skip
    made = [event(f"lat{n}", "2025-09-10T00:00:00Z", account="lat") for n in range(150)]
    made += [event(f"roll{n}", f"2025-0{8 + (n > 4)}-10T00:00:00Z", account="roll") for n in range(155)]
    made += [event(f"over{n}", "2025-09-10T00:00:00Z", account="over") for n in range(10)]
    assert compared(config, made, tmp_path, NOW) == 3
    with Ledger(tmp_path / "l.db") as ledger:
        found = samples(Snapshot([LedgerCollector(ledger, settings_of({}, "x"))], NOW.timestamp))
    shown = {dict(labels)["account"]: (value, dict(labels)["hard_cap"]) for (name, labels), value in found.items()
             if name == "imgrender_plan_credits"}  # fmt: skip
    assert shown == {"lat": (600, "true"), "roll": (195, "true"), "over": (3, "false")}
