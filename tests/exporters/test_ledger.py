"""What the exporter shows is what the ledger has."""

import subprocess
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from auditor_exporter.families import Families
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.push import write
from auditor_exporter.snapshot import KINDS, Snapshot, build_info
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event as sql_event

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.model.errors import ConfigError
from auditor.model.metrics import LEDGER
from tests.conftest import event, lines
from tests.ledger.conftest import configured, sums
from tests.ledger.test_ingest import a_log
from tests.services import need

NOW = 1_790_000_000.0
"""2026-09-21 14:13:20 UTC."""
CONFIG = {"accounts": {"main": {"provider": "imejis", "plan": "Basic", "anchor_day": 15, "timezone": "Asia/Kolkata"}}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """With a quarter of mixed events of two accounts."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(b"".join(a_log(11, 800)) + lines([event("staged", "2026-09-20T10:00:00Z", environment="staging")]))
    with Ledger(tmp_path / "ledger.db") as opened:
        configured(opened, CONFIG)
        Ingest(opened, settings_of(CONFIG, "test"), lambda: NOW).run([log])
        yield opened


def snapshot(ledger: Ledger, config: dict[str, Any] | None = None) -> Snapshot:
    """At the fixed time."""
    return Snapshot([LedgerCollector(ledger, settings_of(CONFIG if config is None else config, "test"))], lambda: NOW)


def samples(taken: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By name and labels."""
    text = taken.exposition()[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: dict[Any, float], name: str, **labels: str) -> float:
    """The sum of a metric over the labels that are not given."""
    return sum(
        value for (n, at), value in found.items() if n == f"imgrender_{name}" and labels.items() <= dict(at).items()
    )


def test_every_figure_is_the_ledger_s(ledger: Ledger) -> None:
    """Exactly: lifetime counters, the cycle in its zone, times."""
    found = samples(snapshot(ledger))
    lifetime = sums(ledger, "totals", "account", "outcome")
    for (account, outcome), value in lifetime.items():
        if outcome != "attempt":
            assert total(found, "requests_total", account=account, result=outcome) == value.requests
        if outcome in ("hit", "coalesced"):
            assert total(found, "credits_saved_total", account=account, reason=outcome) == value.requests
    everything = sums(ledger, "totals")[()]
    assert total(found, "credits_used_total") == float(everything.credits)
    assert total(found, "output_bytes_total") == everything.bytes
    assert total(found, "retries_total") == everything.retries
    assert total(found, "duplicate_renders_total") == everything.duplicates
    start, end = (total(found, f"period_{name}_timestamp_seconds", account="main") for name in ("start", "end"))
    assert (start, end) == (1_789_410_600.0, 1_792_002_600.0)  # the 15th, 00:00 in Kolkata
    cycles = sums(ledger, "periods", "account", "environment", "start_us")
    for environment in ("production", "staging"):
        exact = cycles.get(("main", environment, int(start * 1_000_000)))
        assert exact is not None
        assert total(found, "period_credits_used", account="main", app_env=environment) == float(exact.credits)
        assert total(found, "period_credits_uncertain", account="main", app_env=environment) == exact.uncertain
    assert total(found, "period_credits_used", production="false") == 1
    assert total(found, "plan_credits", account="main") == 1000
    assert total(found, "plan_info", plan="Basic", currency="USD") == 1
    assert total(found, "plan_price", plan="Basic", currency="USD") == 14.99
    assert total(found, "last_paid_render_timestamp_seconds", app_env="staging") == 1_789_898_400
    assert total(found, "ingest_last_success_timestamp_seconds") == NOW
    counts = {
        fate: total(found, "ledger_lines_total", fate=fate)
        for fate in ("events", "superseded", "duplicates", "rejected")
    }
    assert total(found, "ledger_events") == counts["events"]
    assert all(counts.values())
    assert total(found, "scrape_collector_success", collector="ledger") == 1


def test_names_types_help_and_labels_are_those_of_the_table(ledger: Ledger) -> None:
    """Both ways: everything shown is defined, everything defined is shown."""
    taken = snapshot(ledger)
    taken.more = [build_info()]
    families = {family.name: family for family in text_string_to_metric_families(taken.exposition()[0].decode())}
    defined = {definition.name.removesuffix("_total"): definition for definition in LEDGER}
    assert set(families) <= set(defined)
    assert set(defined) - set(families) == {
        "imgrender_ledger_corrections", "imgrender_plan_overage_price", "imgrender_recent_requests",
        "imgrender_source_last_seen_timestamp_seconds",
    }  # fmt: skip
    for name, family in families.items():
        assert (family.type, family.documentation) == (defined[name].type, defined[name].help)
        assert all(set(sample.labels) == set(defined[name].labels) for sample in family.samples)


def test_promtool_finds_nothing_to_complain_about(ledger: Ledger) -> None:
    """`promtool check metrics`, the real one."""
    promtool = need("prometheus", "promtool")
    body = snapshot(ledger).exposition()[0]
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_empty_ledger_shows_its_plans(tmp_path: Path) -> None:
    """Nothing spent, the period and the plan are there."""
    with Ledger(tmp_path / "empty.db") as ledger:
        configured(ledger, CONFIG)
        found = samples(snapshot(ledger))
    assert total(found, "plan_credits", account="main") == 1000
    assert total(found, "ledger_events") == 0 and not total(found, "credits_used_total")


def test_a_period_without_credits_is_0_and_not_absent(ledger: Ledger) -> None:
    """In the first hours of a cycle, and where no event ever came: else the alert that compares says nothing."""
    accounts = {"main": CONFIG["accounts"]["main"], "silent": {"provider": "hcti"}}
    settings = settings_of({"accounts": accounts}, "test")
    later = Snapshot([LedgerCollector(ledger, settings)], lambda: NOW + 60 * 86_400)
    found = {dict(at)["account"] + " " + dict(at)["app_env"]: value for (name, at), value in samples(later).items()
             if name == "imgrender_period_credits_used"}  # fmt: skip
    assert {"main production", "main staging", "silent production"} <= set(found)
    assert set(found.values()) == {0}


def test_a_scrape_reads_no_events(ledger: Ledger) -> None:
    """Nor rollups, but the days of the last weeks: history is longer."""
    read: list[str] = []
    sql_event.listen(ledger.engine, "before_cursor_execute", lambda *args: read.append(args[2]))
    samples(snapshot(ledger))
    assert not any(f"FROM {table}" in sql for table in ("events", "pictures", "rollups") for sql in read)
    of_days = [sql for sql in read if "FROM days" in sql]
    assert of_days and all("days.day_us BETWEEN " in sql for sql in of_days)


class Counting:
    """A collector that counts, and fails when told to."""

    name = "counting"

    def __init__(self) -> None:
        self.calls, self.fails = 0, False

    def collect(self, families: Families, now: float) -> None:
        """Once."""
        self.calls += 1
        if self.fails:
            raise RuntimeError("the database is away")
        families.add("ledger_events", (), Decimal(5))


def test_a_hammered_endpoint_collects_once() -> None:
    """Within a second, whoever asks and in whichever format."""
    now = [0.0]
    counting = Counting()
    taken = Snapshot([counting], lambda: NOW, lambda: now[0])
    threads = [
        threading.Thread(target=taken.exposition, args=(accept,))
        for accept in ("", "application/openmetrics-text") * 30
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.calls == 1
    now[0] = 1.0
    taken.exposition()
    assert counting.calls == 2


def test_versions_without_end_are_written_once(ledger: Ledger) -> None:
    """A page for each number that somebody thinks of would fill the memory."""
    taken = snapshot(ledger)
    pages = {taken.exposition(f"application/openmetrics-text; version=1.0.{n}")[1] for n in range(100)}
    assert len(pages) <= KINDS + 1
    assert taken.exposition()[1].startswith("text/plain")


def test_a_collector_that_fails_is_a_sample(ledger: Ledger) -> None:
    """The others are shown."""
    counting = Counting()
    counting.fails = True
    taken = Snapshot([counting, LedgerCollector(ledger, settings_of(CONFIG, "test"))], lambda: NOW)
    found = samples(taken)
    assert total(found, "scrape_collector_success", collector="counting") == 0
    assert total(found, "scrape_collector_success", collector="ledger") == 1
    assert total(found, "requests_total") > 0 and not taken.healthy


def test_a_text_file_appears_whole(ledger: Ledger, tmp_path: Path) -> None:
    """For node_exporter: readable, nothing beside it, another name is refused."""
    target = tmp_path / "out" / "usage.prom"
    target.parent.mkdir()
    taken = snapshot(ledger)
    write(taken, target)
    assert target.read_bytes() == taken.exposition()[0]
    assert target.stat().st_mode & 0o777 == 0o644 and list(target.parent.iterdir()) == [target]
    with pytest.raises(ConfigError, match=r"\.prom"):
        write(taken, tmp_path / "usage.txt")
    with pytest.raises(ConfigError, match="cannot be written"):
        write(taken, tmp_path / "missing" / "usage.prom")
    (tmp_path / "taken.prom").mkdir()
    before = set(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="cannot be written"):
        write(taken, tmp_path / "taken.prom")
    assert set(tmp_path.iterdir()) == before, "what was begun is cleared away"
