"""The forecast, worked out by hand, and against a slow reading of its rule."""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.analysis.quarters import days_of, quarters
from auditor.planning.forecast import forecast
from auditor.results.plan import Forecast
from tests.examined import daily, examined, on

WEEK = [10, 10, 10, 10, 10, 0, 0]
"""Mondays to Fridays; 2026-06-01 is a Monday."""


def seen(events: Iterable[Any], folder: Path, as_of: str, config: dict[str, Any] | None = None) -> Forecast | None:
    """The forecast of the only account."""
    with examined(events, folder, config or on("Basic")) as log:
        (bill,) = log.bills
        days = days_of(log.facts, quarters(log.facts))
        return forecast(bill, days[bill.payer.code], datetime.fromisoformat(as_of).replace(tzinfo=UTC))


def test_weekends_are_weekends(tmp_path: Path) -> None:
    """From Saturday 20 June on nothing is needed before Monday; the month ends with 220, whatever day it is."""
    events = daily("2026-05-31", [1, *WEEK * 3])
    found = seen(events, tmp_path, "2026-06-22T00:00")
    assert found is not None
    assert found.demand is not None
    assert found.weeks == 3
    assert (found.so_far, found.demand.likely, found.demand.low, found.demand.high) == (150, 220, 220, 220)
    assert found.confidence == Fraction(1, 2)
    assert found.ending_unused is not None
    assert found.ending_unused.likely == 1000 - 220
    assert found.ending_unused_value is not None
    assert found.ending_unused_value.likely == Fraction("14.99") * 780 / 1000


@pytest.mark.parametrize("hour", [0, 6, 23])
def test_the_last_day_is_a_day_like_the_others(tmp_path: Path, hour: int) -> None:
    """What is left of it takes its part, down to nothing; nothing is divided by what is over."""
    events = daily("2026-05-31", [1, *WEEK * 4, 10], hour=0)
    found = seen(events, tmp_path, f"2026-06-30T{hour:02}:00")
    assert found is not None
    assert found.demand is not None
    likely = found.so_far + Fraction(24 - hour, 24) * 10
    assert found.demand.likely == round(likely)
    assert found.ending_unused_value is not None
    assert found.ending_unused_value.likely == max(0, 1000 - likely) * Fraction("14.99") / 1000, "exactly"
    assert seen(events, tmp_path, "2026-07-01T00:00") is None, "that cycle is over"


def test_the_first_minutes_are_not_blown_up(tmp_path: Path) -> None:
    """A burst at the start of the cycle is no trend: so_far / elapsed would say 30 times as much."""
    events = daily("2026-05-03", [*[10] * 29, 50], hour=0)
    found = seen(events, tmp_path, "2026-06-01T00:10")
    assert found is not None
    assert found.demand is not None
    assert found.so_far == 50
    assert 50 + 290 <= found.demand.likely <= 50 + 300


@pytest.mark.parametrize(("days", "weeks", "ranged"), [(7, 0, False), (8, 1, False), (21, 2, False), (22, 3, True)])
def test_too_little_data_is_said(tmp_path: Path, days: int, weeks: int, ranged: bool) -> None:
    """The first day is not whole; a week is needed for a forecast, three for a range."""
    events = daily("2026-06-01", [3] * days)
    found = seen(events, tmp_path, f"2026-06-{1 + days:02}T00:00")
    assert found is not None
    assert found.weeks == weeks
    assert (found.demand is None) == (weeks == 0)
    assert (found.confidence is not None) == ranged
    assert found.demand is None or (found.demand.low is not None) == ranged


def test_the_range_runs_from_the_least_to_the_most_week(tmp_path: Path) -> None:
    """Weeks of 1, 2 and 4 a day: nine days ahead need 9, 18 or 36, 21 on average; 90 are there, 49 used."""
    events = daily("2026-05-31", [1, *[1] * 7, *[2] * 7, *[4] * 7])
    config = on("Tiny") | {"plans": {"imejis": {"Tiny": {"price": "9", "included": 69}}}}
    found = seen(events, tmp_path, "2026-06-22T00:00", config)
    assert found is not None
    assert found.demand is not None
    assert (found.demand.low, found.demand.likely, found.demand.high) == (58, 70, 85)
    assert found.exhausted is not None
    # 20 are left: at 7/3 a day the ninth day is one too many, at 4 the sixth, at 1 none.
    assert (found.exhausted.likely, found.exhausted.earliest, found.exhausted.latest) == (
        date(2026, 6, 30), date(2026, 6, 27), None,
    )  # fmt: skip
    assert found.ending_unused is not None
    assert (found.ending_unused.likely, found.ending_unused.low, found.ending_unused.high) == (0, 0, 11)


def test_silent_days_are_told_and_not_taken_for_zero(tmp_path: Path) -> None:
    """Logs of one Wednesday are missing: it is as other Wednesdays were. Sundays are always silent: they are 0."""
    week = [5, 5, 5, 5, 5, 5, 0]
    events = daily("2026-05-31", [1, *week, 5, 5, 0, 5, 5, 5, 0, *week])
    found = seen(events, tmp_path, "2026-06-22T00:00")
    assert found is not None
    assert found.demand is not None
    assert date(2026, 6, 10) in found.silent
    assert found.demand.likely == found.so_far + 8 * 5
    assert found.demand.low == found.demand.high == found.demand.likely


def test_refused_requests_are_demand(tmp_path: Path) -> None:
    """A budget that stops renders does not make the need smaller."""
    events = daily("2026-05-31", [1, *[4] * 21], outcome="refused")
    found = seen(events, tmp_path, "2026-06-22T00:00")
    assert found is not None
    assert found.demand is not None
    assert found.demand.likely == 4 * 30


def slowly(counts: dict[date, int], as_of: datetime) -> tuple[Fraction, Fraction, Fraction]:
    """(low, likely, high) of what June 2026 needs after *as_of*, from all whole weeks (at most 8), in UTC."""
    first = min(counts) + timedelta(days=1)
    weeks = []
    monday = as_of.date()
    while (monday := monday - timedelta(days=7)) >= first and len(weeks) < 8:
        weeks.append([monday + timedelta(days=n) for n in range(7)])
    totals = []
    for week in weeks:
        by_weekday = {}
        for day in week:
            same = [
                counts[d[0]] for d in [[e for e in w if e.weekday() == day.weekday()] for w in weeks] if d[0] in counts
            ]
            by_weekday[day.weekday()] = (
                Fraction(counts[day]) if day in counts else Fraction(sum(same), max(1, len(same)))
            )
        total = Fraction(0)
        at = as_of
        while at < datetime(2026, 7, 1, tzinfo=UTC):
            total += by_weekday[at.weekday()] / (24 * 4)
            at += timedelta(minutes=15)
        totals.append(total)
    return min(totals), sum(totals, Fraction(0)) / len(totals), max(totals)


@pytest.mark.parametrize("seed", range(12))
def test_against_the_slow_reading(seed: int, tmp_path: Path) -> None:
    """Random days, some silent, seen from a random quarter of an hour of June."""
    rng = random.Random(seed)
    start = date(2026, 5, rng.randint(1, 9))
    as_of = datetime(2026, 6, rng.randint(2, 30), rng.randint(0, 23), rng.choice([0, 15, 45]), tzinfo=UTC)
    numbers = [rng.choice([0, 1, 2, 5, 9]) for _ in range((as_of.date() - start).days)]
    numbers[0] = 1
    events = daily(start.isoformat(), [*numbers, 1], hour=0)
    found = seen(events, tmp_path, as_of.isoformat()[:16])
    counts = {start + timedelta(days=n): count for n, count in enumerate(numbers) if count}
    low, likely, high = slowly(counts, as_of)
    assert found is not None
    assert found.demand is not None
    assert found.demand.likely == round(found.so_far + likely)
    assert found.ending_unused_value is not None
    worth = found.ending_unused_value
    assert worth.likely == max(0, 1000 - found.so_far - likely) * Fraction("14.99") / 1000, "exactly"
    if found.confidence is not None:
        assert (found.demand.low, found.demand.high) == (round(found.so_far + low), round(found.so_far + high))
        ends = [max(0, 1000 - found.so_far - each) * Fraction("14.99") / 1000 for each in (high, low)]
        assert [worth.low, worth.high] == ends
