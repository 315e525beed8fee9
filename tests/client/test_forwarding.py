"""`events="http://…"`: on disk first, sent in the background, removed when the receiver has it, and never in the way."""

import logging
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditor.client.clock import Clock
from auditor.client.forwarding import ForwardingSpool, default_folder
from auditor.client.metering import Metering
from auditor.client.sinks import sink_of
from auditor.feed.address import TOKEN, Address
from auditor.feed.forward import Forward
from auditor.feed.sender import Sender
from auditor.feed.taken import Ingested
from auditor.feed.wire import Part
from auditor.ledger.database import Ledger
from auditor.ledger.receive import Receiver
from auditor.model.errors import ConfigError, InputError
from tests.conftest import event, lines
from tests.exporters.receiver_server import ReceiverServer
from tests.exporters.test_ledger import NOW
from tests.ledger.conftest import counts
from tests.services import ROOT, free_port

PASSWORD = "s3cret-of-the-forwarder"


@pytest.fixture
def ledger(tmp_path: Path, random_now: None) -> Iterator[Ledger]:
    """Of the receiver."""
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def server(ledger: Ledger) -> Iterator[ReceiverServer]:
    """One that receives."""
    with ReceiverServer(ledger, lambda: NOW) as running:
        yield running


def spool(address: str, folder: Path, **options: Any) -> ForwardingSpool:
    """As `events=` makes it, looking often."""
    return ForwardingSpool(Address.of(address, "events", ""), folder, every=0.01, **options)


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for it."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it does not come true"
        time.sleep(0.01)


def segments(folder: Path) -> list[Path]:
    """What waits."""
    return sorted(folder.glob("usage-*.jsonl"))


def test_what_is_written_is_sent_and_sealed_segments_go(ledger: Ledger, server: ReceiverServer, tmp_path: Path) -> None:
    """The open one stays; at the end all is sent, and nothing is left."""
    events = spool(server.address, tmp_path / "spool", max_bytes=1000)
    for number in range(20):
        events.write(event(str(number)), lasting=True)
    until(lambda: counts(ledger)["rows"] == 20 and len(segments(tmp_path / "spool")) == 1)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    events.close()
    assert segments(tmp_path / "spool") == [] and counts(ledger)["lines"] == 20
    events.write(event("again"), lasting=True)
    events.close()
    assert counts(ledger) == {"rows": 21, "lines": 21, "events": 21}


def test_a_receiver_that_is_away_costs_no_event(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They wait in the folder, also over a new process; writing takes no longer, and the log says so once."""
    server = ReceiverServer(ledger, lambda: NOW)
    first = spool(server.address.replace("//", f"//me:{PASSWORD}@"), tmp_path / "spool")
    with caplog.at_level(logging.WARNING, "auditor.client"):
        began = time.monotonic()
        for number in range(50):
            first.write(event(str(number)), lasting=True)
        assert time.monotonic() - began < 5
        until(lambda: "it is tried again" in caplog.text)
        first.close()
    assert len(segments(tmp_path / "spool")) == 1 and caplog.text.count("it is tried again") == 1
    assert PASSWORD not in caplog.text
    with server:
        second = spool(server.address, tmp_path / "spool")
        second.write(event("last"), lasting=True)
        second.close()
    assert counts(ledger) == {"rows": 51, "lines": 51, "events": 51} and segments(tmp_path / "spool") == []


def test_the_log_of_the_application_has_only_its_own_requests(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """httpx logs each request at INFO; those of the spool are not the application's."""
    before = list(logging.getLogger("httpx").filters)
    with caplog.at_level(logging.INFO, "httpx"):
        events = spool(server.address, tmp_path / "spool")
        events.write(event("1"), lasting=True)
        until(lambda: counts(ledger)["rows"] == 1)
        httpx.get(f"{server.address}/of-the-application")
        events.close()
    (own,) = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert "/of-the-application" in own
    assert logging.getLogger("httpx").filters == before


def test_two_that_share_a_folder_send_once(ledger: Ledger, server: ReceiverServer, tmp_path: Path) -> None:
    """The one whose turn it is sends for both."""
    both = [spool(server.address, tmp_path / "spool", max_bytes=2000) for _ in range(2)]
    for number in range(100):
        both[number % 2].write(event(str(number)), lasting=False)
    for each in both:
        each.close()
    until(lambda: counts(ledger)["rows"] == 100)
    assert counts(ledger) == {"rows": 100, "lines": 100, "events": 100}


def test_an_open_segment_of_a_dead_process_is_sent_and_goes_a_day_later(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path
) -> None:
    """Until then somebody may still write to it."""
    now = [NOW]
    left = tmp_path / "spool" / "usage-other-1-1-0.open.jsonl"
    dead = spool(server.address, tmp_path / "spool")
    dead.write(event("a"), lasting=True)
    dead.close()
    with left.open("w") as file:
        file.write('{"an unfinished line')
    clock = Clock(wall_ns=lambda: int(now[0] * 1e9))
    os.utime(left, (NOW, NOW))
    living = spool(server.address, tmp_path / "spool", clock=clock)
    living.write(event("b"), lasting=True)
    until(lambda: counts(ledger)["rows"] == 2)
    assert left.exists()
    now[0] += 90_000
    living.write(event("c"), lasting=True)
    until(lambda: not left.exists())
    living.close()
    assert counts(ledger)["rows"] == 3


def test_a_segment_that_is_sealed_while_it_is_sent_pauses_nothing(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process renames it then, be it between any two looks at it."""
    (tmp_path / "spool").mkdir()
    events = spool(server.address, tmp_path / "spool")
    sender = Sender(Address.of(server.address, "events", ""))
    forward, run_one = Forward(sender, lambda: NOW), Forward.run_one

    def sealed(self: Forward, path: Path, done: Ingested) -> None:
        run_one(self, path, done)
        if ".open" in path.name:
            path.rename(path.with_name(path.name.replace(".open", "")))

    monkeypatch.setattr(Forward, "run_one", sealed)
    (tmp_path / "spool" / "usage-a.open.jsonl").write_bytes(lines([event("a")]))
    (tmp_path / "spool" / "usage-b.open.jsonl").write_bytes(lines([event("b")]))
    events._pass(forward)
    assert counts(ledger)["rows"] == 2
    events._pass(forward)
    assert segments(tmp_path / "spool") == [] and counts(ledger)["lines"] == 2
    sender.close()


def test_a_segment_that_is_refused_keeps_no_other_away(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays, and that is said."""
    (tmp_path / "spool").mkdir()
    events, take = spool(server.address, tmp_path / "spool"), Receiver.take

    def refuse(self: Receiver, data: bytes, sender: str, part: Part | None = None) -> object:
        if part is not None and part.path.endswith("usage-a.jsonl"):
            raise ValueError("it is refused")
        return take(self, data, sender, part)

    monkeypatch.setattr(Receiver, "take", refuse)
    for name in "ab":
        (tmp_path / "spool" / f"usage-{name}.jsonl").write_bytes(lines([event(name)]))
    sender = Sender(Address.of(server.address, "events", ""))
    with pytest.raises(InputError, match="it is refused"):
        events._pass(Forward(sender, lambda: NOW))
    sender.close()
    assert [each.name for each in segments(tmp_path / "spool")] == ["usage-a.jsonl"] and counts(ledger)["rows"] == 1


FORKING = """
import os, sys
from auditor.client.forks import renew_in_children
from auditor.client.sinks import sink_of
from auditor.client.clock import NEW_ID, Clock
sink = sink_of(sys.argv[1], Clock(), spool=sys.argv[2])
renew_in_children(sink)
def write(name):
    for number in range(10):
        sink.write({"v": 1, "id": f"{name}-{number}", "ts": "2026-09-01T08:00:00Z", "outcome": "hit", "key": "k1:a",
                    "provider": "imejis", "account": "main", "environment": "production", "template": "og"}, lasting=True)
write("parent")
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        write(f"child{child}")
        sink.close()
        os._exit(0)
    children.append(pid)
write("parent again")
for pid in children:
    os.waitpid(pid, 0)
"""


def test_children_of_a_fork_send_too_and_what_is_left_goes_at_exit(
    ledger: Ledger, server: ReceiverServer, tmp_path: Path
) -> None:
    """Nobody closes the parent's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", FORKING, server.address, str(tmp_path / "spool")]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert counts(ledger) == {"rows": 50, "lines": 50, "events": 50} and segments(tmp_path / "spool") == []


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("http://ledger.example:1/", None),
        (f"http://me:{PASSWORD}@ledger.example:1/", "in the clear"),
        (f"https://me:{PASSWORD}@", "exporter's address"),
        ("https://ledger.example/?x=1", "exporter's address"),
        (f"https://me:{PASSWORD}@[::1", "cannot be parsed"),
    ],
)
def test_an_address_that_cannot_be_is_an_error_without_its_password(
    events: str, words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the renderer is made, not when it renders."""
    monkeypatch.delenv(TOKEN, raising=False)
    if words is None:
        monkeypatch.setenv(TOKEN, PASSWORD)
        words = "in the clear"
    with pytest.raises(ConfigError, match=words) as found:
        sink_of(events, Clock(), spool=tmp_path)
    assert PASSWORD not in str(found.value)


def test_the_folder_is_the_users_own_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each address; `spool=` without an address is a mistake."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, other = (default_folder(Address.of(f"https://{name}.example", "events", "")) for name in ("a", "b"))
    assert one != other and one.parent == tmp_path / "render-auditor"
    with pytest.raises(ConfigError, match="spool="):
        sink_of("usage", Clock(), spool=tmp_path)
    made = Metering(events=f"http://127.0.0.1:{free_port()}", spool=tmp_path / "named", registry=None)._sink
    assert isinstance(made, ForwardingSpool) and made.folder == tmp_path / "named"
