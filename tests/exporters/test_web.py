"""The server: what it answers, to whom, over which TLS; passwords cost little and certificates are renewed."""

import asyncio
import base64
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from aiohttp import ClientError, ClientSession, TCPConnector
from auditor_exporter.auth import ADDRESSES, FREE, KEPT, LONGEST, Verdicts
from auditor_exporter.health import healthy
from auditor_exporter.http import address_of, serve
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.webconfig import Live, read

from auditor.model.errors import ConfigError
from tests.exporters.test_ledger import NOW, Counting
from tests.services import need

HASH = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()
Client = Callable[..., Awaitable[tuple[int, dict[str, str], str]]]


def served(live: Live, use: Callable[[Client], Awaitable[None]], taken: Snapshot | None = None) -> None:
    """Run *use* with a client of a server of our own."""

    async def run() -> None:
        stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
        snapshot = taken or Snapshot([Counting()], lambda: NOW)
        server = asyncio.create_task(serve(lambda: snapshot, "127.0.0.1", 0, live, address.set_result, stop))

        async def ask(
            path: str = "/metrics", method: str = "GET", tls: ssl.SSLContext | None = None, **options: Any
        ) -> tuple[int, dict[str, str], str]:
            connector = TCPConnector(ssl=tls or True)
            async with (
                ClientSession(connector=connector) as session,
                session.request(method, await address + path, **options) as answer,
            ):
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, headers, await answer.text()

        try:
            await use(ask)
        finally:
            stop.set()
            await server

    asyncio.run(run())


def test_only_get_and_head_and_its_own_paths() -> None:
    """OpenMetrics on request; ready tells of failing collectors."""
    counting = Counting()

    async def use(ask: Client) -> None:
        status, headers, body = await ask()
        assert status == 200 and headers["content-type"].startswith("text/plain; version=")
        assert "imgrender_ledger_events 5.0" in body and headers["x-content-type-options"] == "nosniff"
        assert (await ask(method="HEAD"))[::2] == (200, "")
        _, headers, body = await ask(headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert headers["content-type"].startswith("application/openmetrics-text") and body.endswith("# EOF\n")
        for wrong in ("zzz", "1.", "1.0.0.x"):
            status, _, body = await ask(headers={"accept": f"application/openmetrics-text; version={wrong}"})
            assert status == 200 and "imgrender_ledger_events 5.0" in body
        assert (await ask("/-/healthy"))[::2] == (200, "healthy\n")
        assert (await ask("/-/ready"))[::2] == (200, "ready\n")
        assert '<a href="/metrics">' in (await ask("/"))[2]
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            status, headers, _ = await ask(method=method)
            assert (status, headers["allow"]) == (405, "GET,HEAD")
        assert (await ask("/../../etc/passwd"))[0] == 404

    served(Live(None), use, Snapshot([counting], lambda: NOW))
    counting.fails = True

    async def unready(ask: Client) -> None:
        assert (await ask("/-/ready"))[::2] == (503, "a collector fails\n")
        assert (await ask("/-/healthy"))[0] == 200

    served(Live(None), unready, Snapshot([counting], lambda: NOW))


def test_what_is_no_http_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """It is answered with 400; a fault of our own is logged."""

    class Broken(Snapshot):
        def at_hand(self, accept: str = "") -> None:
            raise RuntimeError("a fault")

    async def use(ask: Client) -> None:
        assert (await ask("/-/healthy"))[0] == 200
        assert (await ask(headers={"x" * 9000: "y" * 9000}))[0] == 400
        assert caplog.text == ""
        assert (await ask())[0] == 500

    served(Live(None), use, Broken([]))
    assert "RuntimeError: a fault" in caplog.text


def certificate(folder: Path, name: str, *more: str) -> None:
    """NAME.crt and NAME.key, signed by itself."""
    subprocess.run(
        [need("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1", *more],
        check=True, capture_output=True,
    )  # fmt: skip


TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
USERS = f"basic_auth_users:\n  prometheus: {HASH}\n"
HEADERS = "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=3600\n"


@pytest.fixture
def web_config(tmp_path: Path) -> Path:
    """TLS, a user, a header."""
    certificate(tmp_path, "server")
    path = tmp_path / "web-config.yml"
    path.write_text(TLS + USERS + HEADERS)
    return path


def trusting(folder: Path, name: str = "server") -> ssl.SSLContext:
    """A client's context that knows one certificate."""
    return ssl.create_default_context(cafile=str(folder / f"{name}.crt"))


def test_tls_and_a_password(web_config: Path) -> None:
    """On every path but those of health checks; whoever is not let in learns nothing."""
    tls = trusting(web_config.parent)

    async def use(ask: Client) -> None:
        assert (await ask("/-/healthy", tls=tls))[::2] == (200, "healthy\n")
        assert (await ask("/-/ready", tls=tls))[::2] == (200, "ready\n")
        for path in ("/", "/metrics", "/-/healthy/", "/-/Healthy", "/-/ready/x", "//-/healthy", "/nowhere"):
            status, headers, body = await ask(path, tls=tls)
            assert (status, body) == (401, "401: Unauthorized\n") and headers["www-authenticate"].startswith("Basic ")
            assert headers["strict-transport-security"] == "max-age=3600"
        for auth in (("prometheus", "wrong"), ("nobody", "s3cret"), ("prometheus", ""), ("prometheus", "s3cret" * 20)):
            assert (await ask(tls=tls, headers={"authorization": header(*auth)}))[0] == 401
        for value in (
            "",
            "Bearer x",
            "Basic",
            "Basic !",
            "Digest cHJvbWV0aGV1czpzM2NyZXQ=",
            "Basic cHJvbWV0aGV1cw==",
            "Basic " + "A" * 2000,
        ):
            assert (await ask(tls=tls, headers={"authorization": value}))[0] == 401
        status, headers, body = await ask(tls=tls, headers={"authorization": header("prometheus", "s3cret")})
        assert status == 200 and "imgrender_ledger_events 5.0" in body
        assert headers["strict-transport-security"] == "max-age=3600"
        assert (await ask("/nowhere", tls=tls, headers={"authorization": header("prometheus", "s3cret")}))[0] == 404
        with pytest.raises(ClientError):  # (nobody who does not know the certificate)
            await ask()
        old = trusting(web_config.parent)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await ask(tls=old))[0] == 401

    served(Live(web_config), use)
    web_config.write_text(TLS.replace("}", ", min_version: TLS13}"))

    async def newer(ask: Client) -> None:
        assert (await ask(tls=tls))[0] == 200
        old = trusting(web_config.parent)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ClientError):
            await ask(tls=old)

    served(Live(web_config), newer)


def test_clients_with_certificates(web_config: Path) -> None:
    """Required and verified: none, and one of somebody else's, do not get in."""
    folder = web_config.parent
    for name in ("scraper", "stranger"):
        certificate(folder, name)
    required = "client_ca_file: scraper.crt, client_auth_type: RequireAndVerifyClientCert}"
    web_config.write_text(TLS.replace("}", f", {required}"))
    live = Live(web_config)
    assert live.config.protects

    async def use(ask: Client) -> None:
        for name in (None, "stranger", "scraper"):
            tls = trusting(folder)
            if name:
                tls.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
            if name == "scraper":
                assert (await ask(tls=tls))[0] == 200
            else:
                with pytest.raises((ClientError, ssl.SSLError)):
                    await ask(tls=tls)

    served(live, use)


def test_renewed_certificates_need_no_restart(web_config: Path) -> None:
    """Half a renewal, or a file that cannot be used, leaves the last good one; TLS and users are not lost that way."""
    folder = web_config.parent
    said: list[str] = []
    live = Live(web_config, said.append)
    address_of("0.0.0.0:1", live, insecure=False)
    first, renewed = trusting(folder), folder / "next"
    renewed.mkdir()
    certificate(renewed, "server")

    async def use(ask: Client) -> None:
        assert (await ask(tls=first))[0] == 401
        (renewed / "server.crt").replace(folder / "server.crt")  # (its key is still the old one)
        assert (await ask(tls=first))[0] == 401
        assert len(said) == 1 and "KEY_VALUES_MISMATCH" in said[0] and "stays in force" in said[0]
        (renewed / "server.key").replace(folder / "server.key")
        assert (await ask(tls=trusting(folder)))[0] == 401
        with pytest.raises(ClientError):
            await ask(tls=first)
        tls = trusting(folder)
        for text, complaint in (
            ("{", "is not YAML"), (TLS, "open to all"), (USERS, "by a restart only"), ("users: {}", "is not supported"),
        ):  # fmt: skip
            web_config.write_text(text)
            assert (await ask(tls=tls))[0] == 401
            assert complaint in said.pop()
        web_config.unlink()
        assert (await ask(tls=tls))[0] == 401 and "cannot be read" in said.pop()
        web_config.write_text(TLS + USERS.replace("prometheus:", "other:"))
        assert (await ask(tls=tls, headers={"authorization": header("prometheus", "s3cret")}))[0] == 401
        assert (await ask(tls=tls, headers={"authorization": header("other", "s3cret")}))[0] == 200

    served(live, use)


WRONG = {
    "tls_server_config: {cert_file: server.crt}": "has no key_file",
    "tls_server_config: {cert_file: gone.crt, key_file: server.key}": "cannot be used",
    "tls_server_config: {cert_file: server.key, key_file: server.crt}": "cannot be used",
    TLS.replace("}", ", cipher_suites: [X]}"): "cipher_suites in tls_server_config is not supported",
    TLS.replace("}", ", min_version: SSL3}"): "there are TLS10, TLS11, TLS12, TLS13",
    TLS.replace("}", ", client_auth_type: RequireAnyClientCert}"): "is not supported",
    TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert}"): "belong together",
    TLS.replace("}", ", client_ca_file: server.crt}"): "belong together",
    "basic_auth_users: {prometheus: s3cret}": "of 'prometheus' is not a bcrypt hash",
    "basic_auth_users: [a]": "basic_auth_users is not a table",
    "http_server_config: {headers: {X-Anything: y}}": "X-Anything",
    "- a": "the file is not a table",
    "a: b: c": "is not YAML, line 1",
    "basic_auth_user: {}": "basic_auth_user is not supported",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_it_is_named(tmp_path: Path, text: str) -> None:
    """And no password stands in the message."""
    certificate(tmp_path, "server")
    path = tmp_path / "web-config.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ") and WRONG[text] in str(error.value)
    assert "s3cret" not in str(error.value)


def test_prometheus_reads_the_same_file(web_config: Path) -> None:
    """`promtool check web-config` is exporter-toolkit's own judgement."""
    certificate(web_config.parent, "scraper")
    more = ", client_ca_file: scraper.crt, client_auth_type: VerifyClientCertIfGiven, min_version: TLS12, max_version: TLS13}"
    text = TLS.replace("}", more) + USERS + HEADERS.replace("headers:", "http2: true\n  headers:")
    web_config.write_text(text)
    assert read(web_config).protects
    done = subprocess.run(
        [need("prometheus", "promtool"), "check", "web-config", web_config], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_other_machines_are_let_in_only_where_it_protects(web_config: Path) -> None:
    """TLS and users, both; or said so."""
    folder = web_config.parent
    for listen in ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1", ":1"):
        for text in ("", TLS, USERS):
            (folder / "part.yml").write_text(text)
            with pytest.raises(ConfigError, match="open to other machines"):
                address_of(listen, Live(folder / "part.yml"), insecure=False)
        with pytest.raises(ConfigError, match="open to other machines"):
            address_of(listen, Live(None), insecure=False)
        assert address_of(listen, Live(web_config), insecure=False)[1] == 1
        assert address_of(listen, Live(None), insecure=True)[1] == 1
    assert address_of("127.0.0.1:0", Live(None), insecure=False) == ("127.0.0.1", 0)
    assert address_of("[::1]:5", Live(None), insecure=False) == ("::1", 5)
    for listen in ("127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ""):
        with pytest.raises(ConfigError, match="write HOST:PORT"):
            address_of(listen, Live(None), insecure=False)


def header(user: str, password: str) -> str:
    """`Authorization`."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Checks:
    """bcrypt that counts, and that can be held up."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, bytes]] = []
        self.at_once = self.most = 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        """As bcrypt.checkpw."""
        self.calls.append((password, hashed))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.go.wait(10)
        self.at_once -= 1
        return password == b"right" and hashed == b"hash"


async def nothing(seconds: float) -> None:
    """No time passes."""


@pytest.mark.parametrize(
    ("costs", "said"), [((10,), ""), ((4, 10), ""), ((11,), "of 11, so that checking it takes 2 times"),
                        ((10, 12, 4), "of 12, so that checking it takes 4 times"), ((31,), "takes 2,097,152 times"), ((), "")],
)  # fmt: skip
def test_a_hash_that_costs_much_is_told_at_the_start_and_when_it_comes(
    costs: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    """One sentence, without computing it: cost 31 takes days. Neither a hash nor a user is in it."""
    path, heard = tmp_path / "web.yml", list[str]()
    hashes = [f"$2y${cost:02d}${'a' * 53}" for cost in costs]
    text = "basic_auth_users:\n" + "".join(f"  user{n}: {each}\n" for n, each in enumerate(hashes)) if costs else ""
    path.write_text(text)
    live = Live(path, heard.append)
    assert ([said in each for each in heard] == [True]) if said else not heard
    path.write_text("basic_auth_users:\n  one: $2y$10$" + "b" * 53 + "\n")
    live.current()
    path.write_text(text + "# again\n")
    live.current()
    live.current()
    assert len(heard) == (2 if said else 0)
    assert not any("user" in each or "aaa" in each or "\n" in each for each in heard)


def test_a_verdict_is_found_once() -> None:
    """A hammered endpoint does not burn CPU; nobody's name costs as much as somebody's; guesses displace no right one."""
    checks = Checks()
    verdicts = Verdicts(checks, nothing)
    users = {"main": b"hash"}

    async def run() -> None:
        for _ in range(50):
            assert await verdicts.allows(users, header("main", "right"))
            assert not await verdicts.allows(users, header("main", "wrong"))
            assert not await verdicts.allows(users, header("nobody", "right"))
        assert checks.calls == [(b"right", b"hash"), (b"wrong", b"hash"), (b"right", b"hash")]
        for number in range(KEPT + 10):
            assert not await verdicts.allows(users, header("main", str(number)))
        before = len(checks.calls)
        assert await verdicts.allows(users, header("main", "right"))
        assert len(checks.calls) == before
        assert not await verdicts.allows({"main": b"another"}, header("main", "right"))

    asyncio.run(run())
    assert sum(map(len, verdicts._kept.values())) <= 2 * KEPT


def test_one_guess_is_checked_at_a_time_and_known_ones_do_not_wait() -> None:
    """One core at most; who is known is let in meanwhile; nobody is turned away unread."""
    checks = Checks()
    verdicts = Verdicts(checks, nothing)
    users = {"main": b"hash"}

    async def run() -> None:
        assert await verdicts.allows(users, header("main", "right"))
        checks.go.clear()
        guesses = [asyncio.create_task(verdicts.allows(users, header("main", str(n)))) for n in range(60)]
        await asyncio.sleep(0)
        assert await verdicts.allows(users, header("main", "right"))
        checks.go.set()
        assert not any(await asyncio.gather(*guesses))

    asyncio.run(run())
    assert checks.most == 1 and len(checks.calls) == 61


@pytest.mark.parametrize("honest", ["flood", "other"])
def test_a_right_password_that_was_never_seen_overtakes_a_flood(honest: str) -> None:
    """From another address, and from the same one: after two checks, not after a hundred."""
    checks = Checks()
    verdicts = Verdicts(checks, nothing)
    users = {"main": b"hash"}

    async def run() -> None:
        checks.go.clear()
        guesses = [asyncio.create_task(verdicts.allows(users, header("main", str(n)), "flood")) for n in range(100)]
        await asyncio.sleep(0)
        right = asyncio.create_task(verdicts.allows(users, header("main", "right"), honest))
        await asyncio.sleep(0)
        checks.go.set()
        assert await right
        assert checks.calls.index((b"right", b"hash")) <= 2
        await asyncio.gather(*guesses)

    asyncio.run(run())


def test_a_password_that_is_sent_again_comes_before_new_guesses() -> None:
    """A scraper whose first tries were buried by a flood from its own address repeats itself; guesses do not."""
    checks = Checks()
    verdicts = Verdicts(checks, nothing)
    users = {"main": b"hash"}

    async def run() -> None:
        checks.go.clear()
        guesses = [asyncio.create_task(verdicts.allows(users, header("main", "first"), "flood"))]
        await asyncio.sleep(0.01)
        for scrape in range(2):
            right = asyncio.create_task(verdicts.allows(users, header("main", "right"), "flood"))
            await asyncio.sleep(0)
            guesses += [
                asyncio.create_task(verdicts.allows(users, header("main", f"{scrape}-{n}"), "flood")) for n in range(50)
            ]
            await asyncio.sleep(0)
            if scrape == 0:
                right.cancel()  # its scraper's patience has ended
        checks.go.set()
        assert await right
        assert checks.calls.index((b"right", b"hash")) == 1
        await asyncio.gather(*guesses)

    asyncio.run(run())


def test_every_address_gets_its_turn() -> None:
    """Ten addresses with one guess each are not behind one with fifty."""
    checks = Checks()
    verdicts = Verdicts(checks, nothing)

    async def run() -> None:
        checks.go.clear()
        many = [
            asyncio.create_task(verdicts.allows({"main": b"hash"}, header("main", f"m{n}"), "m")) for n in range(50)
        ]
        few = [
            asyncio.create_task(verdicts.allows({"main": b"hash"}, header("main", f"f{n}"), f"f{n}")) for n in range(10)
        ]
        await asyncio.sleep(0)
        checks.go.set()
        await asyncio.gather(*few)
        assert len(checks.calls) <= 14
        await asyncio.gather(*many)

    asyncio.run(run())


def test_the_answer_to_wrong_guesses_comes_later_and_later() -> None:
    """Of an address that goes on guessing; not of others, not of a right password, not after some quiet minutes."""
    paused: list[float] = []
    waited: list[float] = []
    now = 0.0
    late: list[str] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    verdicts = Verdicts(Checks(), pause, lambda: now)
    users = {"main": b"hash"}

    async def run() -> None:
        nonlocal now
        for number in range(FREE):
            assert not await verdicts.allows(users, header("main", str(number % 3)), "a", lambda: late.append("a"))
        assert not paused and not late
        for number in range(60):
            assert not await verdicts.allows(users, header("main", f"more{number}"), "a", lambda: late.append("a"))
            waited.append(sum(paused) - sum(waited))
        assert waited[:7] == [1, 2, 4, 8, 16, 32, LONGEST] and waited[-1] == max(waited) == LONGEST
        assert set(paused) == {1} and late == ["a"] * sum(waited)  # a drop a second
        assert await verdicts.allows(users, header("main", "right"), "a")
        assert not await verdicts.allows(users, header("main", "wrong"), "b")
        assert len(paused) == sum(waited)
        now += 3600
        assert not await verdicts.allows(users, header("main", "wrong"), "a")
        assert len(paused) == sum(waited)
        for number in range(ADDRESSES + 10):
            assert not await verdicts.allows(users, header("main", "wrong"), f"c{number}")

    asyncio.run(run())
    assert len(verdicts._wrong) == ADDRESSES


def test_who_hangs_up_waits_no_longer() -> None:
    """Neither is the guess checked, nor kept."""
    checks = Checks()
    verdicts = Verdicts(checks, nothing)

    async def run() -> None:
        checks.go.clear()
        tasks = [
            asyncio.create_task(verdicts.allows({"main": b"hash"}, header("main", str(n)), f"{n % 3}"))
            for n in range(90)
        ]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not verdicts._lines
        checks.go.set()
        assert await verdicts.allows({"main": b"hash"}, header("main", "right"))

    asyncio.run(run())
    assert len(checks.calls) == 2


def test_a_refusal_that_is_kept_back_comes_drop_by_drop(web_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status at once and the rest a byte a second, so that no timeout of a read ends it; whole in the end."""
    monkeypatch.setattr("auditor_exporter.auth.LONGEST", 4)
    pause, paused = asyncio.Event(), asyncio.Event()

    async def held(seconds: float) -> None:
        assert seconds == 1
        paused.set()
        await pause.wait()

    monkeypatch.setattr("auditor_exporter.http.Verdicts", lambda: Verdicts(Checks(), held))

    async def use(ask: Client) -> None:
        tls = trusting(web_config.parent)
        for number in range(FREE):
            assert (await ask(tls=tls, headers={"authorization": header("main", str(number))}))[0] == 401
        assert not paused.is_set()
        for method in ("GET", "HEAD", "GET"):
            paused.clear()
            pause.clear()
            asked = asyncio.create_task(ask(tls=tls, method=method, headers={"authorization": header("main", method)}))
            await paused.wait()
            assert not asked.done()
            pause.set()
            status, headers, body = await asked
            assert status == 401 and set(headers["x-wait"]) == {"."} and headers["connection"] == "close"
            assert body == ("" if method == "HEAD" else "401: Unauthorized\n")
            assert headers["www-authenticate"].startswith("Basic ") and headers["x-content-type-options"] == "nosniff"

    served(Live(web_config), use)


FOREIGN = [
    "evil.example", "evil.example:19710", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "127.1",
    "2130706433", "[::]", "[2001:db8::1]:80", "10.0.0.1", "localhost@evil.example", "xlocalhost", "",
]  # fmt: skip
OWN = [
    "localhost",
    "LOCALHOST:19710",
    "localhost.",
    "127.0.0.1",
    "127.5.5.5:1",
    "[::1]",
    "[::1]:19710",
    "[::ffff:127.0.0.1]",
]


@pytest.mark.parametrize("host", [*FOREIGN, *OWN])
@pytest.mark.parametrize("path", ["/metrics", "/-/ready", "/"])
def test_a_name_that_was_made_to_point_here_reads_nothing(host: str, path: str) -> None:
    """On loopback only this machine's own names are answered: a browser sends the name that a page came from."""

    async def use(ask: Client) -> None:
        status, _, body = await ask(path, headers={"host": host})
        assert status == (200 if host in OWN else 403), body
        assert ("imgrender" in body) == (host in OWN and path == "/metrics")

    served(Live(None), use)


@pytest.mark.parametrize(
    ("accept", "packed"),
    [("gzip", True), ("gzip, deflate, br", True), ("br;q=1.0, GZIP;q=0.5", True), ("*", True), ("x-gzip", True),
     ("", False), ("identity", False), ("deflate", False), ("gzip;q=0", False), ("gzip; q=0.000, *", False)],
)  # fmt: skip
def test_gzip_for_whoever_asks_for_it(accept: str, packed: bool) -> None:
    """The same text, smaller; in either format."""

    async def use(ask: Client) -> None:
        for kind in ("", "application/openmetrics-text; version=1.0.0"):
            _, plain, body = await ask(headers={"accept": kind, "accept-encoding": "identity"})
            assert "content-encoding" not in plain
            for _ in range(2):
                status, headers, text = await ask(headers={"accept": kind, "accept-encoding": accept})
                assert status == 200 and text == body and "Accept-Encoding" in headers["vary"]
                assert (headers.get("content-encoding") == "gzip") == packed
                if packed:
                    assert int(headers["content-length"]) < len(body)
            _, headers, text = await ask(method="HEAD", headers={"accept-encoding": accept})
            assert text == "" and (headers.get("content-encoding") == "gzip") == packed

    served(Live(None), use, Snapshot([Counting()], lambda: NOW, lambda: 0.0))


def test_a_container_asks_itself(web_config: Path) -> None:
    """Without TLS, with it and users, and where clients need certificates; not where nobody listens."""
    folder = web_config.parent
    certificate(folder, "scraper")
    (folder / "mutual.yml").write_text(
        TLS.replace("}", ", client_ca_file: scraper.crt, client_auth_type: RequireAndVerifyClientCert}")
    )

    async def run(live: Live, server: asyncio.Event) -> None:
        address = asyncio.get_running_loop().create_future()
        snapshot = Snapshot([Counting()], lambda: NOW)
        task = asyncio.create_task(serve(lambda: snapshot, "127.0.0.1", 0, live, address.set_result, server))
        port = int((await address).rpartition(":")[2])
        assert await asyncio.to_thread(healthy, "127.0.0.1", port)
        server.set()
        await task
        assert not await asyncio.to_thread(healthy, "127.0.0.1", port, 1.0)

    async def each(live: Live) -> None:
        await run(live, asyncio.Event())

    for live in (Live(None), Live(web_config), Live(folder / "mutual.yml")):
        asyncio.run(each(live))
