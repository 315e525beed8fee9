"""plan-mismatch, worked out by hand."""

from typing import Any

import pytest

from tests.conftest import Report, event, only


def month(renders: int, **fields: Any) -> list[dict[str, Any]]:
    """A whole September with so many renders."""
    return [event(f"e{n}", f"2026-09-{1 + n % 30:02d}T12:00:00Z", key=f"k{n}", **fields) for n in range(renders)]


def on(plan: str) -> dict[str, Any]:
    """A configuration with the account on a plan."""
    return {"accounts": {"main": {"provider": "imejis", "plan": plan}}}


def test_a_plan_that_is_too_large(report: Report) -> None:
    """600 credits on Pro: Basic saves 10.00 a month, 40 % of the bill."""
    found = report(month(600), on("Pro"))
    finding = only(found, "plan-mismatch")
    assert (finding["severity"], finding["confidence"]) == ("high", "high")
    assert finding["money"] == {"action": 0, "saves_alone": "0.00", "currency": "USD"}
    (cycle,) = found["accounts"][0]["cycles"]
    assert (cycle["complete"], cycle["utilisation"], cycle["unused_credits"], cycle["unused_value"]) == (
        True,
        0.06,
        9400,
        "23.49",
    )
    assert (cycle["price_per_render"], cycle["cheapest_plan"]) == ("0.041650", "Basic")


def test_a_plan_of_a_year_is_advised_by_its_price_a_month(report: Report) -> None:
    """It is what the saving is reckoned on."""
    year = {"price": "120.00", "period": "year", "currency": "USD", "included": 1000}
    found = report(month(600), on("Pro") | {"plans": {"imejis": {"Year": year}}})
    assert (
        "Change to Year (10.00 USD a month, billed yearly), which saves 14.99 USD a month"
        in (only(found, "plan-mismatch")["advice"])
    )


def test_a_plan_that_is_too_small(report: Report) -> None:
    """1,428 credits exceed Basic, which has no overage: there is no bill, and Pro is the plan."""
    found = report(month(1428), on("Basic"))
    assert found["accounts"][0]["cycles"][0]["bill"] is None
    assert found["accounts"][0]["recommended_plan"] == "Pro"
    assert "Change to Pro" in only(found, "plan-mismatch")["advice"]


def test_demand_counts_what_could_not_be_served(report: Report) -> None:
    """990 credits fit Basic; with 11 refused requests the demand is 1,001."""
    refused = [event(f"r{n}", "2026-09-30T20:00:00Z", outcome="refused") for n in range(11)]
    found = report([*month(990), *refused], on("Basic"))
    assert (found["accounts"][0]["cycles"][0]["demand"], found["accounts"][0]["recommended_plan"]) == (1001, "Pro")


@pytest.mark.slow
def test_the_right_plan_is_no_finding(report: Report) -> None:
    """Nor is an account without a configured plan."""
    assert report(month(600), on("Basic"), rules=frozenset({"plan-mismatch"}))["findings"] == []
    assert report(month(600), rules=frozenset({"plan-mismatch"}))["findings"] == []


def test_part_of_a_cycle_is_projected(report: Report) -> None:
    """400 credits in nine days are 1,333 in thirty: Pro, said to be projected."""
    events = [event(f"e{n}", f"2026-09-{1 + n % 10:02d}T12:00:00Z", key=f"k{n}") for n in range(400)]
    (account,) = report(events, on("Basic"))["accounts"]
    assert (account["projected"], account["recommended_plan"]) == (True, "Pro")


def test_no_plan_is_large_enough(report: Report) -> None:
    """The advice names the largest."""
    found = report(month(30, credits=1000), on("Pro"))
    assert found["accounts"][0]["recommended_plan"] is None
    assert "the largest is Pro with 10,000 credits" in only(found, "plan-mismatch")["advice"]


def test_a_projection_that_no_plan_holds_is_told(report: Report) -> None:
    """4,000 credits in a week are within the plan so far: the advice is about what the whole cycle would need."""
    events = [
        event(f"e{n}", f"2026-09-{3 + n // 25:02d}T00:{n % 25:02d}:00Z", key=f"k{n}", credits=20) for n in range(200)
    ]
    found = report(events, on("Pro"))
    finding = only(found, "plan-mismatch")
    assert finding["message"] == (
        "Pro holds 10,000 credits, at most 4,000 were needed so far; projected, a whole cycle needs 17,102"
    )
    assert finding["advice"].startswith("No plan holds the demand")
