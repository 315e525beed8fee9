"""An upstream that counts, waits for a gate and fails when told to; renderers in front of it; what they wrote."""

import asyncio
import itertools
import json
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor.client.clock import Clock
from auditor.client.forks import renew_in_children
from auditor.client.renderer import Renderer


def png(width: int = 16, height: int = 8, filling: bytes = b"") -> bytes:
    """A PNG with true dimensions."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" * (width + 1) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"tEXt", b"f\0" + filling) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE = png()


class Gate:
    """Answers wait here while it is shut; any thread opens it."""

    def __init__(self) -> None:
        self._open = True
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def forked(self) -> None:
        """A lock that another thread held at the fork would never be free again."""
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Shut it."""
        self._open = False

    def set(self) -> None:
        """Open it."""
        with self._lock:
            self._open = True
            for loop, event in self._waiting:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(event.set)

    async def passed(self) -> None:
        """Until it is open."""
        with self._lock:
            if self._open:
                return
            event = asyncio.Event()
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()


class Upstream(httpx.AsyncBaseTransport):
    """A provider in process."""

    def __init__(self) -> None:
        self.calls: list[httpx.Request] = []
        self.gate = Gate()
        self.arrived = threading.Semaphore(0)
        self.script: list[Callable[[httpx.Request], httpx.Response]] = []
        """What the next calls meet; an exception that is raised is a transport error."""
        renew_in_children(self)

    def forked(self) -> None:
        """It is a part of the child like any other, and must not hang it."""
        self.arrived = threading.Semaphore(0)
        self.gate.forked()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count, wait, answer."""
        if (trace := request.extensions.get("trace")) is not None:
            await trace("http11.send_request_headers.started", {})
        self.calls.append(request)
        self.arrived.release()
        await self.gate.passed()
        if self.script:
            return self.script.pop(0)(request)
        return httpx.Response(200, headers={"content-type": "image/png"}, content=PICTURE)


def fails(status: int, document: Any = None, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """An answer with a status."""
    body = b"upstream unavailable" if document is None else json.dumps(document).encode()
    return lambda _: httpx.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()}, content=body)


class Time:
    """A clock that stands until it is moved; waiting moves it."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0
        self.waits: list[float] = []
        self._tick = itertools.count()

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        """As the client takes it."""
        return Clock(lambda: int(self.now * 1e9), lambda: self.now, self.sleep)


@pytest.fixture
def upstream() -> Upstream:
    """A provider in process."""
    return Upstream()


@pytest.fixture
def moving() -> Time:
    """A clock to move by hand."""
    return Time()


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of this test alone."""
    return CollectorRegistry()


Build = Callable[..., Renderer]


@pytest.fixture
def build(upstream: Upstream, registry: CollectorRegistry, tmp_path: Path) -> Iterator[Build]:
    """Renderers that are closed at the end."""
    made: list[Renderer] = []

    def renderer(**options: Any) -> Renderer:
        defaults = {
            "api_key": "a key", "account": "main", "events": tmp_path / "usage", "registry": registry,
            "transport": upstream,
        }  # fmt: skip
        made.append(Renderer(**{**defaults, **options}))
        return made[-1]

    yield renderer
    upstream.gate.set()
    for each in made:
        each.close()


def segments(folder: Path) -> list[Path]:
    """In the order in which one process began them: their numbers are of no fixed width."""
    return sorted(folder.glob("usage-*.jsonl"), key=lambda file: [int(each) for each in re.findall(r"\d+", file.name)])


@pytest.fixture
def events(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """The events that were written, in the order of the files' numbers and lines."""

    def read() -> list[dict[str, Any]]:
        files = segments(tmp_path / "usage")
        return [json.loads(line, parse_float=Decimal) for file in files for line in file.read_bytes().splitlines()]

    return read


def outcomes(events: list[dict[str, Any]]) -> dict[str, int]:
    """How many events of each outcome."""
    counts: dict[str, int] = {}
    for event in events:
        counts[event["outcome"]] = counts.get(event["outcome"], 0) + 1
    return counts
