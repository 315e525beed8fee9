"""gunicorn and uvicorn as people run them: what three workers show is what the audit of their events counts."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import command
from tests.services import ROOT, free_port

APP = """
import asyncio, os, pathlib, time
import httpx
from auditor import Renderer
from auditor.model.errors import RenderError
from tests.client.conftest import PICTURE

class Provider(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request):
        if b"hang" in request.content:
            pathlib.Path("hanging").write_text(str(os.getpid()))
            await asyncio.Event().wait()
        if b"fail" in request.content:
            return httpx.Response(404)
        return httpx.Response(200, headers={"content-type": "image/png"}, content=PICTURE)

renderer = Renderer(api_key="k", transport=Provider(), events="usage", account="main", secret="s", tries=1, timeout=600)
of_wsgi, of_asgi = renderer.metrics_app("wsgi"), renderer.metrics_app("asgi")

def wsgi(environ, start):
    path = environ["PATH_INFO"]
    if path == "/metrics":
        return of_wsgi(environ, start)
    try:
        said = renderer.render("og", {"path": path}).outcome
    except RenderError:
        said = "error"
    start("200 OK", [])
    return [f"{os.getpid()} {said}".encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/metrics":
        return await of_asgi(scope, receive, send)
    try:
        said = (await renderer.arender("og", {"path": scope["path"]})).outcome
    except RenderError:
        said = "error"
    time.sleep(0.002)  # as a page that is not only this image: the others have a chance
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{os.getpid()} {said}".encode()})
"""
GUNICORN = [sys.executable, "-m", "gunicorn", "--workers", "3", "--config", "gunicorn.conf.py", "app:wsgi"]
SERVERS: dict[str, list[str]] = {
    "gunicorn": GUNICORN,
    "gunicorn --preload": [*GUNICORN, "--preload"],
    "uvicorn": [sys.executable, "-m", "uvicorn", "--workers", "3", "--log-level", "warning", "app:asgi"],
}


@contextmanager
def served(server: str, folder: Path, **environment: str) -> Iterator[str]:
    """The address of three workers."""
    (folder / "app.py").write_text(APP)
    (folder / "gunicorn.conf.py").write_text("from auditor import child_exit\nloglevel = 'error'\n")
    port = free_port()
    where = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in server else ["--port", str(port)]
    path = os.pathsep.join([str(folder), str(ROOT)])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*SERVERS[server], *where], cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(found: Callable[[], bool], folder: Path) -> None:
    """Wait, but not forever."""
    ends = time.monotonic() + 60
    while not found():
        assert time.monotonic() < ends, (folder / "log").read_text()[-2000:]


def get(url: str) -> str:
    """Over a connection of its own, so that any worker may take it; empty where none listens yet."""
    try:
        return httpx.get(url, timeout=30, trust_env=False).text
    except httpx.TransportError:
        return ""


def used(url: str, pool: ThreadPoolExecutor, folder: Path) -> set[str]:
    """Requests until each of three workers has served some; their process ids."""
    seen: set[str] = set()

    def busy() -> bool:
        for answer in pool.map(get, [f"{url}/{name}" for name in [*map(str, range(20)), "fail"]]):
            if answer:
                seen.add(answer.split()[0])
        return len(seen) >= 3

    until(busy, folder)
    return seen


def shown(url: str) -> dict[str, float]:
    """What one scrape says."""
    text = get(f"{url}/metrics")

    def total(series: str) -> float:
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(series, line))

    return {
        **{f"{result}s": total(f'imgrender_client_requests_total{{.*result="{result}"') for result in ("render", "hit", "error")},
        "credits": total(r"imgrender_client_credits_used_total\{"),
        "inflight": total(r"imgrender_client_inflight_requests\{"),
    }  # fmt: skip


def audited(folder: Path) -> dict[str, float]:
    """What the events say."""
    done = command("audit", str(folder / "usage"), "--format", "json", SOURCE_DATE_EPOCH=str(int(time.time()) + 1))
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)["totals"]
    return {name: float(totals[name]) for name in ("renders", "hits", "errors", "credits", "unresolved")}


@pytest.mark.parametrize("server", ["gunicorn --preload", "uvicorn"])
def test_the_metrics_of_three_workers_are_the_audit(server: str, tmp_path: Path) -> None:
    """Whichever worker answers; also when one was killed in the middle of a render, and another took its place."""
    values = tmp_path / "values"
    values.mkdir()
    with served(server, tmp_path, PROMETHEUS_MULTIPROC_DIR=str(values)) as url, ThreadPoolExecutor(6) as pool:
        until(lambda: bool(get(f"{url}/metrics")), tmp_path)
        before = used(url, pool, tmp_path)
        hanging = pool.submit(get, f"{url}/hang")
        until(lambda: (tmp_path / "hanging").exists() and (tmp_path / "hanging").read_text() != "", tmp_path)
        assert shown(url)["inflight"] == 1
        killed = (tmp_path / "hanging").read_text()
        os.kill(int(killed), signal.SIGKILL)
        assert hanging.result() == ""
        until(lambda: len(used(url, pool, tmp_path) - before) >= 1, tmp_path)
        until(lambda: bool(used(url, pool, tmp_path)) and shown(url)["hits"] > 0, tmp_path)
        until(lambda: shown(url)["inflight"] == 0, tmp_path)
        scrapes = [shown(url) for _ in range(6)]
    assert scrapes == [scrapes[0]] * 6
    counted = audited(tmp_path)
    assert counted.pop("unresolved") == 1
    assert counted == {name: scrapes[0][name] for name in counted}
    assert counted["renders"] >= 20 and counted["errors"] >= 2


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_without_multiprocess_mode_no_worker_shows_its_share(server: str, tmp_path: Path) -> None:
    """A sentence that says how to have the sum."""
    with served(server, tmp_path) as url, ThreadPoolExecutor(6) as pool:
        until(lambda: bool(get(f"{url}/1")), tmp_path)
        used(url, pool, tmp_path)
        answers = {httpx.get(f"{url}/metrics", trust_env=False).status_code for _ in range(6)}
    assert answers == {503}
