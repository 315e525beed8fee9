"""low-volume-templates, worked out by hand."""

from typing import Any

from tests.conftest import Report, event, only


def september(template: str, renders: int) -> list[dict[str, Any]]:
    """Renders of a template, spread over the month."""
    return [
        event(f"{template}{n}", f"2026-09-{1 + n % 30:02d}T12:00:00Z", key=f"{template}{n}", template=template)
        for n in range(renders)
    ]


def test_the_largest_set_that_fits(report: Report) -> None:
    """12 + 31 + 40 fit 100, the next would not; templates are taken smallest first."""
    found = report(september("busy", 600) + september("c", 40) + september("b", 31) + september("a", 12))
    evidence = only(found, "low-volume-templates")["evidence"]
    assert evidence["templates"] == [
        {"template": "a", "credits": 12},
        {"template": "b", "credits": 31},
        {"template": "c", "credits": 40},
    ]


def test_nothing_on_a_free_account_or_without_a_complete_cycle(report: Report) -> None:
    """What is free already cannot be moved to be free."""
    free = {"accounts": {"main": {"provider": "imejis", "plan": "Free"}}}
    for events, config in ((september("a", 60), free), (september("a", 3), {})):
        assert "low-volume-templates" not in {finding["rule"] for finding in report(events, config)["findings"]}
