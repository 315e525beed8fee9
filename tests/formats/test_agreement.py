"""Two programs that nobody here wrote: nginx writes the logs, GoAccess counts them, and we agree with both."""

import json
import random
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.exchanges.exchange import Exchange
from auditor.exchanges.outcome import served
from auditor.formats.combined import Combined
from auditor.formats.log_format import LogFormat
from auditor.formats.nginx_json import NginxJson
from tests.formats.test_conformance import DATA
from tests.services import free_port, need

REQUESTS = 10_000
SENT = 16_000
"""Some stand behind one that nginx refuses, and are never read."""
UTC = ZoneInfo("UTC")
OWN = (
    '[$time_iso8601] $host "$request" $status $body_bytes_sent $request_time $upstream_cache_status '
    '"$sent_http_content_type" "$http_user_agent"'
)
CONFIG = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit;
events {{ worker_connections 64; }}
http {{
  log_format own '{own}';
  log_format json escape=json '{{"time_iso8601":"$time_iso8601","host":"$host","request_method":"$request_method",'
    '"request_uri":"$request_uri","request":"$request","status":"$status","body_bytes_sent":"$body_bytes_sent",'
    '"request_time":"$request_time","upstream_cache_status":"$upstream_cache_status"}}';
  proxy_cache_path cache keys_zone=pictures:1m; proxy_temp_path temp; client_body_temp_path temp;
  fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  large_client_header_buffers 4 16k; default_type image/png; keepalive_requests 100000;
  server {{
    listen 127.0.0.1:{port}; server_name _; access_log combined.log; access_log own.log own; access_log json.log json;
    location / {{ return 200 "{picture}"; }}
    location /cached/ {{ proxy_pass http://127.0.0.1:{upstream}; proxy_cache pictures; proxy_cache_valid 200 1h; }}
    location /missing/ {{ return 404; }} location /gone/ {{ return 410 ""; }} location /broken/ {{ return 503; }}
    location /moved/ {{ return 302 /img/1.png; }} location /secret/ {{ return 403; }}
  }}
  server {{ listen 127.0.0.1:{upstream}; access_log off; location / {{ return 200 "{picture}"; }} }}
}}
"""


class Nginx:
    """One nginx in a folder."""

    def __init__(self, folder: Path) -> None:
        program = need("nginx-light", "nginx", "/usr/sbin")
        self.folder, self.port = folder, free_port()
        upstream = free_port()
        (folder / "nginx.conf").write_text(CONFIG.format(own=OWN, port=self.port, upstream=upstream, picture="p" * 700))
        folder.chmod(0o755)
        self._process = subprocess.Popen(
            [program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log", "-g", "user root;"],
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self.connect().close()
                return
            except OSError:
                if self._process.poll() is not None:
                    raise AssertionError(self._process.stderr.read().decode()) from None
        raise AssertionError("nginx does not listen")

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, data: bytes) -> None:
        """Requests behind each other on one connection; nginx closes it at the first that it cannot read."""
        with self.connect() as connection, suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    def stop(self) -> None:
        """End it in good order, so that all logs are written."""
        self._process.send_signal(15)
        self._process.wait(20)


def odd(rng: random.Random, number: int) -> bytes:
    """One request, strange in one of many ways; a third of them plain."""
    places = [b"img", b"cached", b"missing", b"gone", b"broken", b"moved", b"secret"]
    path = b"/%s/%d-%dx%d.png" % (rng.choice(places), rng.randrange(60), rng.randrange(900), rng.randrange(900))
    query = rng.choice([
        b"", b"?v=1", b"?title=%22quoted%22&v=2", b"?t=%D0%90%F0%9F%8E%A8", "?t=Ж".encode(), b"?t=\xff\xfe", b'?t="raw"',
        b"?t=back\\slash", b"?t='single'", b"?a=1&a=2&&b", b"?" + b"x" * rng.randrange(1, 3000), b"?t=[1]{2}|3^`<>",
        b"?%zz=%", b"?t=a+b%20c", b"?url=https://u:p@h/x?y=1", b"?dma-api-key=k3y-0123456789", b"#fragment", b"??", b"?=",
    ])  # fmt: skip
    method = rng.choice([b"GET"] * 8 + [b"HEAD", b"POST", b"PUT", b"OPTIONS", b"DELETE"])
    agent = rng.choice([b"curl/8.5", b'a "quoted" agent', b"back\\slash", b"", "агент".encode(), b"tab\there", b'"', b'\\"',
                        b'x" "y', b"] [ ] \"GET / HTTP/1.1\" 200 5"])  # fmt: skip
    referer = rng.choice([b"-", b'https://shop.example/?a="b"', b"", b"x y"])
    host = rng.choice([b"shop.example", b"[::1]:80", b"SHOP.example:8080", b"xn--e1afmkfd.example"])
    line = b"%s %s%s HTTP/1.1" % (method, path, query)
    body = b"Content-Length: 0\r\n" if method in (b"POST", b"PUT") else b""
    return b"%s\r\nHost: %s\r\nUser-Agent: %s\r\nReferer: %s\r\n%s\r\n" % (line, host, agent, referer, body)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with nginx's three logs of ten thousand odd requests, and a few that are no requests at all."""
    server = Nginx(tmp_path_factory.mktemp("nginx"))
    rng = random.Random(6)
    try:
        for first in range(0, SENT, 5):
            server.send(b"".join(odd(rng, first + i) for i in range(5)))
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"get /img/1.png HTTP/1.0\r\n\r\n",
                        b"GET /img/a b.png HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /img/1.png\r\n"):  # fmt: skip
            server.send(garbage)
    finally:
        server.stop()
    yield server.folder


def read(kind: Any, log: Path) -> list[Exchange]:
    """Every line of a log; a rejected one is an error here."""
    return [kind.parse(line) for line in log.read_bytes().split(b"\n") if line]


def goaccess(log: Path, folder: Path) -> dict[str, Any]:
    """What GoAccess counts."""
    program, out = need("goaccess", "goaccess"), folder / "goaccess.json"
    subprocess.run(
        [program, str(log), "--log-format=COMBINED", "--no-global-config", "--no-progress", "-o", str(out)],
        check=True, capture_output=True,
    )  # fmt: skip
    return json.loads(out.read_bytes())


def statuses(report: dict[str, Any]) -> Counter[int]:
    """Hits by status of a GoAccess report."""
    return Counter({
        int(item["data"][:3]): item["hits"]["count"] for group in report["status_codes"]["data"] for item in group["items"]
    })  # fmt: skip


def agree(log: Path, folder: Path) -> None:
    """Hits, bytes and statuses."""
    exchanges, report = read(Combined(UTC), log), goaccess(log, folder)
    general, size = report["general"], sum(exchange.bytes or 0 for exchange in exchanges)
    print(f"{log.name}: GoAccess {general['valid_requests']} hits, {general['bandwidth']} bytes, "
          f"{sorted(statuses(report).items())}; ours {len(exchanges)}, {size}")  # fmt: skip
    assert general["failed_requests"] == 0
    assert general["valid_requests"] == len(exchanges)
    assert general["bandwidth"] == size
    assert statuses(report) == Counter(exchange.status for exchange in exchanges)


def test_goaccess_counts_what_we_count_of_nginx(logs: Path, tmp_path: Path) -> None:
    """On the lines that an nginx of ours wrote for odd requests."""
    agree(logs / "combined.log", tmp_path)


@pytest.mark.external
@pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is absent")
def test_goaccess_counts_what_we_count_of_a_shop(tmp_path: Path) -> None:
    """On the log of a real shop."""
    agree(DATA / "zanbil_image_20190126_1945-1955.log", tmp_path)


def test_three_formats_of_one_nginx_tell_the_same(logs: Path) -> None:
    """Combined, a log_format of one's own and JSON: the same requests, statuses and bytes in the same order."""
    combined = read(Combined(UTC), logs / "combined.log")
    own = read(LogFormat.of("own", OWN)(UTC), logs / "own.log")
    as_json = read(NginxJson(UTC), logs / "json.log")
    assert len(combined) > REQUESTS

    def told(exchange: Exchange) -> tuple[object, ...]:
        # What is no request (a TLS handshake on a plain port) is told as each log wrote it.
        return exchange.method, exchange.target if exchange.method else "", exchange.status, exchange.bytes

    assert [told(exchange) for exchange in own] == [told(exchange) for exchange in combined]
    assert [told(exchange) for exchange in as_json] == [told(exchange) for exchange in combined]
    caches = Counter(served(exchange.cache) for exchange in own if exchange.target.startswith("/cached/"))
    assert caches == Counter(served(exchange.cache) for exchange in as_json if exchange.target.startswith("/cached/"))
    assert len(caches) >= 2


def test_addresses_come_through_nginx_as_they_were_sent(logs: Path) -> None:
    """Quotes, backslashes, bytes that are no UTF-8: escaped by nginx, unescaped by us."""
    rng = random.Random(6)
    sent = Counter(odd(rng, number).split(b" ")[1].decode(errors="backslashreplace") for number in range(SENT))
    seen = Counter(exchange.target for exchange in read(Combined(UTC), logs / "combined.log"))
    assert sum((seen & sent).values()) > REQUESTS
    assert any('"raw"' in target for target in seen & sent)
    assert any("back\\slash" in target for target in seen & sent)
    assert any("\\xff\\xfe" in target for target in seen & sent)
    assert any("Ж" in target for target in seen & sent)
