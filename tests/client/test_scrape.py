"""One scrape is all workers, or a sentence that says how to make it so."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from auditor.client import scrape
from auditor.client.renderer import Renderer
from tests.client.conftest import Upstream
from tests.services import ROOT

Build = Callable[..., Renderer]

WORKERS = """
import asyncio, json, os, signal, socket, sys, httpx
from auditor import Renderer, child_exit
from tests.client.conftest import Upstream
kind, count, behavior = sys.argv[1], int(sys.argv[2]), sys.argv[3]
listener = socket.create_server(("127.0.0.1", 0))
renderer = Renderer(api_key="k", transport=Upstream())
renderer.render("og", {"before": 1})  # as with --preload
commands = []
def scrape(app):
    if kind == "wsgi":
        with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://x") as client:
            answer = client.get("/metrics")
    else:
        async def main():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
                return await client.get("/metrics")
        answer = asyncio.run(main())
    return [answer.status_code, answer.text]
def work(number, read, write):
    for n in range(number + 1):
        renderer.render("og", {"n": n, "worker": number})
    if behavior != "whole" and number == 0:
        renderer._meter.inflight(3)  # what it has in flight when it dies
    app = renderer.metrics_app(kind)
    write.write(b"ready\\n"); write.flush()
    for _ in read:
        write.write(json.dumps(scrape(app)).encode() + b"\\n"); write.flush()
pipes, pids = [], []
for number in range(count):
    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        for _, (r, w) in enumerate(pipes):
            r.close(); w.close()
        os.close(w1); os.close(r2)
        try:
            work(number, os.fdopen(r1, "rb"), os.fdopen(w2, "wb"))
        finally:
            os._exit(0)
    os.close(r1); os.close(w2)
    pids.append(pid)
    pipes.append((os.fdopen(r2, "rb"), os.fdopen(w1, "wb")))
for read, _ in pipes:
    assert read.readline() == b"ready\\n"
if behavior != "whole":
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids[0], 0)
    if behavior == "hook":
        class Worker: pid = pids[0]
        child_exit(None, Worker)
answers = []
for read, write in pipes[behavior != "whole":]:
    write.write(b"go\\n"); write.flush()
    answers.append(json.loads(read.readline()))
print(json.dumps(answers))
for _, write in pipes:
    try: write.close()
    except OSError: pass
"""


def workers(kind: str, count: int, behaviour: str = "whole", **environment: str) -> list[tuple[int, str]]:
    """What each of so many forked workers that share a listening socket answers to a scrape."""
    program = [sys.executable, "-c", WORKERS, kind, str(count), behaviour]
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, timeout=100, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [(status, text) for status, text in json.loads(done.stdout)]


def sample(text: str, name: str) -> float:
    """The sum of a series."""
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"imgrender_client_{name}(?!\w)", line)
    )


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_in_multiprocess_mode_every_worker_shows_the_sum(kind: str, tmp_path: Path) -> None:
    """Three that made 1, 2 and 3 renders, and one before the fork."""
    answers = workers(kind, 3, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert [status for status, _ in answers] == [200] * 3
    for _, text in answers:
        assert sample(text, 'requests_total{.*result="render"') == sample(text, "credits_used_total") == 7
        assert sample(text, "inflight_requests") == 0
        assert "_created" not in text


@pytest.mark.parametrize("behaviour", ["hook", "no hook"])
def test_a_worker_that_dies_leaves_its_counts_and_nothing_in_flight(behaviour: str, tmp_path: Path) -> None:
    """By gunicorn's hook; without one the application itself looks who lives."""
    for _, text in workers("asgi", 3, behaviour, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)):
        assert sample(text, 'requests_total{.*result="render"') == 7
        assert sample(text, "inflight_requests") == 0


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_without_that_mode_several_workers_are_told_how(kind: str) -> None:
    """Rather than one's share."""
    for status, text in workers(kind, 2):
        assert status == 503
        assert "PROMETHEUS_MULTIPROC_DIR" in text and "child_exit" in text and "imgrender_client_requests" not in text


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_one_worker_is_shown(kind: str) -> None:
    """Its parent has the same socket, and is none."""
    ((status, text),) = workers(kind, 1)
    assert status == 200 and sample(text, "requests_total") == 2


def test_wsgi_servers_say_so_themselves(build: Build, upstream: Upstream) -> None:
    """`wsgi.multiprocess`, PEP 3333."""
    app = build().metrics_app("wsgi")
    for several, status in ((False, 200), (True, 503)):
        transport = httpx.WSGITransport(
            lambda environ, start, s=several: app({**environ, "wsgi.multiprocess": s}, start)
        )
        with httpx.Client(transport=transport, base_url="http://x") as client:
            assert client.get("/metrics").status_code == status


def test_a_listening_socket_of_one_s_own_is_one_worker(build: Build) -> None:
    """Siblings that listen elsewhere, or nowhere, are other programs."""
    with socket.create_server(("127.0.0.1", 0)):
        sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        try:
            assert scrape._listening(Path("/proc"), os.getpid())
            assert not scrape.several()
        finally:
            sleeper.communicate()
    assert not scrape.several(Path("/nowhere"))


OWN_SOCKETS = """
import os, socket, sys
from auditor.client.scrape import several
port, (ready, told), (go, let) = 0, os.pipe(), os.pipe()
for number in range(2):
    if not os.fork():
        os.close(let)
        mine = socket.create_server(("127.0.0.1", port), reuse_port=True)
        os.write(told, mine.getsockname()[1].to_bytes(2, "big"))
        os.read(go, 1)
        os._exit(several())
    port = int.from_bytes(os.read(ready, 2), "big") if sys.argv[1] == "same" else 0
os.write(let, b"x")  # one of them looks while the other is there
print(os.waitstatus_to_exitcode(os.wait()[1]))
os.close(let)
os.wait()
"""


@pytest.mark.parametrize(("ports", "several"), [("same", "1"), ("other", "0")])
def test_workers_may_have_a_socket_each(ports: str, several: str) -> None:
    """On one address, by `SO_REUSEPORT`; another address is another program."""
    command = [sys.executable, "-c", OWN_SOCKETS, ports]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    assert done.stdout.split() == [several]


def test_a_hook_outside_of_that_mode_does_nothing() -> None:
    """gunicorn.conf.py may import it anyway."""

    class Worker:
        pid = 2**22 + 1

    scrape.child_exit(None, Worker)
