"""A server takes a changed configuration without a restart, starts while its database is down, and tells systemd."""

import os
import re
import signal
import socket
import sqlite3
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from auditor_exporter.collectors import _follow, once, running
from auditor_exporter.main import Supervisor
from auditor_exporter.reload import Reloading, is_down
from auditor_exporter.snapshot import Snapshot, revision_of
from sqlalchemy.exc import OperationalError

from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.feed.taken import Ingested
from auditor.ledger.database import MIGRATIONS, Ledger
from auditor.ledger.upkeep import configure
from auditor.model.errors import ConfigError, InputError
from auditor.model.settings import Settings
from tests.conftest import event, lines
from tests.exporters.test_end_to_end import until
from tests.exporters.test_findings import GOLDEN
from tests.exporters.test_ledger import NOW, Counting
from tests.exporters.test_serve import started
from tests.ledger.conftest import feed, postgres  # noqa: F401 (a fixture)
from tests.services import free_port

ACCOUNT = '[accounts.{}]\nprovider = "imejis"\nplan = "Basic"\n'


class Begun:
    """Opens snapshots, or fails; remembers what is open."""

    def __init__(self) -> None:
        self.open: list[Settings] = []
        self.most = self.times = 0
        self.error: Exception | None = None

    @contextmanager
    def __call__(self, settings: Settings) -> Iterator[Snapshot]:
        if self.error:
            raise self.error
        self.open.append(settings)
        self.times += 1
        self.most = max(self.most, len(self.open))
        yield Snapshot([Counting()], lambda: NOW)
        self.open.remove(settings)


def down() -> ConfigError:
    """As `Ledger` raises it while PostgreSQL is down."""
    with pytest.raises(ConfigError) as caught:
        Ledger(f"postgresql://u:t0psecret@127.0.0.1:{free_port()}/x")
    return caught.value


def test_a_changed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """Each once; the new one is open before the old one is closed."""
    path, begun, said, done = tmp_path / "auditor.toml", Begun(), list[str](), list[str]()
    path.write_text(ACCOUNT.format("one"))
    with Reloading(path, begun, said.append, named=True, done=done.append, look=1e6) as shown:
        assert list(begun.open[0].accounts) == ["one"]
        shown.look()
        assert begun.times == 1
        path.write_text(ACCOUNT.format("second"))
        shown.look()
        assert [list(each.accounts) for each in begun.open] == [["second"]] and begun.most == 2 and shown.worked
        for broken in (
            "[",
            "[accounts.x]\nplan = 1\n",
            "nonsense = 1\n",
            '[accounts.x]\nprovider = "nobody"\nplan="P"\n',
        ):
            path.write_text(broken)
            for _ in range(3):
                shown.look()
            assert len(said) == 1 and str(path) in said[0] and "stays in force" in said.pop()
            assert next(each.samples[0].value for each in shown.collect()) == 0
            assert not shown.worked and list(begun.open[0].accounts) == ["second"]
        path.unlink()
        for _ in range(3):
            shown.look()
        assert len(said) == 1 and "is gone" in said.pop()
        path.write_text(ACCOUNT.format("second"))
        shown.look()
        assert shown.worked and begun.times == 2  # the same settings: nothing is opened again
        begun.error = ConfigError("the ledger refuses it")
        path.write_text(ACCOUNT.format("third"))
        shown.look()
        assert "refuses" in said.pop() and list(begun.open[0].accounts) == ["second"] and not shown.worked
        begun.error = None
        shown.reload()
        until(lambda: list(begun.open[0].accounts) == ["third"] and shown.worked)
    assert begun.open == [] and not said


@pytest.mark.parametrize("how", ["deleted", "a folder", "its folder is gone", "a dangling link"])
def test_a_named_file_that_is_gone_puts_no_defaults_in_force(how: str, tmp_path: Path) -> None:
    """Also after SIGHUP, said once; as soon as it is back, it counts."""
    path, begun, said = tmp_path / "here" / "auditor.toml", Begun(), list[str]()
    path.parent.mkdir()
    path.write_text(ACCOUNT.format("one"))
    with Reloading(path, begun, said.append, named=True, look=1e6) as shown:
        path.unlink()
        if how == "a folder":
            path.mkdir()
        elif how == "its folder is gone":
            path.parent.rmdir()
        elif how == "a dangling link":
            path.symlink_to(tmp_path / "nowhere")
        for shown.asked in (False, True, False, True):
            shown.look()
            assert begun.times == 1 and list(shown.settings.accounts) == ["one"] and not shown.worked
        assert len({*said}) == 1 and str(path) in said[0] and said[0].endswith("stays in force")
        assert len(said) == 1
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            path.rmdir()
        path.parent.mkdir(exist_ok=True)
        path.write_text(ACCOUNT.format("two"))
        shown.look()
        assert shown.worked and list(shown.settings.accounts) == ["two"]


def test_a_found_file_that_is_gone_is_none_once_somebody_asks(tmp_path: Path) -> None:
    """As at a start without one; until then what it said stays in force, since it may be about to be replaced."""
    path, begun, said = tmp_path / "auditor.toml", Begun(), list[str]()
    path.write_text(ACCOUNT.format("one"))
    with Reloading(path, begun, said.append, named=False, look=1e6) as shown:
        path.unlink()
        shown.look()
        assert not shown.worked and list(shown.settings.accounts) == ["one"] and len(said) == 1
        shown.asked = True
        shown.look()
        assert shown.worked and not shown.settings.accounts and begun.times == 2


def test_it_starts_while_the_database_is_down(tmp_path: Path) -> None:
    """The ledger's collector fails until it is there, said once, without the password."""
    begun, said, done = Begun(), list[str](), list[str]()
    begun.error = error = down()
    assert is_down(error) and not is_down(ConfigError("something else"))
    with Reloading(tmp_path / "auditor.toml", begun, said.append, named=False, done=done.append, look=1e6) as shown:
        body = shown.snapshot.exposition()[0].decode()
        assert 'imgrender_scrape_collector_success{collector="ledger"} 0.0' in body and not shown.snapshot.healthy
        shown.look()
        assert len(said) == 1 and "tried again" in said[0] and "t0psecret" not in said[0]
        begun.error = None
        shown.look()
        assert 'imgrender_scrape_collector_success{collector="counting"} 1.0' in shown.snapshot.exposition()[
            0
        ].decode().replace(Counting.name, "counting")
        assert shown.snapshot.healthy and done == ["the ledger is open"]
    for error in (ConfigError("wrong"), OperationalError("x", {}, Exception("y"))):
        begun.error = error
        with pytest.raises(type(error)):
            Reloading(tmp_path / "auditor.toml", begun, said.append, named=False)


@pytest.mark.parametrize(
    "change", ["the ledger is configured", "the ledger is changed and changed back", "the file is corrected",
             "the file is as before", "the file may be read again", "the ledger is corrected after sighup"],
)  # fmt: skip
def test_a_refused_file_is_taken_once_nothing_refuses_it(change: str, tmp_path: Path) -> None:
    """With the next look, without a signal, whichever side was changed; what is wrong is said once."""
    where, path, said, done = str(tmp_path / "l.db"), tmp_path / "auditor.toml", list[str](), list[str]()
    day = ACCOUNT.format("one") + "anchor_day = {}\n"

    def begin(settings: Settings) -> AbstractContextManager[Snapshot]:
        return running(settings, path, where, None, [], 1.0, said.append, owner=True)

    def ledger_says(number: int) -> None:
        with Ledger(where) as ledger, ledger.write() as connection:
            configure(connection, settings_of(tomllib.loads(day.format(number)), "other"), "other", replacing=True)

    def conflicts() -> float:
        body = shown.snapshot.exposition()[0].decode()
        return sum(map(float, re.findall(r"^imgrender_ledger_config_conflict\{.*\} (\S+)", body, re.MULTILINE)))

    path.write_text(day.format(1))
    with Reloading(path, begin, said.append, named=True, done=done.append, look=1e6) as shown:
        path.write_text("[" if change == "the file may be read again" else day.format(15))
        shown.asked = "sighup" in change
        for _ in range(3):
            shown.look()
        assert len(said) == 1 and said.pop().endswith("stays in force") and not shown.worked
        if change == "the file is corrected":
            path.write_text(day.format(1) + "# as the ledger has it\n")
        elif change == "the file is as before":
            path.write_text(day.format(1))
        elif change == "the file may be read again":
            stamp = shown._seen
            path.write_text(day.format(1))
            shown._seen = shown._stamp()  # (its mode was changed, which no stamp shows)
            assert stamp != shown._seen
        else:
            ledger_says(15)
            if "back" in change:
                shown.look()
                assert shown.worked
                ledger_says(2)
                until(lambda: conflicts() == 1)
                ledger_says(15)
        until(lambda: (shown.look(), shown.worked)[1])
        until(lambda: conflicts() == 0)
        assert not said and done == ["the configuration was read again"]


def test_a_refused_file_keeps_no_ledger_closed(tmp_path: Path) -> None:
    """While the file cannot be used and the ledger is down, each is tried, and each is said once."""
    path, begun, said, done = tmp_path / "auditor.toml", Begun(), list[str](), list[str]()
    path.write_text(ACCOUNT.format("one"))
    begun.error = down()
    with Reloading(path, begun, said.append, named=True, done=done.append, look=1e6) as shown:
        path.write_text("[")
        for _ in range(4):
            shown.look()
        assert len(said) == 2 and not shown.worked
        begun.error = None
        shown.look()
        assert done == ["the ledger is open"] and list(begun.open[0].accounts) == ["one"]
        path.write_text(ACCOUNT.format("two"))
        shown.look()
        assert shown.worked and list(begun.open[0].accounts) == ["two"] and len(said) == 2


def test_why_ingest_fails_is_said_once() -> None:
    """And again when it is another reason, or after it worked."""
    said: list[str] = []
    looks: list[Exception | None] = [
        ConfigError("a"),
        ConfigError("a"),
        OSError(),
        OSError(),
        None,
        None,
        ConfigError("a"),
    ]
    stopping = threading.Event()

    class Failing(Follow):
        def __init__(self) -> None:
            pass

        def look(self) -> Ingested:
            error = looks.pop(0)
            if not looks:
                stopping.set()
                looks.append(None)
            if error:
                raise error
            return Ingested()

        def close(self) -> None:
            pass

    _follow(Failing(), stopping, 0.0, said.append)
    assert [re.sub(r"; .*", "", text) for text in said] == [
        "ingest fails (a)", "ingest fails (OSError)", "ingest works again", "ingest fails (a)", "ingest works again",
    ]  # fmt: skip


def listening(folder: Path) -> tuple[socket.socket, Callable[[], str]]:
    """A socket as systemd's, and what was said to it."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(folder / "notify"))
    heard.settimeout(20)
    return heard, lambda: heard.recv(4096).decode()


def test_a_real_one_reloads_on_sighup_and_tells_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY, signs of life, RELOADING and READY again, STOPPING; the new plan is shown."""
    heard, said = listening(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    (tmp_path / "auditor.toml").write_text(ACCOUNT.format("one"))
    process = started(tmp_path, "serve", "--listen", "127.0.0.1:0", "--config", "auditor.toml")
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert {said(), said()} == {"READY=1", "WATCHDOG=1"}
        text = httpx.get(address).text
        assert 'account="one"' in text and "imgrender_config_last_reload_successful 1.0" in text
        for name in ("process_start_time_seconds", "process_open_fds", "process_resident_memory_bytes", "python_info"):
            assert re.search(rf"^{name}\b", text, re.MULTILINE)
        (tmp_path / "auditor.toml").write_text(ACCOUNT.format("two"))
        process.send_signal(signal.SIGHUP)
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", said()) and said() == "READY=1"
        until(lambda: 'account="two"' in httpx.get(address).text)
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=30)
        assert said() == "STOPPING=1"
        heard.close()
    assert process.returncode == 0


def test_a_real_one_starts_while_postgresql_is_down(tmp_path: Path) -> None:
    """It answers; /-/ready says no, /-/healthy yes; the password is said nowhere."""
    url = f"postgresql://u:t0psecret@127.0.0.1:{free_port()}/x"
    process = started(tmp_path, "serve", "--listen", "127.0.0.1:0", "--ledger", url)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert 'imgrender_scrape_collector_success{collector="ledger"} 0.0' in httpx.get(address).text
        base = address.removesuffix("/metrics")
        assert (httpx.get(f"{base}/-/ready").status_code, httpx.get(f"{base}/-/healthy").status_code) == (503, 200)
    finally:
        process.terminate()
        said = "".join(process.communicate(timeout=30))
    assert process.returncode == 0 and "t0psecret" not in said and said.count("tried again") == 1


def of_version(where: str, number: int) -> None:
    """As a program of that version left it."""
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("UPDATE ledger SET value = ? WHERE name = 'version'", [str(number)])


LEDGERS = ["none", "not a folder", "an empty file", "older", "of postgresql"]


@pytest.mark.parametrize("kind", LEDGERS)
def test_it_starts_before_there_is_a_ledger(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Success 0 and its build info, said once; once somebody has ingested, all of it."""
    where, said, done = str(tmp_path / "deep" / "l.db"), list[str](), list[str]()
    if kind != "not a folder":
        (tmp_path / "deep").mkdir()
    if kind == "an empty file":
        Path(where).touch()
    elif kind == "older":
        Ledger(where).close()
        of_version(where, len(MIGRATIONS) - 1)
    elif kind == "of postgresql":
        where = request.getfixturevalue("postgres").database()

    def begin(settings: Settings) -> AbstractContextManager[Snapshot]:
        return running(settings, None, where, None, [], 1.0, said.append)

    with Reloading(tmp_path / "auditor.toml", begin, said.append, named=False, done=done.append, look=1e6) as shown:
        for _ in range(2):
            body = shown.snapshot.exposition()[0].decode()
            assert 'imgrender_scrape_collector_success{collector="ledger"} 0.0' in body and not shown.snapshot.healthy
            assert body.count("imgrender_exporter_build_info{") == 1
            assert "imgrender_ledger_events" not in body
            shown.look()
        assert len(said) == 1 and "auditor ingest" in said[0] and "tried again" in said[0]
        assert not (tmp_path / "deep" / "l.db").exists() or kind in ("an empty file", "older")
        (tmp_path / "usage.jsonl").write_bytes(lines([event("a", "2026-09-01T08:00:00Z")]))
        if kind == "older":
            of_version(where, len(MIGRATIONS))
        with Ledger(where) as ledger:
            feed(ledger, tmp_path / "usage.jsonl")
        shown.look()
        body = shown.snapshot.exposition()[0].decode()
        assert 'imgrender_scrape_collector_success{collector="ledger"} 1.0' in body and shown.snapshot.healthy
        assert "imgrender_ledger_events 1.0" in body and body.count("imgrender_exporter_build_info{") == 1
    assert done == ["the ledger is open"]


def test_a_real_one_starts_before_the_first_ingest(tmp_path: Path) -> None:
    """And makes no ledger of its own; what is no database at all is refused."""
    process = started(tmp_path, "serve", "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        body = httpx.get(address).text
        assert 'imgrender_scrape_collector_success{collector="ledger"} 0.0' in body
        assert "imgrender_exporter_build_info{" in body and list(tmp_path.iterdir()) == []
    finally:
        process.terminate()
        said = "".join(process.communicate(timeout=30))
    assert process.returncode == 0 and said.count("auditor ingest") == 1
    (tmp_path / "auditor.db").write_bytes(b"no database" * 100)
    process = started(tmp_path, "serve", "--listen", "127.0.0.1:0")
    assert "not a database" in process.communicate(timeout=60)[1] and process.returncode == 2


@pytest.mark.parametrize("of_a_report", [False, True])
def test_a_file_of_a_failing_ledger_says_its_version(of_a_report: bool, tmp_path: Path) -> None:
    """One of a report alone does not: beside the ledger's file it would be the same series twice."""
    with Ledger(tmp_path / "l.db"):
        pass
    found = GOLDEN if of_a_report else None
    ledger = None if of_a_report else str(tmp_path / "l.db")
    with suppress(InputError), once(None, ledger, found) as snapshot:
        if ledger:
            Path(ledger).unlink()
        assert ("imgrender_exporter_build_info{" in snapshot.exposition()[0].decode()) is not of_a_report


@pytest.mark.parametrize(
    ("environ", "every"),
    [({}, None), ({"WATCHDOG_USEC": "30000000"}, 15.0), ({"WATCHDOG_USEC": "0"}, None), ({"WATCHDOG_USEC": "x"}, None),
     ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
     ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 2.0)],
)  # fmt: skip
def test_signs_of_life_are_for_who_waits_for_them(environ: dict[str, str], every: float | None) -> None:
    """Twice as often as they are waited for."""
    supervisor = Supervisor(environ)
    assert supervisor.every == every
    supervisor.tell("WATCHDOG=1")  # (to nobody)


def test_an_abstract_socket_is_told_and_one_that_is_gone_is_no_fault() -> None:
    """systemd names them with an @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0auditor-test-{os.getpid()}")
        Supervisor({"NOTIFY_SOCKET": f"@auditor-test-{os.getpid()}"}).tell("READY=1")
        assert heard.recv(100) == b"READY=1"
    Supervisor({"NOTIFY_SOCKET": f"@auditor-test-{os.getpid()}"}).tell("READY=1")


@pytest.mark.parametrize(
    ("environ", "direct_url", "found"),
    [({"AUDITOR_REVISION": "abc123"}, None, "abc123"), ({}, '{"vcs_info": {"vcs": "git", "commit_id": "0f0f"}}', "0f0f"),
     ({}, None, ""), ({}, "{", ""), ({}, "[]", ""), ({}, '{"url": "file:///x", "dir_info": {}}', ""),
     ({"AUDITOR_REVISION": 'x"\n'}, None, ""), ({"AUDITOR_REVISION": "a" * 65}, None, "")],
)  # fmt: skip
def test_the_revision_is_shown_if_it_is_known(environ: dict[str, str], direct_url: str | None, found: str) -> None:
    """An image says it, or pip wrote it down; nothing is guessed, and no other text becomes a label."""
    assert revision_of(environ, direct_url) == found
