"""However the demo ends, none of its processes and files are left, and what went wrong is said."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.test_check import processes_with
from tests.services import ROOT

DEMO = """
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen
import httpx
import scripts.live.__main__ as live
from scripts.live import processes as children

@contextmanager
def running(folder, scale, now, say):
    with children.Processes(folder) as processes:
        processes.serve("quiet", sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(999)", {word!r})
        processes.serve("exporter", "sh", "-c", {exporter!r})
        print(folder, flush=True)
        yield processes

children.STOPS = 0.5
live.running, live.demonstrate = running, lambda processes: {demonstrate}
live.endings.run("live", live.app)
"""
"""The command, with two servers of the test's in place of ours; one of them does not heed SIGTERM."""


def came(condition: Callable[[], object]) -> bool:
    """Whether it came about within some seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def gone(word: str) -> bool:
    """Whether soon no process has a word in its command line."""
    return came(lambda: not processes_with(word))


def started(
    word: str, exporter: str = "mktemp -d; exec sleep 999", demonstrate: str = "processes.rest(999)"
) -> tuple[subprocess.Popen[str], Path]:
    """The process, and the folder of its demo."""
    code = textwrap.dedent(DEMO).format(word=word, exporter=exporter, demonstrate=demonstrate)
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "TMPDIR": word}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    """Also a server that does not heed SIGTERM; a second signal changes nothing."""
    process, folder = started(str(tmp_path))
    assert folder.is_dir() and processes_with(str(tmp_path))
    assert came(lambda: list(tmp_path.rglob("tmp.*")))
    process.send_signal(number)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert gone(str(tmp_path)) and not list(tmp_path.iterdir()), "temporary files of servers are not left either"


def test_a_kill_leaves_no_orphan(tmp_path: Path) -> None:
    """The kernel ends the servers."""
    process, _ = started(str(tmp_path))
    process.kill()
    process.communicate(timeout=20)
    assert gone(str(tmp_path))


@pytest.mark.parametrize(
    "demonstrate", ["processes.rest(999)", "urlopen('http://127.0.0.1:1')", "httpx.get('http://127.0.0.1:1')"]
)
def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path, demonstrate: str) -> None:
    """Which it was, how it ended and what it said, also where it did not answer first; the others are stopped."""
    process, folder = started(str(tmp_path), "seq 20 >&2; echo out of memory >&2; exit 7", demonstrate)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "auditor: exporter ended (exit code 7); the end of" in errors and "auditor: out of memory" in errors
    assert "auditor: 12\n" in errors and "auditor: 11\n" not in errors, "ten lines"
    assert gone(str(tmp_path)) and not folder.exists()
