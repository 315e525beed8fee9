"""Each source that is followed has a heartbeat of its own: a dead host is not hidden behind the living ones."""

import platform
import threading
import time
from pathlib import Path

import pytest
from auditor_exporter import ledger as exporter
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from sqlalchemy import Connection, select

from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.feed.sources import source_name
from auditor.intake.sources import absent, present
from auditor.ledger import schema
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.piece import Booked, PieceBook
from auditor.ledger.sources import last_seen
from auditor.reading.lines import LineReader
from tests.conftest import event, lines
from tests.exporters.test_ledger import samples

START = 1_790_000_000.0
Now = list[float]


def follow(ledger: Ledger, now: Now, *names: Path | str) -> Follow:
    """As a process that was given these names."""
    given = [str(name) for name in names]
    ingest = Ingest(ledger, settings_of({}, "test"), lambda: now[0])
    return Follow(ingest, lambda: present(given), lambda: absent(given), given)


def shown(ledger: Ledger, now: Now) -> dict[str, float]:
    """Source -> when it was last seen, as the exporter shows it."""
    found = samples(Snapshot([LedgerCollector(ledger, settings_of({}, "test"))], lambda: now[0], lambda: 0.0))
    name = "imgrender_source_last_seen_timestamp_seconds"
    return {dict(labels)["source"]: value for (metric, labels), value in found.items() if metric == name}


def usage(folder: Path, *ids: str) -> Path:
    """A folder with a segment in it."""
    folder.mkdir(exist_ok=True)
    (folder / "usage.jsonl").write_bytes(lines(event(each) for each in ids))
    return folder


def test_one_that_stopped_ages_and_the_others_do_not(ledger: Ledger, tmp_path: Path) -> None:
    """Two processes; one dies. A folder without a file is looked at too."""
    now = [START]
    one, two = usage(tmp_path / "one", "a"), tmp_path / "two"
    two.mkdir()
    first, second = follow(ledger, now, one), follow(ledger, now, two, tmp_path / "*.none")
    first.look()
    for _ in range(30):
        second.look()
        now[0] += 10
    second.look()
    ages = {name: now[0] - at for name, at in shown(ledger, now).items()}
    assert ages == {source_name(str(one)): 300, source_name(str(two)): 0, source_name(str(tmp_path / "*.none")): 0}
    assert all(name.startswith(f"{platform.node()}:/") for name in ages)
    second.close()
    first.close()


def test_one_that_never_came_is_0_until_it_comes(ledger: Ledger, tmp_path: Path) -> None:
    """Beside one that is there; and one whose folder goes away keeps the time at which it was last there."""
    now = [START]
    here, missing = usage(tmp_path / "here", "a"), tmp_path / "missing"
    following = follow(ledger, now, here, missing)
    following.look()
    assert shown(ledger, now) == {source_name(str(here)): START, source_name(str(missing)): 0}
    usage(missing, "b")
    now[0] += 20
    following.look()
    assert set(shown(ledger, now).values()) == {START + 20}
    (missing / "usage.jsonl").unlink()
    missing.rmdir()
    now[0] += 20
    following.look()
    assert shown(ledger, now) == {source_name(str(here)): START + 40, source_name(str(missing)): START + 20}
    following.close()


def test_a_file_that_cannot_be_read_is_its_own_sources(ledger: Ledger, tmp_path: Path) -> None:
    """The other folder's heart beats on."""
    now = [START]
    good, bad = usage(tmp_path / "good", "a"), usage(tmp_path / "bad", "b")
    (bad / "loop.jsonl").symlink_to(bad / "loop.jsonl")
    following = follow(ledger, now, good, f"{bad}/*.jsonl", bad / "usage.jsonl")
    following._paths = lambda: [good / "usage.jsonl", bad / "loop.jsonl"]
    following.look()
    now[0] += 20
    following.look()
    found = shown(ledger, now)
    assert found[source_name(str(good))] == found[source_name(str(bad / "usage.jsonl"))] == START + 20
    assert found[source_name(f"{bad}/*.jsonl")] == START
    following.close()


def test_it_beats_while_a_long_file_is_read(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece, and each file, takes 12 seconds here: it is never older than that."""
    chunks = LineReader.chunks
    monkeypatch.setattr(LineReader, "chunks", lambda self, _=0: chunks(self, 10_000))
    now, ages = [START], []
    folder = usage(tmp_path / "one", *map(str, range(300)))
    (folder / "more.jsonl").write_bytes(lines([event("more")]))
    following = follow(ledger, now, folder)
    booked = PieceBook.book

    def slow(self: PieceBook, connection: Connection, path: str, piece: bytes, first_number: int = 1) -> Booked:
        now[0] += 12
        ages.append(now[0] * 1e6 - max(last_seen(connection, int(now[0] * 1e6)).values()))
        return booked(self, connection, path, piece, first_number)

    monkeypatch.setattr(PieceBook, "book", slow)
    following.look()
    assert len(ages) > 5 and set(ages) == {12e6}
    following.close()


def test_it_beats_between_two_distant_looks(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look an hour: the heart beats in between."""
    monkeypatch.setattr("auditor.feed.follow.MARK_EVERY", 0.01)
    monkeypatch.setattr("auditor.feed.sources.MARK_EVERY", 0.0)
    now = [START]
    folder = usage(tmp_path / "one", "a")
    following, stopping = follow(ledger, now, folder), threading.Event()
    thread = threading.Thread(target=following.until, args=(stopping, 3600.0, lambda _: None, lambda _: None))
    thread.start()
    try:
        deadline = time.monotonic() + 30
        now[0] += 100
        while shown(ledger, now).get(source_name(str(folder))) != START + 100:
            assert time.monotonic() < deadline
    finally:
        stopping.set()
        thread.join(30)
    assert not thread.is_alive()


def test_many_and_odd_names_are_bounded(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the cap are as old as the oldest; any name is a label; one that nobody follows for a day is gone."""
    monkeypatch.setattr(exporter, "SOURCES", 3)
    now = [START]
    odd = [tmp_path / name for name in ('a"\n', "b" * 200, "\udcff", "d", "e")]
    following = follow(ledger, now, *odd)
    following.look()
    found = shown(ledger, now)
    assert len(found) == 4 and found["other"] == 0 and all(len(name) <= 160 and name.isprintable() for name in found)
    now[0] += 86_401
    assert shown(ledger, now) == {}
    following.close()


SPELLINGS = {
    "relative": lambda folder: [str(folder), folder.name],
    "dot": lambda folder: [f"./{folder.name}", folder.name],
    "slashes": lambda folder: [f"{folder}/", str(folder), f"{folder}//", f"{folder.parent}//{folder.name}"],
    "twice": lambda folder: [str(folder), str(folder)],
    "a file in it": lambda folder: [f"{folder}/usage.jsonl", f"{folder.name}/usage.jsonl", str(folder)],
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_one_folder_in_several_spellings_is_one_source(
    kind: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes no row twice in one statement."""
    now = [START]
    folder = usage(tmp_path / "one", "a")
    monkeypatch.chdir(tmp_path)
    names = SPELLINGS[kind](folder)
    following = follow(ledger, now, *names)
    assert following.look().counts["events"] == 1
    now[0] += 60
    following.look()
    assert shown(ledger, now) == {source_name(name): START + 60 for name in names}
    assert len(shown(ledger, now)) == 1 + (kind == "a file in it")
    following.close()


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_that_cannot_be_read_stops_its_source_in_every_spelling(
    order: int, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever spelling it was found by."""
    now = [START]
    folder = usage(tmp_path / "one", "a")
    monkeypatch.chdir(tmp_path)
    following = follow(ledger, now, *["one", str(folder), "one/"][::order])
    following.look()
    (folder / "bad.jsonl").symlink_to(folder / "bad.jsonl")
    following._paths = lambda: [Path("one/bad.jsonl")]
    now[0] += 60
    following.look()
    now[0] += 60
    following.look()
    assert shown(ledger, now) == {source_name("one"): START + 60}
    following.close()


def test_who_follows_nothing_is_no_source(ledger: Ledger, tmp_path: Path) -> None:
    """A job that ingests once a night does not stop: it ends."""
    Ingest(ledger, settings_of({}, "test")).run([usage(tmp_path / "one", "a") / "usage.jsonl"])
    with ledger.read() as connection:
        assert connection.execute(select(schema.sources)).all() == []
