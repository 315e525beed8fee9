"""Two processes with different auditor.toml: whoever starts when, the exporter's figures stay those of its own file."""

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from prometheus_client.parser import text_string_to_metric_families

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.model.metrics import LEDGER
from tests.conftest import command, event, lines
from tests.exporters.test_ledger import CONFIG, samples, total
from tests.ledger.conftest import configured
from tests.services import ROOT

TOML = '[accounts.main]\nprovider = "imejis"\nplan = "Basic"\nanchor_day = {day}\ntimezone = "America/New_York"\n'


def serve(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """An exporter of `l.db` that follows `a`."""
    return subprocess.Popen(
        [sys.executable, "-m", "auditor_exporter.main", "serve", "--ledger", "l.db", "--follow", "a", "--every", "0.1",
         "--listen", "127.0.0.1:0", *arguments],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[str]:
    """Its address, while it runs."""
    process = serve(folder, *arguments)
    assert process.stdout is not None and process.stderr is not None
    try:
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)


def shown(url: str, name: str) -> float:
    """The sum of a metric."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        body = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^imgrender_{name}(?:\{{.*\}})? (\S+)$", body, re.MULTILINE))


def eventually(url: str, name: str, value: float) -> None:
    """Within a minute."""
    deadline = time.monotonic() + 60
    while shown(url, name) != value and time.monotonic() < deadline:
        time.sleep(0.1)
    assert shown(url, name) == value


def test_a_sidecar_with_another_file_or_none_changes_no_figure(tmp_path: Path) -> None:
    """As in `auditor ingest` beside each application: 2 + 2 renders of now are 4, the conflict shows and goes away."""
    now = time.time()
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 5))
        (folder / "u.jsonl").write_bytes(lines(event(f"{folder.name}{n}", moment) for n in range(2)))
    (tmp_path / "owner.toml").write_text(TOML.format(day=15))
    (tmp_path / "other.toml").write_text(TOML.format(day=1))
    (folders[2] / "auditor.toml").write_text(TOML.format(day=1))
    with serving(tmp_path, "--config", "owner.toml") as url:
        eventually(url, "period_credits_used", 2)
        start = shown(url, "period_start_timestamp_seconds")
        assert shown(url, "ledger_config_conflict") == 0
        assert not command("ingest", "b", "--ledger", "l.db", cwd=tmp_path, SOURCE_DATE_EPOCH="").stderr
        eventually(url, "period_credits_used", 4)
        assert shown(url, "ledger_config_conflict") == 0
        said = command("ingest", "c", "--ledger", "l.db", cwd=tmp_path, SOURCE_DATE_EPOCH="").stderr
        assert said.count(b"anchor_day is 1, the ledger has 15") == 1
        eventually(url, "period_credits_used", 6)
        eventually(url, "ledger_config_conflict", 1)
        assert shown(url, "period_start_timestamp_seconds") == start
        (folders[2] / "auditor.toml").write_text(TOML.format(day=15))
        said = command("ingest", "c", "--ledger", "l.db", cwd=tmp_path, SOURCE_DATE_EPOCH="").stderr
        assert b"the ledger has" not in said
        eventually(url, "ledger_config_conflict", 0)
    refused = serve(tmp_path, "--config", "other.toml")
    _, said_too = refused.communicate(timeout=60)
    assert refused.returncode == 2 and "anchor_day is 1, the ledger has 15" in said_too
    with serving(tmp_path, "--config", "other.toml", "--replace") as url:
        eventually(url, "period_credits_used", 6)
        assert shown(url, "ledger_config_conflict") == 0


def test_the_first_credits_of_an_account_count(tmp_path: Path) -> None:
    """A configured one is there at 0 before; of others, OpenMetrics tells when the counter began. No series more."""
    with Ledger(tmp_path / "l.db") as ledger:
        configured(ledger, CONFIG)
        taken = Snapshot([LedgerCollector(ledger, settings_of({}, "test"))], lambda: 1.79e9)
        found = samples(taken)
        at = {"account": "main", "app_env": "production", "production": "true", "provider": "imejis"}
        assert found["imgrender_credits_used_total", tuple(sorted(at.items()))] == 0
        counters = {each.name for each in LEDGER if each.type == "counter" and "account" in each.labels}
        there = {name: value for (name, labels), value in found.items() if dict(labels).get("account") == "main"}
        assert {name for name in counters if there.get(name) == 0} == counters - {
            "imgrender_output_bytes_total", "imgrender_ledger_corrections_total",  # (which formats there are is not known)
        }  # fmt: skip
        log = tmp_path / "u.jsonl"
        log.write_bytes(lines([event("a", account="new")]))
        Ingest(ledger, settings_of({}, "test"), lambda: 1.79e9).run([log])
        taken = Snapshot([LedgerCollector(ledger, settings_of({}, "test"))], lambda: 1.79e9)
        assert b"_created" not in taken.exposition()[0] and total(samples(taken), "credits_used_total") == 1
        page = taken.exposition("application/openmetrics-text; version=1.0.0")[0].decode()
        began = re.findall(r'imgrender_(\w+)_created\{.*account="new".*\} 1\.79e\+09', page)
        assert sorted(began) == ["credits_used", "duplicate_renders", "requests", "retries"]
        assert page.count("_created{") == len(began)
        log.write_bytes(lines([event("b", account="main", environment="staging")]))
        Ingest(ledger, settings_of({}, "test"), lambda: 1.79e9).run([log])
        later = samples(Snapshot([LedgerCollector(ledger, settings_of({}, "test"))], lambda: 1.79e9))
        assert later["imgrender_credits_used_total", tuple(sorted(at.items()))] == 0, "production comes after staging"
        assert list(text_string_to_metric_families(taken.exposition()[0].decode()))


@pytest.mark.parametrize("day", [1, 15])
def test_a_found_file_is_shown_only_where_it_agrees(day: int, tmp_path: Path) -> None:
    """Nobody configured the ledger: a plan whose cycles are the ledger's is shown; another billing day is a conflict."""
    settings = settings_of({"accounts": {"main": {"provider": "imejis", "plan": "Basic", "anchor_day": day}}}, "found")
    with Ledger(tmp_path / "l.db") as ledger:
        found = samples(Snapshot([LedgerCollector(ledger, settings, tmp_path / "auditor.toml")], lambda: 1.79e9))
    assert total(found, "plan_credits") == (1000 if day == 1 else 0)
    assert total(found, "ledger_config_conflict") == (0 if day == 1 else 1)
