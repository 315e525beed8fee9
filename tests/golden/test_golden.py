"""The report of sample_logs/ is known to the letter."""

import json
import tomllib
from typing import Any

import pytest

from tests.browser import BROWSER
from tests.conftest import documented
from tests.golden.write import GOLDEN, report


def page_load(browser: str) -> dict[str, Any]:
    """The report of a file in sample_logs/browser."""
    config = tomllib.loads((BROWSER / "auditor.toml").read_text(encoding="utf-8"))
    return documented([BROWSER / f"{browser}.har"], BROWSER, config)


@pytest.mark.parametrize("report_format", sorted(GOLDEN))
def test_report_of_the_samples_is_the_golden_one(report_format: str) -> None:
    """Every line of the report is as it was when someone last read it."""
    written = GOLDEN[report_format].read_text(encoding="utf-8").split("\n")
    now = report(report_format).decode().split("\n")
    assert now == written, f"{GOLDEN[report_format].name} differs; run make golden and read the difference"


def test_every_rule_finds_something_in_the_samples() -> None:
    """The samples plant a case for each rule; format-waste speaks of measured pictures alone, some of page loads."""
    from auditor.registry import RULES

    reports = [json.loads(GOLDEN["json"].read_bytes()), page_load("chrome")]
    found = {finding["rule"] for report in reports for finding in report["findings"]}
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


HERO_KEPT, HERO_AGAIN = ("short-cache-lifetime", "hero", 2_800_000), ("repeated-downloads", "hero", 1_400_000)
"""Two downloads of 1,400,000 bytes that may be kept for a minute, one of them too many."""
HERO_WIDE = ("oversized-outputs", "hero", 2_100_000)
"""Shown at half the width: 3/4 of the bytes, twice."""
OTHERS = [
    ("heavy-images", "hero", 2_400_000),  # twice 1,200,000 beyond the budget
    ("short-cache-lifetime", "card", 290_000),  # 250,000 say nothing, 40,000 may not be stored
    ("heavy-images", "card", 50_000),
    ("short-cache-lifetime", "logo", 5_000),
]


@pytest.mark.parametrize(
    ("browser", "findings"),
    [
        ("chrome", [HERO_KEPT, HERO_WIDE, HERO_AGAIN, *OTHERS]),
        ("firefox", [HERO_KEPT, HERO_AGAIN, *OTHERS]),  # it does not say how wide an image is shown
    ],
)
def test_findings_of_a_page_load(browser: str, findings: list[tuple[str, str, int]]) -> None:
    """Worked out by hand from what sample_logs/browser/generate.py loads."""
    found = page_load(browser)["findings"]
    assert [(each["rule"], each["subject"]["template"], each["bytes"]) for each in found] == findings
    assert [each["severity"] for each in found] == ["high"] * (len(findings) - 4) + ["medium"] * 3 + ["low"]
