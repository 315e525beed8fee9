"""One file, folder or clock that is not as it should be keeps no other usage away, and is told of once."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from auditor.config import settings_of
from auditor.feed import follow as module
from auditor.feed.follow import Follow
from auditor.feed.taken import Ingested
from auditor.intake.sources import absent, present
from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.ingest import Ingest
from auditor.ledger.schema import facts
from auditor.ledger.upkeep import HEARTBEAT
from tests.conftest import command, event, lines
from tests.ledger.conftest import counts


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new one; what follows files is the same over both databases."""
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def followed(ledger: Ledger, *arguments: Path, clock: list[float] | None = None) -> Follow:
    """As the commands follow them."""
    now = clock or [1e9]
    names = [str(each) for each in arguments]
    ingest = Ingest(ledger, settings_of({}, "test"), lambda: now[0])
    return Follow(ingest, lambda: present(names), lambda: absent(names), names)


def beaten(ledger: Ledger) -> float:
    """When the heart beat, 0 for never."""
    with ledger.read() as connection:
        found = connection.execute(select(facts.c.value).where(facts.c.name == HEARTBEAT)).scalar()
    return int(found or 0) / 1e6


def wrote(path: Path, *ids: str) -> Path:
    """Events at the end of a file."""
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write(lines(event(each) for each in ids))
    return path


def complaints(done: Ingested) -> str:
    """All of a look."""
    return "\n".join(done.complaints())


def test_a_folder_that_is_not_there_keeps_no_other_away(ledger: Ledger, tmp_path: Path) -> None:
    """It is told once, and there is no heartbeat until it comes; an empty one is nothing to complain about."""
    wrote(tmp_path / "a" / "usage.jsonl", "one")
    following = followed(ledger, tmp_path / "a", tmp_path / "b", tmp_path / "*.none")
    assert (
        complaints(following.look())
        == f"{tmp_path / 'b'} cannot be read (No such file or directory); what it holds is missing"
    )
    assert complaints(following.look()) == ""
    assert (counts(ledger)["rows"], beaten(ledger)) == (1, 0)
    (tmp_path / "b").mkdir()
    following.look()
    assert beaten(ledger) == 1e9
    following.close()


def test_a_file_that_cannot_be_read_keeps_no_other_away(ledger: Ledger, tmp_path: Path) -> None:
    """The one after it is taken; without the heart's beat the alert tells what the log names."""
    bad = tmp_path / "b.jsonl"
    bad.symlink_to(bad)
    paths = [wrote(tmp_path / "a.jsonl", "one"), bad, wrote(tmp_path / "c.jsonl", "two")]
    following = Follow(Ingest(ledger, settings_of({}, "test"), lambda: 1e9), lambda: paths)
    assert (
        complaints(following.look())
        == f"{bad} cannot be read (Too many levels of symbolic links); what it holds is missing"
    )
    assert complaints(following.look()) == ""
    assert (counts(ledger)["rows"], beaten(ledger)) == (2, 0)
    bad.unlink()
    wrote(bad, "three")
    assert complaints(following.look()) == ""
    assert (counts(ledger)["rows"], beaten(ledger)) == (3, 1e9)
    following.close()


def test_more_files_than_a_process_may_open(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that grew last are held, so that their rest is read though their name is gone."""
    monkeypatch.setattr(module, "MOST_OPEN", 4)
    folder = tmp_path / "usage"
    files = [wrote(folder / f"{number:02d}.jsonl", f"e{number}") for number in range(20)]
    following = followed(ledger, folder)
    following.look()

    def held() -> int:
        return sum(os.path.realpath(link).startswith(str(folder)) for link in Path("/proc/self/fd").iterdir())

    assert (counts(ledger)["rows"], held()) == (20, 4)
    wrote(files[0], "more")
    following.look()
    assert (counts(ledger)["rows"], held()) == (21, 4)
    wrote(files[0], "rest")
    for file in files[:10]:
        file.unlink()
    following.look()
    assert (counts(ledger)["rows"], held()) == (22, 3)
    following.close()
    assert held() == 0


def test_a_file_that_was_emptied_and_is_larger_again(ledger: Ledger, tmp_path: Path) -> None:
    """Lines may be missing, which its size alone does not tell."""
    log = wrote(tmp_path / "usage.jsonl", "a", "b")
    following = followed(ledger, tmp_path)
    following.look()
    wrote(log, "c")
    assert following.look().truncated == []
    wrote(log, "lost")
    os.truncate(log, 0)
    wrote(log, *(f"d{number}" for number in range(9)))
    assert following.look().truncated == [str(log)]
    assert counts(ledger)["rows"] == 12
    following.close()


def test_the_heart_beats_on_when_the_clock_is_set_back(ledger: Ledger, tmp_path: Path) -> None:
    """Else a wrong hour would look like an hour without ingest, or hide one."""
    clock = [1e9]
    following = followed(ledger, tmp_path, clock=clock)
    following.look()
    clock[0] -= 3600
    following.look()
    assert beaten(ledger) == 1e9 - 3600


def test_standard_input_is_not_followed(tmp_path: Path) -> None:
    """It has no place to go on from."""
    done = command("ingest", "-", "--follow", "--ledger", str(tmp_path / "ledger.db"), cwd=tmp_path, stdin=b"")
    assert done.returncode == 2


@pytest.mark.parametrize("kind", [LedgerError, OSError])
def test_what_is_left_of_a_rotated_file_is_tried_again(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """When a database restarts or a disk fails just then."""
    log = wrote(tmp_path / "logs" / "usage.jsonl", "one")
    follow = followed(ledger, log)
    follow.look()
    wrote(log, "two")
    log.unlink()
    wrote(log, "three")
    with monkeypatch.context() as failing:

        def fail(*_: object, **__: object) -> None:
            raise kind("it restarts")

        failing.setattr(Ingest, "read_on", fail)
        with suppress(LedgerError):
            follow.look()
    follow.look()
    follow.close()
    assert counts(ledger) == {"rows": 3, "lines": 3, "events": 3}
