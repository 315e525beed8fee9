"""Files that cannot be read cost a transaction a change, are counted under any name, and say since when."""

import bz2
import errno
import gzip
import lzma
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import Connection, select
from typer.testing import CliRunner

from auditor.commands.ledger import app
from auditor.commands.options import INCOMPLETE
from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.ledger import booking, schema
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.record import Record
from auditor.ledger.sources import files_set_aside
from tests.conftest import event, lines
from tests.ledger.conftest import counts

START = 1_790_000_000.0
DAY = 86_400


def aside(ledger: Ledger) -> list[Any]:
    """Rows of files that are set aside."""
    with ledger.read() as connection:
        return list(connection.execute(select(schema.set_aside).order_by(schema.set_aside.c.path)))


def shown(ledger: Ledger, now: float) -> int:
    """How many the exporter counts."""
    with ledger.read() as connection:
        return files_set_aside(connection, int(now * 1e6))


def follow(ledger: Ledger, now: list[float], *paths: Path) -> Follow:
    """As a process that follows these."""
    return Follow(Ingest(ledger, settings_of({}, "test"), lambda: now[0]), lambda: paths)


def loops(folder: Path, count: int) -> list[Path]:
    """Files that nobody can read, root neither."""
    made = [folder / f"bad{n}.jsonl" for n in range(count)]
    for path in made:
        path.symlink_to(path)
    return made


class Counted:
    """Transactions that write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, write = 0, Ledger.write

        @contextmanager
        def counting(ledger: Ledger) -> Iterator[Connection]:
            self.times += 1
            with write(ledger) as connection:
                yield connection

        monkeypatch.setattr(Ledger, "write", counting)

    def taken(self) -> int:
        """Since the last time."""
        found, self.times = self.times, 0
        return found


@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_look_costs_no_transaction_for_what_is_known(
    count: int, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each change; one every ten seconds for all, so that they count while they last."""
    now, bad = [START], loops(tmp_path, count)
    following = follow(ledger, now, *bad)
    counted = Counted(monkeypatch)
    following.look()
    assert counted.taken() <= count + 1
    for _ in range(9):
        now[0] += 1
        following.look()
    assert counted.taken() <= 1
    bad[0].unlink()
    bad[0].write_bytes(lines([event("a")]))
    following.look()
    assert counted.taken() == 2 + (count == 1)  # its lines, that it is no longer set aside, and that all is well
    assert shown(ledger, now[0]) == count - 1
    for _ in range(20):
        now[0] += DAY / 10
        following.look()
        assert shown(ledger, now[0]) == count - 1
    following.close()


@pytest.mark.parametrize("name", [b"caf\xe9.jsonl", b"\xff\xfe", b"a\\xe9\xe9", b"plain", "Stra\u00dfe".encode()])
@pytest.mark.parametrize("kind", ["loop", "cut"])
def test_a_name_that_is_no_text_is_counted(kind: str, name: bytes, ledger: Ledger, tmp_path: Path) -> None:
    """As long as the file is there, over restarts, and no longer."""
    now, path = [START], Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    if kind == "loop":
        path.symlink_to(path)
    else:
        path.write_bytes(gzip.compress(lines([event("a")]) * 50)[:-9])
    for _ in range(3):
        now[0] += 60
        following = follow(ledger, now, path)
        following.look()
        now[0] += 60
        following.look()
        assert shown(ledger, now[0]) == 1
        following.close()
    path.unlink()
    for _ in range(2):
        now[0] += 60
        following.look()
    assert aside(ledger) == []


def test_it_says_since_when(ledger: Ledger, tmp_path: Path) -> None:
    """Since it could first not be read: over looks, restarts and other reasons; again from the next time on."""
    now, (path,) = [START], loops(tmp_path, 1)
    for _ in range(3):
        following = follow(ledger, now, path)
        following.look()
        now[0] += 1_000
        following.look()
        following.close()
    path.unlink()
    path.mkdir()
    follow(ledger, now, path).look()
    (row,) = aside(ledger)
    assert (row.since_us, row.reason) == (int(START * 1e6), "it is not a regular file")
    path.rmdir()
    path.write_bytes(lines([event("a")]))
    follow(ledger, now, path).look()
    assert aside(ledger) == []
    path.unlink()
    path.mkdir()
    follow(ledger, now, path).look()
    assert [row.since_us for row in aside(ledger)] == [int(now[0] * 1e6)]


def test_what_one_process_read_another_does_not_set_aside_again(ledger: Ledger, tmp_path: Path) -> None:
    """Nor does one that never saw it keep it alive when the process that did is gone."""
    now, (path,) = [START], loops(tmp_path, 1)
    first = follow(ledger, now, path)
    first.look()
    second = follow(ledger, now)
    now[0] += 60
    second.look()
    path.unlink()
    path.write_bytes(lines([event("a")]))
    first.look()
    now[0] += 60
    second.look()
    assert aside(ledger) == []
    path.unlink()
    path.symlink_to(path)
    first.look()
    third = follow(ledger, now)
    for _ in range(3):
        now[0] += DAY / 2
        third.look()
    assert shown(ledger, now[0]) == 0


@pytest.mark.parametrize("name", ["bad.jsonl", "deep/bad.jsonl", "../elsewhere/bad.jsonl", b"caf\xe9.jsonl"])
def test_a_relative_path_is_the_same_file_in_another_folder(
    name: str | bytes, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row, whoever calls it what, and it stays while others look from elsewhere; until it is gone."""
    for folder in ("here/deep", "elsewhere", "there"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    now, path = [START], Path(os.fsdecode(name))
    path.symlink_to(path.name)
    follow(ledger, now, path).look()
    whole = Path(os.path.normpath(path.absolute()))
    monkeypatch.chdir(tmp_path / "there")
    for paths in ((), (whole,)):
        now[0] += 60
        follow(ledger, now, *paths).look()
        assert {os.path.normpath(row.path) for row in aside(ledger)} == {
            os.fsencode(whole).decode(errors="backslashreplace")
        }
    if ".." not in path.parts:
        assert len(aside(ledger)) == 1
    whole.unlink()
    now[0] += 60
    follow(ledger, now).look()
    assert aside(ledger) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ELOOP])
def test_what_may_not_be_looked_at_is_not_gone(
    number: int, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For another process, as a user who may not search the folder."""
    now, (path,) = [START], loops(tmp_path, 1)
    follow(ledger, now, path).look()

    def refused(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "lstat", refused)
    now[0] += 60
    follow(ledger, now).look()
    assert len(aside(ledger)) == 1
    monkeypatch.undo()
    path.unlink()
    now[0] += 60
    follow(ledger, now).look()
    assert aside(ledger) == []


@pytest.mark.parametrize("left", [7, 20, 0.5, -1])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_packed_file_that_is_cut_off_in_its_first_line(
    pack: Callable[[bytes], bytes], left: float, tmp_path: Path
) -> None:
    """Is set aside, told and counted until it is whole, by a run and by whoever follows; so is the command's code."""
    line = lines([event("a", key=random.Random(1).randbytes(400).hex())])
    packed, path, where = pack(line), tmp_path / "usage.log", str(tmp_path / "l.db")
    path.write_bytes(packed[: int(left if left < 0 or left > 1 else left * len(packed))])
    with Ledger(where) as ledger:
        done = Ingest(ledger, settings_of({}, "test"), lambda: START).run([path])
        if done.counts["lines"]:  # (only the checksum is cut off)
            assert left == -1
        (complaint,) = done.complaints()
        assert complaint.startswith(f"{path} is cut off or damaged (")
        assert [row.reason for row in aside(ledger)] == ["cut off or damaged"] and shown(ledger, START) == 1
        following = follow(ledger, [START], path)
        assert len(following.look().damaged) == 1 and not following.look().damaged and shown(ledger, START) == 1
        path.write_bytes(packed)
        following.look()
        assert aside(ledger) == [] and counts(ledger)["events"] == 1
        following.close()


def test_the_command_tells_of_a_first_line_that_is_cut_off(tmp_path: Path) -> None:
    """With the exit code for damaged files; an unfinished line that is not packed just waits."""
    path, address = tmp_path / "usage.jsonl.gz", str(tmp_path / "l.db")
    path.write_bytes(gzip.compress(lines([event("a")]))[:20])
    (tmp_path / "waits.jsonl").write_bytes(lines([event("b")])[:20])
    done = CliRunner().invoke(app, ["ingest", str(path), str(tmp_path / "waits.jsonl"), "--ledger", address])
    assert done.exit_code == INCOMPLETE and "usage.jsonl.gz is cut off or damaged" in done.stderr
    assert "waits" not in done.stderr


class Small:
    """A machine whose memory holds so many records at once."""

    def __init__(self, most: int, bad: str = "") -> None:
        self.most, self.bad, self.book = most, bad, booking.Booking.book

    def __call__(self, one: booking.Booking, records: list[Record]) -> None:
        """Some of the work is done by then."""
        self.book(one, records[: self.most])
        if len(records) > self.most or self.bad in {record.id for record in records}:
            raise MemoryError
        self.book(one, records[self.most :])


@pytest.mark.parametrize("most", [50, 7, 1])
def test_too_little_memory_for_a_batch_takes_it_in_parts(
    most: int, where: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line is booked once, and none is set aside."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(event(f"e{n}") for n in range(100)))
    monkeypatch.setattr(booking.Booking, "book", partialmethod(Small(most)))
    with Ledger(where()) as ledger:
        assert Ingest(ledger, settings_of({}, "test")).run([log]).counts == {"lines": 100, "events": 100}
        assert aside(ledger) == []


@pytest.mark.parametrize("where_it_ends", ["one record", "parsing", "reading"])
def test_too_little_memory_for_a_line_sets_no_line_aside(
    where_it_ends: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is told and tried again at each look, whole; others go on."""
    log, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    log.write_bytes(lines(event(f"e{n}") for n in range(10)))
    other.write_bytes(lines([event("other")]))

    def fails(*_: Any, **__: Any) -> Any:
        raise MemoryError

    of, read_on = Record.of, Ingest.read_on
    if where_it_ends == "one record":
        monkeypatch.setattr(booking.Booking, "book", partialmethod(Small(50, "e3")))
    elif where_it_ends == "parsing":
        monkeypatch.setattr(Record, "of", lambda line, zone: fails() if b"e3" in line else of(line, zone))
    else:
        monkeypatch.setattr(
            Ingest,
            "read_on",
            lambda self, path, *more, **how: (fails if path == log else read_on)(self, path, *more, **how),
        )
    now = [START]
    following = follow(ledger, now, log, other)
    done = following.look()
    assert done.counts == {"lines": 1, "events": 1}
    assert list(done.complaints()) == [f"{log} cannot be read (not enough memory); what it holds is missing"]
    assert (shown(ledger, START), counts(ledger).get("set_aside", 0)) == (1, 0)
    monkeypatch.undo()
    assert following.look().counts == {"lines": 10, "events": 10}
    assert shown(ledger, START) == 0
    following.close()
