"""The report of sample_logs/ is known to the byte."""

import json

import pytest

from tests.golden.write import GOLDEN, report


@pytest.mark.parametrize("report_format", sorted(GOLDEN))
def test_report_of_the_samples_is_the_golden_one(report_format: str) -> None:
    """Every byte of the report is as it was looked at; after a wanted change, run `make golden`."""
    assert GOLDEN[report_format].read_bytes() == report(report_format)


def test_every_rule_finds_something_in_the_samples() -> None:
    """The samples plant a case for each rule."""
    from auditor.registry import AUDITS

    assert {finding["rule"] for finding in json.loads(GOLDEN["json"].read_bytes())["findings"]} == set(AUDITS)
