"""A renderer is ready when it is made: its first call loads nothing, and a fork at any moment of it is safe."""

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from auditor.client.renderer import Renderer
from auditor.sandbox.server import Sandbox
from tests.client.conftest import PICTURE, Upstream
from tests.services import ROOT, RedisServer, redis_server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test alone."""
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as server:
        yield server


def run(script: str, *arguments: str, **environment: str) -> str:
    """What a program of its own says."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


FIRST = """
import asyncio, sys
from auditor import Budget, Renderer
url, cache, kind = sys.argv[1:4]
renderer = Renderer(api_key="sandbox", base_url=url, cache=cache or None, events=sys.argv[4], budget=Budget(9), tries=1)
class Sought:
    @staticmethod
    def find_spec(name, path=None, target=None):
        sought.add(name)
sought = set()
sys.meta_path.insert(0, Sought)
def call(overrides):
    try:
        if kind == "sync":
            renderer.render("og", overrides, format="png")
        else:
            asyncio.run(renderer.arender("og", overrides, format="png"))
    except Exception as error:
        print(type(error).__name__, error)
call({"title": "x"})
call({"\\ue000": 1, "\\U0001f600": 1.0})
renderer.close()
print("SOUGHT", sorted(sought))
"""


class Answers(http.server.BaseHTTPRequestHandler):
    """An image for everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.send_header("content-length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(address, file of the authority) of an HTTPS server on loopback."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", str(tmp_path / "ca.pem")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("cache", ["", "memory://", "redis", "folder"])
def test_a_first_call_looks_for_no_module(
    cache: str, kind: str, secure: tuple[str, str], redis: RedisServer, tmp_path: Path
) -> None:
    """No module, so no codec either: what is loaded while somebody waits costs money, and a fork leaves it half.

    Nor is one looked for that is not there: the child of a fork then would wait for that module's lock forever.
    """
    where = {"redis": redis.url, "folder": str(tmp_path / "renders")}.get(cache, cache)
    said = run(FIRST, secure[0], where, kind, str(tmp_path / "usage"), SSL_CERT_FILE=secure[1])
    assert said == "SOUGHT []\n"


def test_failures_look_for_none_either(tmp_path: Path) -> None:
    """A refused connection, and a server that fails."""
    with Sandbox(faults={"500": 1.0}) as sandbox:
        failed = run(FIRST, sandbox.url, "memory://", "async", str(tmp_path / "a"))
    refused = run(FIRST, sandbox.url, "memory://", "async", str(tmp_path / "b"))
    assert failed.endswith("SOUGHT []\n") and refused.endswith("SOUGHT []\n")
    assert "ProviderError" in failed and "NotSentError" in refused


COLD = """
import asyncio, sys
from auditor import Renderer
renderer = Renderer(api_key="sandbox", base_url=sys.argv[1], cache=sys.argv[2], registry=None)
print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(renderer.arender("og", {"a": 1})).outcome, flush=True)
"""


def test_cold_processes_pay_for_nothing_that_redis_holds(redis: RedisServer) -> None:
    """Eight of them at once."""
    with Sandbox() as sandbox:
        with Renderer(api_key="sandbox", base_url=sandbox.url, cache=redis.url, registry=None) as renderer:
            renderer.render("og", {"a": 1})
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", COLD, sandbox.url, redis.url], cwd=ROOT, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True,
            )
            for _ in range(8)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        found = Counter(process.communicate(timeout=60)[0].strip() for process in processes)
        print(f"eight cold processes: {dict(found)}, {sandbox.billing.calls} calls in all")
        assert found == {"hit": 8} and sandbox.billing.calls == 1


MOMENTS = """
import faulthandler, gc, json, os, signal, sys, threading
os.register_at_fork(after_in_child=lambda: signal.alarm(15))  # before all others, which may wait forever
faulthandler.register(signal.SIGALRM, chain=True)
faulthandler.dump_traceback_later(280, exit=True)
from prometheus_client import CollectorRegistry
from auditor import Renderer
url, cache, folder, moments = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

class Stop:
    '''Halts whichever thread of a render makes the n-th call of a function, until the main thread has forked.'''
    def __init__(self, at):
        self.at, self.calls = at, 0
        self.reached, self.go = threading.Event(), threading.Event()
    def __call__(self, frame, event, arg):
        if event == "call":
            self.calls += 1
            if self.calls == self.at:
                sys.setprofile(None)
                self.reached.set()
                self.go.wait(0.2)  # some locks are taken before a fork, which waits for them

def once(at, number):
    stop = Stop(at)
    renderer = Renderer(api_key="sandbox", base_url=url, cache=cache or None, events=folder, registry=CollectorRegistry())
    said = []
    def first():
        try:
            said.append(str(renderer.render("og", {"n": number}, timeout=20).outcome))
        except BaseException as error:
            said.append(repr(error))
        stop.reached.set()
    threading.setprofile(stop)
    thread = threading.Thread(target=first)
    thread.start()
    threading.setprofile(stop)
    stop.reached.wait()
    threading.setprofile(None)
    child = os.fork()
    if child == 0:
        sys.setprofile(None)
        code = 1
        try:
            gc.collect()
            code = 0 if renderer.render("og", {"child": number}, timeout=12).outcome == "render" else 2
            renderer.close()
        except BaseException as error:
            os.write(2, repr(error).encode() + b"\\n")
        finally:
            os._exit(code)
    stop.go.set()
    _, status = os.waitpid(child, 0)
    thread.join(25)
    try:
        after = str(renderer.render("og", {"after": number}, timeout=20).outcome)
    except BaseException as error:
        after = repr(error)
    renderer.close()
    return stop.calls, status, said, after

calls = once(0, "all")[0]
found = [once(1 + place * calls // moments, place) for place in range(moments)]
print(json.dumps([calls, [each for each in found if each[1:] != (0, ["render"], "render")], len(found)]))
"""


@pytest.mark.parametrize("cache", ["memory://", "redis", "folder"])
def test_a_fork_at_any_moment_of_the_first_render_is_safe(cache: str, redis: RedisServer, tmp_path: Path) -> None:
    """For the child, which renders, and for the parent, whose render ends as if nothing had been."""
    where = {"redis": redis.url, "folder": str(tmp_path / "renders")}.get(cache, cache)
    with Sandbox(designs={"og": (8, 8)}) as sandbox:
        calls, wrong, forks = json.loads(run(MOMENTS, sandbox.url, where, str(tmp_path / "usage"), "25"))
    print(f"{cache}: {forks} forks over {calls} calls of functions, {len(wrong)} wrong")
    assert calls > 400 and not wrong, wrong


def test_a_fork_in_multiprocess_mode(redis: RedisServer, tmp_path: Path) -> None:
    """prometheus_client has one lock for all of its files then."""
    (tmp_path / "metrics").mkdir()
    with Sandbox(designs={"og": (8, 8)}) as sandbox:
        said = run(
            MOMENTS, sandbox.url, "", str(tmp_path / "u"), "10", PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics")
        )
        assert json.loads(said)[1] == []
        lock = (
            "import os, threading\nfrom prometheus_client import values\nfrom auditor import Renderer\n"
            "from tests.client.conftest import Upstream\n"
            "renderer = Renderer(api_key='k', transport=Upstream())\n"
            "cells = [c.cell_contents for c in values.ValueClass.inc.__closure__]\n"
            "(lock,) = [c for c in cells if hasattr(c, 'acquire')]\nlock.acquire()\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    import signal; signal.alarm(10)\n"
            "    os._exit(0 if renderer.render('og', {}).outcome == 'render' else 1)\n"
            "print(os.waitpid(child, 0)[1])\n"
        )
        assert run(lock, PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics")) == "0\n"


def test_a_part_that_fails_in_the_child_leaves_the_others_whole(upstream: Upstream) -> None:
    """A store of somebody else's may."""
    from auditor.client import forks

    class Failing:
        def forked(self) -> None:
            raise OSError

    class Part:
        renewed = 0

        def forked(self) -> None:
            self.renewed += 1

    parts: list[Any] = [Failing(), Part(), Failing(), Part()]
    for part in parts:
        forks.renew_in_children(part)
    forks._after_fork()
    assert [part.renewed for part in parts if isinstance(part, Part)] == [1, 1]


@pytest.mark.parametrize("install", ["with click", "base"])
def test_importing_the_client_is_light(install: str) -> None:
    """At most 1.5 times the CPU of `import httpx`, the interpreter's own start included; httpx has a part for click."""
    import statistics

    before = "" if install == "with click" else "import sys; sys.modules['click'] = None; "

    def seconds(code: str) -> float:
        process = subprocess.Popen([sys.executable, "-c", before + code], cwd=ROOT)
        usage = os.wait4(process.pid, 0)[2]
        process.returncode = 0
        return usage.ru_utime + usage.ru_stime

    pairs = [(seconds("import httpx"), seconds("from auditor import Renderer")) for _ in range(20)]
    httpx, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
    print(f"import httpx {httpx * 1000:.0f} ms, from auditor import Renderer {ours * 1000:.0f} ms: {ours / httpx:.2f}")
    assert ours <= 1.5 * httpx
