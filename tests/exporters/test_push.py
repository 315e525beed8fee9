"""Cron jobs push to a real Pushgateway, and what goes wrong is a sentence without the password."""

import http.server
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import bcrypt
import pytest
from auditor_exporter.main import app, main
from auditor_exporter.push import grouping_of, push
from auditor_exporter.snapshot import Snapshot
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from auditor.ledger.database import Ledger
from auditor.model.errors import ConfigError, InputError
from tests.exporters.test_findings import GOLDEN
from tests.exporters.test_ledger import NOW, Counting
from tests.exporters.test_web import header
from tests.services import free_port, need


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """Debian's, behind a password."""
    (tmp_path / "web.yml").write_text(
        f"basic_auth_users: {{cron: {bcrypt.hashpw(b'p@ss/w', bcrypt.gensalt(4)).decode()}}}"
    )
    port = free_port()
    process = subprocess.Popen(
        [need("prometheus-pushgateway", "prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}",
         f"--web.config.file={tmp_path / 'web.yml'}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.02)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


def shown(gateway: str) -> dict[tuple[str, str], float]:
    """(name, instance) -> value of what the gateway has of us."""
    asking = urllib.request.Request(f"http://{gateway}/metrics", headers={"authorization": header("cron", "p@ss/w")})
    with urllib.request.urlopen(asking, timeout=5) as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels["instance"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("job") == "imgrender"
    }


def test_to_a_real_pushgateway(gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its group; the next push takes the place of the last."""
    monkeypatch.chdir(tmp_path)
    url = f"http://cron:p%40ss%2Fw@{gateway}"
    push(Snapshot([Counting()], lambda: NOW), url, "imgrender", {"instance": "a/b"})
    done = CliRunner().invoke(app, ["push", url, "--findings", str(GOLDEN), "--group", "instance=nightly"])
    assert done.exit_code == 0, done.output
    found = shown(gateway)
    assert found["imgrender_ledger_events", "a/b"] == 5
    assert found["imgrender_audit_credits", "nightly"] == 13_798
    push(Snapshot([]), url, "imgrender", {"instance": "a/b"})
    assert ("imgrender_ledger_events", "a/b") not in shown(gateway)
    for user in ("", "cron:wr0ng-secret@"):
        with pytest.raises(InputError, match=r"it answers 401") as error:
            push(Snapshot([]), f"http://{user}{gateway}", "imgrender", {})
        assert "wr0ng" not in str(error.value) and f"http://{gateway}: " in str(error.value)


UNOPENED = ["none", "not a folder", "no database", "an empty file", "newer", "of no version", "of a server that is down",
            "of a server that nobody knows", "a folder"]  # fmt: skip


def unopened(kind: str, folder: Path) -> str:
    """The address of a ledger that cannot be opened."""
    where = folder / ("missing" if kind == "not a folder" else "") / "l.db"
    if kind.startswith("of a server"):
        return f"{'mysql' if 'nobody' in kind else 'postgresql'}://u:t0psecret@127.0.0.1:{free_port()}/x"
    if kind in ("newer", "of no version"):
        Ledger(where).close()
        version = "'999'" if kind == "newer" else "'many'"
        with closing(sqlite3.connect(where)) as connection, connection:
            connection.execute(f"UPDATE ledger SET value = {version} WHERE name = 'version'")
    elif kind == "a folder":
        where.mkdir()
    elif kind in ("no database", "an empty file"):
        where.write_bytes(b"" if "empty" in kind else b"no database" * 100)
    return str(where)


@pytest.mark.parametrize("kind", UNOPENED)
def test_a_file_says_that_the_ledger_cannot_be_opened(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the place of the one that says that all is well; what else there is to show is in it."""
    path, address = tmp_path / "usage.prom", unopened(kind, tmp_path)
    asked = ["auditor-exporter", "textfile", str(path), "--ledger", address]
    for more, success in (([], None), (["--findings", str(GOLDEN)], 1)):
        path.write_text('imgrender_scrape_collector_success{collector="ledger"} 1.0\n')
        monkeypatch.setattr(sys, "argv", [*asked, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert ended.value.code == 3 and "the collector 'ledger' fails: " in said and said.count("\n") == 1
        found = {
            (sample.name, sample.labels.get("collector")): sample.value
            for family in text_string_to_metric_families(path.read_text())
            for sample in family.samples
        }
        assert found["imgrender_scrape_collector_success", "ledger"] == 0
        assert found.get(("imgrender_scrape_collector_success", "findings")) == success
        assert ("imgrender_exporter_build_info", None) in found and ("imgrender_ledger_events", None) not in found
        assert "t0psecret" not in said + path.read_text()


def test_a_push_says_that_the_ledger_cannot_be_opened(gateway: str, tmp_path: Path) -> None:
    """It takes the place of the push before."""
    url = f"http://cron:p%40ss%2Fw@{gateway}"
    push(Snapshot([Counting()], lambda: NOW), url, "imgrender", {"instance": "nightly"})
    asked = ["push", url, "--ledger", str(tmp_path / "none.db"), "--group", "instance=nightly"]
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, InputError) and "no such ledger" in str(done.exception)
    found = shown(gateway)
    assert found["imgrender_scrape_collector_success", "nightly"] == 0
    assert ("imgrender_ledger_events", "nightly") not in found


class Odd(http.server.BaseHTTPRequestHandler):
    """No HTTP."""

    def handle(self) -> None:
        """Say something else."""
        self.rfile.readline()
        self.wfile.write(b"SSH-2.0-OpenSSH\r\n")


def test_what_goes_wrong_is_a_sentence() -> None:
    """Nobody listens, somebody else does, no such host: the address without its password."""
    odd = http.server.HTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=odd.serve_forever, daemon=True).start()
    for address, why in (
        (f"127.0.0.1:{free_port()}", "Connection refused"), (f"127.0.0.1:{odd.server_port}", "not HTTP"),
        ("gateway.invalid", "Name or service not known|Temporary failure|No address|cannot be pushed"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=why) as error:
            push(Snapshot([]), f"http://cron:s3cret@{address}/", "imgrender", {}, 5)
        assert str(error.value).startswith(f"http://{address}: the metrics cannot be pushed (")
        assert "s3cret" not in str(error.value)
    odd.shutdown()
    odd.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway:9091",
        "ftp://s3cret@x",
        "http://",
        "http://u:s3cret@x:port",
        "http://x?s3cret",
        "http://u:s3cret@[x",
    ],
)
def test_no_address_of_a_pushgateway(url: str) -> None:
    """Says how one looks, and repeats nothing of it."""
    with pytest.raises(ConfigError, match="is http://HOST:PORT or") as error:
        push(Snapshot([]), url, "imgrender", {})
    assert "s3cret" not in str(error.value)


def test_groups() -> None:
    """NAME=VALUE; the job has an option of its own."""
    assert grouping_of(["instance=web=1", "zone="]) == {"instance": "web=1", "zone": ""}
    for wrong in ("instance", "=x", "a b=c", "job=x", "ä=x"):
        with pytest.raises(ConfigError, match="write NAME=VALUE"):
            grouping_of([wrong])
