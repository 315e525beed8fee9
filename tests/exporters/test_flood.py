"""Hostile load on loopback: idle connections beyond the descriptors, and wrong passwords from many threads."""

import asyncio
import base64
import errno
import http.client
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import pytest
from auditor_exporter.connections import FEWEST, MOST, Connections, Held, listeners, peer_of, room

from auditor.ledger.database import Ledger
from tests.exporters.test_web import TLS, certificate
from tests.services import ROOT

DESCRIPTORS, IDLE, THREADS, SCRAPES = 256, 375, 40, 20
SECONDS = 5.0
LOG = 10_000


@contextmanager
def exporter(folder: Path, *, tls: bool = False) -> Iterator[tuple[str, int, Path]]:
    """(host, port, its standard error) of one that may open few files and knows one user."""
    hashed = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(10)).decode()  # as the documentation has it: 50 ms of CPU
    if tls:
        certificate(folder, "server")
    (folder / "web.yml").write_text((TLS if tls else "") + f"basic_auth_users:\n  prometheus: {hashed}\n")
    Ledger(folder / "auditor.db").close()
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "auditor_exporter.main", "serve", "--listen", "127.0.0.1:0", "--web.config.file", "web.yml"],
            cwd=folder, text=True, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),  # noqa: PLW1509
        )  # fmt: skip
    try:
        assert process.stdout is not None
        at = urlsplit(process.stdout.readline().strip())
        yield str(at.hostname), int(at.port or 0), folder / "stderr"
    finally:
        process.kill()
        process.communicate()


def asked(at: tuple[str, int], password: str, timeout: float, *, tls: bool = False) -> int:
    """The status of one scrape on a connection of its own; 0 where none came."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    to = http.client.HTTPSConnection(*at, timeout=timeout, context=context) if tls else http.client.HTTPConnection(
        *at, timeout=timeout
    )  # fmt: skip
    token = base64.b64encode(f"prometheus:{password}".encode()).decode()
    try:
        to.request("GET", "/metrics", headers={"Authorization": f"Basic {token}"})
        answer = to.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        to.close()


class Idle:
    """Connections that say nothing, and are opened again when they are closed."""

    def __init__(self, at: tuple[str, int], count: int) -> None:
        self._at, self._selector, self.opened = at, selectors.DefaultSelector(), 0
        for _ in range(count):
            self._open()

    def _open(self) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(self._at)
        self._selector.register(client, selectors.EVENT_READ)
        self.opened += 1

    def hold(self, stop: threading.Event) -> None:
        """Until *stop*; at most fifty new ones a second."""
        while not stop.is_set():
            stop.wait(0.02)
            for key, _ in self._selector.select(0)[:1]:
                self._selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                self._open()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("tls", [False, True])
def test_honest_scrapes_are_answered_in_a_flood(tmp_path: Path, tls: bool) -> None:
    """From the flood's own address, while another process wants a core, by a password that was never seen before.

    All of them within 5 s, from the first one on; the log stays short and tells no password.
    """
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as neighbor:
        try:
            statuses, log = flooded(tmp_path, IDLE, THREADS, tls)
        finally:
            neighbor.kill()
    assert len(log) <= LOG and b"wrong-" not in log and b"s3cret" not in log
    assert log.count(b"\n") <= 3
    assert statuses == {200: SCRAPES}


def flooded(tmp_path: Path, idle: int, threads: int, tls: bool) -> tuple[Counter[int], bytes]:
    """(statuses of the honest scrapes, the exporter's log) of one flood."""
    stop, flood = threading.Event(), Counter[int]()

    def guess(number: int, at: tuple[str, int]) -> None:
        tries = 0
        while not stop.is_set():
            tries += 1
            flood[asked(at, f"wrong-{number}-{tries}", 5, tls=tls)] += 1
            stop.wait(0.01)

    with exporter(tmp_path, tls=tls) as (host, port, stderr):
        held = Idle((host, port), idle)
        workers = [threading.Thread(target=guess, args=(n, (host, port)), daemon=True) for n in range(threads)]
        workers.append(threading.Thread(target=held.hold, args=(stop,), daemon=True))
        for worker in workers:
            worker.start()
        waits, statuses = [], Counter[int]()
        stop.wait(1.0)  # the flood comes first
        for _ in range(SCRAPES):
            before = time.monotonic()
            statuses[asked((host, port), "s3cret", SECONDS, tls=tls)] += 1
            waits.append(time.monotonic() - before)
        stop.set()
        log = stderr.read_bytes()
    for worker in workers:
        worker.join(10)
    print(
        f"\n{DESCRIPTORS} descriptors, {idle} idle, {threads} threads, {'TLS' if tls else 'plain'}: "
        f"{statuses[200]} of {SCRAPES} scrapes answered, the slowest {max(waits):.2f} s; {len(log):,} bytes of log; "
        f"the flood: {held.opened} connections, {dict(flood)}"
    )
    return statuses, log


def test_how_many_connections_there_is_room_for() -> None:
    """What the ledger and the followed files leave."""
    assert (room(64), room(256), room(1024), room(1 << 20)) == (FEWEST, 136, MOST, MOST)


def test_whom_an_address_belongs_to() -> None:
    """A machine has a /64 of IPv6 to itself; an IPv4 address written as IPv6 is the same one."""
    assert peer_of("10.0.0.1") == peer_of("::ffff:10.0.0.1") == "10.0.0.1"
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1") != peer_of("2001:db8:0:1::1")
    assert peer_of("fe80::1%eth0") == peer_of("fe80::2")


class Silent(asyncio.Protocol):
    """Says nothing; keeps its transport, as aiohttp's protocols do."""

    transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class Door:
    """Connections of which the test holds the other ends."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.ends: dict[str, socket.socket] = {}

    async def come(self, name: str, peer: str) -> Held:
        """One more."""
        self.ends[name], ours = socket.socketpair()
        self.ends[name].setblocking(False)
        ours.setblocking(False)
        self.connections.take(ours, peer, Silent())
        newest = next(reversed(self.connections.open()))
        for _ in range(5):
            await asyncio.sleep(0)
        return newest

    def alive(self) -> str:
        """The names of those that were not dropped."""

        def one(name: str) -> bool:
            try:
                return self.ends[name].recv(1) != b""
            except BlockingIOError:
                return True

        return "".join(name for name in self.ends if one(name))


def test_a_refusal_that_is_kept_back_keeps_its_connection_while_others_are_idle() -> None:
    """Who is dropped guesses again at once. But refusals take no more than three quarters of an address's room."""

    async def run() -> None:
        door = Door(Connections(None, 5, most=12, steady=lambda: 0.0))
        assert door.connections.of_one == 9
        for name in "abcdef":
            held = await door.come(name, "many")
            assert door.connections.begins(held.protocol) is held
            held.late = True
        for name in "1234567":
            await door.come(name, "many")
        assert door.alive() == "abcdef567"  # idle ones make room
        for name in "gh":
            held = await door.come(name, "many")
            assert door.connections.begins(held.protocol) is held
            held.late = True
        await door.come("8", "many")
        assert door.alive() == "cdef67gh8"  # where there are more than six, the oldest refusals go
        for end in door.ends.values():
            end.close()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(run())


def test_who_is_dropped() -> None:
    """The idle before the busy, the old before the new, of the address that holds the most; the log says so once."""
    said: list[str] = []
    now = 0.0

    async def run() -> None:
        nonlocal now
        connections = Connections(None, 5, said.append, most=8, steady=lambda: now)
        door = Door(connections)
        come, alive = door.come, door.alive
        assert connections.of_one == 6
        for name in "abcdef":
            await come(name, "many")
        first = connections.open()[0]
        assert connections.begins(first.protocol) is first  # a is being answered
        await come("g", "many")
        assert alive() == "acdefg" and len(connections.open()) == 6
        await come("1", "one")
        await come("2", "two")
        await come("3", "three")  # nine: one of those that hold the most goes
        assert alive() == "adefg123" and len(connections.open()) == 8
        connections.ends(first)
        await come("4", "four")
        assert alive() == "aefg1234"  # a was answered last
        for each in connections.open():
            connections.begins(each.protocol)
        await come("5", "five")
        assert len(connections.open()) == 8 and "5" in alive()  # all are busy: the oldest goes
        assert len(said) == 1 and connections.dropped == 4
        now += 601
        await come("6", "six")
        assert len(said) == 2
        for end in door.ends.values():
            end.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(connections.open()) == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("number", "starts"), [(errno.EPERM, True), (errno.EAFNOSUPPORT, True), (errno.EADDRINUSE, False)]
)
def test_one_family_that_may_not_listen_is_enough_of_the_other(
    monkeypatch: pytest.MonkeyPatch, number: int, starts: bool
) -> None:
    """A machine may forbid IPv6 in many ways; only a port that is taken means that another exporter has it."""
    create = socket.create_server

    def refused(address: tuple[str, int], *, family: int, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, os.strerror(number))
        return create(address, family=family, **options)

    async def resolved(*_: object, **__: object) -> list[Any]:
        return [
            (socket.AF_INET, None, None, None, ("127.0.0.1", 0)), (socket.AF_INET6, None, None, None, ("::1", 0, 0, 0)),
        ]  # fmt: skip

    async def opened() -> int:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
        found = await listeners("", 0)
        for each in found:
            each.close()
        return len(found)

    monkeypatch.setattr(socket, "create_server", refused)
    if starts:
        assert asyncio.run(opened()) == 1
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            asyncio.run(opened())
