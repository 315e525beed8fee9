"""`auditor-exporter serve` with all its options, scraped by a real Prometheus over TLS with a password."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
import yaml

from auditor.ledger.database import Ledger
from tests.exporters.test_end_to_end import until
from tests.exporters.test_findings import GOLDEN
from tests.exporters.test_usage import server  # noqa: F401 (a fixture)
from tests.exporters.test_web import web_config  # noqa: F401 (a fixture)
from tests.services import ROOT, free_port, need

CONFIG = """
[accounts.cards]
provider = "templated"
[usage.cards]
api_key_env = "CARDS_KEY"
url = "{server}/account"
"""
KEY = "k3y-t0p-secret"


def started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The command in *folder*."""
    return subprocess.Popen(
        [sys.executable, "-m", "auditor_exporter.main", *arguments], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT), "CARDS_KEY": KEY},
    )  # fmt: skip


def scraped(folder: Path, address: str, port: int) -> "subprocess.Popen[bytes]":
    """A Prometheus that scrapes *address*, knowing its certificate and password."""
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{
            "job_name": "imgrender", "scheme": "https", "basic_auth": {"username": "prometheus", "password": "s3cret"},
            "tls_config": {"ca_file": str(folder / "server.crt")},
            "static_configs": [{"targets": [urlsplit(address).netloc]}],
        }],
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return subprocess.Popen(
        [need("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}",
         f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_to_a_real_prometheus(
    web_config: Path, server: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """Ledger, report and the provider's count arrive; no key, password or hash is printed."""
    folder, port = web_config.parent, free_port()
    (folder / "auditor.toml").write_text(CONFIG.format(server=server))
    Ledger(folder / "auditor.db").close()
    exporter = started(
        folder, "serve", "--web.config.file", "web-config.yml", "--listen", "127.0.0.1:0", "--findings", str(GOLDEN)
    )
    assert exporter.stdout is not None
    address = exporter.stdout.readline().strip()
    assert address.startswith("https://127.0.0.1:")
    prometheus = scraped(folder, address, port)

    def value(name: str) -> float | None:
        asked = [need("prometheus", "promtool"), "query", "instant", f"http://127.0.0.1:{port}", f"sum({name})"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        return float(said.split("=>")[1].split("@")[0]) if "=>" in said else None

    try:
        until(lambda: value("imgrender_provider_credits_used") == 7)
        assert value("imgrender_audit_credits") == 13_798
        assert value("imgrender_ledger_events") == 0
        assert value("imgrender_scrape_collector_success") == 3
        assert value("imgrender_credits_remaining_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    finally:
        prometheus.terminate()
        exporter.terminate()
        said = "".join(exporter.communicate(timeout=30))
        prometheus.wait()
    assert exporter.returncode == 0
    for secret in (KEY, "s3cret", "$2b$"):
        assert secret not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "0.0.0.0:0"], "is open to other machines: give TLS and basic_auth_users in --web.config.file"),
        (["--listen", "[::]:0"], "is open to other machines"),
        (["--listen", ":0"], "is open to other machines"),
        (["--listen", "::1"], "write HOST:PORT, as 127.0.0.1:19710 or [::1]:19710"),
        (["--listen", "127.0.0.1:²"], "write HOST:PORT"),
        (["--listen", "127.0.0.1:65536"], "write HOST:PORT"),
        (["--web.config.file", "missing.yml"], "missing.yml: cannot be read"),
    ],
)
def test_it_does_not_start(tmp_path: Path, arguments: list[str], message: str) -> None:
    """With a sentence and exit code 2; no ledger is made before that."""
    process = started(tmp_path, "serve", *arguments)
    said, complained = process.communicate(timeout=60)
    assert process.returncode == 2 and said == "" and message in complained and "Traceback" not in complained
    assert not list(tmp_path.iterdir())


def test_tokens_do_not_protect_the_metrics(tmp_path: Path) -> None:
    """They let usage in; with TLS alone anybody could read /metrics, which has to be said."""
    own = trustme.CA().issue_cert("localhost")
    own.private_key_pem.write_to_path(tmp_path / "server.key")
    own.cert_chain_pems[0].write_to_path(tmp_path / "server.crt")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    (tmp_path / "tokens").write_text("t0ken-of-sixteen-and-more\n")
    options = ("--web.config.file", "web.yml", "--web.ingest", "--web.ingest-tokens", "tokens")
    process = started(tmp_path, "serve", "--listen", "0.0.0.0:0", *options)
    try:
        said, complained = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 2 and said == "" and "is open to other machines" in complained


def test_the_address_of_ipv6_can_be_asked(tmp_path: Path) -> None:
    """As it is printed, in brackets."""
    Ledger(tmp_path / "auditor.db").close()
    process = started(tmp_path, "serve", "--listen", "[::1]:0")
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://[::1]:")
        assert httpx.get(address).status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=30)
