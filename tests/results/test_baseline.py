"""The baseline: accepted findings are not shown, do not trip a gate, and stay counted; each has a reason and an end."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.model.errors import ConfigError
from auditor.model.findings import Accepted, Confidence, Finding, Severity
from auditor.results.baseline import complaints, load, split
from tests.conftest import Report, command, event, lines
from tests.contracts.test_schema import VALIDATOR

ENTRY = """[[accept]]
rule = "staging-credits"
subject = { account = "main", environment = "staging" }
reason = "end-to-end tests of the relaunch"
until = 2026-12-31
"""


def accepted(rule: str = "staging-credits", until: date = date(2026, 12, 31), **subject: str) -> Accepted:
    return Accepted(rule, subject or {"environment": "staging"}, "known", until)


def finding(rule: str = "staging-credits", **subject: str) -> Finding:
    return Finding(
        rule, Severity.HIGH, Confidence.HIGH, {"account": "main", "environment": "staging", **subject}, "m", "a"
    )


@pytest.mark.parametrize(
    ("entry", "today", "taken"),
    [
        (accepted(), date(2026, 12, 31), True),
        (accepted(), date(2027, 1, 1), False),
        (accepted(account="main", environment="staging"), date(2026, 1, 1), True),
        (accepted(account="main", environment="preview"), date(2026, 1, 1), False),
        (accepted(template="og"), date(2026, 1, 1), False),
        (accepted(rule="failed-calls"), date(2026, 1, 1), False),
    ],
)
def test_an_entry_accepts_what_it_names_until_its_day(entry: Accepted, today: date, taken: bool) -> None:
    """The last day counts; every name has to agree."""
    kept, suppressed = split([finding()], [entry], today)
    assert (len(kept), len(suppressed)) == (0, 1) if taken else (1, 0)


def test_what_is_to_be_tidied_up_is_said() -> None:
    """Entries that ran out, and those that find nothing."""
    entries = [accepted(until=date(2026, 1, 31)), accepted("failed-calls"), accepted()]
    _, suppressed = split([finding()], entries, date(2026, 2, 1))
    said = complaints(entries, suppressed, date(2026, 2, 1))
    assert len(said) == 2
    assert "ran out on 2026-01-31" in said[0]
    assert "failed-calls staging accepts nothing any more" in said[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accept = 3", "write [[accept]] tables"),
        ("[accept]\nrule = 'x'", "write [[accept]] tables"),
        ("[[accept]]\nrule = 'staging-credits'", "accept[0]: reason, subject, until is missing or unknown"),
        (ENTRY + "extra = 1", "accept[0]: extra is missing or unknown"),
        (ENTRY.replace("staging-credits", "no-rule"), "rule = 'no-rule' is unknown"),
        (ENTRY.replace('{ account = "main", environment = "staging" }', "{}"), "subject is not a table of names"),
        (ENTRY.replace('"main"', "3"), "subject is not a table of names"),
        (ENTRY.replace("end-to-end tests of the relaunch", " "), "reason is empty"),
        (ENTRY.replace("2026-12-31", '"2026-12-31"'), "until = 2026-12-31 is not a date"),
        (ENTRY.replace("2026-12-31", "2026-12-31T00:00:00Z"), "is not a date"),
        ("[[accept", "is not TOML"),
        ("other = 1", "other is unknown"),
    ],
)
def test_wrong_files_are_named_with_entry_and_cure(text: str, words: str, tmp_path: Path) -> None:
    """A wrong baseline would hide the wrong findings."""
    path = tmp_path / "baseline.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


STAGING = [event(f"e{n}", key=f"k{n}", environment="staging", ts=f"2026-09-{n + 1:02d}T08:00:00Z") for n in range(20)]


def test_accepted_findings_stay_counted(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waste, bills and totals are the same; the finding stands under `suppressed` with reason and last day."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790812800")
    path = tmp_path / "baseline.toml"
    path.write_text(ENTRY)
    without, with_it = report(STAGING), report(STAGING, baseline=load(path))
    VALIDATOR.validate(with_it)
    (before,) = [one for one in without["findings"] if one["rule"] == "staging-credits"]
    (suppressed,) = with_it.pop("suppressed")
    assert suppressed == {
        **{name: before[name] for name in ("rule", "severity", "subject", "credits", "bytes", "message")},
        "reason": "end-to-end tests of the relaunch",
        "until": "2026-12-31",
    }
    assert with_it.pop("findings") == [one for one in without.pop("findings") if one["rule"] != "staging-credits"]
    assert with_it == without
    assert with_it["waste"]["staging"] == 20


@pytest.mark.slow
def test_a_report_without_a_baseline_has_no_such_part(report: Report) -> None:
    """JSON report stays as it was; with one that accepts nothing, the list is empty."""
    assert "suppressed" not in report(STAGING)
    assert report(STAGING, baseline=())["suppressed"] == []
    broken: dict[str, Any] = {**report(STAGING, baseline=()), "suppressed": [{"rule": "staging-credits"}]}
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(broken)


def test_the_gate_and_the_terminal(tmp_path: Path) -> None:
    """--fail-on high trips without, not with; the text says what was accepted and why."""
    (tmp_path / "u.jsonl").write_bytes(lines(STAGING))
    (tmp_path / "b.toml").write_text(ENTRY + ENTRY.replace("staging-credits", "failed-calls"))
    common = ("audit", "u.jsonl", "--no-cache", "--fail-on", "high")
    assert command(*common, cwd=tmp_path).returncode == 1
    done = command(*common, "--baseline", "b.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"and 1 accepted in the baseline, 20 credits" in done.stdout
    assert b"end-to-end tests of the relaunch (until 2026-12-31)" in done.stdout
    assert b"failed-calls main staging accepts nothing any more" in done.stderr
    for zone, code in (("America/New_York", 0), ("UTC", 1)):  # where it is still the evening before, it holds still
        there = command(
            *common, "--baseline", "b.toml", "--timezone", zone, cwd=tmp_path, SOURCE_DATE_EPOCH="1798761600"
        )
        assert there.returncode == code
    expired = command(*common, "--baseline", "b.toml", cwd=tmp_path, SOURCE_DATE_EPOCH="1798761600")  # 2027-01-01
    assert expired.returncode == 1
    assert b"ran out on 2026-12-31" in expired.stderr
    found = json.loads(command("audit", "u.jsonl", "--format", "json", "--baseline", "b.toml", cwd=tmp_path).stdout)
    assert len(found["suppressed"]) == 1
