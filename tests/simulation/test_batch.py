"""What could have been pre-generated: by hand, and against a slow reading of random logs."""

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor import pipeline
from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.results.header import document
from auditor.results.simulation import Setting
from tests.bruteforce import Audit, grouped, unit
from tests.conftest import event, lines
from tests.simulation.test_simulate_oracle import demand_log
from tests.slow_replay import SlowReplay

pytestmark = pytest.mark.usefixtures("random_now")

NAMES = ("provider", "account", "environment", "template")


def batch(files: dict[str, bytes], config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The part of the document."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = discover([str(folder / name) for name in files], folder)
    options = pipeline.Options(cache=False)
    result = pipeline.simulate(
        sources, settings_of(config, "generated"), options, [Setting.of(None)], lambda *_: None, batch=True
    )
    return json.loads(json.dumps(document(result)))["batch"]


def test_a_steady_key_and_a_burst(tmp_path: Path) -> None:
    """Five mornings of one key, and ten new keys after a publish: what they would move, in local hours."""
    steady = [
        event(f"s{day}{again}", f"2026-09-{day:02}T{hour:02}:30:00Z", key="daily")
        for day in (1, 2, 3, 4, 6)
        for again, hour in enumerate((6, 9))
    ]
    burst = [event(f"b{n}", f"2026-09-07T10:{n:02}:00Z", key=f"new{n}", template="news") for n in range(10)]
    late = [event("late", "2026-09-07T10:30:00Z", key="later", template="news")]
    ahead = [event(f"p{n}", f"2026-09-08T01:{n:02}:00Z", key=f"night{n}", source="batch") for n in range(12)]
    config = {"accounts": {"main": {"provider": "imejis", "timezone": "Europe/Berlin"}}}
    found = batch({"a.jsonl": lines(steady + burst + late + ahead)}, config, tmp_path)
    assert (found["steady"]["keys"], found["steady"]["renders"]) == (1, 4)
    assert found["steady"]["top"][0]["key"] == "daily"
    assert (found["bursts"]["bursts"], found["bursts"]["renders"]) == (1, 10)
    assert found["bursts"]["top"][0]["start"] == "2026-09-07T10:00:00Z"
    assert found["accounts"] == [
        {
            "provider": "imejis", "account": "main", "online_renders": 21, "movable": 14,
            "movable_share": 0.666667, "peak_hours": [8, 11, 12], "movable_in_peak_hours": 14,
            "busiest_hour": 11, "busiest_hour_then": 1,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("missing", [2, 3])
def test_four_fifths_of_the_days_are_needed(missing: int, tmp_path: Path) -> None:
    """Eight of ten days are steady, seven are not."""
    days = [day for day in range(1, 11) if day == 10 or day <= 9 - missing]
    log = lines([event(f"e{day}", f"2026-09-{day:02}T06:00:00Z") for day in days])
    assert batch({"a.jsonl": log}, {}, tmp_path)["steady"]["keys"] == (missing == 2)


DAYS, BURST, PAUSE = 2, 2, timedelta(minutes=5)


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_slow_reading(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random logs, with limits that they reach."""
    monkeypatch.setattr("auditor.simulation.batch.DAYS", DAYS)
    monkeypatch.setattr("auditor.simulation.batch.BURST", BURST)
    monkeypatch.setattr("auditor.engines.duckdb.STREAM_ROWS", 7)
    files, config = demand_log(seed, 300)
    found = batch(files, config, tmp_path)
    audit = Audit(files, config)
    slow = SlowReplay(audit)

    def local(e: dict[str, Any]) -> datetime:
        settings = audit.account(e["provider"], e["account"])
        return e["at"].astimezone(ZoneInfo(settings.get("timezone", config.get("timezone", "UTC"))))

    def waited(e: dict[str, Any]) -> bool:
        return e["outcome"] == "render" and e.get("source") != "batch"

    steady: dict[str, int] = Counter()
    new = []
    for key, requests in grouped(slow.demand, slow.key).items():
        days = [local(e).date() for e in requests]
        span = (max(days) - min(days)).days + 1
        if waited(requests[0]):
            new.append(requests[0])
        if len(set(days)) < DAYS or len(set(days)) * 5 < span * 4:
            continue
        for day in sorted(set(days))[1:]:
            first = next((e for e in requests if waited(e) and local(e).date() == day), None)
            if first is not None:
                steady[key] += 1
                first["moved"] = True
    bursts = []
    for requests in grouped(sorted(new, key=lambda e: e["at"]), unit).values():
        run: list[Any] = []
        for e in [*requests, None]:
            if run and (e is None or e["at"] - run[-1]["at"] > PAUSE):
                if len(run) >= BURST:
                    bursts.append(run)
                run = []
            run.append(e)
    for e in (e for run in bursts for e in run):
        e["moved"] = True

    assert (found["steady"]["keys"], found["steady"]["renders"]) == (len(steady), sum(steady.values()))
    assert (found["bursts"]["bursts"], found["bursts"]["renders"]) == (len(bursts), sum(map(len, bursts)))
    assert sorted(each["renders"] for each in found["bursts"]["top"]) == sorted(sorted(map(len, bursts))[-20:])
    for account in found["accounts"]:
        renders = [
            e for e in slow.demand
            if waited(e) and (e["provider"], e["account"]) == (account["provider"], account["account"])
        ]  # fmt: skip
        moved = [e for e in renders if e.get("moved")]
        by_hour = Counter(local(e).hour for e in renders)
        peak = sorted(hour for hour, count in by_hour.items() if count * 24 > len(renders))

        def busiest(some: list[Any]) -> int:
            hours = Counter(local(e).replace(minute=0, second=0, microsecond=0, tzinfo=None) for e in some)
            return max(hours.values(), default=0)

        assert (account["online_renders"], account["movable"]) == (len(renders), len(moved))
        assert account["peak_hours"] == peak
        assert account["movable_in_peak_hours"] == sum(local(e).hour in peak for e in moved)
        assert account["busiest_hour"] == busiest(renders)
        assert account["busiest_hour_then"] == busiest([e for e in renders if not e.get("moved")])
