"""What an account did lately is judged by the time of its events, whenever they came into the ledger."""

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.pace import DAY, HISTORY, QUARTERS, SOON, WEEK, WINDOWS, Pace
from auditor_exporter.snapshot import Snapshot
from sqlalchemy import event as sql_event

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples, total

NOW = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC).timestamp()
CONFIG = {"accounts": {"main": {"provider": "imejis", "plan": "Basic"}}}
QUARTER = 900


def shown(folder: Path, *batches: Iterable[dict[str, Any]]) -> dict[Any, float]:
    """The samples after each batch was ingested as a file of its own, in that order."""
    settings = settings_of(CONFIG, "test")
    with Ledger(folder / "ledger.db") as ledger:
        ingest = Ingest(ledger, settings, lambda: NOW)
        for number, batch in enumerate(batches):
            path = folder / f"usage-{number}.jsonl"
            path.write_bytes(lines(batch))
            ingest.run([path])
        return samples(Snapshot([LedgerCollector(ledger, settings)], lambda: NOW, lambda: 0.0))


def render(number: int, ago: float, **fields: Any) -> dict[str, Any]:
    """A render so many seconds before now."""
    ts = datetime.fromtimestamp(NOW - ago, UTC).isoformat()
    return event(f"r{number}", ts, key=f"k1:{number}", **fields)


def test_a_year_of_old_logs_is_no_burn(tmp_path: Path) -> None:
    """600 credits of last year, ingested now: the counter rises, what was spent lately does not."""
    old = [render(number, 400 * 86_400 + number) for number in range(600)]
    found = shown(tmp_path, [render(-1, 100)], old)
    assert total(found, "credits_used_total") == 601
    assert total(found, "credits_spent", window="12h") == 1
    assert total(found, "credits_spent_fastest", window="1h") == 1
    assert total(found, "credits_spent_usual", window="1h") == 0
    assert total(found, "recent_requests", ago="0d") == 1


def test_an_outage_that_is_caught_up_shows_what_was_spent_when(tmp_path: Path) -> None:
    """The same figures, whether events came one by one or all at once."""
    events = [render(number, number * 1800, credits=0.5) for number in range(300)]
    at_once, late = tmp_path / "once", tmp_path / "late"
    at_once.mkdir()
    late.mkdir()
    assert shown(at_once, events) == shown(late, events[20:], events[:20])


def test_the_first_credits_of_an_account_count(tmp_path: Path) -> None:
    """400 renders within one scrape are 400 credits of the last hour."""
    found = shown(tmp_path, [render(number, 60 + number) for number in range(400)])
    assert total(found, "credits_spent", window="1h") == 400
    assert total(found, "credits_forecast_week_ratio") == 0
    assert not [key for key in found if key[0] == "imgrender_credits_forecast"]


@pytest.mark.parametrize("accounts", [1, 2, 50, 350])
def test_a_longer_history_is_not_read(tmp_path: Path, accounts: int) -> None:
    """The days of each account are searched by their key; none of the others' or of older ones is looked at."""
    read: list[tuple[str, Any]] = []
    config = {"accounts": {f"a{number}": {"provider": "imejis", "plan": "Basic"} for number in range(accounts)}}
    settings = settings_of(config, "test")
    with Ledger(tmp_path / "ledger.db") as ledger:
        sql_event.listen(ledger.engine, "before_cursor_execute", lambda *args: read.append(args[2:4]))
        found = samples(Snapshot([LedgerCollector(ledger, settings)], lambda: NOW, lambda: 0.0))
        assert len({dict(key[1])["account"] for key in found if key[0] == "imgrender_credits_spent"}) == accounts
        of_days = [(sql, parameters) for sql, parameters in read if "FROM days" in sql]
        assert of_days
        with ledger.read() as connection:
            for sql, parameters in of_days:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
                assert not [step for step in plan if step.startswith("SCAN days")], plan
                assert [step for step in plan if step.startswith("SEARCH days")]


@pytest.mark.parametrize(
    ("days", "outcome", "ratio"),
    [(17.1, "render", 1), (17.1, "hit", 1), (20, "render", 1), (20, "hit", 1), (46, "hit", 1), (60, "render", 1 / 7)],
)
def test_an_account_is_as_old_as_its_work(tmp_path: Path, days: float, outcome: str, ratio: float) -> None:
    """Work in the month before the history, on its first day too, says that the history is whole; older work does not."""
    found = shown(tmp_path, [render(0, days * 86_400, outcome=outcome), render(1, 1.5 * 86_400)])
    assert total(found, "credits_forecast_week_ratio") == pytest.approx(ratio)


@pytest.mark.parametrize("seed", range(5))
def test_against_sums_of_the_events(tmp_path: Path, seed: int) -> None:
    """Windows and requests are those of the events themselves."""
    chance = random.Random(seed)
    events = [
        render(number, chance.uniform(0, 18 * 86_400), outcome=chance.choice(("render", "render", "hit", "coalesced")))
        for number in range(500)
    ]
    found = shown(tmp_path, events)
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for each in events:
        spent[int(datetime.fromisoformat(each["ts"]).timestamp()) // QUARTER] += each["outcome"] == "render"
    now = int(NOW) // QUARTER

    def between(start: int, end: int) -> Decimal:
        return sum((credits for bucket, credits in spent.items() if start <= bucket < end), Decimal(0))

    for name, window in WINDOWS.items():
        assert total(found, "credits_spent", window=name) == between(now + 1 - window, now + 1)
        fastest = max(between(end - window, end) for end in range(now + 2 - DAY, now + 2))
        assert total(found, "credits_spent_fastest", window=name) == fastest
        usual = max(between(end - window, end) for end in range(now + 1 - HISTORY + window, now + 2 - 3 * DAY))
        assert total(found, "credits_spent_usual", window=name) == usual
    for ago, back in (("0d", 0), ("1d", DAY), ("7d", WEEK)):
        asked = [
            each for each in events
            if 0 <= now - back - int(datetime.fromisoformat(each["ts"]).timestamp()) // QUARTER < 3 * QUARTERS
        ]  # fmt: skip
        assert total(found, "recent_requests", ago=ago) == len(asked)


def test_a_forecast_repeats_the_week() -> None:
    """A batch of every third day of the week comes again where it came before; one that came once does not."""
    now, batch = 100_000, 3 * DAY
    weekly = {now - batch - week * WEEK: Decimal(70) for week in range(2)}
    pace = Pace.of(weekly, now, now - WEEK, now + 3 * WEEK, now - 3 * WEEK)
    assert pace.forecast(4 * DAY - 1) == 0
    assert pace.forecast(4 * DAY) == 70
    assert pace.forecast(2 * WEEK) == 140
    once = Pace.of({now - batch: Decimal(70)}, now, now - WEEK, now + 3 * WEEK, now - 3 * WEEK)
    assert once.forecast(2 * WEEK) == 0


def test_a_new_pace_goes_on_for_the_next_hours() -> None:
    """Twice as much for a day: the next 60 hours need twice as much, and not the rest of the period."""
    now = 100_000
    spent = {bucket: Decimal(2 if bucket > now - DAY else 1) for bucket in range(now - HISTORY, now + 1)}
    pace = Pace.of(spent, now, now - WEEK, now + 3 * WEEK, now - 3 * WEEK)
    assert pace.forecast(SOON) == 2 * SOON
    assert pace.forecast(2 * WEEK) == 2 * WEEK


@pytest.mark.parametrize("days_ago", [0, 1, 3, 5, 6])
def test_what_came_once_is_not_expected_again(days_ago: int) -> None:
    """A batch of one day goes on for the three days that may be a new pace; a week later it does not come again."""
    now, day = 100_000, Decimal(1)
    spent = dict.fromkeys(range(now - HISTORY, now + 1), day) | {now - 5 - days_ago * DAY: Decimal(500)}
    pace = Pace.of(spent, now, now - WEEK, now + 3 * WEEK, now - 3 * WEEK)
    assert (pace.forecast(SOON) == SOON) is (days_ago >= 3)
    twice = Pace.of(
        spent | {now - 5 - days_ago * DAY - WEEK: Decimal(500)}, now, now - WEEK, now + 3 * WEEK, now - 3 * WEEK
    )
    assert twice.forecast(SOON) == (SOON + 499 if days_ago >= 5 else SOON)


@pytest.mark.parametrize(("age", "days", "credits"), [(DAY - 1, 0, None), (DAY, 1, 96), (3 * DAY + 5, 3, 96)])
def test_a_young_account_goes_on_as_its_whole_days_did(age: int, days: int, credits: int | None) -> None:
    """At least one; then as many as there are."""
    now = 100_000
    spent = {bucket: Decimal(1) for bucket in range(now + 1 - age, now + 1)}
    pace = Pace.of(spent, now, now - WEEK, now + 3 * WEEK)
    assert (pace.days, pace.forecast(DAY)) == (days, credits)


def test_a_window_stops_at_the_periods_start() -> None:
    """What was spent before is another period's."""
    now = 100_000
    spent = {bucket: Decimal(5) for bucket in range(now - 10, now + 1)}
    assert Pace.of(spent, now, now - 1, now + WEEK).fastest(QUARTERS) == 10
    assert Pace.of(spent, now, now - 1, now + WEEK).spent(QUARTERS) == 20
