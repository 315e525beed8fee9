"""Billing periods have one truth: who may write it, what happens to everybody else, and that no period is ever wrong."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from auditor.config import load, settings_of
from auditor.ledger import schema
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.ingest import BEAT_EVERY, Ingest
from auditor.ledger.rows import put
from auditor.ledger.schema import conflicts
from auditor.ledger.state import state_of
from auditor.ledger.upkeep import configure, prune, reported
from auditor.model.errors import ConfigError
from auditor.model.plans import cycles
from tests.conftest import command, event, lines
from tests.ledger.conftest import configured, counts, feed, sums

NEW_YORK = {"provider": "imejis", "plan": "Basic", "anchor_day": 15, "timezone": "America/New_York"}
MAIN = {"accounts": {"main": NEW_YORK}}


def wrote(path: Path, *moments: str, account: str = "main", **fields: Any) -> Path:
    """A file of renders at those times."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lines(event(f"{path.stem} {n}", ts, account=account, **fields) for n, ts in enumerate(moments)))
    return path


def expected(moments: Mapping[str, list[str]], cut: Mapping[str, tuple[int, str]]) -> dict[tuple[str, int], Decimal]:
    """Credits by account and start of the cycle, counted one by one."""
    found: dict[tuple[str, int], Decimal] = {}
    for account, times in moments.items():
        day, zone = cut.get(account, (1, "UTC"))
        for ts in times:
            at = int(datetime.fromisoformat(ts).timestamp()) * 1_000_000
            (cycle,) = cycles(at, at, day, ZoneInfo(zone))
            found[account, cycle.start_us] = found.get((account, cycle.start_us), Decimal(0)) + 1
    return found


def booked(ledger: Ledger) -> dict[tuple[str, int], Decimal]:
    """The same, as the ledger has it."""
    return {key: value.credits for key, value in sums(ledger, "periods", "account", "start_us").items()}


TIMES = {
    "main": ["2025-10-31T23:30:00Z", "2025-11-01T03:59:00Z", "2025-11-14T23:00:00Z", "2025-11-15T04:59:59Z",
             "2025-11-15T05:00:00Z", "2025-11-20T00:00:00Z", "2025-12-01T00:00:00Z", "2025-12-15T05:00:00Z"],
    "other": ["2025-10-31T23:30:00Z", "2025-11-20T00:00:00Z", "2025-12-01T00:00:00Z"],
}  # fmt: skip


@pytest.mark.parametrize(
    "theirs",
    [
        {},
        {"accounts": {"main": {"provider": "imejis"}}},
        {"accounts": {"main": {**NEW_YORK, "anchor_day": 1}}},
        {"accounts": {"main": {**NEW_YORK, "timezone": "Asia/Kolkata"}}},
        {"timezone": "Pacific/Apia"},
        {"accounts": {"other": {"provider": "imejis", "anchor_day": 31}}},
    ],
)
def test_an_ingester_with_another_file_or_none_changes_no_period(
    theirs: dict[str, Any], ledger: Ledger, tmp_path: Path
) -> None:
    """Whoever ingests, before, between and after: the periods are those of the owner's file."""
    configured(ledger, MAIN)
    parts = [
        wrote(tmp_path / f"{name}{part}.jsonl", *times[part::3], account=name)
        for name, times in TIMES.items() for part in range(3)
    ]  # fmt: skip
    for number, path in enumerate(parts):
        feed(ledger, path, config=MAIN if number % 2 else theirs)
    assert booked(ledger) == expected(TIMES, {"main": (15, "America/New_York")})


def test_a_running_ingester_uses_what_is_configured_meanwhile(ledger: Ledger, tmp_path: Path) -> None:
    """Without a restart, and in the very next batch."""
    ingest = Ingest(ledger, settings_of({}, "test"))
    ingest.run([wrote(tmp_path / "a.jsonl", *TIMES["main"][:4])])
    configured(ledger, MAIN)
    ingest.run([wrote(tmp_path / "b.jsonl", *TIMES["main"][4:])])
    assert booked(ledger) == expected({"main": TIMES["main"]}, {"main": (15, "America/New_York")})


@pytest.mark.parametrize(
    ("day", "zone"), [(1, "UTC"), (31, "Europe/Berlin"), (15, "Asia/Kathmandu"), (29, "Australia/Lord_Howe")]
)
def test_a_corrected_day_cuts_again_exactly_also_what_was_pruned(
    day: int, zone: str, ledger: Ledger, tmp_path: Path
) -> None:
    """From quarters of an hour, which no zone's midnight divides."""
    configured(ledger, MAIN)
    feed(ledger, wrote(tmp_path / "a.jsonl", *TIMES["main"]))
    with ledger.write() as connection:
        prune(connection, 1_764_400_000_000_000)
    assert counts(ledger)["rows"] < len(TIMES["main"])
    configured(ledger, {"accounts": {"main": {**NEW_YORK, "anchor_day": day, "timezone": zone}}})
    assert booked(ledger) == expected({"main": TIMES["main"]}, {"main": (day, zone)})


@pytest.mark.parametrize(("start", "end"), [(50, 150), (100, 150), (0, 101), (199, 300), (0, 300), (120, 130)])
def test_the_database_refuses_periods_that_overlap(start: int, end: int, ledger: Ledger) -> None:
    """Also those that somebody writes by hand, and of another environment of the account."""
    put = "INSERT INTO periods VALUES ('p', 'a', '{}', {}, {}, '0', '0', '0', '0', '0', '0', '1')"
    with ledger.write() as connection:
        for place in (("e", 100, 200), ("f", 100, 200), ("e", 200, 300)):
            connection.execute(text(put.format(*place)))
    for statement in (put.format("g", start, end), "UPDATE periods SET start_us = 199 WHERE start_us = 200"):
        with pytest.raises(LedgerError, match="overlap"), ledger.write() as connection:
            connection.execute(text(statement))
    assert sums(ledger, "periods")[()].credits == 3


TOPUP = {"date": date(2025, 11, 2), "credits": 500, "price": "9.00"}


@pytest.mark.parametrize(
    ("change", "both"),
    [
        ({"anchor_day": 1}, ("anchor_day is 1", "the ledger has 15")),
        ({"timezone": "Asia/Tokyo"}, ("Asia/Tokyo", "America/New_York")),
        ({"plan": "Pro"}, ("plan is Pro", "the ledger has Basic")),
        ({"plan": "Own"}, ("Own (7 USD a month, 5 credits, beyond them 0.1 USD a credit)", "the ledger has Basic")),
    ],
)
def test_what_contradicts_the_ledger_is_refused(
    change: dict[str, Any], both: tuple[str, str], ledger: Ledger, tmp_path: Path
) -> None:
    """With both values and nothing written; --replace is for who means it, and other processes are reported."""
    plans = {"plans": {"imejis": {"Own": {"price": "7", "included": 5, "overage": "0.1"}}}}
    other = settings_of({"accounts": {"main": {**NEW_YORK, **change}}, **plans}, "b.toml")
    configured(ledger, MAIN)
    with ledger.write() as connection:
        before = state_of(connection)
        with pytest.raises(ConfigError) as caught:
            configure(connection, other, "b.toml")
        assert all(part in str(caught.value) for part in (*both, "b.toml", "--replace", "[accounts.main]"))
        assert state_of(connection) == before
    said: list[str] = []
    now = [1e9]
    ingest = Ingest(ledger, other, lambda: now[0], where=tmp_path / "b.toml", tell=said.append)
    for _ in range(3):
        now[0] += BEAT_EVERY
        ingest.run([])
    assert len(said) == 1 and all(part in said[0] for part in both), "once, whatever happens"
    with ledger.read() as connection:
        assert [payer for _, payer in reported(connection, int(1e15))] == [("imejis", "main")]
    with ledger.write() as connection:
        assert configure(connection, other, "b.toml", replacing=True)
        assert not configure(connection, other, "b.toml")
    now[0] += BEAT_EVERY
    ingest.run([])
    with ledger.read() as connection:
        assert not reported(connection, int(1e15)), "it is over as soon as they agree"
        assert state_of(connection).accounts["imejis", "main"] == other.accounts["main"]


@pytest.mark.parametrize("key", ["topups", "plans"])
def test_a_file_may_add_what_was_bought_and_never_drop_it(key: str, ledger: Ledger) -> None:
    """Each top-up and each new plan comes so: no contradiction for the owner, but a difference for others."""
    entries = {
        "topups": [TOPUP, TOPUP, {**TOPUP, "credits": 7}],
        "plans": [{"since": date(2025, month, 3), "plan": "Pro"} for month in (3, 5, 11)],
    }[key]
    files = [settings_of({"accounts": {"main": {**NEW_YORK, key: entries[:size]}}}, "x") for size in range(4)]
    with ledger.write() as connection:
        for older, newer in pairwise(files):
            configure(connection, older, "x")
            assert state_of(connection).differences(newer)
            assert configure(connection, newer, "x")
            with pytest.raises(ConfigError, match="contradicts the ledger"):
                configure(connection, older, "x")
            assert state_of(connection).accounts["imejis", "main"] == newer.accounts["main"]


@pytest.mark.parametrize(
    ("change", "zone", "steps"),
    [({"anchor_day": 1}, "UTC", [{}]), ({"timezone": "Asia/Tokyo"}, "UTC", [{}]), ({"plan": "Pro"}, "UTC", [{}]),
     ({"plan": "Own", "topups": [TOPUP]}, "UTC", [{}]), ({}, "Asia/Kathmandu", [{}]),
     ({"anchor_day": 1, "plan": None}, "UTC", [{"plan": "Pro"}]),
     ({"anchor_day": 1, "plan": "Pro"}, "Asia/Kathmandu", [{"anchor_day": 9}, {"timezone": "UTC"}, {}])],
)  # fmt: skip
def test_a_conflict_is_over_as_soon_as_the_ledger_is_what_was_said(
    change: dict[str, Any], zone: str, steps: list[dict[str, Any]], ledger: Ledger
) -> None:
    """Whoever said it has ended and does not come back; while they differ still, it is said how they differ now."""
    plans = {"imejis": {"Own": {"price": "7", "included": 5, "overage": "0.1", "rollover": True}}}

    def file(more: dict[str, Any]) -> dict[str, Any]:
        account = {key: value for key, value in {**NEW_YORK, **change, **more}.items() if value is not None}
        return {"timezone": zone, "accounts": {"main": account}, "plans": plans}

    configured(ledger, {**MAIN, "timezone": "UTC"})
    Ingest(ledger, settings_of(file({}), "b.toml"), lambda: 1e9, where=Path("b.toml")).run([])
    with ledger.read() as connection:
        before = reported(connection, int(1e15))
    assert before
    configured(ledger, {"accounts": {"other": NEW_YORK}, "timezone": "UTC"})
    with ledger.read() as connection:
        assert reported(connection, int(1e15)) == before, "another account is no answer"
    for step in steps[:-1]:
        configured(ledger, file(step))
        with ledger.read() as connection:
            left = reported(connection, int(1e15))
            assert [payer for _, payer in left] == [("imejis", "main")]
            assert all(f"the ledger has {value}" in text for text in left.values() for value in step.values())
    configured(ledger, file(steps[-1]))
    with ledger.read() as connection:
        assert not reported(connection, int(1e15))


@pytest.mark.parametrize(
    "noted",
    ["anchor_day is 1, the ledger has 15", json.dumps({"difference": "d", "says": [1, "No/Zone", None]}),
     json.dumps({"difference": "d", "says": [1, "UTC", '{"plan": {"new": 1}, "history": [], "topups": []}']}),
     json.dumps({"difference": "d", "says": [1, "UTC", None, "more"]})],
)  # fmt: skip
def test_what_another_version_noted_is_said_in_its_words(noted: str, ledger: Ledger) -> None:
    """Until it is over."""
    configured(ledger, MAIN)
    with ledger.write() as connection:
        put(connection, conflicts, [("host:x", "imejis", "main", noted, int(1e15))])
        text = "d" if noted.startswith("{") else noted
        assert reported(connection, int(1e15)) == {("host:x", ("imejis", "main")): text}


@pytest.mark.parametrize(("zone", "left"), [("UTC", 0), ("Europe/Berlin", 1)])
def test_an_earlier_version_noted_the_zone_alone(zone: str, left: int, ledger: Ledger) -> None:
    """Of what has no account; it is over when the ledger has that zone."""
    configured(ledger, MAIN)
    with ledger.write() as connection:
        put(connection, conflicts, [("host:x", "", "", json.dumps({"difference": "d", "says": [zone]}), int(1e15))])
        assert len(reported(connection, int(1e15))) == left


def test_a_process_that_is_gone_leaves_no_conflict_for_ever(ledger: Ledger, tmp_path: Path) -> None:
    """A day after it was last seen."""
    configured(ledger, MAIN)
    Ingest(ledger, settings_of({"accounts": {"main": {"provider": "imejis"}}}, "x"), lambda: 1e9, where=tmp_path)
    with ledger.read() as connection:
        assert reported(connection, int(1e15) + 86_399 * 10**6)
        assert not reported(connection, int(1e15) + 86_401 * 10**6)


def test_plans_come_back_as_they_were_written(ledger: Ledger, tmp_path: Path) -> None:
    """Every field of plan, history and top-ups, exactly."""
    file = tmp_path / "auditor.toml"
    file.write_text(ALL_FIELDS)
    settings = load(file)
    with ledger.write() as connection:
        configure(connection, settings, "all")
        assert state_of(connection).accounts["imejis", "main"] == settings.accounts["main"]
        assert not configure(connection, settings, "all")
    assert settings.accounts["main"].history and settings.accounts["main"].topups


ALL_FIELDS = """
[plans.imejis.Own]
price = "99.000000000000000001"
currency = "EUR"
included = 50000
overage = "0.002"
rollover = true
period = "year"
[plans.imejis.Other]
price = "1"
currency = "EUR"
included = 7
[accounts.main]
provider = "imejis"
anchor_day = 31
timezone = "Asia/Kolkata"
plan = "Own"
plans = [{ since = 2025-09-10, plan = "Other" }]
topups = [{ date = 2025-09-12, credits = 500, price = "9.10", expires = 2027-01-01 }]
"""


def test_the_commands(tmp_path: Path) -> None:
    """configure, refuse, replace, show; a file that is merely found never owns."""
    (tmp_path / "a.toml").write_text(TOML.format(day=15))
    (tmp_path / "usage").mkdir()
    found = tmp_path / "usage" / "auditor.toml"
    found.write_text(TOML.format(day=1))
    wrote(tmp_path / "usage" / "a.jsonl", "2025-11-20T00:00:00Z")
    ledger = str(tmp_path / "l.db")

    def run(*arguments: str, code: int = 0) -> str:
        done = command(*arguments, "--ledger", ledger)
        assert done.returncode == code, done.stderr
        return (done.stdout + done.stderr).decode()

    assert "there is no such ledger" in run("ledger", "show", code=3) and not Path(ledger).exists()
    assert "timezone is Asia/Kolkata, the ledger has UTC" in run("ingest", str(tmp_path / "usage"))
    assert "has no configuration of its own" in run("ledger", "show"), "a found file claims nothing"
    assert "is the ledger's" in run("ledger", "configure", "--config", str(tmp_path / "a.toml"))
    assert "nothing changed" in run("ledger", "configure", "--config", str(tmp_path / "a.toml"))
    said = run("ingest", str(tmp_path / "usage"))
    assert "anchor_day is 1, the ledger has 15" in said and str(found) in said
    shown = run("ledger", "show")
    assert "imejis/main: anchor_day 15, timezone Asia/Kolkata, plan Basic" in shown
    assert f"{found}: [accounts.main] anchor_day is 1, the ledger has 15" in shown
    refused = run("ledger", "configure", "--config", str(found), code=2)
    assert "anchor_day is 1, the ledger has 15" in refused
    run("ledger", "configure", "--config", str(found), "--replace")
    assert "anchor_day 1, timezone Asia/Kolkata" in run("ledger", "show")
    with Ledger(ledger) as opened:
        assert booked(opened) == expected({"main": ["2025-11-20T00:00:00Z"]}, {"main": (1, "Asia/Kolkata")})


TOML = """
[accounts.main]
provider = "imejis"
plan = "Basic"
anchor_day = {day}
timezone = "Asia/Kolkata"
"""


def test_a_time_without_an_offset_is_where_it_was_first_read(ledger: Ledger, tmp_path: Path) -> None:
    """A correction by a process in another zone takes the old record out of where it was put."""
    for zone, outcome in (("Asia/Tokyo", "attempt"), ("America/New_York", "render"), ("UTC", "render")):
        path = tmp_path / f"{outcome}{zone[:3]}.jsonl"
        path.write_bytes(
            lines(
                [
                    event(
                        "a", "2025-11-20T00:00:00", outcome=outcome, credits=None if outcome == "attempt" else len(zone)
                    )
                ]
            )
        )
        feed(ledger, path, config={"timezone": zone})
    assert [value.requests for value in sums(ledger, "rollups", "bucket_us").values()] == [1]
    assert all(value.uncertain == 0 for value in sums(ledger, "rollups", "bucket_us").values())


OLD = """
CREATE TABLE ledger (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE events (id TEXT NOT NULL PRIMARY KEY, ts_us BIGINT NOT NULL, attempts INTEGER NOT NULL, finals INTEGER NOT NULL, line {blob} NOT NULL);
CREATE INDEX events_by_time ON events (ts_us);
CREATE TABLE files (number {serial} PRIMARY KEY, first_line TEXT NOT NULL, path TEXT NOT NULL, position BIGINT NOT NULL, before TEXT NOT NULL, lines BIGINT NOT NULL);
CREATE TABLE rejections (number {serial} PRIMARY KEY, path TEXT NOT NULL, line BIGINT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, excerpt TEXT NOT NULL);
CREATE TABLE inputs (name TEXT NOT NULL PRIMARY KEY, count BIGINT NOT NULL);
CREATE TABLE rollups (bucket_us BIGINT NOT NULL, {where}, {sums}, PRIMARY KEY (bucket_us, provider, account, environment, outcome, format));
CREATE TABLE totals ({where}, {sums}, PRIMARY KEY (provider, account, environment, outcome, format));
CREATE TABLE corrections (provider TEXT NOT NULL, account TEXT NOT NULL, sum TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (provider, account, sum));
CREATE TABLE periods (provider TEXT NOT NULL, account TEXT NOT NULL, environment TEXT NOT NULL, start_us BIGINT NOT NULL, end_us BIGINT NOT NULL, {sums}, PRIMARY KEY (provider, account, environment, start_us));
CREATE TABLE accounts (provider TEXT NOT NULL, account TEXT NOT NULL, anchor_day INTEGER NOT NULL, timezone TEXT NOT NULL, PRIMARY KEY (provider, account));
CREATE TABLE paid (provider TEXT NOT NULL, account TEXT NOT NULL, environment TEXT NOT NULL, ts_us BIGINT NOT NULL, PRIMARY KEY (provider, account, environment));
CREATE TABLE images (provider TEXT NOT NULL, account TEXT NOT NULL, environment TEXT NOT NULL, key TEXT NOT NULL, done_us BIGINT NOT NULL, digest TEXT, PRIMARY KEY (provider, account, environment, key));
INSERT INTO ledger VALUES ('version', '1'), ('horizon_us', '5');
INSERT INTO inputs VALUES ('lines', 70), ('events', 70);
INSERT INTO accounts VALUES ('imejis', 'a61', 15, 'America/New_York'), ('imejis', 'a1', 1, 'UTC');
"""


def test_an_older_ledger_keeps_every_sum_and_loses_its_overlaps(where: Callable[[], str]) -> None:
    """Of 70 accounts, one of them cut twice; the corrected cut, the totals and the newest render are there."""
    address = where()
    postgres = "://" in address
    quoted = '"%s" TEXT NOT NULL'
    script = OLD.format(
        blob="BYTEA" if postgres else "BLOB", serial="SERIAL" if postgres else "INTEGER",
        where=", ".join(quoted % name for name in ("provider", "account", "environment", "outcome", "format")),
        sums=", ".join(f"{name} BIGINT NOT NULL" for name in ("requests", "retries", "calls", "bytes", "duplicates", "uncertain"))
        + ", credits TEXT NOT NULL",
    )  # fmt: skip
    noon = 1_763_640_000_000_000  # 2025-11-20T12:00:00Z
    for number in range(70):
        place, added = f"'imejis', 'a{number}', 'production', 'render', 'png'", f"1, 0, 1, {2**62}, 0, 0, '0.1'"
        script += f"INSERT INTO rollups VALUES ({noon}, {place}, {added});INSERT INTO totals VALUES ({place}, {added});"
        script += f"INSERT INTO paid VALUES ('imejis', 'a{number}', 'production', {number});"
        for start, end in ((0, 2 * noon), (noon - 1, noon + 1)):
            script += f"INSERT INTO periods VALUES ('imejis', 'a{number}', 'production', {start}, {end}, {added});"
    if postgres:
        import psycopg

        with psycopg.connect(address) as connection:
            connection.execute(script)  # type: ignore[arg-type]
    else:
        with sqlite3.connect(address) as connection:
            connection.executescript(script)
    with Ledger(address) as ledger:
        for table in ("rollups", "totals", "periods"):
            total = sums(ledger, table)[()]
            assert (total.requests, total.bytes, total.credits) == (70, 70 * 2**62, Decimal(7)), table
        periods = sums(ledger, "periods", "account", "start_us")
        (own,) = (start for account, start in periods if account == "a61")
        (cycle,) = cycles(noon, noon, 15, ZoneInfo("America/New_York"))
        assert own == cycle.start_us
        assert len(sums(ledger, "totals", "account")) == 51, "names beyond the cap are one row"
        with ledger.read() as connection:
            assert connection.execute(select(schema.paid.c.ts_us)).scalars().all().count(69) == 1
            state = state_of(connection)
            assert not state.told and set(state.accounts) == {("imejis", "a61")}
    with Ledger(address) as ledger:
        assert sums(ledger, "periods")[()].requests == 70, "once"


def test_a_late_configured_account_leaves_other_without_a_fall(ledger: Ledger, tmp_path: Path) -> None:
    """It was beyond the cap: its own rows are exact, counters do not fall, and what is counted twice is corrected."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(event(f"e{n}", account=f"a{n}", credits=0.5) for n in range(80)))
    feed(ledger, log)
    before = sums(ledger, "totals", "account")
    assert before["other",].credits == 15 and ("a79",) not in before
    configured(ledger, {"accounts": {"a79": {"provider": "imejis", "anchor_day": 20}}})
    after, periods = sums(ledger, "totals", "account"), sums(ledger, "periods", "account")
    assert after["other",].credits == 15 and after["a79",].credits == Decimal("0.5")
    assert periods["other",].credits == Decimal("14.5") and periods["a79",].credits == Decimal("0.5")
    with ledger.read() as connection:
        wrong = {row.sum: row.amount for row in connection.execute(select(schema.corrections))}
    total, exact = sums(ledger, "totals")[()], sums(ledger, "rollups")[()]
    assert {name: getattr(total, name) - wrong.get(name, 0) for name in total._fields} == exact._asdict()


def test_the_state_of_a_report_and_the_ledger_s_are_one(tmp_path: Path) -> None:
    """The audit of the ledger with the owner's file has the same credits in the same cycles."""
    (tmp_path / "a.toml").write_text(TOML.format(day=15))
    wrote(tmp_path / "u" / "a.jsonl", *TIMES["main"])
    ledger = str(tmp_path / "l.db")
    command("ingest", str(tmp_path / "u"), "--ledger", ledger)
    command("ledger", "configure", "--config", str(tmp_path / "a.toml"), "--ledger", ledger)
    done = command("audit", "--ledger", ledger, "--config", str(tmp_path / "a.toml"), "--format", "json")
    (account,) = json.loads(done.stdout)["accounts"]
    with Ledger(ledger) as opened:
        assert [cycle["credits"] for cycle in account["cycles"]] == [
            int(credits) for _, credits in sorted(booked(opened).items())
        ]
