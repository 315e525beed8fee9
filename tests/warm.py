"""`auditor …` as a process of its own, forked from one that has imported everything: most of a short command is imports.

What the child gets is what a new process would: its arguments, environment, folder, umask and streams; its end is that
of an interpreter. What an interpreter reads as it starts cannot be handed over later: see `STARTING`.
"""

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
STARTING = ("PYTHON", "LANG", "LC_", "NUMBA_", "LD_", "MALLOC_")
"""How variables begin that count when an interpreter and its libraries start."""
_LOCK = threading.Lock()


def _starting(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(STARTING)}


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def serves(environment: Mapping[str, str]) -> bool:
    """Whether a fork is what a new process would be."""
    return _starting(environment) == _starting(ENVIRONMENT)


def run(
    arguments: Sequence[str], stdin: bytes | None, cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """`auditor` with these arguments; without *stdin* it has that of this process."""
    asked = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment), "umask": _umask()}
    source, feed = os.pipe() if stdin is not None else (os.dup(0), None)
    out, told = os.pipe()
    error, complained = os.pipe()
    with _LOCK, ThreadPoolExecutor(3) as pool:
        server, process = _server()
        socket.send_fds(server, [json.dumps(asked).encode()], [source, told, complained])
        for each in (source, told, complained):
            os.close(each)
        if feed is not None:
            pool.submit(_feed, feed, stdin)
        outputs = [pool.submit(_drain, each) for each in (out, error)]
        status = server.recv(16)
        assert status, process.communicate()[1].decode()
        return subprocess.CompletedProcess(arguments, int(status), *(each.result() for each in outputs))


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _feed(to: int, data: bytes) -> None:
    try:
        with open(to, "wb", buffering=0) as pipe:
            rest = memoryview(data)
            while rest:
                rest = rest[pipe.write(rest) :]
    except BrokenPipeError:  # it has read enough
        pass


def _drain(source: int) -> bytes:
    with open(source, "rb") as pipe:
        return pipe.read()


@cache
def _server() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """The process that forks, and the end of a connection to it; it ends when that is closed.

    Its streams are pipes, as those of its children: a text stream keeps what it learned of its file.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(theirs.fileno())], cwd=ROOT, env=ENVIRONMENT,
            pass_fds=[theirs.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    atexit.register(process.communicate)
    atexit.register(ours.close)
    return ours, process


def main() -> None:
    """Import, and fork for each that asks; the main program of a fork is `auditor`."""
    import gc

    import auditor

    for found in walk_packages(auditor.__path__, "auditor."):
        if not found.name.endswith("__main__"):
            import_module(found.name)
    for heavy in (
        "duckdb",
        "numba",
        "pandas",
        "pyarrow.csv",
        "pyarrow.compute",
        "rich.console",
        "sqlalchemy.dialects.sqlite",
    ):
        import_module(heavy)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests and the child
    connection = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if not message:
            return
        child = os.fork()
        if not child:
            connection.close()
            _become(json.loads(message), streams)
        for each in streams:
            os.close(each)
        connection.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _become(asked: dict[str, Any], streams: list[int]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    sys.argv = ["auditor", *asked["arguments"]]
    code: Any = 1
    try:
        runpy.run_module("auditor", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    # As an interpreter ends, but for taking every module apart, which takes longer than most commands.
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


if __name__ == "__main__":
    main()
