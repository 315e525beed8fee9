"""No address leads into the network that the auditor runs in: judged by a listener on every local address."""

import http.server
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from auditor.system.network import Fetcher, FetchError, Guard, is_public, shown
from tests.inspect.pictures import drawing, saved

PICTURE = saved(drawing(64, 48), "PNG")


class Canary:
    """Listens on every local address, IPv4 and IPv6, and counts who connects."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            with connection:
                connection.settimeout(1)
                try:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def canary() -> Iterator[Canary]:
    listening = Canary()
    yield listening
    listening.close()


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "10.0.0.1"
        return str(probe.getsockname()[0])


MATRIX = [
    # 127.0.0.1 in every spelling that some resolver or other takes
    "http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://127.0.1:{port}/", "http://0:{port}/",
    "http://0.0.0.0:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.1:{port}/",
    "http://017700000001:{port}/", "http://0177.0.0.1:{port}/", "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://127.0.0.1.:{port}/", "http://127.255.255.254:{port}/", "http://127.000.000.001:{port}/",
    "http://%31%32%37.0.0.1:{port}/", "http://①②⑦.⓪.⓪.①:{port}/", "http://１２７.0.0.1:{port}/", "http://127。0。0。1:{port}/",
    # names
    "http://localhost:{port}/", "http://LOCALHOST:{port}/", "http://localhost.:{port}/", "http://foo.localhost:{port}/",
    "http://ip6-localhost:{port}/", "http://ip6-loopback:{port}/", "http://{own}:{port}/",
    "https://localhost:{port}/", "https://127.0.0.1:{port}/",
    # IPv6, alone and with IPv4 inside
    "http://[::1]:{port}/", "http://[::]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/", "http://[::127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/", "http://[64:ff9b:1::7f00:1]:{port}/", "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::80ff:fffe]:{port}/", "http://[fd00:ec2::254]:{port}/", "http://[fe80::1%25lo]:{port}/",
    "http://[fe80::1%lo]:{port}/", "http://[fc00::1]:{port}/", "http://[ff02::1]:{port}/", "http://[::ffff:169.254.169.254]/",
    # private, shared, link-local, metadata
    "http://10.0.0.1:{port}/", "http://172.16.0.1:{port}/", "http://192.168.0.1:{port}/", "http://100.64.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://192.0.0.192/", "http://168.63.129.16/",
    "http://198.18.0.1:{port}/", "http://224.0.0.1:{port}/", "http://255.255.255.255:{port}/", "http://240.0.0.1:{port}/",
    # parsers that disagree
    "http://example.com@127.0.0.1:{port}/", "http://user:secret@localhost:{port}/", "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@example.com/", "http://127.0.0.1:{port}?@example.com/",
    "http:127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "http://127.0.0.1:{port}\r\nHost: x/", "http://127.0.0.1\t:{port}/",
    " http://127.0.0.1:{port}/", "http://:{port}/", "//127.0.0.1:{port}/",
    # other schemes
    "file:///etc/passwd", "file://127.0.0.1:{port}/x", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/x",
    "dict://127.0.0.1:{port}/x", "ldap://127.0.0.1:{port}/x", "data:image/png;base64,iVBORw0KGgo=", "jar:http://127.0.0.1:{port}!/",
    "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/x", "javascript:alert(1)", "",
]  # fmt: skip


@pytest.fixture(autouse=True)
def environment_that_tempts(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, canary: Canary) -> None:
    """Proxies and a netrc that lead to the canary."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


def quick(guard: Guard | None = None, **limits: Any) -> Fetcher:
    return Fetcher(guard, **{"step_seconds": 0.5, "seconds": 3.0, **limits})


def reason(fetcher: Fetcher, address: str) -> str:
    with pytest.raises(FetchError) as caught:
        fetcher.get(address)
    return caught.value.reason


def test_the_matrix_is_as_large_as_promised() -> None:
    """And no address stands in it twice."""
    assert len(MATRIX) >= 60
    assert len(set(MATRIX)) == len(MATRIX)


@pytest.mark.parametrize("template", MATRIX)
def test_no_address_of_the_matrix_reaches_the_canary(template: str, canary: Canary) -> None:
    """Refused before a packet leaves; never `unreachable`, which would mean that it was tried."""
    address = template.replace("{port}", str(canary.port)).replace("{own}", own_address())
    with quick() as fetcher:
        found = reason(fetcher, address)
    assert canary.hits == 0
    assert found in ("private_address", "address", "scheme", "unknown_name")


@pytest.mark.slow
def test_the_canary_sings_for_a_naive_client(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client without a guard does with the same addresses: the matrix can fail."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name)
    for template in MATRIX:
        address = template.replace("{port}", str(canary.port)).replace("{own}", own_address())
        if str(canary.port) not in address or "[" in address or "ff" in address or not address.startswith("http"):
            continue
        if not any(word in address for word in ("127.", "localhost", "0x7f", "2130706433", "0177", "//0")):
            continue
        try:
            httpx.get(address, timeout=0.3, trust_env=False)
        except Exception:
            continue
    assert canary.hits >= 15


@contextmanager
def origin(answer: Callable[[http.server.BaseHTTPRequestHandler], None], host: str = "127.0.0.2") -> Iterator[str]:
    """A server on an address of its own, which the guard of a test permits."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


OWN = Guard((ip_network("127.0.0.2/32"),))


def plainly(handler: http.server.BaseHTTPRequestHandler, body: bytes = PICTURE, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"content-length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_a_permitted_network_is_fetched_from_and_nothing_else_is(canary: Canary) -> None:
    """--allow-network is for caches of one's own."""
    with origin(plainly) as address, quick(OWN) as fetcher:
        assert fetcher.get(f"{address}/a.png?sig=secret") == PICTURE
        assert reason(fetcher, f"http://127.0.0.1:{canary.port}/") == "private_address"
        assert reason(fetcher, address.replace("//", "//user:secret@")) == "address"
    assert canary.hits == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "//localhost:{port}/", "http://2130706433:{port}/", "file:///etc/passwd", "http://u:p@127.0.0.1:{port}/"])  # fmt: skip
def test_redirects_are_judged_on_every_hop(status: int, target: str, canary: Canary) -> None:
    """From a permitted address to the canary, by two hops."""
    asked = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers.get("authorization"))
        handler.send_response(status)
        handler.send_header("location", "/next" if handler.path == "/" else target.replace("{port}", str(canary.port)))
        handler.send_header("content-length", "0")
        handler.end_headers()

    with origin(answer) as address, quick(OWN) as fetcher:
        assert reason(fetcher, f"{address}/") in ("private_address", "scheme", "address")
    assert canary.hits == 0
    assert asked == [None, None]


def test_a_redirect_that_stays_is_followed_and_a_circle_ends() -> None:
    """Five hops, relative ones too."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.path == "/end":
            plainly(handler)
            return
        handler.send_response(302)
        handler.send_header("location", "end" if handler.path == "/start" else "/circle")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with origin(answer) as address, quick(OWN) as fetcher:
        assert fetcher.get(f"{address}/start") == PICTURE
        assert reason(fetcher, f"{address}/circle") == "redirects"


def test_a_name_that_changes_its_address_gains_nothing(canary: Canary) -> None:
    """DNS rebinding: the connection goes to the address that was judged, and each connection is judged anew."""
    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        found = "127.0.0.2" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    def closing(handler: http.server.BaseHTTPRequestHandler) -> None:
        plainly(handler, connection="close")

    with origin(closing) as address:
        port = address.rpartition(":")[2]
        guard = Guard((ip_network("127.0.0.2/32"),), resolve)
        with quick(guard) as fetcher:
            assert fetcher.get(f"http://pictures.example:{port}/") == PICTURE
            assert reason(fetcher, f"http://pictures.example:{port}/") == "private_address"
            assert reason(fetcher, f"http://pictures.example:{canary.port}/") == "private_address"
    assert canary.hits == 0
    assert asked == ["pictures.example"] * 3


def test_of_several_addresses_only_public_ones_are_tried(canary: Canary) -> None:
    """A name with a public and a private address leads to the public one alone."""

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))
            for found in ("127.0.0.1", "127.0.0.2", "127.0.0.2")
        ]

    with origin(plainly) as address, quick(Guard((ip_network("127.0.0.2/32"),), resolve)) as fetcher:
        assert fetcher.get(address.replace("127.0.0.2", "both.example")) == PICTURE
    assert canary.hits == 0


def test_answers_are_bounded() -> None:
    """In bytes, whatever is promised; in time, however slowly they drip; compressed ones are not opened."""
    clock = iter(range(0, 1000, 2))

    def large(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"x" * 100_000)
        except OSError:
            return

    with origin(large) as address:
        with quick(OWN, bytes=300_000) as fetcher:
            assert reason(fetcher, address) == "too_large"
        with Fetcher(OWN, seconds=3, clock=lambda: float(next(clock))) as fetcher:
            assert reason(fetcher, address) == "out_of_time"
    with origin(lambda handler: plainly(handler, content_encoding="gzip")) as address, quick(OWN) as fetcher:
        assert reason(fetcher, address) == "encoding"
    with origin(lambda handler: handler.send_error(404)) as address, quick(OWN) as fetcher:
        assert reason(fetcher, address) == "status"


PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "192.0.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1",
          "2606:4700::1111", "2a00:1450:4001::1"]  # fmt: skip
PRIVATE = ["0.1.2.3", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.9.9.9", "169.254.0.1", "172.31.255.255", "192.0.0.1",
           "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.19.0.1", "203.0.113.9", "239.0.0.1", "255.255.255.255", "::", "::1",
           "::ffff:8.8.8.8", "64:ff9b::808:808", "100::1", "2001::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "fc00::1",
           "fd00:ec2::254", "fe80::1%eth0", "fec0::1", "ff0e::1"]  # fmt: skip


def test_public_addresses_are_told_from_others() -> None:
    """By the registries, and not by what this version of Python knows of them."""
    assert [address for address in PUBLIC if not is_public(address)] == []
    assert [address for address in PRIVATE if is_public(address)] == []


def test_addresses_are_shown_without_what_may_be_secret() -> None:
    """User, query and fragment stay out."""
    assert shown("https://u:p@cdn.example:8443/a/b.png?X-Signature=s#f") == "https://cdn.example:8443/a/b.png?…"
    assert shown("http://[2606:4700::1111]/x") == "http://[2606:4700::1111]/x"


def test_an_error_tells_no_secret_of_the_address() -> None:
    """Whatever goes wrong, the query is not in the words."""
    with quick() as fetcher:
        for address in (
            "http://127.0.0.1/x?token=sesame",
            "http://u:sesame@h/",
            "http://nowhere.invalid/?sesame",
            "gopher://sesame",
        ):
            with pytest.raises(FetchError) as caught:
                fetcher.get(address)
            assert "sesame" not in caught.value.detail
    assert urllib.request.getproxies()  # (the environment did tempt)
