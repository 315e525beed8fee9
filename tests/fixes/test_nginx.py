"""The nginx configuration to copy: a real nginx with it serves the repeats of the log that was audited."""

import http.client
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.conftest import documented
from tests.fixes.test_client import HOSTILE, snippets
from tests.services import free_port, need, until

CONFIG = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit;
events {{ worker_connections 64; }}
http {{
  proxy_temp_path temp; client_body_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  access_log off;
  {http}
  server {{ listen 127.0.0.1:{port}; location / {{ return 404; }}
  {server}
  }}
}}
"""


class Maker(ThreadingHTTPServer):
    """What renders: an image by the path and the title, whatever else the address says, and no cache may keep it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.rendered: Counter[str] = Counter()
        self.pause = threading.Event()
        self.pause.set()


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Maker

    def do_GET(self) -> None:
        self.server.rendered[self.path] += 1
        self.server.pause.wait(20)
        body = picture(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Cache-Control", "private, max-age=0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """No log."""


def picture(target: str) -> bytes:
    """The image of an address, of another size for another title."""
    found = urlsplit(target)
    title = parse_qs(found.query).get("title", [""])[0]
    return f"{found.path} {title}".encode().ljust(2000 + 7 * int(title or 0), b".")


@contextmanager
def serving() -> Iterator[Maker]:
    """What renders, while it runs."""
    maker = Maker()
    thread = threading.Thread(target=maker.serve_forever)
    thread.start()
    try:
        yield maker
    finally:
        maker.shutdown()
        maker.server_close()
        thread.join()


@contextmanager
def nginx(text: str, folder: Path, upstream: int) -> Iterator[int]:
    """The port of an nginx with a snippet, whose cache and upstream are others."""
    program = need("nginx-light", "nginx", "/usr/sbin")
    (folder / "cache").mkdir(parents=True)
    text = text.replace("/var/cache/", "cache/").replace("127.0.0.1:3000", f"127.0.0.1:{upstream}")
    inside, outside = text.split("# in server { … }\n")
    port = free_port()
    (folder / "nginx.conf").write_text(CONFIG.format(http=inside, server=outside, port=port))
    arguments = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log", "-g", "user root;"]
    subprocess.run([*arguments, "-t"], check=True, capture_output=True, timeout=20)
    process = subprocess.Popen(arguments)
    try:
        until(lambda: answers(port))
        yield port
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    """Whether it listens."""
    try:
        return get(port, "/")[0] == 404
    except OSError:
        return False


def get(port: int, target: str) -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", target)
        found = connection.getresponse()
        return found.status, found.read()
    finally:
        connection.close()


def log(targets: list[str]) -> str:
    """Combined, a line a minute."""
    return "".join(
        f'203.0.113.9 - - [01/Sep/2026:{8 + n // 60:02d}:{n % 60:02d}:00 +0000] "GET {target} HTTP/1.1" 200 '
        f'{len(picture(target))} "-" "curl/8.5"\n'
        for n, target in enumerate(targets)
    )


def audited(folder: Path, targets: list[str], **source: Any) -> dict[str, Any]:
    """The report of their access log."""
    (folder / "access.log").write_text(log(targets))
    config = {"sources": {"cards": {"path": "/cards/(?P<template>[^/]+)/[a-z]+[.]png", **source}}}
    return documented([folder / "access.log"], folder, config, input_format="combined")


@pytest.mark.parametrize("name", HOSTILE)
def test_repeats_come_from_the_cache(tmp_path: Path, name: str) -> None:
    """150 requests for 50 images: 50 renders, also where names are whatever an address holds."""
    template, field = quote(name, safe=""), quote(name, safe="")
    targets = [f"/cards/{template}/a.png?title={n % 50}&{field}={n}" for n in range(150)]
    found = audited(tmp_path, targets)
    (text,) = snippets(found, "volatile-inputs")
    assert snippets(found, "duplicate-renders") <= {text}
    with serving() as maker, nginx(text, tmp_path / "nginx", maker.server_port) as port:
        for target in targets:
            assert get(port, target) == (200, picture(target))
        assert maker.rendered.total() == 50
        # Another template is none of its business, and another parameter stays in the key.
        assert get(port, "/cards/else/a.png?title=1")[0] == 404
        for number in range(3):
            get(port, f"/cards/{template}/a.png?title=1&x{field}={number}")
        assert maker.rendered.total() == 53


def test_simultaneous_requests_wait_for_the_first(tmp_path: Path) -> None:
    """Ten at once for one image are one render."""
    targets = ["/cards/og/a.png?title=1"] * 10
    (text,) = snippets(audited(tmp_path, targets), "duplicate-renders")
    with serving() as maker, nginx(text, tmp_path / "nginx", maker.server_port) as port:
        maker.pause.clear()
        threads = [threading.Thread(target=get, args=(port, targets[0])) for _ in range(10)]
        for thread in threads:
            thread.start()
        until(lambda: maker.rendered.total() == 1)
        maker.pause.set()
        for thread in threads:
            thread.join(20)
        assert maker.rendered.total() == 1


def test_parameters_that_the_source_ignores_are_left_out_too(tmp_path: Path) -> None:
    """Wherever they stand in the address."""
    targets = [f"/cards/og/a.png?title=1&cb={n}&z=2" for n in range(9)]
    (text,) = snippets(audited(tmp_path, targets, ignore=["cb"]), "duplicate-renders")
    with serving() as maker, nginx(text, tmp_path / "nginx", maker.server_port) as port:
        for target in ["title=1&z=2&cb=7", "title=1&cb=8&z=2", "cb=9&title=1&z=2", "title=1&z=2&cb="]:
            get(port, f"/cards/og/a.png?{target}")
        assert maker.rendered.total() <= 2


@pytest.mark.parametrize(
    "path",
    [
        r"/cards/(?P<template>(?:a|b)[(]?)/[^/]+\.(?P<format>png)",
        r"/cards/(?P<template>[])(a-z]+|\(\))/[a-z]+[.]png",
        r'/cards/(?P<template>[^]"]+)/[a-z]+[.]png',
    ],
)
def test_patterns_of_sources_are_taken_as_they_are(tmp_path: Path, path: str) -> None:
    """Groups in groups, brackets in classes, quotes and backslashes."""
    targets = ["/cards/a/x.png?title=1"] * 5
    (text,) = snippets(audited(tmp_path, targets, path=path), "duplicate-renders")
    with serving() as maker, nginx(text, tmp_path / "nginx", maker.server_port) as port:
        assert {get(port, target) for target in targets} == {(200, picture(targets[0]))}
        assert maker.rendered.total() == 1
        assert get(port, "/cards/b/x.png?title=1")[0] == 404


@pytest.mark.parametrize(
    "source", [{"path": "/og", "query": {"t": "(?P<template>.+)"}}, {"path": "/og", "methods": ["POST"]}]
)
def test_no_cache_where_it_could_not_serve(tmp_path: Path, source: dict[str, Any]) -> None:
    """Only a parameter tells the template; requests have bodies."""
    method = source.get("methods", ["GET"])[0]
    (tmp_path / "access.log").write_text(log(["/og?t=a"] * 4).replace("GET", method))
    config = {"sources": {"og": source}}
    found = documented([tmp_path / "access.log"], tmp_path, config, input_format="combined")
    assert not [each for each in found["findings"] if "snippet" in each]
