"""The user's own auditor.toml: here, or in a parent folder up to the one with `.git`."""

import os
from pathlib import Path

import pytest

from auditor import config
from tests.conftest import command, event, lines

TABLE = 'timezone = "Asia/Tokyo"\n[delivery.team]\nkind = "file"\npath = "x"\n'


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory is two folders below the one with `.git`."""
    (tmp_path / "repository" / "services" / "images").mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "repository" / "services" / "images" / "usage.jsonl").write_bytes(lines([event()]))
    monkeypatch.chdir(tmp_path / "repository" / "services" / "images")
    return tmp_path / "repository"


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (["."], "../../auditor.toml"), (["services"], "../auditor.toml"), ([".", "services"], "../auditor.toml"),
        ([".", "services/images"], "auditor.toml"), ([".."], None), ([], None),
    ],
)  # fmt: skip
def test_the_nearest_one_of_the_repository_is_used(repository: Path, places: list[str], found: str | None) -> None:
    for place in places:
        (repository / place / "auditor.toml").write_text(TABLE)
    assert config.own() == (None if found is None else Path(found))


def test_a_worktree_ends_the_search_too(repository: Path) -> None:
    """Its `.git` is a file."""
    (repository / "auditor.toml").write_text(TABLE)
    (repository / "services" / ".git").write_text("gitdir: elsewhere\n")
    assert config.own() is None


def test_no_parent_is_looked_into_outside_of_a_repository(repository: Path) -> None:
    (repository / ".git").rmdir()
    (repository / "auditor.toml").write_text(TABLE)
    assert config.own() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_of_another_user_is_not_used(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They could put it into any folder that all may write into; root's is trusted."""
    path = repository / "auditor.toml"
    path.write_text(TABLE)
    os.chown(path, 12345, 12345)
    assert config.own() is None
    assert "../../auditor.toml belongs to another user and is not used; to use it: --config" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert config.own() == Path("../../auditor.toml")
    os.chown(path, 0, 0)
    assert config.own() == Path("../../auditor.toml")


def test_it_says_all_and_is_named(repository: Path) -> None:
    """It is the user's own, also where its folder is what is audited."""
    (repository / "auditor.toml").write_text(TABLE)
    for audited in (Path("usage.jsonl"), repository):
        settings, _, ignored = config.found([audited])
        assert (str(settings.timezone), list(settings.deliveries), ignored) == ("Asia/Tokyo", ["team"], [])
    for asked in (["audit", "usage.jsonl"], ["ingest", "usage.jsonl"], ["plan", "usage.jsonl"]):
        done = command(*asked, cwd=Path.cwd())
        assert done.returncode == 0 and b"settings from ../../auditor.toml\n" in done.stderr, done.stderr
