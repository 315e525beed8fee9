"""Times that no clock shows: named, left out, and judged at each run (semantics section 8)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from auditor.cli import app
from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.piece import BULK_FROM
from auditor.ledger.schema import rejections
from auditor.model.errors import ConfigError
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from tests.conftest import Report, event, lines

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
ODD = (
    "0001-01-01T00:00:00Z", "1970-01-01T00:00:12Z", "1999-12-31T23:59:59Z", "2000-01-01T23:59:59.999999Z",
    "2000-01-02T04:59:59+05:00", "2026-10-03T12:00:00.000001Z", "2099-01-01T00:00:00Z", "9998-05-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)  # fmt: skip
USUAL = ("2000-01-02T00:00:00Z", "2000-01-01T19:00:00-05:00", "2026-10-03T12:00:00Z")


@pytest.fixture(autouse=True)
def _no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.mark.parametrize("ts", ODD)
def test_an_odd_time_is_named_and_left_out(report: Report, ts: str) -> None:
    """One line of ten, its reason and its number; no cycle, no bill and no window knows of it."""
    events = [event(str(at), f"2026-09-0{at + 1}T08:00:00Z", key=f"k1:{at}") for at in range(9)]
    found = report([*events[:4], event("odd", ts), *events[4:]], now=lambda: NOW)
    assert (found["inputs"]["events"], found["inputs"]["reasons"]) == (9, {"odd_time": 1})
    (bad,) = found["inputs"]["rejections"]
    assert (bad["line"], bad["reason"]) == (5, "odd_time") and ts in bad["excerpt"]
    assert found["window"] == {"start": "2026-09-01T08:00:00Z", "end": "2026-09-09T08:00:00Z"}
    assert len(found["accounts"][0]["cycles"]) == 1 and found["accounts"][0]["gaps"] == []


@pytest.mark.parametrize("ts", USUAL)
def test_the_edges_are_times(report: Report, ts: str) -> None:
    """The first moment of 2000-01-02, and 48 hours from now to the microsecond."""
    assert report([event("a", ts)], now=lambda: NOW)["inputs"]["rejected"] == 0


def test_source_date_epoch_is_now(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    found = report([event("a", "2026-01-03T00:00:00Z"), event("b", "2026-01-03T00:00:01Z")], now=lambda: NOW)
    assert found["inputs"]["reasons"] == {"odd_time": 1} and found["inputs"]["rejections"][0]["line"] == 2


def test_an_odd_time_replaces_no_event(report: Report) -> None:
    """The same id with a usual time is the event, not a duplicate."""
    found = report([event("a", "1970-01-01T00:00:00Z", credits=9), event("a")], now=lambda: NOW)
    assert (found["totals"]["credits"], found["inputs"]["duplicates"]) == (1, 0)


def test_a_hundred_are_named_in_the_order_of_lines(report: Report) -> None:
    """Those of other reasons stand between them; the counts are complete."""
    mixed = b"".join(
        b"damage\n" if at % 3 == 0 else lines([event(str(at), "1980-01-01T00:00:00Z")]) for at in range(300)
    )
    inputs = report(mixed, now=lambda: NOW)["inputs"]
    assert inputs["reasons"] == {"not_json": 100, "odd_time": 200}
    assert [bad["line"] for bad in inputs["rejections"]] == list(range(1, 101))


@pytest.mark.slow
def test_a_cache_is_judged_at_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was ahead is an event once its time has come, and the other way round, without another look at the log."""
    monkeypatch.setattr("auditor.intake.cache.FROM", 0)
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a"), event("b", "2026-10-05T00:00:00Z"), event("c", "1970-01-01T00:00:00Z")]))

    def reasons(now: datetime) -> dict[str, int]:
        options = Options(now=lambda: now)
        result = audit(discover([str(log)], tmp_path), settings_of({}, "test"), options, lambda *_: None)
        found = json.loads(json.dumps(document(result)))
        assert len(found["inputs"]["rejections"]) == sum(found["inputs"]["reasons"].values())
        return dict(found["inputs"]["reasons"])

    assert reasons(NOW) == {"odd_time": 2}
    monkeypatch.setattr("auditor.formats.jsonl.parse_event", None)
    assert reasons(NOW + timedelta(days=2)) == {"odd_time": 1}
    assert reasons(NOW) == {"odd_time": 2}


def test_foreign_logs_are_judged_alike(tmp_path: Path) -> None:
    """An access log and JSON lines, by the start of the request."""
    (tmp_path / "access.log").write_text(
        "".join(
            f'1.2.3.4 - - [{day}:08:00:00 +0000] "GET /v1/og-card?title={at} HTTP/1.1" 200 5000 "-" "-"\n'
            for at, day in enumerate(["01/Jan/1970", "01/Sep/2026", "01/Jan/2099", "02/Sep/2026"])
        )
    )
    config: dict[str, Any] = {"sources": {"og": {"path": "/v1/(?P<template>[^/]+)"}}}
    result = audit(
        discover([str(tmp_path / "access.log")], tmp_path), settings_of(config, "test"),
        Options(cache=False, now=lambda: NOW), lambda *_: None,
    )  # fmt: skip
    assert (result.inputs.events, dict(result.inputs.reasons)) == (2, {"odd_time": 2})
    assert [bad.line for bad in result.inputs.rejections] == [1, 3]


def test_times_of_a_cache_trace_are_relative(tmp_path: Path) -> None:
    """Its seconds begin where they like; beside another file, so that the general way reads it."""
    (tmp_path / "a.csv").write_text("time,id,size\n0,a,10\n5,a,10\n")
    (tmp_path / "b.jsonl").write_bytes(lines([event("a"), event("b", "1970-01-01T00:00:00Z")]))
    sources = discover([str(tmp_path / "a.csv"), str(tmp_path / "b.jsonl")], tmp_path)
    result = audit(sources, settings_of({}, "test"), Options(cache=False, now=lambda: NOW), lambda *_: None)
    assert (result.inputs.events, result.inputs.rejected) == (3, 1)


def test_the_ledger_judges_alike(tmp_path: Path) -> None:
    """By its own clock, or SOURCE_DATE_EPOCH; the reason is kept."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(event(str(at), ts, key=f"k1:{at}") for at, ts in enumerate([*ODD, *USUAL])))
    with Ledger(tmp_path / "l.db") as ledger:
        done = Ingest(ledger, settings_of({}, "test"), NOW.timestamp).run([log])
        assert (done.counts["events"], done.counts["rejected"]) == (len(USUAL), len(ODD))
        assert ledger.export(tmp_path / "out.jsonl") == len(USUAL)


@pytest.mark.parametrize("many", [0, 9000])
def test_the_ledger_judges_plain_lines_alike(tmp_path: Path, many: int) -> None:
    """A piece that the compiled reader takes is judged like one that it does not; the lines are named."""
    log = tmp_path / "usage.jsonl"
    usual = [event(f"u{at}", key=f"k1:{at}") for at in range(many)]
    log.write_bytes(lines([*usual, event("old", "1970-01-01T00:00:00Z"), event("ahead", "2099-01-01T00:00:00Z")]))
    assert (log.stat().st_size >= BULK_FROM) is bool(many)
    with Ledger(tmp_path / "l.db") as ledger:
        done = Ingest(ledger, settings_of({}, "test"), NOW.timestamp).run([log])
        assert (done.counts["events"], done.counts["rejected"]) == (many, 2)
        assert {line for _, line, _ in done.rejected} == {many + 1, many + 2}
        with ledger.read() as connection:
            assert set(connection.execute(select(rejections.c.reason)).scalars()) == {"odd_time"}


EPOCHS = ["99999999999999", "253402300799", "9" * 5000, "abc", "-5", " ", "1e9", "²", "1.5"]


@pytest.mark.parametrize("epoch", EPOCHS, ids=range(len(EPOCHS)))
def test_a_source_date_epoch_that_is_no_time(tmp_path: Path, epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over: the report would then not be reproducible."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a")]))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    for asked in (["audit"], ["plan"], ["ingest", "--ledger", f"{log}.db"]):
        done = CliRunner().invoke(app, [asked[0], str(log), *asked[1:]])
        assert isinstance(done.exception, ConfigError) and "SOURCE_DATE_EPOCH" in str(done.exception), asked


@pytest.mark.slow
@pytest.mark.parametrize("epoch", ["", "1790812800", "253339142400"])
def test_a_source_date_epoch_that_is_one(tmp_path: Path, epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set to nothing it is unset; the last one is of 9997."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a")]))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    for asked in (["audit"], ["plan"], ["ingest", "--ledger", f"{log}.db"]):
        assert CliRunner().invoke(app, [asked[0], str(log), *asked[1:]]).exit_code == 0, asked
