"""The bridge from lines to needed credits adds up on every log, and ends where the report's other figures are."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from auditor.model.waste import Cause
from auditor.reports.shared.bridge import CHANGES as TOLD
from auditor.reports.shared.bridge import rows
from auditor.results.bridge import CHANGES
from auditor.results.report import parse
from tests.conftest import Report, documented, event
from tests.random_logs import generate, shop

pytestmark = pytest.mark.usefixtures("random_now")


def sound(report: dict[str, Any]) -> set[str]:
    """Check a bridge step by step; the names of its changes."""
    steps = {step["stage"]: step for step in report["bridge"]}
    assert list(steps) == ["lines", "events", "requests", "renders", "credits", "needed"]
    before, seen = None, set()
    for step in steps.values():
        if step["amount"] is not None:
            assert step["amount"] == pytest.approx((before or 0) + sum(step["changes"].values()), abs=1e-9) or (
                step["stage"] == "lines"
            )
        assert 0 not in step["changes"].values()
        seen |= set(step["changes"])
        before = step["amount"]
    inputs, totals, waste = report["inputs"], report["totals"], report["waste"]
    amounts = {stage: step["amount"] for stage, step in steps.items()}
    assert (amounts["lines"], amounts["events"]) == (inputs["lines"], inputs["events"])
    assert (amounts["requests"], amounts["renders"]) == (totals["requests"], totals["renders"])
    assert amounts["credits"] in (totals["credits"], None)
    for cause in Cause:
        assert steps["needed"]["changes"].get(cause, 0) in (-waste[cause], 0)
    exact = parse_of(report)
    for before_it, step in itertools.pairwise(exact):
        if step.amount is not None and before_it.amount is not None:
            assert step.amount == before_it.amount + sum(step.changes.values())
    return seen


def parse_of(report: dict[str, Any]) -> Any:
    """The bridge with its figures exact, as a report that is read again has it."""
    return parse(json.dumps(report)).bridge


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["any", "shop"])
def test_it_adds_up_on_random_logs(tmp_path: Path, kind: str) -> None:
    """Each line is the one before and its changes; every change that our own events can have was there."""
    seen: set[str] = set()
    for seed in range(16):
        files, config = generate(seed, 200) if kind == "any" else shop(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        paths = [folder / name for name in files]
        seen |= sound(documented(paths, folder, config))
    assert {
        "superseded",
        "rejected",
        "grouped_hits",
        "retries",
        "unresolved",
        "hits",
        "unknown_cost",
        "staging",
    } <= seen


def test_unknown_credits_stay_unknown(report: Report) -> None:
    """Where no call says what it cost, neither the credits nor the needed ones are a number."""
    found = report([event("a", credits=None), event("b", credits=None)])
    sound(found)
    assert [(step["stage"], step["amount"]) for step in found["bridge"][3:]] == [
        ("renders", 2), ("credits", None), ("needed", None),
    ]  # fmt: skip
    assert [row.figure for row in rows(parse_of(found))][-2:] == ["unknown", "unknown"]


def test_an_empty_log_has_a_bridge_of_zeros(report: Report) -> None:
    """Nothing was read, so nothing was needed."""
    found = report([])
    sound(found)
    assert {step["amount"] for step in found["bridge"]} == {0}


def test_every_change_has_words() -> None:
    """No internal name reaches a reader."""
    assert set(TOLD) == set(CHANGES)
