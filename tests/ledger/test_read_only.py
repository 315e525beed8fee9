"""Who only reads a SQLite ledger sees what others write, makes no file and changes none, wherever the ledger lies."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.schema import events, facts
from tests.conftest import ROOT, event, lines
from tests.ledger.conftest import feed

OTHER_USER = 20_004
READER = f"""
import os, sys
from sqlalchemy import func, select
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.schema import events
Ledger(sys.argv[1]).close()  # whatever is imported late is there then
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({OTHER_USER})
    os.setuid({OTHER_USER})
with Ledger(sys.argv[2], reader=True) as ledger:
    for _ in sys.stdin:
        try:
            with ledger.read() as connection:
                found = connection.execute(select(func.count()).select_from(events)).scalar()
            print(found, flush=True)
        except LedgerError as error:
            print(error, flush=True)
"""
"""As root it becomes another user, since nothing is read-only for root; the interpreter may be closed to that one."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="auditor-reader-") as made:
        Path(made).chmod(0o755)
        found = Path(made) / "ledger"
        found.mkdir()
        yield found
        found.chmod(0o755)


def fill(path: Path, *ids: str) -> None:
    """By a process that ends: the log of SQLite is gone afterwards."""
    with Ledger(path) as ledger:
        book(ledger, path, *ids)
    path.chmod(0o644)


def book(ledger: Ledger, path: Path, *ids: str) -> None:
    """Add events."""
    usage = path.with_name(f"{ids[0]}.jsonl")
    usage.write_bytes(lines(event(each) for each in ids))
    feed(ledger, usage)
    usage.unlink()


def closed(folder: Path) -> None:
    """Nobody but root may write there."""
    folder.chmod(0o555)


@contextmanager
def reading(path: Path) -> Iterator[Callable[[], str]]:
    """A process that reads as often as it is asked."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(path.parent.parent / "warm.db"), str(path)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    asked, answers = process.stdin, process.stdout

    def ask() -> str:
        asked.write("\n")
        asked.flush()
        return answers.readline().strip()

    try:
        yield ask
    finally:
        process.communicate(timeout=30)


def names(folder: Path) -> list[str]:
    """What lies there."""
    return sorted(each.name for each in folder.iterdir())


def test_it_sees_a_writer_that_comes_and_goes(folder: Path) -> None:
    """Opened where nothing can be written; the writer's commits are seen at once, in its log and out of it."""
    path = folder / "l.db"
    fill(path, "a")
    closed(folder)
    with reading(path) as ask:
        assert [ask(), ask(), names(folder)] == ["1", "1", ["l.db"]]
        folder.chmod(0o755)
        with Ledger(path) as ledger:
            assert ask() == "1"
            book(ledger, path, "b", "c")
            assert ask() == "3"
            book(ledger, path, "d")
            assert ask() == "4"
        assert ask() == "4"
        fill(path, "e")
        assert ask() == "5"
        closed(folder)
        assert ask() == "5"
        folder.chmod(0o755)
        fill(path, *"fghij")
        assert ask() == "10"
    with reading(path) as ask:
        assert ask() == "10"


def test_it_sees_a_writer_that_was_there_between_two_looks(folder: Path) -> None:
    """Its log is gone by then."""
    path = folder / "l.db"
    fill(path, "a")
    closed(folder)
    with reading(path) as ask:
        for n in range(3):
            assert ask() == str(n + 1)
            folder.chmod(0o755)
            fill(path, f"more{n}")
            closed(folder)
        assert (ask(), names(folder)) == ("4", ["l.db"])


def test_it_sees_a_ledger_that_was_put_in_the_place(folder: Path) -> None:
    """As by a restore."""
    path, other = folder / "l.db", folder / "other.db"
    fill(path, "a")
    fill(other, "b", "c")
    closed(folder)
    with reading(path) as ask:
        assert ask() == "1"
        folder.chmod(0o755)
        other.replace(path)
        closed(folder)
        assert (ask(), names(folder)) == ("2", ["l.db"])


def test_it_makes_no_file_beside_a_ledger_of_another_user(folder: Path) -> None:
    """In a folder that both may write: files of the reader's would keep the writer out."""
    path = folder / "l.db"
    fill(path, "a")
    if os.geteuid():
        path.chmod(0o444)
    folder.chmod(0o777)
    with reading(path) as ask:
        assert (ask(), names(folder)) == ("1", ["l.db"])
        path.chmod(0o644)
        with Ledger(path) as ledger:
            book(ledger, path, "b")
            assert {each.stat().st_uid for each in folder.iterdir()} == {os.geteuid()}
            assert ask() == "2"
            (folder / "l.db-shm").chmod(0o644)
        assert ask() == "2"
        assert {each.stat().st_uid for each in folder.iterdir()} == {os.geteuid()}


def test_what_was_written_while_it_read_is_no_figure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SQLite's locks half of an answer could be old and half new."""
    path = folder / "l.db"
    fill(path, "a")
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    with Ledger(path, reader=True) as ledger:
        with pytest.raises(LedgerError, match="written"), ledger.read() as connection:
            connection.execute(select(facts)).all()
            fill(path, "b")
        with ledger.read() as connection:
            assert connection.execute(select(func.count()).select_from(events)).scalar() == 2
