"""Long stretches without an event: folded, exact, and as cheap as if they were not there (semantics section 7)."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.analysis.days import spans as offsets_of
from auditor.model.allowance import Grant, Purchase, Stretch, fold
from auditor.model.plans import Cycle, Plan, cycle_number, cycle_numbered, cycles, listed, micros, total_bill
from tests.conftest import Report, event

NOW = datetime(2026, 10, 1, tzinfo=UTC)
PRO = {"accounts": {"main": {"provider": "imejis", "plan": "Pro"}}}


def audited(report: Report, *times: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The only account of renders at some times."""
    events = [event(str(at), ts, key=f"k1:{at}") for at, ts in enumerate(times)]
    (account,) = report(events, config or PRO, now=lambda: NOW)["accounts"]
    return account


@pytest.mark.parametrize("seed", range(300))
def test_a_stretch_is_as_many_cycles_without_use(seed: int) -> None:
    """Whatever rolls over, ends, is cut by a limit or was bought before and within it."""
    rng = random.Random(seed)

    def grant(cycle: int) -> Grant:
        bought = [Purchase(Fraction(rng.randrange(1, 30)), rng.choice([None, cycle, cycle + rng.randrange(12)]))]
        return Grant(
            Fraction(rng.choice([0, 5, 10])),
            rng.choice([None, 0, 1, 2, 5]),
            rng.choice([None, None, Fraction(8), Fraction(25)]),
            tuple(bought) if rng.random() < 0.3 else (),
        )

    grants, used, slow_grants, slow_used, places = [], [], [], [], []
    idle: dict[int, list[Stretch]] = {}
    for place in range(6):
        for _ in range(rng.choice([0, 0, 1, 2])):
            count = rng.choice([1, 2, 3, 4, 9])
            own = grant(len(slow_grants))
            if count > 1:
                own = Grant(own.included, own.lives, own.limit)
            idle.setdefault(place, []).append(Stretch(count, own))
            slow_grants += [own] * count
            slow_used += [Fraction(0)] * count
        own, spent = grant(len(slow_grants)), Fraction(rng.choice([0, 3, 12, 40]))
        grants.append(own)
        used.append(spent)
        places.append(len(slow_grants))
        slow_grants.append(own)
        slow_used.append(spent)
    slow = fold(slow_grants, slow_used)
    assert fold(grants, used, idle) == [slow[place] for place in places]


def test_ten_million_cycles_cost_nothing() -> None:
    """A rollover without an end, one with, and one with a limit."""
    for lives, limit, left in ((None, None, 10 * (10**7 + 2)), (2, None, 30), (None, Fraction(25), 25), (0, None, 10)):
        grant = Grant(Fraction(10), lives, limit)
        balance = fold([grant, grant], [Fraction(0)] * 2, {1: [Stretch(10**7, grant)]})[1]
        assert balance.available == left


def test_rollover_runs_through_a_gap_in_bills() -> None:
    """12 empty cycles of 10 credits carry 120 to what comes after."""
    plan = Plan("p", "n", Decimal(1), Decimal(10), rollover=True)
    load = (Fraction(140), Fraction(140))
    assert total_bill(plan, [(Fraction(0), Fraction(0)), load]) is None
    assert total_bill(plan, [(Fraction(0), Fraction(0)), load], idle={1: 12}) == 2


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Apia", "Asia/Kolkata"])
@pytest.mark.parametrize("anchor", [1, 15, 29, 31])
@pytest.mark.parametrize("months", range(1, 8))
def test_more_than_three_empty_cycles_are_folded(zone: str, anchor: int, months: int) -> None:
    """Three are listed, four are not, and the cycles around them stay as they were."""
    place = ZoneInfo(zone)
    first = cycle_numbered(2025 * 12 + 3, anchor, place)
    second = cycle_numbered(2025 * 12 + 3 + months + 1, anchor, place)
    spans = [(first.end_us - 1, first.end_us - 1), (second.start_us, second.start_us)]
    found, gaps = listed(spans, anchor, place)
    every = cycles(spans[0][0], spans[1][1], anchor, place)
    if months > 3:
        (gap,) = gaps
        assert (gap.start, gap.end, gap.cycles, gap.before) == (first.end, second.start, months, 1)
        assert list(found) == [first, second]
    else:
        assert (list(found), gaps) == (every, ())
    assert (every[0], every[-1]) == (first, second) and len(every) == months + 2


@pytest.mark.parametrize("day", ["2024-02-28", "2024-02-29", "2024-03-01", "2025-12-31"])
@pytest.mark.parametrize("anchor", [1, 28, 29, 30, 31])
def test_a_day_is_in_the_cycle_of_its_number(day: str, anchor: int) -> None:
    """Also where the anchor is later than the month is long."""
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    (cycle,) = cycles(micros(at), micros(at), anchor, ZoneInfo("UTC"))
    assert cycle_numbered(cycle_number(at.date(), anchor), anchor, ZoneInfo("UTC")) == cycle


def test_a_gap_has_a_bill_and_counts_in_no_advice(report: Report) -> None:
    """Pro for 25 empty cycles; the cycles around them are those of their own months."""
    account = audited(report, "2024-01-01T08:00:00Z", "2024-01-31T20:00:00Z", "2026-03-01T10:00:00Z")
    assert account["gaps"] == [
        {"start": "2024-02-01T00:00:00Z", "end": "2026-03-01T00:00:00Z", "cycles": 25, "bill": "624.75"}
    ]
    assert [(cycle["start"][:7], cycle["complete"], cycle["bill"]) for cycle in account["cycles"]] == [
        ("2024-01", True, "24.99"), ("2026-03", False, None),
    ]  # fmt: skip
    assert (account["recommended_plan"], account["monthly_saving"]) == ("Free", "24.99")


def test_a_gap_without_a_plan_has_no_bill(report: Report) -> None:
    """Unknown, not 0."""
    (gap,) = audited(report, "2020-01-01T00:00:00Z", "2026-09-01T00:00:00Z", config={"timezone": "UTC"})["gaps"]
    assert (gap["cycles"], gap["bill"]) == (79, None)


def test_plans_and_top_ups_within_a_gap(report: Report) -> None:
    """Each cycle is paid on the plan that it had."""
    account = {
        "provider": "imejis",
        "plan": "Pro",
        "plans": [{"since": "2025-07-01", "plan": "Basic"}],
        "topups": [{"date": "2025-10-05", "credits": "100", "price": "7.00"}],
    }
    times = "2025-01-10T00:00:00Z", "2026-01-10T00:00:00Z"
    (gap,) = audited(report, *times, config={"accounts": {"main": account}})["gaps"]
    assert gap["bill"] == "221.89", "5 x 24.99 + 6 x 14.99 + 7.00"


@pytest.mark.slow
@pytest.mark.parametrize("anchor", [1, 31])
def test_every_figure_is_the_same_with_and_without_the_fold(
    report: Report, monkeypatch: pytest.MonkeyPatch, anchor: int
) -> None:
    """But for the cycles that are not listed, a rollover plan's bills are those of the long way."""
    rolling = {"price": "5.00", "included": 3, "overage": "1", "rollover": True, "rollover_cycles": 6}
    config = {
        "plans": {"imejis": {"Roll": rolling}},
        "accounts": {"main": {"provider": "imejis", "plan": "Roll", "anchor_day": anchor}},
    }
    times = ["2024-01-01T00:00:00Z", *("2025-06-10T00:00:00Z",) * 30, "2025-08-31T23:00:00Z"]
    folded = audited(report, *times, config=config)
    monkeypatch.setattr("auditor.model.plans.MOST_IDLE", 1000)
    whole = audited(report, *times, config=config)
    assert whole["gaps"] == [] and len(folded["gaps"]) == 1
    kept = [cycle for cycle in whole["cycles"] if cycle["start"] in {each["start"] for each in folded["cycles"]}]
    names = ("start", "bill", "included", "unused_credits", "demand")
    assert [[each[name] for name in names] for each in folded["cycles"]] == [
        [each[name] for name in names] for each in kept
    ]


def test_offsets_of_a_zone_are_found_for_the_cycles_alone() -> None:
    """Twenty-six years of New York have 53 spans, two cycles two."""
    start, end = micros(datetime(2000, 2, 1, tzinfo=UTC)), micros(datetime(2000, 3, 1, tzinfo=UTC))
    assert len(offsets_of(start, end, "America/New_York")) == 1


@pytest.mark.slow
def test_storage_is_not_paid_for_in_a_gap(report: Report) -> None:
    """What an image costs to keep is reckoned over the months in which the account lived."""
    config = {
        "limits": {"templates": {"og": {"width": 10}}},
        "prices": {"egress_per_gb": "0", "storage_per_gb_month": "1000", "currency": "USD"},
    }
    big = {"width": 1000, "height": 500, "bytes": 10**9, "format": "png"}

    def cost(*times: str) -> float:
        events = [event(str(at), ts, key=f"k1:{at}", **big) for at, ts in enumerate(times)]
        found = report(events, config, now=lambda: NOW)["findings"]
        return float(next(each for each in found if each["rule"] == "oversized-outputs")["money"]["now"])

    near = cost("2025-01-01T00:00:00Z", "2025-01-31T00:00:00Z")
    far = cost("2001-01-01T00:00:00Z", "2025-01-31T00:00:00Z")
    assert near < far < 3.2 * near


def test_ten_thousand_folded_cycles_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is counted, not timed: as many boundaries as listed cycles have."""
    seen = []
    boundary = Cycle.__init__

    def counted(self: Cycle, start: datetime, end: datetime) -> None:
        seen.append(start)
        boundary(self, start, end)

    monkeypatch.setattr(Cycle, "__init__", counted)
    far = micros(datetime(2, 6, 1, tzinfo=UTC)), micros(datetime(9000, 1, 1, tzinfo=UTC))
    _, (gap,) = listed([(far[0], far[0]), (far[1], far[1])], 1, ZoneInfo("Europe/Berlin"))
    assert gap.cycles > 100_000 and len(seen) < 10


def test_a_cycle_that_is_not_complete_has_no_money(report: Report) -> None:
    """Credits and demand alone, and a finding in it saves an unknown sum."""
    account = audited(report, "2026-09-03T00:00:00Z", "2026-09-20T00:00:00Z")
    (cycle,) = account["cycles"]
    assert (cycle["credits"], cycle["demand"], cycle["complete"]) == (2, 2, False)
    for name in ("bill", "price_per_render", "unused_credits", "unused_value", "cheapest_plan", "cheapest_bill"):
        assert cycle[name] is None, name


@pytest.mark.parametrize(
    ("last", "projected", "advice"),
    [
        (timedelta(days=7), True, None),
        (timedelta(days=7) - timedelta(microseconds=1), False, "too_little_data"),
        (timedelta(seconds=1), False, "too_little_data"),
        (timedelta(0), False, "too_little_data"),
    ],
)
def test_seven_days_have_to_have_passed(report: Report, last: timedelta, projected: bool, advice: str | None) -> None:
    """Of the cycle, or since the first event in it."""
    start = datetime(2026, 9, 3, tzinfo=UTC)
    account = audited(report, start.isoformat(), (start + last).isoformat())
    assert (account["projected"], account["advice"]) == (projected, advice)
    assert (account["recommended_plan"], account["recommended_after_fixes"]) == (
        ("Free",) * 2 if projected else (None,) * 2
    )


@pytest.mark.parametrize(
    ("fields", "demand"),
    [
        ({"error": "quota", "status": 429}, 1),
        ({"error": "quota", "status": 429, "credits": 1}, 1),
        ({"error": "quota", "status": 429, "credits": 3}, 3),
        ({"error": "quota", "status": 429, "credits": 0}, 1),
        ({"error": "server", "status": 500, "credits": 2, "retried": True}, 2),
        ({"error": "timeout"}, 1),
    ],
)
def test_a_failed_call_that_was_billed_counts_by_its_credits(
    report: Report, fields: dict[str, Any], demand: int
) -> None:
    """And they are waste of cause `failed`, shown by failed-calls."""
    found = report([event("1", outcome="error", **fields)], now=lambda: NOW)
    credits = fields.get("credits", 0)
    assert found["accounts"][0]["cycles"][0]["demand"] == demand
    assert (found["waste"]["failed"], found["waste"]["total"]) == (credits, credits)
    (failed,) = [each for each in found["findings"] if each["rule"] == "failed-calls"]
    assert failed["credits"] == credits
