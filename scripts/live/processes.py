"""The servers as child processes: each with a log of its own, and none is left behind, whatever ends this one."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx

from auditor.model.errors import AuditorError
from auditor.system.terminal import plain

ROOT = Path(__file__).parents[2]
STARTS = 60.0
"""Seconds that something may take to come about."""
STOPS = 15.0
"""Seconds that a process may take to stop; then it is killed."""
SILENT = 2.0
"""Seconds after which a server that did not answer is seen to have ended, if it has."""
LOOK = 0.1
"""Seconds between two looks."""
_LAST = 10
T = TypeVar("T")


class LiveError(AuditorError):
    """A part of the stack failed, or what was to come about did not; the sentence says which and what to read."""

    exit_code = 1


class Child:
    """A process; its standard output is `NAME.out` and its standard error `NAME.log` in a folder."""

    def __init__(self, name: str, folder: Path, command: Sequence[str | Path]) -> None:
        self.name = name
        self.log, self._output = folder / f"{name}.log", folder / f"{name}.out"
        # A session of its own: Ctrl-C reaches this process alone, which stops the others in their order. If this
        # process is killed, the kernel ends them.
        bound = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with self.log.open("ab") as log, self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own commands)
                bound, stdin=subprocess.DEVNULL, stdout=output, stderr=log, cwd=ROOT, start_new_session=True,
                env={**os.environ, "TMPDIR": str(folder)},  # what it leaves when it is stopped goes with the folder
            )  # fmt: skip

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def first_line(self) -> str:
        """What it printed first; empty if it has not yet."""
        line, ended, _ = self._output.read_text().partition("\n")
        return line if ended else ""

    def reload(self) -> None:
        """SIGHUP."""
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that is not enough."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(STOPS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ended(self) -> LiveError:
        """What to say of one that has ended and should not have, with the last lines of its log."""
        code = self._process.returncode
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        last = self.log.read_text(errors="replace").splitlines()[-_LAST:] or ["(empty)"]
        return LiveError("\n".join([f"{self.name} ended ({how}); the end of {self.log}:", *map(plain, last)]))


class Processes:
    """Those that run; `with` stops them at its end, the last one first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._servers: list[Child] = []
        self._jobs: dict[str, Child] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # Who does not answer has most likely ended, which says more.
        silent = isinstance(error, OSError | httpx.TransportError)
        ended = self._ended(SILENT if silent else 0)
        for child in (*self._jobs.values(), *reversed(self._servers)):
            child.stop()
        if silent and ended is not None:
            raise ended.ended() from error

    def _ended(self, patience: float) -> Child | None:
        """A server that has ended, or a job that has failed, within so many seconds."""
        deadline = time.monotonic() + patience
        while True:
            servers = (child for child in self._servers if child.code is not None)
            found = next(servers, None) or next((job for job in self._jobs.values() if job.code), None)
            if found is not None or time.monotonic() >= deadline:
                return found
            time.sleep(LOOK)

    def serve(self, name: str, *command: str | Path) -> Child:
        """Start a server, which ends with us."""
        self._servers.append(Child(name, self._logs, command))
        return self._servers[-1]

    def job(self, name: str, *command: str | Path) -> None:
        """Start a job that ends by itself, unless it still runs."""
        if name not in self._jobs or self._jobs[name].code is not None:
            self._jobs[name] = Child(name, self._logs, command)

    def busy(self) -> bool:
        """Whether a job runs."""
        return any(job.code is None for job in self._jobs.values())

    def look(self) -> None:
        """`LiveError` if a server has ended, or a job has failed."""
        if (child := self._ended(0)) is not None:
            raise child.ended()

    def rest(self, seconds: float) -> None:
        """Wait; `LiveError` if a process ends meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            time.sleep(LOOK)

    def until(self, condition: Callable[[], T], what: str, seconds: float = STARTS) -> T:
        """The first true answer; `LiveError` if a process ends before, or if it takes more than *seconds*."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            self.look()
            if time.monotonic() > deadline:
                raise LiveError(f"{what}: not within {seconds:g} s; the logs are in {self._logs}")
            time.sleep(LOOK)
        return found
