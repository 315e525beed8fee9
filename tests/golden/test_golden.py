"""The report of sample_logs/ is known to the letter."""

import json

import pytest

from tests.golden.write import GOLDEN, report


@pytest.mark.parametrize("report_format", sorted(GOLDEN))
def test_report_of_the_samples_is_the_golden_one(report_format: str) -> None:
    """Every line of the report is as it was when someone last read it."""
    written = GOLDEN[report_format].read_text(encoding="utf-8").split("\n")
    now = report(report_format).decode().split("\n")
    assert now == written, f"{GOLDEN[report_format].name} differs; run make golden and read the difference"


def test_every_rule_finds_something_in_the_samples() -> None:
    """The samples plant a case for each rule; format-waste speaks of measured pictures alone."""
    from auditor.registry import RULES

    found = {finding["rule"] for finding in json.loads(GOLDEN["json"].read_bytes())["findings"]}
    missing = ", ".join(rule for rule in RULES if rule not in {*found, "format-waste"})
    assert not missing, f"no finding of {missing}: plant a case in sample_logs/generate.py, run it, then make golden"
    assert found <= set(RULES), f"no rule is called {', '.join(found - set(RULES))}; run make golden"


def test_measured_pictures_add_their_finding_to_the_golden_report_and_nothing_else() -> None:
    """Waste, bills and the other findings stay to the digit."""
    with_them = json.loads(report("json", "--measured", "sample_logs/format-waste.measured"))
    (finding,) = [one for one in with_them["findings"] if one["rule"] == "format-waste"]
    with_them["findings"].remove(finding)
    assert with_them == json.loads(GOLDEN["json"].read_bytes())
    assert finding["subject"] == {"provider": "imejis", "template": "product-card", "placement": "product_card"}
    assert finding["evidence"]["format"] == "avif"
