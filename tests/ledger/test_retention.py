"""What the ledger tells of processes is forgotten when it is long over, and `auditor ledger show` prints what is left."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Table, insert, select

from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.feed.sources import source_name
from auditor.ledger import schema
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.sources import files_set_aside, last_seen
from auditor.ledger.upkeep import KEEP_US, forget, listing, report, reported
from tests.conftest import command, event, lines
from tests.ledger.conftest import configured, counts, sums

NOW = 1_790_000_000
DAY = 86_400
KEPT = KEEP_US // 10**6


def rows(ledger: Ledger, table: Table) -> int:
    """How many there are."""
    with ledger.read() as connection:
        return len(connection.execute(select(table)).all())


def told(ledger: Ledger, age: int) -> None:
    """A source, a conflict and a file set aside of a host that was last heard of *age* seconds ago."""
    at_us = (NOW - age) * 10**6
    with ledger.write() as connection:
        connection.execute(insert(schema.sources).values(name=f"gone{age}:/usage", seen_us=at_us, told_us=at_us))
        settings = settings_of({"accounts": {"main": {"provider": "imejis", "anchor_day": 2}}}, "gone")
        report(connection, f"gone{age}:/auditor.toml", settings, {("imejis", "main"): "anchor_day is 2"}, at_us)
        connection.execute(
            insert(schema.set_aside).values(
                host=f"gone{age}", path="/usage/a", reason="no", since_us=at_us, seen_us=at_us
            )
        )


TOLD = [schema.sources, schema.conflicts, schema.set_aside]


def test_what_is_long_over_is_forgotten(ledger: Ledger, tmp_path: Path) -> None:
    """By whoever ingests next; what is younger stays, and no counter and no sum changes."""
    ages = [0, DAY, 7 * DAY, KEPT - 1, KEPT + 1, 400 * DAY]
    for age in ages:
        told(ledger, age)
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a")]) + b"nonsense\n")
    now = [float(NOW)]
    ingest = Ingest(ledger, settings_of({}, "test"), lambda: now[0])
    ingest.run([log])
    assert [rows(ledger, table) for table in TOLD] == [4, 4, 4]
    before = counts(ledger), sums(ledger, "totals"), sums(ledger, "rollups")
    for days, left in ((1, 3), (10, 3), (24, 2), (31, 0)):
        now[0] = NOW + days * DAY
        ingest.run([log])
        assert [rows(ledger, table) for table in TOLD] == [left] * 3
    assert (counts(ledger), sums(ledger, "totals"), sums(ledger, "rollups")) == before
    assert before[0]["lines"] == 2 and rows(ledger, schema.rejections) == 1


def test_a_month_is_longer_than_every_alert_and_what_lasts_stays(ledger: Ledger, tmp_path: Path) -> None:
    """A stopped source is shown for a day, far beyond what its alert waits for; one that is followed stays for years."""
    from auditor_exporter.alerts import Parameters

    (tmp_path / "bad.jsonl").symlink_to(tmp_path / "bad.jsonl")
    configured(ledger, {"accounts": {"main": {"provider": "imejis", "anchor_day": 9}}})
    now = [float(NOW)]
    names = [str(tmp_path)]
    settings = settings_of({"accounts": {"main": {"provider": "imejis", "anchor_day": 1}}}, "b.toml")
    following = Follow(
        Ingest(ledger, settings, lambda: now[0], where=tmp_path / "b.toml"),
        lambda: [tmp_path / "bad.jsonl"], list, names,
    )  # fmt: skip
    for _ in range(40):
        now[0] += DAY / 2
        following.look()
        assert [rows(ledger, table) for table in TOLD] == [1, 1, 1]
    now_us = int(now[0] * 1e6)
    with ledger.read() as connection:
        assert len(last_seen(connection, now_us)) == len(reported(connection, now_us)) == 1
        assert files_set_aside(connection, now_us) == 1
        for hours in (1, 23):
            assert last_seen(connection, now_us + hours * 3600 * 10**6)
        assert not last_seen(connection, now_us + 25 * 3600 * 10**6)
    assert Parameters().stale_seconds + 3600 < DAY < KEPT
    following.close()


@pytest.mark.parametrize("seconds", [0, 1, DAY])
def test_forgetting_is_to_the_microsecond(seconds: int, ledger: Ledger) -> None:
    """On both databases."""
    told(ledger, seconds)
    limit_us = (NOW - seconds) * 10**6 + KEEP_US
    for now_us, left in ((limit_us - 1, 1), (limit_us, 1), (limit_us + 1, 0)):
        with ledger.write() as connection:
            forget(connection, now_us)
        assert [rows(ledger, table) for table in TOLD] == [left] * 3


def test_it_shows_sources_files_and_conflicts(ledger: Ledger, tmp_path: Path) -> None:
    """When each was last read, and how long ago; also of hosts that are gone, until they are forgotten."""
    configured(ledger, {"accounts": {"main": {"provider": "imejis", "anchor_day": 9}}})
    here, missing = tmp_path / "here", tmp_path / "missing"
    here.mkdir()
    (here / "bad.jsonl").symlink_to(here / "bad.jsonl")
    now = [float(NOW)]
    settings = settings_of({"accounts": {"main": {"provider": "imejis", "anchor_day": 1}}}, "b.toml")
    ingest = Ingest(ledger, settings, lambda: now[0], where=tmp_path / "b.toml")
    following = Follow(ingest, lambda: [here / "bad.jsonl"], tuple, [str(tmp_path / "h[e]re"), str(missing)])
    following.look()
    told(ledger, 3 * DAY)
    with ledger.read() as connection:
        found = list(listing(connection, (NOW + 75) * 10**6))
    host = source_name(str(here)).partition(":")[0]
    assert f"source {source_name(str(missing))}: last read 2026-09-21T14:13:20Z (lag 0:01:15)" in found
    assert (
        "source gone259200:/usage: last read 2026-09-18T14:13:20Z (lag 3 days, 0:01:15); not followed since 2026-09-18T14:13:20Z"
        in found
    )
    assert any(
        line.startswith(f"set aside {host}:{here}/bad.jsonl: ") and line.endswith(", since 2026-09-21T14:13:20Z")
        for line in found
    )
    assert f"differs: {host}:{tmp_path}/b.toml: [accounts.main] anchor_day is 1, the ledger has 9" in found
    assert found[0].startswith("imejis/main: anchor_day 9")
    following.close()


def test_the_command_shows_them(where: Callable[[], str], tmp_path: Path) -> None:
    """One that was never read, one with an odd name, and what could steer a terminal as an escape."""
    address = where()
    with Ledger(address) as ledger, ledger.write() as connection:
        for name, seen_us in (("web:/never", 0), ("web:/\x1b[2Jodd\n", 10**15)):
            connection.execute(insert(schema.sources).values(name=name, seen_us=seen_us, told_us=10**15))
    done = command("ledger", "show", "--ledger", address)
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    assert "source web:/never: never read; not followed since 2001-09-09T01:46:40Z\n" in said
    assert "source web:/\\x1b[2Jodd\\x0a: last read 2001-09-09T01:46:40Z (lag " in said and "\x1b" not in said
