"""Files appear whole or not at all, and a stamp changes with what is read."""

import os
from pathlib import Path

import pytest

from auditor.system.files import FileStamp, replacing


def test_a_file_takes_the_place_of_another_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes(b"before")
    before = FileStamp.of(path.stat())
    with replacing(path, 0o640, durable=True) as file:
        file.write(b"after!")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after!"
    assert path.stat().st_mode & 0o777 == 0o640
    assert FileStamp.of(path.stat()).file != before.file


def test_an_error_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [each.name for each in tmp_path.iterdir()] == ["report"]
    assert path.read_bytes() == b"before"


def test_a_write_changes_the_stamp_but_not_which_file_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    os.utime(path, ns=(0, 0))
    before = FileStamp.of(path.stat())
    assert FileStamp.of(path.stat()) == before
    with path.open("ab") as file:
        file.write(b"two\n")
    after = FileStamp.of(path.stat())
    assert after != before
    assert after.file == before.file
