"""Whatever happens to a ledger between its first event and a scrape, every exporter of it says what the audit says."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot

from auditor.config import settings_of
from auditor.intake.sources import Source
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.upkeep import prune
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples
from tests.ledger.conftest import configured, postgres, where  # noqa: F401 (fixtures)

ZONES = (
    "UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "America/Santiago",
    "Pacific/Chatham", "Africa/Casablanca", "Asia/Kathmandu", "Europe/Dublin", "Antarctica/Troll", "Asia/Beirut",
)  # fmt: skip
"""With offsets of 45 minutes, half an hour of summer time, midnights that do not exist, a day that was left out."""
FATES: tuple[dict[str, Any], ...] = (
    {}, {}, {"credits": 2.25}, {"credits": 0}, {"outcome": "hit", "count": 3}, {"outcome": "attempt"},
    {"outcome": "error", "error": "timeout"}, {"outcome": "error", "error": "server", "status": 500, "credits": 1},
    {"outcome": "error", "error": "server", "status": 500, "credits": 1, "retried": True}, {"outcome": "refused"},
)  # fmt: skip
STORIES = ("configured a b", "a configured b", "a b configured", "wrong a configured b", "a wrong b configured",
           "a b pruned configured", "wrong a b pruned configured", "configured a b pruned")  # fmt: skip


def plan(rng: random.Random) -> dict[str, Any]:
    """One that may have overage, roll over and be paid by the year."""
    found: dict[str, Any] = {
        "price": str(rng.choice([0, 12, Decimal("24.99")])), "included": rng.choice([1, 3, 20, 200]),
        "period": rng.choice(["month", "year"]),
    }  # fmt: skip
    if rng.random() < 0.5:
        found["overage"] = str(rng.choice([0, Decimal("0.02"), Decimal("1.5")]))
    if rng.random() < 0.7:
        found["rollover"] = True
        found |= rng.choice([{}, {"rollover_cycles": rng.randrange(1, 7)}, {"rollover_limit": "1.5"}])
    return found


def account(rng: random.Random, first: datetime, days: int) -> dict[str, Any]:
    """Plans and top-ups from before its first event until after now."""
    changes = sorted(rng.sample(range(-100, days + 50), rng.randrange(5)))
    topups = []
    for _ in range(rng.randrange(4)):
        day = first.date() + timedelta(days=rng.randrange(-60, days + 40))
        ends = {"expires": day + timedelta(days=rng.randrange(400))} if rng.random() < 0.5 else {}
        topups.append({"date": day, "credits": rng.randrange(1, 300), "price": "9", **ends})
    return {
        "provider": "imejis", "plan": rng.choice("ABC"), "anchor_day": rng.randrange(1, 32), "timezone": rng.choice(ZONES),
        "plans": [{"since": first.date() + timedelta(days=day), "plan": rng.choice("ABC")} for day in changes],
        "topups": topups,
    }  # fmt: skip


def events(rng: random.Random, name: str, first: datetime, now: datetime) -> list[dict[str, Any]]:
    """In a few stretches of years, with gaps between them, and one just now."""
    span = (now - first).total_seconds() - 1
    stretches = [(rng.random() * span, 86_400 * rng.choice([1, 40, 200])) for _ in range(rng.randrange(1, 4))]
    made = []
    for number in range(rng.randrange(1, 50)):
        start, length = rng.choice(stretches)
        at = first + timedelta(seconds=min(span, start + rng.random() * length))
        made.append(
            event(
                f"{name} {number}", at.isoformat(), account=name, key=str(rng.randrange(9)),
                environment=rng.choice(["production", "staging"]), **rng.choice(FATES),
            )
        )  # fmt: skip
    return [
        *made,
        event(f"{name} now", (now - timedelta(microseconds=1)).isoformat(), account=name, **rng.choice(FATES)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_exporter_agrees_with_the_audit(
    seed: int, where: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """Over gaps of years, odd zones, plans and top-ups of any day, wrong configurations that are corrected, and prunes."""
    rng = random.Random(seed)
    now = datetime(2025, rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60), tzinfo=UTC)
    first = datetime(2021, 1, 3, tzinfo=UTC) + timedelta(days=rng.randrange(1400))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(now.timestamp())))
    names = [f"a{number}" for number in range(4)]
    config = {
        "plans": {"imejis": {name: plan(rng) for name in "ABC"}},
        "accounts": {name: account(rng, first, (now - first).days) for name in names},
    }
    made = [each for name in names for each in events(rng, name, first, now)]
    rng.shuffle(made)
    for name, part in (("a", made[::2]), ("b", made[1::2]), ("all", made)):
        (tmp_path / f"{name}.jsonl").write_bytes(lines(part))
    whole = Source("all", tmp_path / "all.jsonl", cacheable=False)
    report = document(audit([whole], settings_of(config, "t"), Options(cache=False), lambda *_: None))
    others = settings_of({"accounts": {"a0": {"provider": "imejis", "anchor_day": 7}}}, "of another host")
    story = rng.choice(STORIES)
    with Ledger(where()) as ledger:
        for step in story.split():
            if step == "configured":
                configured(ledger, config)
            elif step == "wrong":
                wrong = {"anchor_day": rng.randrange(1, 32), "timezone": rng.choice(ZONES)}
                configured(ledger, {"accounts": {name: {"provider": "imejis", **wrong} for name in names}})
            elif step == "pruned":
                with ledger.write() as connection:
                    prune(connection, int((now.timestamp() - rng.randrange(1, 400) * 86_400) * 1e6))
            else:
                Ingest(ledger, others, now.timestamp).run([tmp_path / f"{step}.jsonl"])
        for settings in (settings_of({}, "one"), others, settings_of(config, "owner")):
            found = samples(Snapshot([LedgerCollector(ledger, settings)], now.timestamp))
            for each in report["accounts"]:
                assert shown(found, each["account"]) == pytest.approx(said(each["cycles"][-1]), rel=1e-12), story


METRICS = ("plan_credits", "period_credits_used", "period_start_timestamp_seconds", "period_end_timestamp_seconds")


def shown(found: dict[Any, float], name: str) -> list[float]:
    """What Prometheus sees of an account's current cycle."""
    return [
        sum(value for (metric, labels), value in found.items()
            if metric == f"imgrender_{wanted}" and dict(labels)["account"] == name)
        for wanted in METRICS
    ]  # fmt: skip


def said(cycle: dict[str, Any]) -> list[float]:
    """The same by the audit."""
    return [
        float(cycle["included"]), float(cycle["credits"]), datetime.fromisoformat(cycle["start"]).timestamp(),
        datetime.fromisoformat(cycle["end"]).timestamp(),
    ]  # fmt: skip
