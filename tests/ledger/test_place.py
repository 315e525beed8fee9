"""Where a ledger cannot be, each cause has a sentence of its own; an exporter starts all the same, and recovers."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import pytest
from auditor_exporter.collectors import running
from auditor_exporter.reload import Reloading
from auditor_exporter.snapshot import Snapshot

from auditor.ledger.database import Ledger, LedgerError
from auditor.ledger.sqlite import PlaceError
from auditor.model.errors import ConfigError
from auditor.model.settings import Settings
from tests.conftest import ROOT
from tests.ledger.test_read_only import OTHER_USER, folder  # noqa: F401 (a fixture)

Make = Callable[[Path], Path]


def a_folder(at: Path) -> Path:
    (at / "l.db").mkdir()
    return at / "l.db"


def a_pipe(at: Path) -> Path:
    os.mkfifo(at / "l.db")
    return at / "l.db"


def a_socket(at: Path) -> Path:
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(os.path.relpath(at / "l.db"))  # (a path of at most 107 bytes)
    return at / "l.db"


def linked(at: Path) -> Path:
    (at / "l.db").symlink_to("gone/elsewhere.db")
    return at / "l.db"


def in_a_linked_folder(at: Path) -> Path:
    (at / "moved").symlink_to(at / "unmounted")
    return at / "moved" / "l.db"


def a_loop(at: Path) -> Path:
    (at / "l.db").symlink_to("l.db")
    return at / "l.db"


def below_a_file(at: Path) -> Path:
    (at / "file").touch()
    return at / "file" / "l.db"


def far_below_a_file(at: Path) -> Path:
    (at / "file").touch()
    return at / "file" / "deep" / "deeper" / "l.db"


PLACES: dict[Make, str] = {
    a_folder: "a folder is not a ledger", a_pipe: "a named pipe is not a ledger", a_socket: "a socket is not a ledger",
    linked: "l.db is a link to gone/elsewhere.db, which is not there",
    in_a_linked_folder: "moved is a link to", a_loop: "cannot be followed (Too many levels of symbolic links)",
    below_a_file: "file is a file and not a folder", far_below_a_file: "file is a file and not a folder",
    lambda at: at / ("l" * 300): "cannot be followed (File name too long)",
    lambda _: Path("/dev/null"): "a device is not a ledger",
}  # fmt: skip


@pytest.mark.parametrize("reader", [True, False])
@pytest.mark.parametrize("make", PLACES)
def test_each_cause_is_said(make: Make, reader: bool, tmp_path: Path) -> None:
    """To one who reads and to one who writes; nothing is made."""
    where = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PlaceError) as caught:
        Ledger(where, reader=reader)
    assert str(caught.value).startswith(f"{name_of(where)}: ") and PLACES[make] in str(caught.value)
    assert (
        isinstance(caught.value, ConfigError) and "\n" not in str(caught.value) and str(caught.value).count("; ") == 1
    )
    assert sorted(tmp_path.rglob("*")) == before


def name_of(where: Path) -> str:
    return f"sqlite:///{where}"


@pytest.mark.parametrize("mode", ["reads", "follows", "owns"])
@pytest.mark.parametrize("make", [a_folder, a_pipe, linked, in_a_linked_folder, below_a_file, a_loop])
def test_an_exporter_starts_there_and_recovers(make: Make, mode: str, tmp_path: Path) -> None:
    """Success 0, said once, until somebody puts a ledger there."""
    where, said, done, config = make(tmp_path), list[str](), list[str](), tmp_path / "auditor.toml"
    config.touch()
    (tmp_path / "usage").mkdir()

    def begin(settings: Settings) -> AbstractContextManager[Snapshot]:
        follow = [str(tmp_path / "usage")] if mode == "follows" else []
        return running(settings, config, str(where), None, follow, 1.0, said.append, owner=mode == "owns")

    with Reloading(config, begin, said.append, named=mode == "owns", done=done.append, look=1e6) as shown:
        for _ in range(2):
            assert b'imgrender_scrape_collector_success{collector="ledger"} 0.0' in shown.snapshot.exposition()[0]
            shown.look()
        assert len(said) == 1 and PLACES[make] in said[0]
        for each in (where, tmp_path / "file", tmp_path / "moved"):
            with suppress(OSError):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        Ledger(where).close()
        shown.look()
        assert b'imgrender_scrape_collector_success{collector="ledger"} 1.0' in shown.snapshot.exposition()[0]
    assert done == ["the ledger is open"]


@pytest.mark.parametrize(
    ("then", "said"),
    [(lambda at: at.mkdir(), "a folder is not a ledger"), (os.mkfifo, "a named pipe"),
     (lambda at: at.symlink_to("nowhere"), "is a link to nowhere"), (lambda _: None, "the file is gone")],
)  # fmt: skip
def test_a_ledger_that_went_away_says_what_is_there_instead(
    then: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    """And works again once the file is back."""
    where = tmp_path / "l.db"
    with Ledger(where) as ledger:
        where.rename(tmp_path / "kept")
        then(where)
        with pytest.raises((ConfigError, LedgerError), match=said), ledger.read():
            pass
        with suppress(OSError):
            where.rmdir() if where.is_dir() else where.unlink()
        (tmp_path / "kept").rename(where)
        with ledger.read():
            pass


def test_a_link_may_lead_to_a_ledger_that_is_still_to_be_made(tmp_path: Path) -> None:
    """It is made where the link leads, for its user alone."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "l.db").symlink_to("disk/real.db")
    Ledger(tmp_path / "l.db").close()
    assert (tmp_path / "disk" / "real.db").stat().st_mode & 0o777 == 0o600 and (tmp_path / "l.db").is_symlink()


AS_ANOTHER = f"""
import os, sys
from auditor.model.errors import AuditorError
from auditor.ledger.database import Ledger
Ledger(sys.argv[1]).close()  # whatever is imported late is there then
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({OTHER_USER})
    os.setuid({OTHER_USER})
for where in sys.argv[2:]:
    for reader in (True, False):
        try:
            Ledger(where, reader=reader).close()
        except AuditorError as error:
            print(type(error).__name__, error)
"""


def test_what_this_user_may_not_do_is_said(folder: Path) -> None:  # noqa: F811
    """Search a folder, one above it, read the file, make one; to one who reads and to one who writes."""
    Ledger(folder / "shut" / "l.db").close()
    Ledger(folder / "unread.db").close()
    (folder / "unread.db").chmod(0)
    for each, mode in ((folder / "shut", 0o600), (folder, 0o555)):
        each.chmod(mode)
    places = [
        folder / "shut" / "l.db",
        folder / "shut" / "deep" / "l.db",
        folder / "unread.db",
        folder / "new" / "l.db",
    ]
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, folder.parent / "warm.db", *places],
        cwd=ROOT, text=True, capture_output=True, check=True,
    )  # fmt: skip
    (folder / "shut").chmod(0o700)
    shut, deep, unread, new = places
    said = f"this user may not search the folder {folder / 'shut'}"
    found = done.stdout.splitlines()
    for line, (kind, where, words) in zip(found, [
        *[("PlaceError", shut, said)] * 2, *[("PlaceError", deep, said)] * 2,
        *[("PlaceError", unread, "this user may not read the file")] * 2,
        ("NoLedgerError", new, "there is no such ledger"),
        ("PlaceError", new, "the file cannot be made (Permission denied); make the folder"),
    ], strict=True):  # fmt: skip
        assert line.startswith(f"{kind} sqlite:///{where}: ") and words in line
