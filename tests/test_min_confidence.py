"""`--min-confidence`: a filter of what is shown, and of what --fail-on sees. No figure depends on it."""

import json
from pathlib import Path

import pytest

from tests.conftest import command, lines
from tests.rules.test_volatile_sizes import renders

HIDDEN = {"low": set(), "medium": {"low"}, "high": {"low", "medium"}}
CONFIG = '[accounts.main]\nprovider = "imejis"\nplan = "Pro"\n'


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """Findings of every confidence: volatile by size, staging and duplicates."""
    log = tmp_path / "usage"
    log.mkdir()
    (log / "auditor.toml").write_text(CONFIG)
    staging = [
        {**each, "id": f"s{n}", "key": "f1:same", "environment": "staging"} for n, each in enumerate(renders("aaa"))
    ]
    again = [{**each, "id": f"r{n}", "template": "card", "key": "f1:r"} for n, each in enumerate(renders("aaaa"))]
    (log / "usage.jsonl").write_bytes(lines([*renders("aaaa" + "ba" * 10), *staging, *again]))
    return log


@pytest.mark.parametrize("least", HIDDEN)
def test_what_is_less_sure_is_not_shown_and_all_figures_stay(usage: Path, least: str) -> None:
    """In every report; waste, accounts and totals are those of all findings."""
    whole = json.loads(command("audit", str(usage), "--format", "json").stdout)
    assert {finding["confidence"] for finding in whole["findings"]} == {"low", "medium", "high"}
    some = json.loads(command("audit", str(usage), "--format", "json", "--min-confidence", least).stdout)
    assert some["findings"] == [found for found in whole["findings"] if found["confidence"] not in HIDDEN[least]]
    assert all(some[part] == whole[part] for part in ("totals", "waste", "accounts", "inputs"))
    assert some["options"]["min_confidence"] == (None if least == "low" else least)


@pytest.mark.parametrize(("least", "code"), [("low", 1), ("medium", 1), ("high", 0)])
def test_fail_on_sees_what_is_shown(usage: Path, least: str, code: int) -> None:
    """The only finding of confidence high is about few credits here."""
    options = ("--min-confidence", least, "--skip", "duplicate-renders", "--skip", "plan-mismatch")
    assert command("audit", str(usage), "--fail-on", "low", *options).returncode == code


@pytest.mark.parametrize("kind", ["text", "markdown", "html", "csv"])
def test_people_see_the_confidence(usage: Path, kind: str) -> None:
    """Beside the severity, whatever the format."""
    text = command("audit", str(usage), "--format", kind, "--rule", "volatile-inputs").stdout.decode()
    assert {"csv": ",low,", "html": "confidence low"}.get(kind, "low confidence") in text
    none = command("audit", str(usage), "--format", kind, "--rule", "volatile-inputs", "--min-confidence", "high")
    assert "low confidence" not in none.stdout.decode()
    assert "left" not in none.stderr.decode()


def test_the_periodic_report_has_it_too(usage: Path, tmp_path: Path) -> None:
    """What is not shown in one of two reports is neither new nor fixed in the other."""

    def run(history: str, *options: str) -> str:
        done = command("report", str(usage), "--cycle", "2026-09", "--history", str(tmp_path / history), *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    assert "volatile-inputs" in run("all")
    assert "volatile-inputs" not in run("sure", "--min-confidence", "medium")
    (kept,) = (tmp_path / "sure").glob("*/report.json")
    assert "low" not in {finding["confidence"] for finding in json.loads(kept.read_bytes())["findings"]}
    (first,) = (tmp_path / "all").glob("*/report.json")
    compared = run("again", "--min-confidence", "medium", "--against", str(first))
    assert "fixed" not in compared.lower() or "0 fixed" in compared
    assert "volatile-inputs" not in compared


def test_a_word_that_is_no_confidence_is_answered_with_those_that_are(usage: Path) -> None:
    """A usage error."""
    done = command("audit", str(usage), "--min-confidence", "certain")
    assert done.returncode == 2
    assert b"medium" in done.stderr
