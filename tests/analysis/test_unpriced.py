"""A log that does not say what its calls cost: no figure that rests on it is 0 (semantics section 1)."""

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import event, lines
from tests.examined import ran

START = datetime(2026, 9, 1, tzinfo=UTC)
PRO = '[accounts.main]\nprovider = "imejis"\nplan = "Pro"\n'
Log = Callable[..., str]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A month of two calls a day of 40 images; *each* adds to a call by its number."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790812800")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "auditor.toml").write_text(PRO)

    def written(each: Callable[[int], dict[str, Any]]) -> str:
        calls = [
            event(str(at), (START + timedelta(hours=12 * at)).isoformat(), key=f"k1:{at % 40}", **each(at))
            for at in range(60)
        ]
        (tmp_path / "usage.jsonl").write_bytes(lines(calls))
        return "usage.jsonl"

    return written


def unpriced(at: int) -> dict[str, Any]:
    return {"credits": None}


def timeouts(at: int) -> dict[str, Any]:
    return {"outcome": "error", "error": "timeout"}


def attempts(at: int) -> dict[str, Any]:
    return {"outcome": "attempt"}


def with_hits(at: int) -> dict[str, Any]:
    return {"credits": None} if at % 2 else {"outcome": "hit"}


def with_refused_errors(at: int) -> dict[str, Any]:
    return {"credits": None} if at else {"outcome": "error", "error": "invalid", "status": 400}


UNPRICED = [unpriced, timeouts, attempts, with_hits, with_refused_errors]


def free(at: int) -> dict[str, Any]:
    return {"credits": 0}


def with_a_free_one(at: int) -> dict[str, Any]:
    return {"credits": None if at else 0}


def only_hits(at: int) -> dict[str, Any]:
    return {"outcome": "hit"}


KNOWN = [free, with_a_free_one, only_hits]


@pytest.mark.slow
@pytest.mark.parametrize("each", UNPRICED)
def test_reports_say_that_credits_and_waste_are_unknown(log: Log, each: Callable[[int], dict[str, Any]]) -> None:
    path = log(each)
    text = ran("audit", path).out
    assert re.search(r"^Credits +unknown: up to \d+ calls may have been billed$", text, re.MULTILINE), text
    assert re.search(r"^Wasted +unknown", text, re.MULTILINE)
    assert re.search(r"^  2026-09-01 .* unknown ", text, re.MULTILINE)
    markdown = ran("audit", path, "--format", "markdown").out
    assert "| Credits billed | unknown |" in markdown
    assert re.search(r"^\| 2026-09-01.* \| unknown \| \d+ \|", markdown, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("each", KNOWN)
def test_a_call_that_is_known_to_be_free_cost_nothing(log: Log, each: Callable[[int], dict[str, Any]]) -> None:
    path = log(each)
    assert re.search(r"^Credits +0 billed", ran("audit", path).out, re.MULTILINE)
    cycle = "Cycle 2026-09-01 to 2026-09-30: 60 requests, 0 credits"
    assert f"\n{cycle}" in ran("report", path, "--cycle", "2026-09").out
    (account,) = json.loads(ran("plan", path, "--format", "json").out)["accounts"]
    assert {scenario["credits_saved"] for scenario in account["scenarios"]} == {0}
    assert account["cycles"][0]["credits"] == account["cycles"][0]["wasted"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("each", UNPRICED)
def test_the_other_formats_leave_the_figures_empty(log: Log, each: Callable[[int], dict[str, Any]]) -> None:
    path = log(each)
    (cycle,) = csv.DictReader(ran("audit", path, "--format", "csv-cycles").out.splitlines())
    assert {cycle[name] for name in ("credits", "utilisation", "unused_credits", "unused_value")} == {""}
    days = list(csv.DictReader(ran("audit", path, "--format", "csv-daily").out.splitlines()))
    assert days[-1]["credits"] == days[-1]["credits_needed"] == ""
    assert ", credits unknown" in ran("report", path, "--cycle", "2026-09").out


@pytest.mark.slow
def test_the_page_says_it_too(log: Log) -> None:
    page = ran("audit", log(unpriced), "--format", "html").out
    assert '<dt>Credits billed</dt><dd><span class="figure">unknown</span>' in page
    assert '<dt>Credits wasted</dt><dd><span class="figure">unknown</span>' in page
    assert '2026-09-01</th><td class="number">unknown</td>' in page


@pytest.mark.slow
@pytest.mark.parametrize("each", UNPRICED)
def test_a_plan_does_not_call_the_savings_nothing(log: Log, each: Callable[[int], dict[str, Any]]) -> None:
    path = log(each)
    (account,) = json.loads(ran("plan", path, "--format", "json").out)["accounts"]
    none, *fixes = account["scenarios"]
    assert none["credits_saved"] == 0
    assert {scenario["credits_saved"] for scenario in fixes} == {None}
    assert account["cycles"][0]["credits"] is account["cycles"][0]["wasted"] is None
    assert {offer["plan_after_fixes"] for offer in account["providers"]} == {None}
    assert re.search(r"^  dedupe +unknown +- +unknown", ran("plan", path).out, re.MULTILINE)


def test_a_simulation_does_not_call_the_log_free(log: Log) -> None:
    path = log(unpriced)
    found = json.loads(ran("simulate", path, "--format", "json").out)
    logged = found["logged"]
    assert (logged["renders"], logged["credits"], logged["credits_uncertain"]) == (60, None, 60)
    assert [(bill["credits"], bill["bill"], bill["cheapest_bill"]) for bill in logged["bill"]] == [(None, None, None)]
    assert found["rows"][0]["credits"] == 60, "a simulated render has the usual price"
    assert re.search(r"^as logged +60 +0.0% +unknown +unknown +unknown$", ran("simulate", path).out, re.MULTILINE)


def test_a_simulation_names_what_the_sum_of_the_log_lacks(log: Log) -> None:
    path = log(lambda at: {"credits": None} if at < 7 else {})
    logged = json.loads(ran("simulate", path, "--format", "json").out)["logged"]
    assert (logged["credits"], logged["credits_uncertain"]) == (53, 7)
    assert "As logged: 7 requests of unknown credits not counted" in ran("simulate", path).out


def unseen(at: int) -> dict[str, Any]:
    """A call as a program logs it, without what it rendered."""
    at_time = (START + timedelta(hours=12 * at)).isoformat()
    url = "https://render.imejis.io/v1/og-card"
    return {"timestamp": at_time, "event": "done", "method": "POST", "url": url, "status_code": 200}


@pytest.mark.slow
def test_images_that_are_unknown_are_not_said_to_save_nothing(log: Log, tmp_path: Path) -> None:
    """Neither in the advice of the audit nor with other providers."""
    log(free)
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(unseen(at)) + "\n" for at in range(60)))
    (account,) = json.loads(ran("audit", "calls.jsonl", "--format", "json").out)["accounts"]
    assert account["recommended_plan"] == "Free"
    assert account["recommended_after_fixes"] == "Free"  # on the waste that is known: none
    assert account["fixes_known"] is False
    for report_format in ("text", "markdown"):
        words = " ".join(ran("audit", "calls.jsonl", "--format", report_format).out.split())
        assert re.search(r"After all fixes:? unknown: of no render does the log tell which image it was", words), words
    assert "After all fixes: <strong>unknown: of no render" in ran("audit", "calls.jsonl", "--format", "html").out
    (planned,) = json.loads(ran("plan", "calls.jsonl", "--format", "json").out)["accounts"]
    offers = {offer["provider"]: offer for offer in planned["providers"]}
    assert offers["imejis"]["plan"] == "Free"
    assert {(each["plan_after_fixes"], each["monthly_bill_after_fixes"]) for each in offers.values()} == {(None, None)}
    assert re.search(r"^  imejis +Free +0.00 +unknown +unknown", ran("plan", "calls.jsonl").out, re.MULTILINE)
