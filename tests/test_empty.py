"""Nothing read is not green: exit 3 with a sentence, whatever else was asked (semantics section 8)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auditor.ledger.database import Ledger
from auditor.ledger.schema import facts
from auditor.model.errors import InputError
from tests.conftest import ROOT, command, event, lines

NOTHING = {
    "empty": b"",
    "blank": b"\n\n",
    "rejected": b"{}\n[]\n",
    "odd": lines([event("a", "1970-01-01T00:00:00Z")]),
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("asked", [["audit"], ["audit", "--fail-on", "low"], ["plan"], ["simulate"], ["estimate"]])
def test_no_event_is_exit_3(tmp_path: Path, name: str, asked: list[str]) -> None:
    """With a sentence; --allow-empty makes it 0 unless lines were lost."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(NOTHING[name])
    done = command(asked[0], str(log), *asked[1:])
    assert done.returncode == 3 and b"no event was counted" in done.stderr, done.stderr
    allowed = command(asked[0], str(log), *asked[1:], "--allow-empty", "--max-rejected", "100")
    assert allowed.returncode == 0, allowed.stderr


def test_requests_for_nothing_known_are_no_events(tmp_path: Path) -> None:
    """An access log of other requests, and a window without any event."""
    log = tmp_path / "access.log"
    log.write_text('1.2.3.4 - - [01/Sep/2026:08:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "-"\n' * 3)
    done = command("audit", str(log), "--fail-on", "high")
    assert done.returncode == 3 and b"auditor map" in done.stderr
    usage = tmp_path / "usage.jsonl"
    usage.write_bytes(lines([event("a")]))
    assert command("audit", str(usage)).returncode == 0
    late = command("audit", str(usage), "--since", "2026-09-20")
    assert late.returncode == 3 and b"--since" in late.stderr


@pytest.mark.parametrize("extra", [[], ["--allow-empty"]])
def test_a_report_on_an_empty_cycle(tmp_path: Path, extra: list[str]) -> None:
    """Exit 3, or 0; nothing is kept."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines([event("a")]))
    history = str(tmp_path / "h")
    done = command("report", str(log), "--cycle", "2026-07", "--history", history, *extra)
    assert done.returncode == (0 if extra else 3) and b"no event" in done.stderr
    assert not [each for each in (tmp_path / "h").iterdir() if each.name != ".lock"]


def test_reconcile_without_an_event(tmp_path: Path) -> None:
    """There is no cycle to compare."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(b"")
    assert command("reconcile", str(log), "--cycle", "2026-09", "--invoice", "5").returncode == 3


@pytest.mark.parametrize("asked", [["audit"], ["plan"], ["simulate"], ["report"]])
def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path, asked: list[str]) -> None:
    """Exit 3, also where its folder is missing; no file and no folder."""
    for where in (tmp_path / "none.db", tmp_path / "no" / "none.db"):
        done = command(*asked, "--ledger", str(where), cwd=tmp_path)
        assert done.returncode == 3 and b"no such ledger" in done.stderr, done.stderr
    assert {each.name for each in tmp_path.iterdir()} <= {"reports"}


def test_an_exporter_makes_no_ledger(tmp_path: Path) -> None:
    """One that only reads: it writes that it failed; a server waits for one (`tests/exporters/test_reload.py`)."""
    asked = ["textfile", str(tmp_path / "x.prom"), "--ledger", str(tmp_path / "none.db")]
    done = subprocess.run(
        [sys.executable, "-m", "auditor_exporter.main", *asked], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 3 and b"no such ledger" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "x.prom"]


def filled(folder: Path) -> Path:
    """A ledger with one event."""
    log = folder / "usage.jsonl"
    log.write_bytes(lines([event("a")]))
    where = folder / "l.db"
    assert command("ingest", str(log), "--ledger", str(where)).returncode == 0
    log.unlink()
    return where


def test_readers_change_nothing(tmp_path: Path) -> None:
    """Neither the file nor what stands beside it, and what is not a ledger stays none."""
    where = filled(tmp_path)
    before = where.read_bytes(), where.stat().st_mtime_ns
    assert command("audit", "--ledger", str(where)).returncode == 0
    assert (where.read_bytes(), where.stat().st_mtime_ns) == before
    assert [each.name for each in tmp_path.iterdir()] == ["l.db"]
    other = tmp_path / "other.db"
    other.touch()
    assert command("audit", "--ledger", str(other)).returncode == 3
    assert other.stat().st_size == 0


def test_readers_do_not_migrate(tmp_path: Path) -> None:
    """An older ledger is named; one who writes brings it up to date."""
    where = filled(tmp_path)
    with Ledger(where) as ledger, ledger.write() as connection:
        connection.execute(facts.update().where(facts.c.name == "version").values(value="0"))
    with pytest.raises(InputError, match="auditor ingest"):
        Ledger(where, reader=True)


@pytest.mark.skipif(os.name != "posix", reason="needs users")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """SQLite's own files cannot be made there, and need not be."""
    where = filled(tmp_path)
    where.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with Ledger(where, reader=True) as ledger, ledger.read() as connection:
            assert connection.execute(facts.select()).all()
        assert [each.name for each in tmp_path.iterdir()] == ["l.db"]
    finally:
        tmp_path.chmod(0o755)
