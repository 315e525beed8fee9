"""JSON report is what its schema says."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.registry import RULES
from tests.conftest import ROOT
from tests.golden.write import GOLDEN
from tests.random_logs import generate
from tests.test_oracle import product

pytestmark = pytest.mark.usefixtures("random_now")

SCHEMA = json.loads((ROOT / "auditor" / "results" / "report_v2.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
REPORT = json.loads(GOLDEN["json"].read_bytes())


def test_the_golden_report_is_valid() -> None:
    """So is the schema itself, and it knows every rule."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(REPORT)
    assert SCHEMA["properties"]["findings"]["items"]["properties"]["rule"]["enum"] == list(RULES), "run make docs"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 40, 3))
def test_reports_of_random_logs_are_valid(seed: int, tmp_path: Path) -> None:
    """Whatever the log is like."""
    files, config = generate(seed, 120)
    VALIDATOR.validate(json.loads(json.dumps(product(files, config, tmp_path), default=float)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda report: report.pop("waste"),
        lambda report: report.update(extra=1),
        lambda report: report["findings"][0].update(rule="unknown"),
        lambda report: report["findings"][0]["money"].update(now=1.5),
        lambda report: report["accounts"][0]["cycles"][0].update(start="2026-01-01"),
        lambda report: report["totals"].update(hits=-1),
    ],
)
def test_the_schema_notices_damage(damage: Callable[[dict[str, Any]], object]) -> None:
    """A schema that accepts everything would prove nothing."""
    report = copy.deepcopy(REPORT)
    damage(report)
    assert not VALIDATOR.is_valid(report)
