"""Bills and cycles, worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from auditor.model.plans import Plan, cents, cheapest, cycles, micros
from auditor.providers.imejis import IMEJIS


def starts(first: str, last: str, anchor: int, zone: str) -> list[str]:
    """Starts of the cycles between two times, and the end of the last."""
    found = cycles(micros(datetime.fromisoformat(first)), micros(datetime.fromisoformat(last)), anchor, ZoneInfo(zone))
    return [each.start.strftime("%m-%dT%H:%M") for each in found] + [found[-1].end.strftime("%m-%dT%H:%M")]


@pytest.mark.parametrize(
    ("first", "last", "anchor", "zone", "expected"),
    [
        ("2026-01-01T00:00+00:00", "2026-01-31T23:59+00:00", 1, "UTC", ["01-01T00:00", "02-01T00:00"]),
        ("2026-01-31T23:59+00:00", "2026-02-01T00:00+00:00", 1, "UTC", ["01-01T00:00", "02-01T00:00", "03-01T00:00"]),
        ("2026-02-27T00:00+00:00", "2026-02-28T00:00+00:00", 31, "UTC", ["01-31T00:00", "02-28T00:00", "03-31T00:00"]),
        ("2028-02-28T12:00+00:00", "2028-02-29T12:00+00:00", 30, "UTC", ["01-30T00:00", "02-29T00:00", "03-30T00:00"]),
        ("2026-03-20T00:00+00:00", "2026-03-20T00:00+00:00", 1, "America/New_York", ["03-01T05:00", "04-01T04:00"]),
        ("2026-03-20T00:00+00:00", "2026-03-20T00:00+00:00", 15, "Asia/Kolkata", ["03-14T18:30", "04-14T18:30"]),
        ("2025-12-31T23:30+00:00", "2025-12-31T23:30+00:00", 1, "Europe/Berlin", ["12-31T23:00", "01-31T23:00"]),
    ],
)
def test_cycles(first: str, last: str, anchor: int, zone: str, expected: list[str]) -> None:
    """Local midnight of the anchor day, clamped to the month, over changes of the clock."""
    assert starts(first, last, anchor, zone) == expected


def test_a_cycle_is_complete_within_a_day_of_its_edges() -> None:
    """24 hours exactly are still enough, a microsecond more is not."""
    (cycle,) = cycles(*[micros(datetime(2026, 5, 10, tzinfo=UTC))] * 2, 1, ZoneInfo("UTC"))
    day = 86_400_000_000
    assert cycle.complete(cycle.start_us + day, cycle.end_us - day)
    assert not cycle.complete(cycle.start_us + day + 1, cycle.end_us - day)
    assert not cycle.complete(cycle.start_us + day, cycle.end_us - day - 1)


def test_1428_calls_need_pro() -> None:
    """The guide's example says Basic, which its own table contradicts: Basic holds 1,000."""
    calls = 8000 * (1 - Fraction("0.70")) * (1 - Fraction("0.15")) * (1 - Fraction("0.30"))
    assert calls == 1428
    plan = cheapest(IMEJIS.plans, [(calls, calls)])
    assert plan is not None
    assert (plan.name, plan.price) == ("Pro", Decimal("24.99"))


def test_bill() -> None:
    """A hard cap has no bill beyond it; overage is charged for each credit, fractions too."""
    capped = Plan("p", "Cap", Decimal("9.99"), Decimal(100))
    flexible = Plan("p", "Flex", Decimal("9.99"), Decimal(100), overage=Decimal("0.002"))
    assert capped.bill(Fraction(100)) == Fraction("9.99")
    assert capped.bill(Fraction(201, 2)) is None
    assert flexible.bill(Fraction(201, 2)) == Fraction("9.99") + Fraction("0.001")


def test_ties_go_to_more_credits_then_the_name() -> None:
    """Equal bills are not decided by chance."""
    plans = [Plan("p", name, Decimal(5), Decimal(included)) for name, included in (("B", 10), ("C", 20), ("A", 20))]
    best = cheapest(plans, [(Fraction(1), Fraction(1))])
    assert best is not None
    assert best.name == "A"
    assert cheapest(plans, [(Fraction(1), Fraction(21))]) is None
    assert cheapest(plans, [(Fraction(1), Fraction(1))], [Fraction(21)]) is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.005", "0.00"), ("0.015", "0.02"), ("2.675", "2.68"), ("-0.015", "-0.02"), ("1e6", "1000000.00")],
)
def test_cents_are_rounded_half_to_even(amount: str, text: str) -> None:
    """Money is rounded once, at the end, and never through a float."""
    assert cents(Fraction(amount)) == text
