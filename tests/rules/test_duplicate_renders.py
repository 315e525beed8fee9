"""duplicate-renders, worked out by hand."""

from tests.conftest import DIGEST, OTHER, Report, event, only

RENDERS = [
    event("1", "2026-09-01T08:00:00Z", duration_ms=1800, digest=DIGEST),
    event("2", "2026-09-01T08:00:01Z", credits=2),
    event("3", "2026-09-01T09:30:00Z", digest=DIGEST),
    event("4", "2026-09-01T10:00:00Z", digest=OTHER),
    event("5", "2026-09-02T10:00:00Z", digest=OTHER),
]


def test_concurrent_repeat_changed_and_expired(report: Report) -> None:
    """One of each: 2 credits concurrent, 1 repeat, a changed image, one that expired unchanged."""
    finding = only(report(RENDERS), "duplicate-renders")
    evidence = finding["evidence"]
    assert (evidence["renders"], evidence["concurrent"], evidence["repeat"], evidence["expired_identical"]) == (
        5,
        1,
        1,
        1,
    )
    assert (finding["credits"], finding["severity"], finding["confidence"]) == (3, "high", "high")
    assert evidence["top_keys"] == [{"key": "k1:a", "duplicates": 2}]


def test_staging_duplicates_are_shown_with_no_credits(report: Report) -> None:
    """Each credit has one cause: here it is staging."""
    found = report([{**each, "environment": "Staging"} for each in RENDERS])
    finding = only(found, "duplicate-renders")
    assert (finding["credits"], finding["evidence"]["duplicate_credits"]) == (0, 3)
    assert found["waste"] == {"staging": 6, "concurrent": 0, "repeat": 0, "volatile": 0, "failed": 0, "total": 6}


def test_other_keys_accounts_and_environments_do_not_repeat_each_other(report: Report) -> None:
    """The key alone does not make two renders the same."""
    assert (
        report(
            [
                event("1"),
                event("2", key="k1:b"),
                event("3", account="b"),
                event("4", environment="live"),
                event("5", provider="other"),
            ]
        )["findings"]
        == []
    )


def test_one_cycle_of_bill_true_money(report: Report) -> None:
    """1,001 credits need Pro; without the one repeat Basic holds them: 0 now, 10.00 after the change."""
    days = [event(f"d{n}", f"2026-09-{1 + n % 30:02d}T{n % 24:02d}:00:00Z", key=f"k{n}") for n in range(1000)]
    again = event("again", "2026-09-30T23:59:59Z", key="k1")
    last = event("last", "2026-09-30T23:59:58Z", key="k1", credits=0)
    found = report([*days, last, again], {"accounts": {"main": {"provider": "imejis", "plan": "Pro"}}})
    (account,) = found["accounts"]
    assert (account["recommended_plan"], account["recommended_after_fixes"]) == ("Pro", "Basic")
    assert (account["monthly_saving"], account["monthly_saving_after_fixes"]) == ("0.00", "10.00")
    assert only(found, "duplicate-renders")["money"] == {"action": 0, "saves_alone": "10.00", "currency": "USD"}
