"""staging-credits, worked out by hand."""

import pytest

from tests.conftest import Report, event, only

EVENTS = [event(f"s{n}", f"2026-09-{1 + n % 28:02d}T08:00:00Z", environment="Preview", key=f"k{n}") for n in range(130)]


def test_what_would_fit_the_free_plan(report: Report) -> None:
    """130 credits in one month, of which the free plan holds 100."""
    finding = only(report(EVENTS, {"accounts": {"main": {"provider": "imejis", "plan": "Basic"}}}), "staging-credits")
    assert finding["subject"] == {"provider": "imejis", "account": "main", "environment": "preview"}
    assert (finding["credits"], finding["evidence"]["renders"], finding["evidence"]["fit_free_plan"]) == (130, 130, 100)


@pytest.mark.slow
def test_free_accounts_and_production_names(report: Report) -> None:
    """Nothing on a free account; names of production are configurable and compared in lower case."""
    free = report(EVENTS, {"accounts": {"main": {"provider": "imejis", "plan": "Free"}}})
    assert free["waste"]["staging"] == 0
    assert report(EVENTS, {"production_environments": ["PREVIEW"]})["waste"]["staging"] == 0
    assert report(EVENTS)["waste"]["staging"] == 130  # without a configured plan an account counts as paying


def test_only_billed_renders_count(report: Report) -> None:
    """A render that cost nothing, or of which nobody knows, is no staging credit."""
    free = [event("f", environment="preview", key="f", credits=0), event("u", environment="preview", credits=None)]
    evidence = only(report([*EVENTS[:3], *free]), "staging-credits")["evidence"]
    assert (evidence["renders"], evidence["credits"]) == (3, 3)


def test_what_fits_is_an_exact_sum(report: Report) -> None:
    """0.1 and 0.2 in two months are 0.3, not what floats make of it."""
    events = [
        event("a", "2026-09-01T08:00:00Z", environment="preview", key="a", credits=0.1),
        event("b", "2026-10-01T08:00:00Z", environment="preview", key="b", credits=0.2),
    ]
    assert only(report(events), "staging-credits")["evidence"]["fit_free_plan"] == 0.3


def test_of_equal_free_plans_the_first_by_name(report: Report) -> None:
    """As everywhere: more included credits, then the name."""
    free = {"price": "0", "included": 100}
    found = report(EVENTS, {"plans": {"imejis": {"Gratis": free, "Aid": free}}})
    assert only(found, "staging-credits")["evidence"]["free_plan"] == "Aid"
