"""`auditor report` as a timer runs it: a cycle, compared, kept, delivered once."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command, event, lines
from tests.schedule.conftest import Mailbox, Posted, mailbox, webhook  # noqa: F401  (fixtures)

NOW = {"last": "1790812800", "november": "1793491200"}  # 2026-10-01, 2026-11-01
CONFIG = """
[accounts.main]
provider = "imejis"
plan = "Pro"
[accounts.second]
provider = "imejis"
plan = "Basic"
anchor_day = 15
[delivery.team]
kind = "smtp"
host = "127.0.0.1"
port = {port}
security = "none"
sender = "audit@shop.example"
to = ["team@shop.example"]
formats = ["html", "text"]
[delivery.chat]
kind = "slack"
url_env = "CHAT"
private = true
[delivery.disk]
kind = "file"
path = "www/{{cycle}}.txt"
"""


def month(number: int, repeats: int, account: str = "main", first: int = 1, length: int = 30) -> list[dict[str, Any]]:
    """A whole cycle in which every image is rendered 1 + *repeats* times within a day."""
    found = []
    start = datetime(2026, number, first, 6, tzinfo=UTC)
    for day in [*range(28), length - 1]:
        for again in range(1 + repeats):
            ts = start + timedelta(days=day, minutes=again)
            identity = f"{account}-{number}-{day}-{again}"
            found.append(event(identity, ts.isoformat(), account=account, key=f"{account}-{number}-{day}", bytes=1000))
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    events = [*month(8, 3, length=31), *month(9, 1), *month(10, 0, length=31), *month(9, 2, "second", first=15)]
    (tmp_path / "all.txt").write_bytes(lines(events))
    logged(tmp_path, NOW["last"])
    (tmp_path / "auditor.toml").write_text(CONFIG.format(port=9))
    return tmp_path


def logged(shop: Path, now: str) -> None:
    """Leave in the log what had happened by then."""
    until = datetime.fromtimestamp(int(now), UTC).isoformat()
    events = (shop / "all.txt").read_bytes().splitlines(keepends=True)
    (shop / "usage.jsonl").write_bytes(
        b"".join(each for each in events if each[:1] != b"{" or json.loads(each)["ts"] < until)
    )


def run(shop: Path, *arguments: str, code: int = 0, now: str = "last", **environment: str) -> str:
    logged(shop, NOW.get(now, now))
    done = command("report", "usage.jsonl", "--no-cache", *arguments, cwd=shop,
                   **{"SOURCE_DATE_EPOCH": NOW.get(now, now), **environment})  # fmt: skip
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout.decode() + done.stderr.decode()


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_the_report_of_a_cycle_is_the_audit_of_its_times(shop: Path) -> None:
    """`last` by the clock; other accounts and times are filtered, and lines are conserved."""
    said = run(shop)
    assert "Cycle 2026-09-01 to 2026-09-30: 58 requests, 58 credits, 29 wasted (50.0% of the billed credits)" in said
    kept = read(shop / "reports" / "2026-09-01" / "report.json")
    audited = json.loads(
        command("audit", "usage.jsonl", "--no-cache", "--since", "2026-09-01", "--until", "2026-10-01", "--format", "json",
                cwd=shop).stdout
    )  # fmt: skip
    (account,) = [one for one in audited["accounts"] if one["account"] == "main"]
    assert kept["accounts"] == [account]
    assert [cycle["complete"] for cycle in account["cycles"]] == [True]
    inputs = kept["inputs"]
    assert inputs["lines"] == inputs["events"] + inputs["filtered"]
    assert inputs["events"] == 58
    assert run(shop, "--cycle", "2026-09").startswith(said[:60])


def test_accounts_with_other_cycles_get_reports_of_their_own(shop: Path) -> None:
    """Each is about a whole cycle: the 15th of September to the 14th of October."""
    said = run(shop, now="november")
    assert "Cycle 2026-10-01 to 2026-10-31" in said
    assert "Cycle 2026-09-15 to 2026-10-14: 87 requests" in said
    second = read(shop / "reports" / "2026-09-15_15_UTC" / "report.json")
    assert [one["account"] for one in second["accounts"]] == ["second"]
    assert [one["complete"] for one in second["accounts"][0]["cycles"]] == [True]


def test_compared_with_the_cycle_before(shop: Path) -> None:
    """August is kept; September has less waste, October none: shrunk, then fixed."""
    said = run(shop, "--cycle", "2026-08", "--against", "previous")
    assert "holds no earlier report" in said
    said = run(shop, "--against", "previous", "--format", "text")
    assert "1 shrunk\n- high duplicate-renders imejis main production og: 87 credits before, 29 now" in said
    assert "87 could have been saved, 29 are wasted now: 58 saved, 14 saved at equal traffic" in said
    entry = shop / "reports" / "2026-09-01"
    assert sorted(path.name for path in entry.iterdir()) == [
        "comparison.json",
        "entry.json",
        "report.json",
        "report.txt",
    ]
    said = run(shop, "--against", "previous", now="november")
    fixed = read(shop / "reports" / "2026-10-01" / "comparison.json")["findings"]["fixed"]
    assert [one["rule"] for one in fixed] == ["duplicate-renders"]
    assert "1 fixed\n- high duplicate-renders imejis main production og" in said
    saving = read(shop / "reports" / "2026-10-01" / "comparison.json")["saving"]
    assert (saving["predicted_credits"], saving["realised_credits"]) == (29, 29)
    # Another report can be named, and making one anew compares with the same one as before.
    before = (entry / "comparison.json").read_bytes()
    run(shop, "--against", "previous", "--format", "text")
    assert (entry / "comparison.json").read_bytes() == before
    run(shop, "--against", "reports/2026-10-01/report.json", "--format", "text")
    assert read(entry / "comparison.json")["findings"]["new"][0]["rule"] == "duplicate-renders"


def test_the_index_page_lists_them_newest_first(shop: Path) -> None:
    """One file that loads nothing; each row leads to its files."""
    for cycle in ("2026-08", "2026-09"):
        run(shop, "--cycle", cycle, "--against", "previous", "--format", "text")
    page = (shop / "reports" / "index.html").read_text()
    assert page.index("2026-09-01 to") < page.index("2026-08-01 to")
    assert "default-src 'none'" in page and "<script" not in page
    for link in ("2026-09-01/report.txt", "2026-09-01/comparison.json", "2026-08-01/report.json"):
        assert f'href="{link}"' in page
        assert (shop / "reports" / link).is_file()


def test_delivered_once_to_each(shop: Path, mailbox: Mailbox, webhook: Posted) -> None:  # noqa: F811
    """A timer may run it every day; --resend sends again, under another id."""
    (shop / "auditor.toml").write_text(CONFIG.format(port=mailbox.port))
    names = ("--deliver", "team", "--deliver", "chat", "--deliver", "disk")
    said = run(shop, *names, CHAT=webhook.url)
    assert "sent to team (team@shop.example by 127.0.0.1:" in said
    assert "sesame" not in said
    again = run(shop, *names, CHAT=webhook.url)
    assert again.count("had it on") == 3
    assert (len(mailbox.mails), len(webhook.requests)) == (1, 1)
    run(shop, *names, "--resend", CHAT=webhook.url, now="1790899200")
    assert (len(mailbox.mails), len(webhook.requests)) == (2, 2)
    keys = [headers["idempotency-key"] for _, headers, _ in webhook.requests]
    assert keys[0] != keys[1]
    mail = mailbox.mails[0].content
    assert isinstance(mail, bytes)
    assert b"report.html" in mail and b"report.txt" in mail
    assert (shop / "www" / "2026-09-01.txt").read_text().startswith("You pay 24.99 USD a month")
    assert webhook.bodies[0]["text"].startswith("Render audit 2026-09-01")
    journal = (shop / "reports" / "2026-09-01" / "deliveries.json").read_text()
    assert "sesame" not in journal and journal.count('"sent"') == 3


def test_a_place_that_fails_keeps_nobody_from_theirs_and_is_tried_by_the_next_run(
    shop: Path,
    webhook: Posted,  # noqa: F811
) -> None:
    """Exit code 4; what arrived is not sent again."""
    webhook.answers = [(410, {})]
    names = ("--deliver", "chat", "--deliver", "disk")
    said = run(shop, *names, code=4, CHAT=webhook.url)
    assert "chat" in said and "HTTP 410" in said
    assert (shop / "www" / "2026-09-01.txt").is_file()
    said = run(shop, *names, CHAT=webhook.url)
    assert "sent to chat" in said and "disk had it on" in said


def test_a_dry_run_leaves_nothing_behind(shop: Path, webhook: Posted) -> None:  # noqa: F811
    """It says what would be kept and sent."""
    before = sorted(shop.rglob("*"))
    said = run(shop, "--deliver", "chat", "--deliver", "disk", "--dry-run", "--format", "text", CHAT=webhook.url)
    assert sorted(shop.rglob("*")) == before
    assert webhook.requests == []
    assert "would be kept in reports/2026-09-01" in said
    assert "would go to chat (http://127.0.0.1:" in said and "would go to disk (www/{cycle}.txt)" in said


def test_the_gate(shop: Path) -> None:
    """1 with a finding at or above; accepted ones do not count; 3 for damaged input comes first."""
    run(shop, "--fail-on", "high", code=1)
    entry = '[[accept]]\nrule = "{}"\nsubject = {{ account = "main" }}\nreason = "known"\nuntil = 2026-12-31\n'
    rules = ("duplicate-renders", "plan-mismatch")
    (shop / "baseline.toml").write_text("".join(entry.format(rule) for rule in rules))
    said = run(shop, "--fail-on", "high", "--baseline", "baseline.toml")
    assert "2 findings accepted in the baseline, 29 credits" in said
    with (shop / "all.txt").open("ab") as file:
        file.write(b"damage\n" * 99)
    said = run(shop, "--fail-on", "high", code=3)
    assert said.count("99 of ") == 1
    assert "Input not whole: 99 lines rejected" in said


def test_a_ledger_can_be_reported_on(shop: Path) -> None:
    """The same figures as from the files."""
    assert command("ingest", "usage.jsonl", cwd=shop).returncode == 0
    done = command("report", "--ledger", "auditor.db", "--cycle", "2026-09", cwd=shop)
    assert b"58 requests, 58 credits, 29 wasted" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--cycle", "2026-05"), "no event from 2026-05-01 to 2026-06-01"),
        (("--cycle", "soon"), "--cycle = 'soon' is not a cycle; write last"),
        (("--deliver", "nobody"), "no [delivery.nobody] in auditor.toml; available: team, chat, disk"),
        (("--deliver", "chat"), "[delivery.chat]: the environment variable CHAT is empty"),
        (("--against", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--against", "auditor.toml"), "auditor.toml: "),
        (("--history", "usage.jsonl"), "--history usage.jsonl: cannot be written"),
    ],
)
def test_wrong_options_are_named(arguments: tuple[str, ...], words: str, shop: Path) -> None:
    """In a sentence with the cure, before anything is sent."""
    done = command("report", "usage.jsonl", "--no-cache", *arguments, cwd=shop)
    assert done.returncode in (2, 3)
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_two_runs_do_not_work_on_one_history(shop: Path) -> None:
    """Else both would send."""
    import fcntl

    (shop / "reports").mkdir()
    with (shop / "reports" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = run(shop, code=2)
    assert "another `auditor report` is at work there" in said
    run(shop)


def test_a_damaged_history_is_named(shop: Path) -> None:
    """Rather than compared with something else."""
    run(shop, "--cycle", "2026-08")
    (shop / "reports" / "2026-08-01" / "entry.json").write_text("{}")
    said = run(shop, "--against", "previous", code=3)
    assert "2026-08-01/entry.json: is damaged; remove its folder" in said
    shutil.rmtree(shop / "reports" / "2026-08-01")
    run(shop, "--cycle", "2026-08")
    (shop / "reports" / "2026-08-01" / "comparison.json").write_text('{"findings": ')
    assert "2026-08-01/comparison.json: is damaged; remove its folder" in run(shop, code=3)
    shutil.rmtree(shop / "reports" / "2026-08-01")
    run(shop, "--against", "previous")


def test_files_are_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves what was there, and no part of it."""
    from auditor.schedule.folder import write

    path = tmp_path / "report.json"
    write(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
    assert path.read_bytes() == b"old"
