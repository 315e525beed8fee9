"""The commands as functions give what the commands print."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace

import auditor
from auditor.notebook.frames import frames_of
from auditor.registry import REPORTS
from auditor.results.document import written
from auditor.results.header import document
from tests.conftest import ROOT, event, lines
from tests.examined import ran
from tests.golden.write import GOLDEN

SAMPLES = ROOT / "sample_logs"


@pytest.fixture(scope="module")
def report() -> auditor.Report:
    """Of the sample logs, named as the golden report names them."""
    with chdir(ROOT):
        return auditor.audit("sample_logs")


def test_the_data_is_the_json_report(report: auditor.Report) -> None:
    """But for the time at which it was made."""
    golden, found = json.loads(GOLDEN["json"].read_bytes()), json.loads(json.dumps(written(report.data)))
    for name in ("inputs", "totals", "waste", "unknown", "accounts", "findings"):
        assert found[name] == golden[name]


def test_the_frames_add_up_exactly(report: auditor.Report) -> None:
    """Days to cycles, both to the total; a finding a row, with each subject in a column of its own."""
    findings, cycles, days = report.to_pandas()
    assert Fraction(days.credits.sum()) == Fraction(cycles.credits.sum()) == report.data.totals.credits
    assert Counter(findings.rule) == Counter(each.rule for each in report.findings)
    assert {name for each in report.findings for name in each.subject} <= set(findings.columns)
    assert type(cycles.bill.dropna().iloc[0]) is Decimal
    assert str(cycles.start.dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert len(days) == days.groupby(["provider", "account", "date"]).ngroups


def test_a_subject_named_like_a_figure_is_not_lost(report: auditor.Report) -> None:
    """It has a column of its own beside the figure's."""
    first = replace(report.findings[0], subject={**report.findings[0].subject, "credits": "none", "hours": "00-05"})
    findings = frames_of(replace(report.data, findings=(first,)), ()).findings
    assert (findings.credits[0], findings.subject_credits[0], findings.hours[0]) == (first.credits, "none", "00-05")


@pytest.mark.slow
def test_an_empty_log_has_empty_frames(tmp_path: Path) -> None:
    """Nothing fails where there is nothing."""
    (tmp_path / "usage.jsonl").write_bytes(lines([event("a", "2026-09-01T00:00:00Z")]))
    frames = auditor.audit(tmp_path).to_pandas()
    assert (len(frames.cycles), len(frames.days)) == (1, 1)
    assert len(frames.findings) == len(auditor.audit(tmp_path).findings)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(REPORTS) - {"html", "focus"}))
def test_it_saves_what_the_command_prints(
    name: str, report: auditor.Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the format of the suffix; the moment of the report is that of the audit."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(report.data.generated_at.timestamp())))
    monkeypatch.chdir(ROOT)
    saved = report.save(tmp_path / f"Out.{REPORTS[name].suffix.upper()}")
    asked = ran("audit", "sample_logs", "--all", "--format", name, "--output", str(tmp_path / "other"))
    assert asked.code == 0
    assert saved.read_bytes() == (tmp_path / "other").read_bytes()


def test_an_unknown_suffix_is_a_sentence(report: auditor.Report, tmp_path: Path) -> None:
    """It names the reports; nothing is written."""
    with pytest.raises(
        auditor.ConfigError, match=r"out\.docx: no report has this name or suffix; reports are text, json"
    ):
        report.save(tmp_path / "out.docx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_simulation_is_that_of_the_command() -> None:
    """The same renders for the same settings, and the same recommendation."""
    found = auditor.simulate(SAMPLES, ttls=[timedelta(hours=1), None])
    asked = json.loads(ran("simulate", str(SAMPLES), "--ttl", "1h", "--ttl", "forever", "--format", "json").out)
    assert [row.renders for row in found.rows] == [row["renders"] for row in asked["rows"]]
    assert [row.ttl_seconds for row in found.rows] == [3600, None]
    assert found.recommendation is not None
    assert written(found.recommendation) == asked["recommendation"]


@pytest.mark.slow
def test_plan_advice_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same document, apart from the settings' file that only the command names; unknown providers are refused."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790812800")
    monkeypatch.chdir(ROOT)
    until = datetime(2026, 9, 20, tzinfo=UTC)
    found = auditor.plan("sample_logs", providers=["imejis", "hcti"], until=until, longer_ttl=timedelta(days=14))
    asked = ran(
        "plan", "sample_logs", "--until", "2026-09-20T00:00:00Z", "--longer-ttl", "14d", "--format", "json",
        "--provider", "imejis", "--provider", "hcti",
    )  # fmt: skip
    assert json.loads(asked.out) == json.loads(json.dumps(document(found)))
    none, *fixes = found.accounts[0].scenarios
    assert none.fix == "none"
    assert any(each.credits_saved for each in fixes)
    with pytest.raises(auditor.ConfigError, match="providers: 'nobody' is unknown; available: "):
        auditor.plan("sample_logs", providers=["nobody"])


@pytest.mark.slow
def test_an_invoice_is_compared(tmp_path: Path) -> None:
    """Exactly, for the one account of the logs."""
    (tmp_path / "usage.jsonl").write_bytes(
        lines(event(f"e{n}", f"2026-09-0{n}T00:00:00Z", key=f"k{n}") for n in (1, 2, 3))
    )
    found = auditor.reconcile(tmp_path / "usage.jsonl", 4, "2026-09")
    assert (found.counted, found.invoice, found.difference, found.agrees) == (3, 4, 1, False)
    with pytest.raises(auditor.ConfigError, match="account='other' does not name one account"):
        auditor.reconcile(tmp_path / "usage.jsonl", 4, "2026-09", account="other")
    with pytest.raises(auditor.ConfigError, match="cycle"):
        auditor.reconcile(tmp_path / "usage.jsonl", 4, "soon")


def test_a_script_like_a_notebook_is_typed(tmp_path: Path) -> None:
    """mypy --strict sees the types of a user who installed the package."""
    script = tmp_path / "notebook.py"
    script.write_text(
        "from datetime import timedelta\n"
        "from fractions import Fraction\n\n"
        "import auditor\n\n"
        'report = auditor.audit("usage", ttl=timedelta(days=7))\n'
        "credits: Fraction = report.data.totals.credits\n"
        "rules: list[str] = [finding.rule for finding in report.findings]\n"
        "frames = report.to_pandas()\n"
        'print(frames.cycles.bill.sum(), report.save("report.html").name, credits, rules)\n'
        'rows = auditor.simulate("usage", ttls=[None]).rows\n'
        "renders: list[int] = [row.renders for row in rows]\n"
        'agrees: bool = auditor.reconcile("usage", 10, "2026-09").agrees\n'
        'plans: list[str | None] = [each.recommended_plan for each in auditor.plan("usage").accounts[0].scenarios]\n'
        'wrong: int = report.save("report.html")\n'
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    ours = [line for line in done.stdout.splitlines() if line.startswith("notebook.py")]
    assert len(ours) == 1 and 'has type "Path"' in ours[0], done.stdout
