"""What was asked wrongly is said, by every command alike, and leaves nothing behind."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditor.cli import app
from auditor.model.errors import ConfigError
from tests.conftest import command, event, lines

READERS = [
    ["audit"], ["report"], ["simulate"], ["plan"], ["estimate"], ["reconcile", "--invoice", "1", "--cycle", "2026-09"],
    ["map"], ["ingest"], ["inspect"],
]  # fmt: skip


@pytest.mark.parametrize("asked", READERS, ids=lambda asked: asked[0])
def test_a_command_that_names_no_input_is_a_usage_error(tmp_path: Path, asked: list[str]) -> None:
    """Exit 2 with what to name, and no file is made."""
    done = command(*asked, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"name " in done.stderr or b"Missing argument" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        (["ingest", "--ledger", "new.db"], False), (["ingest", "--ledger", "new.db"], True),
        (["report", "--history", "new"], False), (["report", "--history", "new"], True),
        (["audit", "--output", "new.txt"], False), (["map", "--output", "new.toml"], False),
        (["inspect", "--output", "new.json"], False),
    ],
)  # fmt: skip
def test_an_input_that_is_not_there_leaves_nothing_behind(tmp_path: Path, asked: list[str], there: bool) -> None:
    """Neither a ledger, nor a history, nor an output; also where a folder holds nothing to read."""
    if there:
        (tmp_path / "nope").mkdir()
    done = command(asked[0], "nope", *asked[1:], cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert b"nope" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == (["nope"] if there else [])


def test_prune_makes_no_ledger(tmp_path: Path) -> None:
    done = command("prune", "--older-than", "400d", "--ledger", "typo.db", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"there is no such ledger" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"\n\n", lines([event("a")])])
def test_an_ingest_that_adds_nothing_says_so(tmp_path: Path, data: bytes) -> None:
    """An empty file, blank lines, and lines that the ledger has."""
    (tmp_path / "usage.jsonl").write_bytes(data)
    if data.strip():
        first = command("ingest", "usage.jsonl", "--ledger", "a.db", cwd=tmp_path)
        assert (first.returncode, first.stderr) == (0, b"")
    done = command("ingest", "usage.jsonl", "--ledger", "a.db", cwd=tmp_path)
    assert done.returncode == 0
    assert b"0 events" in done.stdout and b"0 events were added" in done.stderr


ASKED = [
    ("--account", "mian", b"vailable: main, other", []),
    ("--environment", "prod", b"vailable: production, staging", ["--format", "json"]),
    ("--template", "og-crad", b"vailable: card, og", ["--fail-on", "low"]),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two accounts."""
    path = tmp_path / "usage.jsonl"
    other = event("b", account="other", environment="staging", template="card")
    path.write_bytes(lines([event("a"), other]))
    return path


@pytest.mark.parametrize(("option", "name", "known", "more"), ASKED)
def test_a_filter_that_no_event_has_is_not_green(
    log: Path, option: str, name: str, known: bytes, more: list[str]
) -> None:
    """Alone or beside a name that is there. The report is written all the same; --allow-empty is for jobs that know."""
    done = command("audit", str(log), option, name, *more)
    assert (done.returncode, bool(done.stdout)) == (3, True)
    assert f"{option} '{name}'".encode() in done.stderr and known in done.stderr
    there = {"--account": "main", "--environment": "Production", "--template": "og"}[option]
    assert command("audit", str(log), option, there).returncode == 0
    both = command("audit", str(log), option, there, option, name, *more, "--allow-empty")
    assert both.returncode != 3 and known in both.stderr


@pytest.mark.parametrize("asked", [["plan"], ["estimate"], ["reconcile", "--invoice", "1", "--cycle", "2026-09"]])
def test_what_if_commands_refuse_an_account_that_no_event_has(log: Path, asked: list[str]) -> None:
    done = command(asked[0], str(log), *asked[1:], "--account", "mian")
    assert done.returncode == 3 and b"vailable: main, other" in done.stderr


@pytest.mark.parametrize("asked", [["audit", "--allow-empty"], ["simulate"]])
@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-10-01", "2026-09-01"), ("2026-09-01", "2026-09-01"),
     ("2026-09-01T12:00:00+00:00", "2026-09-01T13:00:00+02:00")],
)  # fmt: skip
def test_a_window_that_no_time_is_in_is_a_usage_error(log: Path, asked: list[str], since: str, until: str) -> None:
    done = command(asked[0], str(log), *asked[1:], "--since", since, "--until", until)
    assert done.returncode == 2 and b"--since is not before --until" in done.stderr


def test_many_names_are_cut(tmp_path: Path) -> None:
    """A log of a thousand accounts is no sentence."""
    path = tmp_path / "usage.jsonl"
    path.write_bytes(lines(event(f"e{n}", account=f"a{n:04}") for n in range(1000)))
    done = command("audit", str(path), "--account", "mian")
    assert done.returncode == 3
    assert b"a0000" in done.stderr and b"990 more" in done.stderr and b"a0999" not in done.stderr


NAMELESS = [
    "", " ", "  ", "sqlite:///", "sqlite://", "sqlite:/// ", ":memory:", "sqlite:///:memory:", "file::memory:?cache=shared",
    "file:kept.db?mode=rwc", "sqlite:///file:kept.db?uri=true", "file:",
]  # fmt: skip
FOLDERS = [".", "..", "/", "held", "held/", "sqlite:///held", "none/", "sqlite:///none/", "none/deeper/"]


@pytest.mark.parametrize("where", [*NAMELESS, *FOLDERS])
def test_what_is_no_file_is_no_ledger(log: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, and the names that SQLite takes for a database that is gone at the end: nothing is booked there."""
    (log.parent / "held").mkdir()
    monkeypatch.chdir(log.parent)
    asked = [
        ["audit"], ["report"], ["simulate"], ["plan"], ["estimate"], ["ledger", "show"], ["ingest", str(log)],
        ["reconcile", "--invoice", "1", "--cycle", "2026-09"], ["prune", "--older-than", "400d"],
    ]  # fmt: skip
    said = "names no file" if where in NAMELESS else "a folder is not a ledger"
    for each in asked:
        done = CliRunner().invoke(app, [*each, "--ledger", where])
        assert isinstance(done.exception, ConfigError) and said in str(done.exception), each
    assert sorted(path.name for path in log.parent.iterdir()) == ["held", "usage.jsonl"]
