"""Real services on free loopback ports, started by the tests that need them and stopped after."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need(package: str, program: str, places: str = "/usr/bin") -> str:
    """The path of a program, installed if it is missing; where it cannot be, a loud skip, and in CI a failure.

    *places* is a pattern of folders, the last of which counts.
    """
    said = ""
    for _ in range(2):
        found = sorted(Path("/").glob(f"{places.strip('/')}/{program}"))
        if found:
            return str(found[-1])
        install = [ROOT / "scripts" / "services.sh", package]
        said = subprocess.run(install, capture_output=True, text=True, check=False).stderr
    message = f"{package} CANNOT BE INSTALLED, ITS TESTS DO NOT RUN: {said.strip()[-300:]}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true answer; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


@contextmanager
def running(arguments: Sequence[str], folder: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process with its output in a pipe, killed at the end."""
    process = subprocess.Popen(
        arguments, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def libraries(pins: Path, folder: Path) -> Path:
    """A folder with what a requirements file pins, installed once; else a loud skip, and in CI a failure."""
    found = folder / hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    if found.is_dir():
        return found
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        told = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--require-hashes", "--no-compile", "--target", f"{made}/libraries", "--requirement", pins],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if told.returncode == 0:
            try:
                Path(made, "libraries").rename(found)
            except OSError:  # another process was first
                assert found.is_dir()
            return found
    message = f"{pins.name} CANNOT BE INSTALLED, ITS TESTS DO NOT RUN: {told.stderr.strip()[-300:]}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def npm_ci(folder: Path) -> None:
    """Install what a folder's lock file says; without a network a loud skip, and in CI a failure."""
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
    done = subprocess.run(
        [need("npm", "npm"), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        unreachable = any(
            word in done.stderr for word in ("network", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")
        )
        give_up = pytest.skip if unreachable and not os.environ.get("CI") else pytest.fail
        give_up(f"npm CANNOT INSTALL, THE TESTS OF {folder.name} DO NOT RUN: {done.stderr[-300:]}")


class RedisServer:
    """One redis-server that can be stopped, continued and killed."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = need("redis-server", "redis-server")
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self._folder)], stdout=subprocess.DEVNULL,
        )  # fmt: skip
        import redis
        from redis.backoff import ConstantBackoff
        from redis.retry import Retry

        self.client = redis.Redis(port=self.port, retry=Retry(ConstantBackoff(0.02), 200))
        self.client.ping()

    def commands(self) -> int:
        """Commands that clients sent so far, those inside scripts included."""
        return sum(stats["calls"] for name, stats in self.client.info("commandstats").items() if _of_a_client(name))

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it, also if it is stopped."""
        self.client.close()
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def _of_a_client(name: str) -> bool:
    return not name.startswith(("cmdstat_info", "cmdstat_hello", "cmdstat_client", "cmdstat_ping", "cmdstat_config"))


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A server for one test."""
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.stop()


class PostgresServer:
    """One PostgreSQL cluster in a folder of its own; as root it runs as the user that Debian made for it."""

    def __init__(self) -> None:
        self._bin = Path(need("postgresql", "initdb", "/usr/lib/postgresql/*/bin")).parent
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="auditor-postgres-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
            self._as = ["runuser", "-u", "postgres", "--"]
        data = self._folder / "data"
        self._run("initdb", "-D", str(data), "-A", "trust", "-U", "auditor", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", str(data), "-w", "-l", str(self._folder / "log"), "-o", options, "start")
        self._made = 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._as, self._bin / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def sql(self, statement: str) -> None:
        """Run a statement."""
        self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "auditor", "-d", "postgres", "-qc", statement)

    def restart(self) -> None:
        """Stop it at once, whatever is being written, and start it again."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "-l", str(self._folder / "log"),
                  "restart")  # fmt: skip

    def database(self, tablespace: str = "pg_default") -> str:
        """The URL of a new database."""
        self._made += 1
        name = f"ledger{self._made}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "auditor", "-D", tablespace, name)
        return f"postgresql://auditor:s3cret@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """End it and remove its folder."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)
