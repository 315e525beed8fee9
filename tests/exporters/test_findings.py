"""What the exporter shows of a report is what the report says."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.families import Families
from auditor_exporter.findings import FindingsCollector
from auditor_exporter.main import app, main
from auditor_exporter.snapshot import Snapshot
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.model.errors import InputError
from auditor.model.metrics import FINDINGS, LABEL_CAP, LEDGER
from auditor.registry import RULES
from tests.exporters.test_ledger import samples, total
from tests.services import ROOT, need

GOLDEN = ROOT / "tests" / "golden" / "sample_logs.json"


@pytest.fixture
def report() -> dict[str, Any]:
    """The audit of sample_logs/."""
    return dict(json.loads(GOLDEN.read_text()))


def shown(path: Path, said: list[str] | None = None) -> Snapshot:
    """A snapshot of a report alone."""
    return Snapshot([FindingsCollector(path, settings_of({}, "test"))], say=(said if said is not None else []).append)


def test_every_figure_is_the_report_s(report: dict[str, Any]) -> None:
    """Findings, credits, bytes and money by rule; the waterfall; times."""
    found = samples(shown(GOLDEN))
    by_rule = Counter((each["rule"], each["severity"]) for each in report["findings"])
    for rule in RULES:
        for severity in ("high", "medium", "low"):
            assert total(found, "findings", rule=rule, severity=severity) == by_rule[rule, severity]
        of_rule = [each for each in report["findings"] if each["rule"] == rule]
        assert total(found, "finding_credits", rule=rule) == sum(each["credits"] for each in of_rule)
        assert total(found, "finding_bytes", rule=rule) == sum(each["bytes"] for each in of_rule)
        alone: dict[str, list[Decimal]] = defaultdict(list)
        bytes_cost = Decimal(0)
        for each in of_rule:
            money = each["money"]
            if money.get("saves_alone") is not None:
                alone[each["subject"]["account"]].append(Decimal(money["saves_alone"]))
            bytes_cost += Decimal(money.get("now") or 0)
        for account, saving in alone.items():
            at = {"account": account, "rule": rule, "currency": "USD"}
            assert total(found, "finding_monthly_saving", **at) == float(max(saving))
        told = {
            dict(at)["account"] for n, at in found if n == "imgrender_finding_monthly_saving" and ("rule", rule) in at
        }
        assert told == set(alone)
        assert total(found, "finding_bytes_cost", rule=rule) == float(bytes_cost)
    assert total(found, "finding_bytes_cost") > 0
    actions: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for month in report["headline"]:
        for action in month["actions"]:
            actions[action["account"], action["kind"], action["to"]] += Decimal(action["saving"])
    assert {kind for _, kind, _ in actions} == {"plan", "fixes"}
    for account in report["accounts"]:
        at = {"account": account["account"], "currency": "USD"}
        for kind, plan in (("plan", "recommended_plan"), ("fixes", "recommended_after_fixes")):
            saved = actions.pop((account["account"], kind, account[plan]), Decimal(0))
            assert total(found, "monthly_saving", action=kind, **at) == float(saved)
            assert total(found, "monthly_saving", action=kind, plan=account[plan], **at) == float(saved)
        assert total(found, "monthly_saving", **at) == float(account["monthly_saving_after_fixes"])
    assert not actions
    for cause in ("staging", "concurrent", "repeat", "volatile"):
        assert total(found, "waste_credits", cause=cause) == report["waste"][cause]
    assert total(found, "waste_credits") == report["waste"]["total"]
    assert total(found, "audit_credits") == report["totals"]["credits"]
    assert total(found, "audit_timestamp_seconds") == 1_790_812_800
    assert total(found, "audit_window_end_timestamp_seconds") == 1_790_812_799.92
    assert total(found, "finding_credits", template="og-card", account="main") == 5304
    assert ("imgrender_findings", tuple(sorted({
        "provider": "imejis", "account": "sandbox", "rule": "plan-mismatch", "severity": "high"}.items()))) in found  # fmt: skip


def test_what_is_not_shown_may_be_anything(report: dict[str, Any], tmp_path: Path) -> None:
    """Evidence has numbers of every kind, and a report of another version has more, or less, than this one."""
    report["findings"][0]["evidence"] = {"share": 0.125, "more": [1.5, None, "text"]}
    report["findings"][0]["confidence"] = "certain"
    report["findings"][0]["subject"]["template"] = None
    del report["tool_version"], report["options"]["timezone"]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    assert total(samples(shown(path)), "findings") == len(report["findings"])


def test_a_saving_that_is_not_known_is_not_shown(report: dict[str, Any], tmp_path: Path) -> None:
    """Not as 0; and a plan that already changed saves nothing more."""
    _, second, third = (account["account"] for account in report["accounts"])
    report["accounts"][0].update(monthly_saving=None, monthly_saving_after_fixes=None)
    (month,) = report["headline"]
    changed = {"kind": "changed", "provider": "imejis", "account": third, "saving": "7.00"}
    month["actions"] = [changed, *(each for each in month["actions"] if each["account"] == second)]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    found = {
        (dict(at)["account"], dict(at)["action"]): value
        for (name, at), value in samples(shown(path)).items() if name == "imgrender_monthly_saving"
    }  # fmt: skip
    assert found == {(second, "plan"): 10, (second, "fixes"): 0, (third, "plan"): 0, (third, "fixes"): 0}


def test_a_report_of_version_1_has_findings_without_savings(report: dict[str, Any], tmp_path: Path) -> None:
    """As stood there before the update, until the next audit writes the new one."""
    report["schema"] = "render-auditor/report/v1"
    del report["headline"]
    for finding in report["findings"]:
        finding["money"] = {"now": "1.00", "after_plan_change": "2.00", "currency": "USD"}
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    found = samples(shown(path))
    assert total(found, "findings") == len(report["findings"])
    assert not any("finding_monthly_saving" in name for name, _ in found)


def test_names_types_help_and_labels_are_those_of_the_table() -> None:
    """Both ways."""
    text = shown(GOLDEN).exposition()[0].decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    defined = {definition.name: definition for definition in FINDINGS}
    own = {definition.name.removesuffix("_total") for definition in LEDGER}
    assert set(families) - own == set(defined)
    for name, definition in defined.items():
        assert (families[name].type, families[name].documentation) == (definition.type, definition.help)
        assert all(set(sample.labels) == set(definition.labels) for sample in families[name].samples)
    promtool = need("prometheus", "promtool")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_report_takes_the_place_of_the_first(report: dict[str, Any], tmp_path: Path) -> None:
    """It is read once while it stays the same; what was mended is 0 then, not gone."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    collector = FindingsCollector(path, settings_of({}, "test"))
    collector.collect(Families(), 0)
    first = collector._families
    collector.collect(Families(), 0)
    assert collector._families is first
    aside = tmp_path / "next.json"
    aside.write_text(json.dumps({**report, "findings": []}))
    aside.replace(path)
    found = samples(Snapshot([collector]))
    mended = [
        value for (name, at), value in found.items() if name == "imgrender_findings" and dict(at)["account"] == "main"
    ]
    assert mended and not any(mended)
    assert total(found, "waste_credits") == report["waste"]["total"]
    for half in ("{", None):
        said: list[str] = []
        path.unlink() if half is None else path.write_text(half)
        taken = Snapshot([collector], say=said.append)
        found = samples(taken)
        assert total(found, "waste_credits") == report["waste"]["total"] and taken.healthy
        assert total(found, "scrape_collector_success", collector="findings") == 0
        assert said[0].endswith("; the report before it is shown")


def test_hostile_and_many_labels(report: dict[str, Any], tmp_path: Path) -> None:
    """Whatever a report says, series are few, sums are kept, and the page can be read."""
    names = ['"', "a\nb", "\ud800", "x" * 1_000_000, *(f"name{number}" for number in range(500))]
    finding = report["findings"][0]
    report["findings"] = [
        {**finding, "rule": name if number % 2 else finding["rule"], "severity": name if number % 3 else "low",
         "subject": {"provider": name, "account": name, "template": name}, "money": {**finding["money"], "currency": name}}
        for number, name in enumerate(names)
    ]  # fmt: skip
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    taken = shown(path)
    found = samples(taken)
    assert total(found, "findings") == len(names)
    assert total(found, "finding_credits") == len(names) * finding["credits"]
    assert {dict(at)["rule"] for n, at in found if n == "imgrender_findings"} == {*RULES, "other"}
    for label in ("provider", "account", "template", "currency"):
        assert len({dict(at)[label] for _, at in found if label in dict(at)}) <= LABEL_CAP + 2
        assert total(found, "label_values_dropped_total", label=label) >= len(names) - LABEL_CAP - 2
    assert len(taken.exposition()[0]) < 1 << 18


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "{",
        '{"schema": "render-auditor/report/v1"}',
        '{"schema": "render-auditor/report/v9"}',
        "\ud800",
    ],
)
def test_what_is_no_report(tmp_path: Path, text: str) -> None:
    """Is a sentence and a sample, and takes nothing else along."""
    path = tmp_path / "report.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"report\.json: is not a JSON report; write one with"):
        FindingsCollector(path, settings_of({}, "test")).collect(Families(), 0)
    said: list[str] = []
    taken = shown(path, said)
    assert total(samples(taken), "scrape_collector_success", collector="findings") == 0 and not taken.healthy
    assert len(said) == 1 and said[0].startswith("the collector 'findings' fails: ")


def test_a_report_that_cannot_be_counted(report: dict[str, Any], tmp_path: Path) -> None:
    """Credits that are no number are no credits."""
    for wrong in ("NaN", "Infinity", '"many"', "null", "[]"):
        report["findings"][0]["credits"] = "WRONG"
        path = tmp_path / "report.json"
        path.write_text(json.dumps(report).replace('"WRONG"', wrong))
        with pytest.raises(InputError):
            FindingsCollector(path, settings_of({}, "test")).collect(Families(), 0)


def test_a_text_file_of_a_report_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a ledger none is made; with one both are there; a report that is away is exit code 3, and a sample."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["textfile", "audit.prom", "--findings", str(GOLDEN)])
    assert done.exit_code == 0 and [path.name for path in tmp_path.iterdir()] == ["audit.prom"]
    text = (tmp_path / "audit.prom").read_text()
    assert "imgrender_findings{" in text and "imgrender_ledger_events" not in text
    Ledger("ledger.db").close()
    done = CliRunner().invoke(app, ["textfile", "audit.prom", "--findings", str(GOLDEN), "--ledger", "ledger.db"])
    text = (tmp_path / "audit.prom").read_text()
    assert done.exit_code == 0 and "imgrender_findings{" in text and "imgrender_ledger_events" in text
    monkeypatch.setattr(sys, "argv", ["auditor-exporter", "textfile", "audit.prom", "--findings", "missing.json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3 and "missing.json: cannot be read (No such file" in capsys.readouterr().err
    assert 'imgrender_scrape_collector_success{collector="findings"} 0.0' in (tmp_path / "audit.prom").read_text()
