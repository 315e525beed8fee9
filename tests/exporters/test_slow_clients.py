"""Clients that ask slowly, read slowly or ask all the time do not keep an honest scraper from its answer."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from auditor_exporter.http import serve
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.webconfig import Live

from auditor.config import settings_of
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from tests.conftest import event, lines
from tests.services import ROOT, need

SECONDS = float(os.environ.get("AUDITOR_HAMMER_SECONDS", "6"))
"""How long the hammering lasts; 20 for the full figure."""
SLOW = 100
"""Clients of either slow kind."""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """With so many accounts and environments that an answer is some 100 kB long."""
    path, log = tmp_path / "ledger.db", tmp_path / "usage.jsonl"
    names = [(f"account{a}", f"environment{e}") for a in range(19) for e in range(10)]
    log.write_bytes(
        lines(
            event(f"{a}/{e}", "2026-09-20T10:00:00Z", account=a, environment=e) for a, e in names
        )
    )  # fmt: skip
    with Ledger(path) as opened:
        Ingest(opened, settings_of({}, "test")).run([log])
    return path


@pytest.fixture
def exporter(ledger: Path) -> Iterator[str]:
    """The address of a real one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "auditor_exporter.main", "serve", "--ledger", str(ledger), "--listen", "127.0.0.1:0"],
        cwd=ledger.parent, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.kill()
    process.wait()


def connected(address: str) -> socket.socket:
    """A client that takes little at a time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect((urlsplit(address).hostname, urlsplit(address).port))
    return client


def asking(number: int) -> bytes:
    """A request that never ends."""
    return b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: %d" % number


REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_an_honest_scraper_is_always_answered(exporter: str) -> None:
    """`wrk -c64`, 100 clients that never finish asking, 100 that never read: each honest scrape is whole."""
    with urllib.request.urlopen(exporter, timeout=10) as answer:
        whole = answer.read()
    slow = [connected(exporter) for _ in range(2 * SLOW)]
    for number, client in enumerate(slow):
        client.sendall(asking(number) if number < SLOW else REQUEST * 200)
    wrk = subprocess.Popen(
        [need("wrk", "wrk"), "-t1", "-c64", "--timeout", "30s", f"-d{SECONDS:.0f}s", exporter],
        stdout=subprocess.PIPE,
        text=True,
    )
    asked, waits = 0, []
    started = time.monotonic()
    while wrk.poll() is None or asked < 100:
        for client in slow[:SLOW:10]:
            with suppress(ConnectionError):  # whoever asks for too long is hung up on
                client.send(b"x")
        before = time.monotonic()
        with urllib.request.urlopen(exporter, timeout=10) as answer:
            body = answer.read()
        asked += 1
        waits.append(time.monotonic() - before)
        assert answer.status == 200 and len(body.splitlines()) == len(whole.splitlines())
    assert wrk.stdout is not None
    said = wrk.stdout.read()
    print(f"{asked} of {asked} scrapes of {len(whole):,} bytes in {time.monotonic() - started:.1f} s, the slowest "
          f"{max(waits):.3f} s; " + " ".join(re.findall(r"Requests/sec.*", said)))  # fmt: skip
    for client in slow:
        client.close()
    assert "Non-2xx" not in said and "Socket errors" not in said


@pytest.mark.slow
def test_slow_clients_are_hung_up_on(ledger: Path) -> None:
    """Whoever asks or reads too slowly loses the connection; whoever only waits for the next scrape does too."""

    async def ends(address: str, sent: bytes, *, read: bool) -> float:
        """Seconds until the server hangs up."""
        client = connected(address)
        client.setblocking(False)
        loop, started = asyncio.get_running_loop(), time.monotonic()
        drops = (bytes([byte]) for byte in asking(0) + b"x" * 1000)  # (of a request that may come; others are refused)
        await loop.sock_sendall(client, sent)
        try:
            while True:
                if read:
                    if not await loop.sock_recv(client, 1 << 16):
                        break
                else:
                    await asyncio.sleep(0.05)
                    await loop.sock_sendall(client, next(drops))
        except ConnectionError:
            pass
        client.close()
        return time.monotonic() - started

    async def run() -> None:
        stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
        with Ledger(ledger) as opened:
            taken = Snapshot([LedgerCollector(opened, settings_of({}, "test"))])
            server = asyncio.create_task(
                serve(lambda: taken, "127.0.0.1", 0, Live(None), address.set_result, stop, 0.4)
            )
            at = await address
            async with asyncio.timeout(20):
                waited = await asyncio.gather(
                    ends(at, asking(0), read=True), ends(at, asking(0), read=False), ends(at, b"", read=True),
                    ends(at, REQUEST * 3, read=True),
                    # However much of the answers is in the kernel's hands, and how little in ours.
                    *(ends(at, REQUEST * number, read=False) for number in (*range(1, 80), 200)),
                )  # fmt: skip
            assert min(waited) >= 0.3, waited
            stop.set()
            await server

    asyncio.run(run())
