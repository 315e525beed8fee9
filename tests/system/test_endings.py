"""Every command ends in one sentence and the right exit code; 1 is a finding and nothing else."""

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.model.errors import ConfigError, InputError, RenderError, TooLargeError
from auditor.system.endings import FAULT, told
from tests.conftest import ROOT, command, event, lines

LOG = lines([event("a", template="łódź–…"), event("b", "2026-09-01T09:00:00Z", template="łódź–…")])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "usage.jsonl"
    path.write_bytes(LOG)
    return path


def sentence(done: subprocess.CompletedProcess[bytes], code: int) -> str:
    """The only line on stderr, of a command that ended with *code*."""
    said = done.stderr.decode(errors="replace")
    assert done.returncode == code, said
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if not line.startswith("auditor: settings from")]
    assert line.startswith("auditor: ")
    return line


POOR = {
    "latin-1": {"PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0"},
    "ascii": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "a named locale": {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
}


@pytest.mark.parametrize("poor", POOR)
@pytest.mark.parametrize(
    "arguments", [["audit", "--format", "csv"], ["audit", "--format", "markdown"], ["audit"], ["plan"]]
)
def test_a_terminal_that_lacks_characters_shows_escapes(log: Path, poor: str, arguments: list[str]) -> None:
    done = command(*arguments, str(log), **POOR[poor])
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr and done.stdout


def test_html_is_utf_8_wherever_it_goes(log: Path) -> None:
    """Its head says so."""
    done = command("audit", str(log), "--format", "html", **POOR["latin-1"])
    assert done.returncode == 0, done.stderr
    assert "łódź–…" in done.stdout.decode()


def limited(size: int) -> Callable[[], None]:
    """A disk on which no file can be larger: what a full one says comes with another number."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    ("arguments", "size", "words"),
    [
        (["ingest", "usage.jsonl", "--ledger", "x.db"], 0, "x.db"),
        (["ingest", "usage.jsonl", "--ledger", "x.db"], 90_000, "disk"),
        (["audit", "usage.jsonl"], 0, ""),
        (["audit", "usage.jsonl"], 6_000, ""),
        (["report", "usage.jsonl", "--cycle", "2026-09", "--history", "h"], 6_000, ""),
        (["config", "init", "new.toml"], 0, "new.toml"),
    ],
)
def test_a_full_disk_is_one_sentence(log: Path, arguments: list[str], size: int, words: str) -> None:
    """Of the ledger, of the audit's own tables, of the history."""
    done = subprocess.run(
        [sys.executable, "-m", "auditor", *arguments], capture_output=True, check=False, cwd=log.parent,
        preexec_fn=limited(size), env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert words in sentence(done, 2)


def test_a_damaged_ledger_is_one_sentence(log: Path) -> None:
    """Its head is whole, so that it opens."""
    ledger = log.parent / "x.db"
    assert command("ingest", str(log), "--ledger", str(ledger)).returncode == 0
    with sqlite3.connect(ledger) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    for arguments in (["audit", "--ledger", str(ledger)], ["ingest", str(log), "--ledger", str(ledger)]):
        done = command(*arguments)
        assert done.returncode in (2, 3) and b"Traceback" not in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_ledger_that_cannot_be_written_is_one_sentence(log: Path) -> None:
    ledger = log.parent / "x.db"
    assert command("ingest", str(log), "--ledger", str(ledger)).returncode == 0
    ledger.chmod(0o400)
    ledger.parent.chmod(0o500)
    sentence(command("ingest", str(log), "--ledger", str(ledger)), 2)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_the_end_of_a_service_leave_nothing(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    """Temporary files go, too."""
    pipe, temporary = tmp_path / "usage.jsonl", tmp_path / "tmp"
    os.mkfifo(pipe)
    temporary.mkdir()
    started = subprocess.Popen(
        [sys.executable, "-m", "auditor", "audit", str(pipe)], stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    writing = os.open(pipe, os.O_WRONLY)  # returns once the audit reads
    started.send_signal(sent)
    _, said = started.communicate(timeout=60)
    os.close(writing)
    assert (started.returncode, said, list(temporary.iterdir())) == (code, b"", [])


class _DatabaseError(Exception):
    orig = None


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("x"), 2, "x"),
        (InputError("x"), 3, "x"),
        (TooLargeError("x"), 3, "x"),
        (RenderError("x"), 3, "x"),
        (MemoryError(), 3, "memory"),
        (RecursionError("maximum recursion depth exceeded"), 3, "nested"),
        (EOFError(), 3, "cut off"),
        (UnicodeEncodeError("ascii", "ł", 0, 1, "no"), 2, "ascii"),
        (OSError(errno.EACCES, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "cannot be written whole"),
        (OSError(errno.EIO, "Input/output error"), 2, "Input/output error"),
        (sqlite3.DatabaseError("malformed"), 2, "ledger cannot be used (malformed)"),
        (type("IOException", (_DatabaseError,), {"__module__": "duckdb"})("no room"), 2, "TMPDIR"),
        (type("StatementError", (_DatabaseError,), {"__module__": "sqlalchemy.exc"})("first\nSELECT"), 2, "(first)"),
        (KeyError("canary"), FAULT, "KeyError"),
        (AssertionError("canary"), FAULT, "AUDITOR_TRACEBACK"),
    ],
)
def test_what_goes_wrong_is_one_sentence(error: BaseException, code: int, words: str) -> None:
    """Of a fault of the program no value is shown: it may be one of the input."""
    sentence, found = told(error)
    assert found == code != 1
    assert words in sentence and "canary" not in sentence and "\n" not in sentence


@pytest.mark.parametrize("main", ["auditor.cli", "auditor_exporter.main"])
@pytest.mark.parametrize(
    "error", ["KeyError('canary')", "RecursionError()", "EOFError()", "OSError(5, 'x')", "MemoryError()"]
)
def test_no_command_ends_as_a_finding_does(main: str, error: str) -> None:
    """Both entries, whatever is raised."""
    code = f"import {main} as m\nfrom typing import Any\n@m.app.command('fail')\ndef fail() -> None:\n    raise {error}\nm.main()"
    done = subprocess.run([sys.executable, "-c", code, "fail"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (2, 3, FAULT)
    assert "Traceback" not in done.stderr and "canary" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("auditor")


def test_a_full_stderr_changes_no_exit_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "auditor", "audit", "absent"], stderr=full, check=False, cwd=ROOT)
    assert done.returncode == 3
