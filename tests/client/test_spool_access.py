"""Who may read the spool: nobody else as it is made, a group or everybody where that was asked for, two real users."""

import json
import logging
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditor import Budget, Metering, Renderer, Spool, metered
from auditor import config as configuration
from auditor.client.connect import connect
from auditor.model.errors import ConfigError
from tests.conftest import ROOT, command

ANSWER = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + (1).to_bytes(4) * 2 + bytes(9) + b"\0\0\0\0IEND\xaeB`\x82"
GROUP = os.getegid()


def mode(path: Path) -> int:
    """The permissions of a file, with the group bit of folders."""
    return stat.S_IMODE(path.stat().st_mode)


def segments(folder: Path) -> list[Path]:
    """Sealed and open ones."""
    return sorted(folder.glob("usage-*.jsonl"))


@pytest.fixture(params=[0o022, 0o077, 0o000], ids=["umask 022", "umask 077", "umask 000"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the system takes away from new files must not count."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("options", "file", "folder"),
    [
        ({}, 0o600, 0o700),
        ({"spool_mode": 0o600}, 0o600, 0o700),
        ({"spool_mode": 0o640}, 0o640, 0o2750),
        ({"spool_mode": "0640"}, 0o640, 0o2750),
        ({"spool_mode": "640"}, 0o640, 0o2750),
        ({"spool_mode": "0o644"}, 0o644, 0o2755),
        ({"spool_group": GROUP}, 0o640, 0o2750),
        ({"spool_mode": 0o644, "spool_group": str(GROUP)}, 0o644, 0o2755),
    ],
)
def test_modes_are_those_that_were_asked_for(tmp_path: Path, options: dict[str, Any], file: int, folder: int) -> None:
    """Whatever the umask; after a rotation and after sealing too."""
    spool = Spool(tmp_path / "usage", max_bytes=1, **options)
    for number in range(3):
        spool.write({"n": number}, lasting=False)
    spool.close()
    assert [mode(path) for path in segments(tmp_path / "usage")] == [file] * 3
    assert mode(tmp_path / "usage") == folder


@pytest.mark.parametrize("given", [640, 0o660, 0o666, 0o604, 0o755, 0o440, 0, -1, True, 6.4, "rw-r-----", "", "1640"])
def test_other_modes_are_refused(tmp_path: Path, given: Any) -> None:
    """None lets anybody else write, and a mode in tens is a slip."""
    with pytest.raises(ConfigError, match=r"spool_mode = .* is none of 0o600 .*, 0o640"):
        Spool(tmp_path, spool_mode=given)


@pytest.mark.parametrize("given", ["no-such-group", "", -5, 2**32 - 1, True, 1.5])
def test_unknown_groups_are_refused(tmp_path: Path, given: Any) -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match="is not a group of this machine"):
        Spool(tmp_path, spool_group=given)


@pytest.mark.parametrize("events", [None, "-", print, Spool("unused")])
def test_modes_without_a_folder_are_refused(events: Any) -> None:
    """They would say nothing."""
    for build in (lambda **options: Renderer(api_key="k", registry=None, **options), Metering):
        with pytest.raises(ConfigError, match="need a folder of events"):
            build(events=events, spool_mode=0o640)


def test_a_private_spool_has_no_group(tmp_path: Path) -> None:
    """Both together contradict each other."""
    with pytest.raises(ConfigError, match="write 0o640"):
        Spool(tmp_path, spool_mode=0o600, spool_group=GROUP)


def _render(events: Path, **options: Any) -> None:
    answer = httpx.Response(200, content=ANSWER, headers={"content-type": "image/png"})
    transport = httpx.MockTransport(lambda request: answer)
    with Renderer(api_key="k", registry=None, events=events, transport=transport, **options) as renderer:
        renderer.render("t", {"a": 1})


def test_the_budget_does_not_close_the_folder(tmp_path: Path) -> None:
    """It makes the folder before the first event; its own files stay private."""
    _render(tmp_path / "usage", budget=Budget(5), spool_mode=0o640)
    assert mode(tmp_path / "usage") == 0o2750
    assert {mode(path) for path in segments(tmp_path / "usage")} == {0o640}
    own = [path for path in (tmp_path / "usage").iterdir() if path not in segments(tmp_path / "usage")]
    assert own
    assert {mode(path) for path in own} == {0o600}


def test_a_private_folder_of_before_is_opened(tmp_path: Path) -> None:
    """As the client without the option made it; nothing else is changed."""
    (tmp_path / "usage").mkdir(mode=0o700)
    _render(tmp_path / "usage", spool_group=GROUP)
    assert mode(tmp_path / "usage") == 0o2750


@pytest.mark.parametrize("found", [0o755, 0o2770, 0o750, 0o705])
def test_a_folder_that_readers_can_enter_is_left_alone(
    tmp_path: Path, found: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is its owner's matter."""
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage").chmod(found)
    _render(tmp_path / "usage", spool_mode=0o640)
    assert mode(tmp_path / "usage") == found
    assert not caplog.records


@pytest.mark.parametrize(("found", "wanted"), [(0o710, 0o640), (0o740, 0o640), (0o2750, 0o644), (0o701, 0o644)])
def test_a_folder_that_readers_cannot_enter_is_told_once(
    tmp_path: Path, found: int, wanted: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody chose its mode: it is not changed, and the fix is in the log."""
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage").chmod(found)
    spool = Spool(tmp_path / "usage", max_bytes=1, spool_mode=wanted)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            spool.write({"n": number}, lasting=False)
    assert mode(tmp_path / "usage") == found
    assert len(caplog.records) == 1
    assert "chmod 27" in caplog.text


def test_a_link_is_not_followed_to_a_private_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It may lead to what nobody meant to open."""
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "usage").symlink_to("private")
    _render(tmp_path / "usage", spool_mode=0o640)
    assert mode(tmp_path / "private") == 0o700
    assert "cannot enter" in caplog.text


def test_a_system_that_refuses_the_group_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd's RestrictSUIDSGID= does: readers come in without it."""
    change = os.fchmod

    def restricted(descriptor: int, bits: int) -> None:
        if bits & 0o2000:
            raise PermissionError(1, "Operation not permitted")
        change(descriptor, bits)

    monkeypatch.setattr(os, "fchmod", restricted)
    _render(tmp_path / "usage", spool_mode=0o640)
    assert mode(tmp_path / "usage") == 0o750


def test_a_group_that_may_not_be_given_costs_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Events stay private and whole; never readable by a group that was not meant."""

    def refused(descriptor: int, user: int, group: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refused)
    _render(tmp_path / "usage", spool_group=GROUP + 1)
    events = [json.loads(line)["outcome"] for path in segments(tmp_path / "usage") for line in path.open()]
    assert events == ["attempt", "render"]
    assert {mode(path) for path in segments(tmp_path / "usage")} == {0o600}
    assert "usermod -aG" in caplog.text


def test_metering_takes_them(tmp_path: Path) -> None:
    """As the renderer does."""
    metering = Metering(events=tmp_path / "usage", spool_mode=0o640, registry=None)

    @metered("card", metering=metering)
    def draw() -> bytes:
        return ANSWER

    draw()
    metering.close()
    assert {mode(path) for path in segments(tmp_path / "usage")} == {0o640}


@pytest.mark.parametrize("written", ['"0640"', "0o640", '"640"'])
def test_the_configuration_has_them(tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text or TOML's octal number."""
    monkeypatch.setenv("KEY", "k")
    (tmp_path / "auditor.toml").write_text(
        f'[client.production]\naccount = "a"\napi_key_env = "KEY"\nevents = "{tmp_path}/usage"\n'
        f"spool_mode = {written}\nspool_group = {GROUP}\n"
    )
    answer = httpx.Response(200, content=ANSWER, headers={"content-type": "image/png"})
    options = {"registry": None, "transport": httpx.MockTransport(lambda request: answer)}
    with connect("production", config=tmp_path / "auditor.toml", **options) as renderer:
        renderer.render("t", {})
    assert {mode(path) for path in segments(tmp_path / "usage")} == {0o640}
    with connect("production", config=tmp_path / "auditor.toml", events=None, **options) as renderer:
        renderer.render("t", {})  # options win, and without a folder there is nothing to open


@pytest.mark.parametrize(
    ("line", "said"),
    [("spool_mode = 640", "spool_mode"), ('spool_mode = "0660"', "spool_mode"), ("spool_group = -1", "spool_group"),
     ("spool_group = true", "spool_group"), ('spool_group = ""', "spool_group"), ("spool_mode = []", "spool_mode")],
)  # fmt: skip
def test_a_wrong_configuration_names_the_key(tmp_path: Path, line: str, said: str) -> None:
    """When it is read, and not at the first event."""
    path = tmp_path / "auditor.toml"
    path.write_text(f'[client.production]\naccount = "a"\napi_key_env = "KEY"\nevents = "usage"\n{line}\n')
    with pytest.raises(ConfigError, match=rf"client.production.*{said}"):
        configuration.load(path)


APP, READER, OUTSIDER, SHARED = 20_001, 20_002, 20_003, 20_010
"""Two users of one group, and one of none."""
WRITER = """
spool = Spool(sys.argv[1], spool_mode=0o640, spool_group=int(sys.argv[2]))
for number in range(3):
    spool.write({"v": 1, "id": str(number), "ts": "2026-09-01T08:00:00Z", "outcome": "render", "provider": "imejis",
                 "account": "a", "environment": "production", "template": "t", "key": str(number)}, lasting=True)
"""


DROPPED = """
import contextlib, io, os, sys

def become(user, groups):
    os.setgroups(groups)
    os.setgid(user)
    os.setuid(user)
    os.umask(0o077)

"""
"""The user changes inside the process, since the interpreter may be where the other user cannot read."""
INGEST = """
from auditor.__main__ import main

def ingest(folder, ledger):
    sys.argv = ["auditor", "ingest", folder, "--ledger", ledger]
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    ingest(sys.argv[1], sys.argv[2])  # as root, on a copy: whatever is imported late is there then
"""


def _as(user: int, groups: list[int], code: str, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    # (Where the checkout lies may be closed to other users, and a command looks for auditor.toml where it starts.)
    script = f"{DROPPED}\n{before}\nbecome({user}, {groups})\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_two_users(request: pytest.FixtureRequest) -> None:
    """The application writes, the exporter's user ingests all of it, and a third user reads nothing."""
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT: THAT ANOTHER USER READS THE SPOOL IS NOT TESTED")
    top = Path(tempfile.mkdtemp(prefix="auditor-users-"))  # pytest's own folders are closed to others
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(top)], check=True))
    top.chmod(0o755)
    homes = {user: top / str(user) for user in (APP, READER, OUTSIDER)}
    for user, home in homes.items():
        home.mkdir()
        os.chown(home, user, user)
    (homes[APP] / "spool").mkdir()
    spool = homes[APP] / "spool" / "usage"
    os.chown(spool.parent, APP, APP)
    wrote = _as(APP, [SHARED], WRITER, str(spool), str(SHARED), before="from auditor import Spool")
    assert (wrote.returncode, wrote.stderr) == (0, "")
    assert (spool.stat().st_uid, spool.stat().st_gid, mode(spool)) == (APP, SHARED, 0o2750)

    warm = top / "warm"
    warm.mkdir()
    (warm / "usage.jsonl").write_text(segments(spool)[0].read_text())
    for user, groups, found in ((READER, [SHARED], 3), (OUTSIDER, [], 0)):
        ledger = homes[user] / "ledger.db"
        code = f"sys.exit(ingest({str(spool)!r}, {str(ledger)!r}))"
        took = _as(user, groups, code, str(warm), str(top / f"warm-{user}.db"), before=INGEST)
        if not found:
            assert took.returncode != 0 or "Permission denied" in took.stderr, took
            continue
        assert took.returncode == 0, took.stderr
        assert ledger.stat().st_uid == user
        said = command("audit", "--ledger", str(ledger), "--format", "json")
        assert json.loads(said.stdout)["totals"]["renders"] == found, said
    changed = _as(READER, [SHARED], f"open({str(segments(spool)[0])!r}, 'a')")
    assert "PermissionError" in changed.stderr
    removed = _as(READER, [SHARED], f"os.remove({str(segments(spool)[0])!r})")
    assert "PermissionError" in removed.stderr


def test_a_user_outside_the_group_keeps_its_events(request: pytest.FixtureRequest) -> None:
    """The application is not in the exporter's group: nothing is lost or open, and the log says what to do."""
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT: ANOTHER USER CANNOT BE PLAYED")
    top = Path(tempfile.mkdtemp(prefix="auditor-users-"))
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(top)], check=True))
    os.chown(top, APP, APP)
    wrote = _as(APP, [], WRITER, str(top / "usage"), str(SHARED), before="from auditor import Spool")
    assert wrote.returncode == 0
    assert wrote.stderr.count("usermod -aG") >= 1
    assert [mode(path) for path in segments(top / "usage")] == [0o600]
    assert len(segments(top / "usage")[0].read_text().splitlines()) == 3
