"""Exactly once, whatever the order, the cuts, the copies, the rotation and the crashes."""

import gzip
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from auditor.analysis.oddtime import AHEAD, OLDEST
from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.intake.sources import Source, discover
from auditor.ledger import database, schema
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.record import Sums
from auditor.ledger.upkeep import prune
from auditor.model.errors import ConfigError
from auditor.pipeline import Options, audit
from auditor.results.audit import document
from tests.bruteforce import NOW
from tests.conftest import command, event, lines, whole_lines
from tests.ledger.conftest import configured, corrected, counts, feed, quarters, quarters_of_rollups, sums
from tests.random_logs import generate
from tests.services import ROOT, PostgresServer

PLACE = ("provider", "account", "environment", "outcome", "format")


def report(sources: list[Source], config: dict[str, Any]) -> dict[str, Any]:
    """JSON report."""
    result = audit(sources, settings_of(config, "test"), Options(cache=False), lambda *_: None)
    return json.loads(json.dumps(document(result), default=str))


def without(line: bytes) -> bool:
    """Whether a line carries what the ledger must not keep."""
    from auditor.reading.secrets import find

    return not list(find(line))


def written(tmp_path: Path, seed: int, size: int = 300) -> tuple[list[Path], dict[str, Any]]:
    """A random log as files."""
    files, config = generate(seed, size)
    folder = tmp_path / f"log{seed}"
    folder.mkdir()
    paths = []
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data)
        paths.append(path)
    return paths, config


@pytest.mark.slow
def test_the_ends_of_every_range_are_in_the_ledger_too(tmp_path: Path, where: Callable[[], str]) -> None:
    """The first and the last time, the most credits and bytes that one event may have."""
    most = "999999999999.999999999999999999"
    log = tmp_path / "usage.jsonl"
    made = [
        event("first", ts=OLDEST.isoformat(), account="old"),
        event("last", ts=(NOW + AHEAD).isoformat(), account="new"),
        event("old", ts="2000-01-02T23:59:59.999999Z"),
        event("dear", credits=most),
        event("dear too", credits=most, ts=OLDEST.isoformat()),
        event("many", outcome="hit", count=10**9, bytes=10**9),
        event("large", bytes=10**12),
    ]
    log.write_bytes(lines(made).replace(f'"{most}"'.encode(), most.encode()))
    with Ledger(where()) as ledger:
        feed(ledger, log)
        ledger.export(tmp_path / "export.jsonl")
        total = sums(ledger, "rollups")[()]
    by_ledger = report([Source("ledger", tmp_path / "export.jsonl", cacheable=False)], {})
    by_files = report([Source("log", log, cacheable=False)], {})
    assert by_files["inputs"]["events"] == len(made)
    assert by_ledger["totals"] == by_files["totals"]
    assert by_ledger["accounts"] == by_files["accounts"]
    assert total.bytes == by_files["totals"]["bytes"] >= 10**18 + 10**12
    assert total.credits == Decimal("2000000000003.999999999999999998")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 25))
def test_a_ledger_agrees_with_the_audit_of_its_files(seed: int, tmp_path: Path) -> None:
    """Conservation, totals and every finding; the exact sums are those of the events that count."""
    paths, config = written(tmp_path, seed)
    for path in paths:  # unfinished last lines wait for their end, which an audit does not
        data = path.read_bytes()
        if not data.startswith((b"\x1f\x8b", b"\x28\xb5")) and data and not data.endswith(b"\n"):
            path.write_bytes(data + b"\n")
    with Ledger(tmp_path / "ledger.db") as ledger:
        feed(ledger, *paths, config=config)
        by_files = report(discover([str(path) for path in paths], tmp_path), config)
        ledger.export(tmp_path / "export.jsonl")
        by_ledger = report([Source("ledger", tmp_path / "export.jsonl", cacheable=False)], config)
        known = counts(ledger)
        exact = sums(ledger, "rollups")
    inputs = by_files["inputs"]
    assert {name: known.get(name, 0) for name in ("lines", "superseded", "duplicates", "rejected")} == {
        name: inputs[name] for name in ("lines", "superseded", "duplicates", "rejected")
    }
    assert known["rows"] == known.get("events", 0) == inputs["events"]
    for part in ("window", "totals", "waste", "accounts"):
        assert by_ledger[part] == by_files[part], part
    secret = ("secret-in-log",)
    assert [f for f in by_ledger["findings"] if f["rule"] not in secret] == [
        f for f in by_files["findings"] if f["rule"] not in secret
    ]
    total = exact.get((), Sums())
    assert total.requests == by_files["totals"]["requests"]
    assert total.credits == Decimal(str(by_files["totals"]["credits"]))
    assert total.uncertain == by_files["totals"]["credits_uncertain"]
    assert total.retries == by_files["totals"]["retries"]


def a_log(seed: int, size: int = 400) -> list[bytes]:
    """Lines with attempts, finals, doubled ids of all kinds, and damage."""
    rng = random.Random(seed)
    made = []
    for number in range(size):
        identity = f"e{rng.randrange(size // 2)}"
        outcome = rng.choice(["attempt", "render", "hit", "error", "coalesced", "refused"])
        fields: dict[str, Any] = {"outcome": outcome, "account": rng.choice(["main", "other"])}
        if outcome == "render":
            fields |= {"credits": rng.choice([1, 1, 2, 0.5]), "bytes": rng.randrange(5000), "format": "png"}
        if outcome == "error":
            fields |= {"status": rng.choice([500, 504]), "retried": rng.random() < 0.3}
        if outcome == "hit" and rng.random() < 0.3:
            fields["count"] = rng.randrange(1, 5)
        ts = f"2026-{rng.randrange(7, 10):02d}-{rng.randrange(1, 28):02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:{number % 60:02d}Z"
        made.append(lines([event(identity, ts, **fields)]))
        if rng.random() < 0.02:
            made.append(b"{broken\n")
    return made


def apart_from_duplicates(found: dict[tuple[Any, ...], Sums]) -> dict[tuple[Any, ...], Sums]:
    """Those are told as they come, and so depend on the order; the audit has them exactly."""
    left = {key: value._replace(duplicates=0) for key, value in found.items()}
    return {key: value for key, value in left.items() if any(value)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_neither_order_nor_copies_change_the_sums(seed: int, where: Callable[[], str], tmp_path: Path) -> None:
    """A+B, B+A, A+A+B and shuffled crumbs; counters are the exact sums and their corrections."""
    log = a_log(seed)
    rng = random.Random(seed)
    a, b = log[: len(log) // 2], log[len(log) // 2 :]
    shuffled = rng.sample(log, len(log))
    crumbs = [shuffled[start : start + 37] for start in range(0, len(shuffled), 37)]
    found = []
    for number, order in enumerate(([a, b], [b, a], [a, a, b], crumbs)):
        paths = []
        for part, content in enumerate(order):
            paths.append(tmp_path / f"{number}-{part}.jsonl")
            paths[-1].write_bytes(b"".join(content))
        with Ledger(where()) as ledger:
            feed(ledger, *paths)
            exact = apart_from_duplicates(sums(ledger, "rollups", "bucket_us", *PLACE))
            cycles = apart_from_duplicates(sums(ledger, "periods", "provider", "account", "environment", "start_us"))
            known = counts(ledger)
            total, wrong = sums(ledger, "totals")[()], corrected(ledger)
            below = sums(ledger, "rollups")[()]
            assert quarters(ledger) == quarters_of_rollups(ledger)
        for name in Sums._fields:
            if name != "duplicates":
                assert getattr(total, name) - wrong.get(name, 0) == getattr(below, name), name
        assert known["lines"] == known["rows"] + known["superseded"] + known["duplicates"] + known["rejected"]
        found.append((exact, cycles, known["rows"]))
    assert found[0] == found[1] == found[2] == found[3]


def test_the_same_file_again_adds_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """By itself, renamed, compressed, under another name, beside a link."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(b"".join(a_log(5)))
    first = feed(ledger, log)
    before = sums(ledger, "rollups", "bucket_us", *PLACE), counts(ledger)
    renamed = log.rename(tmp_path / "usage.jsonl.1")
    packed = tmp_path / "usage.jsonl.2.gz"
    packed.write_bytes(gzip.compress(renamed.read_bytes()))
    (tmp_path / "link").symlink_to(renamed)
    again = feed(ledger, renamed, packed, tmp_path / "link")
    assert first.counts["lines"] > 0 and again.counts["lines"] == 0
    assert (sums(ledger, "rollups", "bucket_us", *PLACE), counts(ledger)) == before


def test_a_file_grows(ledger: Ledger, tmp_path: Path) -> None:
    """Line by line, an unfinished one waits; over a compressed rotation."""
    log = tmp_path / "usage.jsonl"
    whole = lines([event("a"), event("b"), event("c")])
    half = len(lines([event("a"), event("b")])) + 20
    log.write_bytes(whole[:half])
    assert feed(ledger, log).counts["events"] == 2
    log.write_bytes(whole)
    assert feed(ledger, log).counts["events"] == 1
    packed = tmp_path / "usage.jsonl.gz"
    packed.write_bytes(gzip.compress(whole + lines([event("d")])))
    assert feed(ledger, packed).counts == {"lines": 1, "events": 1}


def test_a_hole_is_no_line(ledger: Ledger, tmp_path: Path) -> None:
    """Where `copytruncate` left NUL bytes before a line, it is read as an audit reads it."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(bytes(5000) + lines([event("a")]) + bytes(5000) + lines([event("b")]) + bytes(9) + b"\n")
    feed(ledger, log)
    found = counts(ledger)
    assert (found["lines"], found["rows"]) == (2, 2)
    assert report([Source(log.name, log)], {})["inputs"]["events"] == 2


def test_files_that_begin_alike_are_told_apart(ledger: Ledger, tmp_path: Path) -> None:
    """A sorted merge begins like its first part and goes on otherwise: nothing of it is skipped."""
    a, merged = tmp_path / "a.jsonl", tmp_path / "merged.jsonl"
    events = [event(f"e{number}", f"2026-09-01T08:00:{number:02d}Z") for number in range(40)]
    a.write_bytes(lines(events[::2]))
    merged.write_bytes(lines(events))
    feed(ledger, a)
    assert feed(ledger, merged).counts["events"] == 20
    assert counts(ledger)["rows"] == 40


def test_rotation_while_following(ledger: Ledger, tmp_path: Path) -> None:
    """Renamed away, deleted, emptied in place with and without its copy."""
    folder = tmp_path / "usage"
    folder.mkdir()
    log = folder / "usage.jsonl"
    following = Follow(Ingest(ledger, settings_of({}, "test")), lambda: sorted(folder.glob("*.jsonl")))
    ids = iter(range(10_000))

    def write(count: int, mode: str = "ab") -> None:
        with log.open(mode) as file:
            file.write(lines(event(f"e{next(ids)}") for _ in range(count)))

    write(3)
    following.look()
    write(2)
    log.rename(folder / "elsewhere.1")
    write(4)
    following.look()
    assert counts(ledger)["rows"] == 9, "the two lines before the rename are not lost"
    write(2)
    log.unlink()
    following.look()
    assert counts(ledger)["rows"] == 11, "nor those before the deletion"
    write(5)
    following.look()
    write(1)
    (folder / "copy.jsonl").write_bytes(log.read_bytes())
    write(1, "wb")
    done = following.look()
    assert done.truncated == [str(log)]
    assert counts(ledger)["rows"] == 18
    following.close()


FOLLOWER = ["-m", "auditor", "ingest", "--follow", "--every", "0.05"]
WRITER = """
import sys, time
from auditor import Spool
spool = Spool(sys.argv[1], max_bytes=20_000)
from auditor.client.clock import NEW_ID
from datetime import datetime, UTC
for n in range(int(sys.argv[2])):
    base = {"v": 1, "id": NEW_ID(time.time_ns()), "ts": datetime.now(UTC), "provider": "imejis", "account": "main",
            "environment": "production", "template": "og", "key": f"k1:{n % 50}"}
    spool.write(base | {"outcome": "attempt"}, lasting=True)
    spool.write(base | {"outcome": "render", "bytes": 10}, lasting=True)
    if n % 20 == 0:
        print(n, flush=True)
"""


def test_killed_at_random_nothing_is_lost_and_nothing_counted_twice(where: Callable[[], str], tmp_path: Path) -> None:
    """Writers and followers, 20 of them killed with -9; the ledger is the spool at the end."""
    folder, address = tmp_path / "usage", where()
    folder.mkdir()
    rng = random.Random(9)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}

    def follower() -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, *FOLLOWER, str(folder), "--ledger", address], cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert started.stderr is not None
        assert "following" in started.stderr.readline()
        return started

    running = follower()
    for turn in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), "400"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        for _ in range(rng.randrange(1, 20)):
            writer.stdout.readline()
        if turn % 2:
            running.send_signal(signal.SIGKILL)
            running.wait()
            running = follower()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        if not turn % 2:
            assert running.stdout is not None
            running.stdout.readline()  # it has booked something since
            running.send_signal(signal.SIGKILL)
            running.wait()
            running = follower()
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    with Ledger(address) as ledger:
        feed(ledger, *sorted(folder.glob("*.jsonl")))
        known, total = counts(ledger), sums(ledger, "totals")[()]
        exact = sums(ledger, "rollups")[()]
    spool = [json.loads(line) for file in folder.glob("*.jsonl") for line in whole_lines(file.read_bytes())]
    renders = {event["id"] for event in spool if event["outcome"] == "render"}
    attempts = {event["id"] for event in spool if event["outcome"] == "attempt"}
    assert known["rows"] == len(attempts | renders)
    assert known["lines"] == len(spool)
    assert (total.credits, total.requests, total.bytes) == (len(renders), len(renders), 10 * len(renders))
    assert exact.uncertain == len(attempts - renders)
    assert exact == total


def test_two_ingesters_at_once(where: Callable[[], str], tmp_path: Path) -> None:
    """Of the same files: each line is booked once."""
    folder, address = tmp_path / "usage", where()
    folder.mkdir()
    log = [lines([event(f"e{file}-{number}") for number in range(400)]) for file in range(12)]
    for number, content in enumerate(log):
        (folder / f"{number}.jsonl").write_bytes(content)
    with Ledger(address):
        pass
    arguments = [sys.executable, "-m", "auditor", "ingest", str(folder), "--ledger", address]
    running = [
        subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
                         env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"})
        for _ in range(4)
    ]  # fmt: skip
    booked = [int(process.communicate(timeout=60)[0].split()[0].replace(",", "")) for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(booked) == 4800
    with Ledger(address) as ledger:
        assert counts(ledger) == {"rows": 4800, "events": 4800, "lines": 4800}
        assert sums(ledger, "totals")[()].requests == 4800


def test_a_correction_does_not_lower_a_counter(ledger: Ledger, tmp_path: Path) -> None:
    """An error that turns out to have been a render: exact sums follow, counters only rise."""
    for number, fields in enumerate(
        ({"outcome": "error", "status": 500}, {"outcome": "render", "credits": 3}, {"outcome": "render", "credits": 5})
    ):
        (tmp_path / f"{number}.jsonl").write_bytes(lines([event("a", **fields)]))
        before = sums(ledger, "totals", "outcome")
        feed(ledger, tmp_path / f"{number}.jsonl")
        after = sums(ledger, "totals", "outcome")
        for key, value in before.items():
            assert all(new >= old for new, old in zip(after[key], value, strict=True))
    assert sums(ledger, "rollups", "outcome") == {("render",): Sums(requests=1, calls=1, credits=Decimal(5))}
    assert corrected(ledger) == {"requests": 1, "calls": 1}
    assert sums(ledger, "totals")[()].credits == 5


def test_pruned_events_keep_their_sums_and_do_not_come_back(ledger: Ledger, tmp_path: Path) -> None:
    """What is fed again is refused and counted."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(event(f"e{day}", f"2026-09-{day:02d}T08:00:00Z") for day in range(1, 21)))
    feed(ledger, log)
    before = sums(ledger, "rollups", "bucket_us"), sums(ledger, "totals"), sums(ledger, "periods", "start_us")
    with ledger.write() as connection:
        assert prune(connection, 1_789_000_000_000_000) == 9  # 2026-09-10 00:26:40
    assert counts(ledger)["rows"] == 11
    other = tmp_path / "other.jsonl"
    other.write_bytes(lines([event("fresh", "2026-09-20T08:00:00Z")]) + log.read_bytes())
    done = feed(ledger, other)
    assert done.counts == {"lines": 21, "events": 1, "late": 9, "duplicates": 11}
    after = sums(ledger, "totals")[()]
    assert after.requests == before[1][()].requests + 1
    assert {key: value for key, value in sums(ledger, "rollups", "bucket_us").items() if key in before[0]} != {}


def test_cycles_are_cut_anew_when_the_account_changes(ledger: Ledger, tmp_path: Path) -> None:
    """Another day, or a zone of a half hour: from the rollups, exactly."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(
        lines(
            event(f"e{number}", f"2026-09-{1 + number // 24:02d}T{number % 24:02d}:31:00Z") for number in range(29 * 24)
        )
    )
    feed(ledger, log)
    for anchor, zone, first in ((15, "UTC", 14 * 24), (15, "Asia/Kolkata", 13 * 24 + 18)):
        config = {"accounts": {"main": {"provider": "imejis", "anchor_day": anchor, "timezone": zone}}}
        configured(ledger, config)
        cycles = sums(ledger, "periods", "start_us")
        assert [value.requests for _, value in sorted(cycles.items())] == [first, 29 * 24 - first]


def test_a_newer_ledger_is_refused_and_an_older_one_migrated(
    where: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sentence; a migration that fails leaves the ledger as it was."""
    address = where()
    with Ledger(address) as ledger, ledger.write() as connection:
        connection.execute(schema.facts.update().values(value="99"))
    with pytest.raises(ConfigError, match="newer than this program"):
        Ledger(address)
    older = where()
    with Ledger(older):
        pass

    def fails(_: object) -> None:
        raise RuntimeError("half way")

    def step(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE extra (n int)")

    newest = len(database.MIGRATIONS)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, step, fails))
    with pytest.raises(RuntimeError):
        Ledger(older)
    monkeypatch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:-1])
    with Ledger(older) as ledger, ledger.read() as connection:
        assert connection.execute(select(schema.facts.c.value)).scalars().all() == [str(newest + 1)]


def test_the_password_is_never_printed(postgres: PostgresServer) -> None:
    """Not in errors, not in reports."""
    address = postgres.database()
    with Ledger(address) as ledger:
        assert "s3cret" not in ledger.name and "***" in ledger.name
    for wrong in (address + "missing", "postgresql://auditor:s3cret@127.0.0.1:1/x"):
        with pytest.raises(ConfigError) as caught:
            Ledger(wrong)
        assert "s3cret" not in str(caught.value)
    done = command("audit", "--ledger", address)
    assert b"s3cret" not in done.stdout + done.stderr


def test_no_secret_of_a_log_gets_into_the_ledger(tmp_path: Path) -> None:
    """It is masked before it is stored; the audit of the log itself reports it."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(
        lines([event("a", url="https://x/?api_key=CANARY12345678"), event("b", api_key="CANARY12345678")])
        + b'{"api_key": "CANARY12345678", broken\n'
    )
    with Ledger(tmp_path / "ledger.db") as ledger:
        feed(ledger, log)
    for file in tmp_path.glob("ledger.db*"):
        assert b"CANARY" not in file.read_bytes()


def test_the_commands(tmp_path: Path) -> None:
    """Counts to stdout, trouble to stderr, exit codes; audit and prune of the same ledger."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a", "2020-01-01T00:00:00Z"), event("b")]) + b"nonsense\n")
    ledger = str(tmp_path / "l.db")
    done = command("ingest", str(log), "--ledger", ledger)
    assert done.returncode == 3 and b"line 3: Expecting value" in done.stderr
    assert done.stdout == b"3 lines = 2 events + 0 superseded + 0 duplicates + 1 rejected\n"
    report = json.loads(command("audit", "--ledger", ledger, "--format", "json").stdout)
    assert report["totals"]["renders"] == 2
    assert (
        command("prune", "--older-than", "1000d", AUDITOR_LEDGER=ledger).stdout == b"1 event dropped; the sums stay\n"
    )
    assert command("ingest", "-", "--follow", "--ledger", ledger).returncode == 2
    assert command("ingest", str(log), "--ledger", "mysql://x/y").returncode == 2


HOSTILE = ("nul\0in it", "\0", "\uffff", "\uffff0", "\0\uffff1", "o'hare\\", "two\nlines", "\U0001f600", "%s", "\u2028")


def test_no_text_of_an_event_stops_the_ledger(ledger: Ledger, tmp_path: Path) -> None:
    """Names of any kind are told apart, updated and given back as they were, by PostgreSQL too, which takes no NUL."""
    log = tmp_path / "usage.jsonl"
    places = [{"id": f"{field} {text}", field: text} for text in HOSTILE for field in ("account", "environment", "key")]
    attempts = [event(outcome="attempt", **each) for each in places]
    renders = [event(**each) for each in places]
    log.write_bytes(lines([*attempts, event("last")]))
    feed(ledger, log)
    with log.open("ab") as file:
        file.write(lines([*renders, *renders]))
    done = feed(ledger, log)
    assert done.counts == {"lines": 60, "superseded": 30, "duplicates": 30}
    found = sums(ledger, "totals", "account")
    assert {name: each.credits for (name,), each in found.items()} == {"main": 21} | dict.fromkeys(HOSTILE, 1)


def test_a_file_that_was_replaced_is_opened_anew_and_one_that_is_gone_is_said(tmp_path: Path) -> None:
    """As by a restore: an open handle would serve, and fill, what nobody can see any more."""
    kept, other = tmp_path / "kept.db", tmp_path / "other.db"
    for path, count in ((kept, 1), (other, 3)):
        log = tmp_path / f"{path.stem}.jsonl"
        log.write_bytes(lines([event(f"e{n}") for n in range(count)]))
        with Ledger(path) as ledger:
            feed(ledger, log)
    with Ledger(kept) as ledger:
        assert sums(ledger, "rollups")[()].requests == 1
        for path in tmp_path.glob("kept.db-*"):
            path.unlink()
        other.replace(kept)
        assert sums(ledger, "rollups")[()].requests == 3
        kept.unlink()
        with pytest.raises(ConfigError, match="the file is gone"):
            sums(ledger, "rollups")
    assert not kept.exists()
