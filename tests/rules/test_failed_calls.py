"""failed-calls, worked out by hand."""

from tests.conftest import Report, event, only


def test_errors_retries_uncertain_and_ghosts(report: Report) -> None:
    """A time-out that was tried again and rendered later is a ghost; the last error of a request is not a retry."""
    found = report(
        [
            event("1", "2026-09-01T08:00:00Z", outcome="error", error="timeout", retried=True),
            event("2", "2026-09-01T08:01:00Z", outcome="error", error="timeout", retried=True, key="k2"),
            event("3", "2026-09-01T08:02:00Z", outcome="error", error="timeout", key="k2", credits=0),
            event("4", "2026-09-01T08:03:00Z"),
        ]
    )
    finding = only(found, "failed-calls")
    assert finding["evidence"] == {"errors": 1, "retries": 2, "uncertain": 2, "retry_ghosts": 1}
    assert finding["severity"] == "high"
    assert (found["totals"]["errors"], found["totals"]["retries"], found["totals"]["requests"]) == (1, 2, 2)
    assert found["totals"]["credits_uncertain"] == 2


def test_one_finding_for_each_error(report: Report) -> None:
    """An error without a kind is `other`."""
    found = report([event("1", outcome="error", status=401, error="auth"), event("2", outcome="error", status=500)])
    assert {finding["subject"]["error"] for finding in found["findings"]} == {"auth", "other"}
