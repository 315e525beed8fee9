"""Words from a log cannot forge, color or break the terminal report."""

from dataclasses import replace
from pathlib import Path

import pytest

from auditor.reports.shared.groups import NAMED
from auditor.results.audit import Result
from tests.conftest import command, event, lines
from tests.reports.conftest import written
from tests.reports.corpus import result_of

HOSTILE = [
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "\x9b31m",
    "a\rTOTAL: 0",
    "a\x08\x08b",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "[red]markup[/red]",
    "[/nope]",
    "[link=x]y[/link]",
    "line\nCredits 0",
    "\u2028next",
    "\x07bell",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_only_printable_text_reaches_the_output(tmp_path: Path, text: str) -> None:
    """In template, account, environment, file name and rejected line: no control character, no markup, no crash."""
    name = text.replace("/", "_").replace("\x00", "")
    log = tmp_path / f"{name}.jsonl"
    bad = event("x", template=text, account=text, environment=text, provider=text)
    log.write_bytes(lines([bad, {**bad, "id": "y"}, {"v": 1, text: text}]) + text.replace("\n", " ").encode() + b"\n")
    done = command("audit", str(log), "--max-rejected", "100")
    assert done.returncode == 0, done.stderr
    for stream in (done.stdout, done.stderr):
        assert all(char.isprintable() or char == "\n" for char in stream.decode())
    shown = "".join(
        char if char.isprintable() else f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"
        for char in text
    )
    flat = done.stdout.decode().replace("\n", "").replace(" ", "")
    assert shown.lower().replace(" ", "") in flat.lower()


def test_money_comes_first_and_ten_findings_unless_all_are_asked_for(samples: Result) -> None:
    """The actions with their numbers, then what they are made of; what is left out is counted."""
    whole, ten = (" ".join(written(replace(samples, all_findings=asked), "text").split()) for asked in (True, False))
    findings = samples.report.by_money
    assert ten.startswith(
        "You pay 49.98 USD a month for 2 accounts on paid plans. 29.98 would do. 1. -10.00 today move"
    )
    for place, finding in enumerate(findings):
        assert finding.advice in whole and (place >= 10 or finding.message in ten)
    named = ten.count("Fix: ")
    assert 10 <= named < 10 + NAMED and whole.count("Fix: ") == len(findings)
    assert f"and {len(findings) - named} more: --all shows them Render audit" in ten and "--all" not in whole
    parts = [finding.money.part for finding in findings]
    assert parts[:7] == [1, 2, 2, 2, 2, 2, None] and {finding.rule for finding in findings[:1]} == {"plan-mismatch"}
    severe = [finding.severity for finding in findings[6:]]
    assert severe == sorted(severe, key=lambda each: each.rank)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_cycles_begin_on_the_day_of_their_account(tmp_path: Path, zone: str) -> None:
    """In the text as in the other reports: midnight in Berlin is the day before in UTC."""
    (tmp_path / "a.jsonl").write_bytes(lines([event("a", "2026-09-10T08:00:00Z")]))
    account = {"provider": "imejis", "plan": "Basic", "timezone": zone}
    found = result_of(tmp_path, {"accounts": {"main": account}}, "x")
    for name in ("text", "markdown"):
        assert "2026-09-01 (part)" in written(found, name)
        assert "Bill USD" in written(found, name)


def test_reports_hold_no_secret(tmp_path: Path) -> None:
    """A key that stands in good and bad lines is found, masked, and printed nowhere."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(
        lines(
            [
                event("a", url="https://render.imejis.io/v1/x?dma-api-key=CANARY0123456789"),
                event("b", api_key="CANARY0123456789"),
                event("c", header="Bearer CANARY0123456789"),
                event("d", proxy="http://user:CANARY0123456789@host/"),
            ]
        )
        + b'{"v":1,"api_key":"CANARY0123456789"\n{"v":1,"overrides":{"name":"CANARY0123456789"}\n'
    )
    for report_format in ("text", "json"):
        done = command("audit", str(log), "--all", "--format", report_format, "--max-rejected", "100")
        assert b"CANARY" not in done.stdout + done.stderr
        assert b"secret-in-log" in done.stdout
        for name in (b"dma-api-key", b"api_key", b"bearer", b"password in a URL"):
            assert name in done.stdout
