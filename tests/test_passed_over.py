"""A folder audit says which files it passed over because of their names."""

from pathlib import Path

import pytest

from auditor.intake.sources import LOGS, USAGE, discover
from auditor.model.errors import InputError


def notes(folder: Path, *names: str, wanted: object = LOGS) -> list[str]:
    """What is said of a folder with files of these names."""
    said: list[str] = []
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    discover([str(folder)], folder, LOGS if wanted is LOGS else USAGE, said.append)
    return [each.removeprefix(f"{folder}: ") for each in said]


def test_files_that_are_not_named_like_logs(tmp_path: Path) -> None:
    assert notes(tmp_path, "access.log", "a.bin", "z/b.dat", "d", "c.txt") == [
        "passed over 4 files that are not named like logs: a.bin, c.txt, d and 1 more; name them to read them"
    ]


def test_one(tmp_path: Path) -> None:
    assert notes(tmp_path, "access.log", "a.bin") == [
        "passed over 1 file that is not named like logs: a.bin; name it to read it"
    ]


def test_what_stands_beside_logs_is_nothing_to_say(tmp_path: Path) -> None:
    beside = ("auditor.toml", "README.md", "report.HTML", ".DS_Store", "big.log.auditor.parquet", "x.measured")
    assert notes(tmp_path, "access.log", *beside) == []


def test_usage_events_alone_are_wanted(tmp_path: Path) -> None:
    said = notes(tmp_path, "usage.jsonl", "access.log", wanted=USAGE)
    assert said == ["passed over 1 file that is not named like usage events: access.log; name it to read it"]


def test_logs_that_another_configuration_maps(tmp_path: Path) -> None:
    said = notes(tmp_path, "access.log", "other/auditor.toml", "other/shop.log", "other/more.log")
    assert said == [
        "passed over 2 files below an auditor.toml of their own that are not named like usage events: "
        "other/more.log, other/shop.log; name them to read them"
    ]


def test_a_folder_without_any_log_says_what_it_has(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "a.bin").touch()
    with pytest.raises(InputError, match="holds no log"):
        discover([str(tmp_path)], tmp_path, note=said.append)
    assert len(said) == 1 and "a.bin" in said[0]


def test_many_links_out_of_a_folder_are_told_in_few_lines(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "usage.jsonl").write_text("{}\n", encoding="utf-8")
    for number in range(50):
        (folder / f"{number}.jsonl").symlink_to("/proc/self/environ")
    notes: list[str] = []
    discover([str(folder)], tmp_path, note=notes.append)
    assert len(notes) == 4 and "47 more" in notes[-1]
