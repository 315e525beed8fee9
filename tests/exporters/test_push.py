"""Cron jobs push to a real Pushgateway, and what goes wrong is a sentence without the password."""

import http.server
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from auditor.errors import ConfigError, InputError
from exporters.main import app
from exporters.push import grouping_of, push
from exporters.snapshot import Snapshot
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
        (f"127.0.0.1:{free_port()}", "Connection refused"), (f"127.0.0.1:{odd.server_port}", "no HTTP"),
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
