"""Every example of the docs runs as it stands, against the sandbox."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from auditor.client.connect import connect
from auditor.config import load
from auditor.model.errors import ConfigError
from auditor.model.events import Outcome
from auditor.sandbox.server import Sandbox
from tests.conftest import ROOT


@pytest.mark.parametrize("page", ["README.md", "docs/client.md", "docs/sandbox.md", "docs/write-the-code.md"])
def test_python_examples_run(page: str, tmp_path: Path) -> None:
    """One after the other, as a reader would type them."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    with Sandbox() as sandbox:
        script = "\n".join(blocks).replace("http://127.0.0.1:19780", sandbox.origin)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if page == "docs/client.md":
            # One PNG, three JPEGs of the pages, five PNGs of the batch.
            assert sandbox.billing.invoice()["credits"] == 1 + 3 + 5


def test_the_configuration_example_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staging goes where it says; a missing variable or table is named."""
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "client.md").read_text(encoding="utf-8"), re.DOTALL)
    with Sandbox() as sandbox:
        config = tmp_path / "auditor.toml"
        config.write_text(block.replace("http://127.0.0.1:19780", sandbox.origin))
        monkeypatch.setenv("SANDBOX_KEY", "sandbox")
        with connect("Staging", config=config, registry=None) as renderer:
            assert renderer.render("og", {}).outcome is Outcome.RENDER
        assert sandbox.billing.invoice()["credits"] == 1
    production = load(config).clients["production"]
    assert (production.account, production.budget, production.events) == ("main", 9000, "/var/spool/usage")
    monkeypatch.delenv("IMEJIS_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="IMEJIS_API_KEY"):
        connect("production", config=config)
    with pytest.raises(ConfigError, match=r"client.testing"):
        connect("testing", config=config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[client.x]\naccount = 'a'\n", "client.x.api_key_env is missing"),
        ("[client.x]\naccount = 'a'\napi_key_env = 'K'\nkey = 'secret'\n", "client.x.key is unknown"),
        ("[client.x]\nprovider = 'nobody'\naccount = 'a'\napi_key_env = 'K'\n", "available: imejis, hcti"),
        ("[client.x]\naccount = 'a'\napi_key_env = 'K'\nbudget = -1\n", "budget"),
    ],
)
def test_wrong_client_settings_are_named(text: str, message: str, tmp_path: Path) -> None:
    """With the file and the key."""
    config = tmp_path / "auditor.toml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(config)


def test_the_fastapi_example_renders_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests of a title cost one credit, and a failure leads to the default image."""
    text = (ROOT / "docs" / "write-the-code.md").read_text(encoding="utf-8")
    block = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        names: dict[str, Any] = {}
        exec(block.replace("http://127.0.0.1:19780", sandbox.origin), names)
        answers = asyncio.run(_get(names["app"], "/og/Hello.png", "/og/Hello.png"))
        assert sandbox.billing.invoice()["credits"] == 1
        assert {(each.status_code, each.headers["content-type"]) for each in answers} == {(200, "image/png")}
        sandbox.faults.queue(["500"] * 3)
        failed, metrics = asyncio.run(_get(names["app"], "/og/Other.png", "/metrics/"))
        assert failed.headers["location"] == "/static/og-default.png"
        assert 'imgrender_client_requests_total{account="main"' in metrics.text
        names["renderer"].close()


async def _get(app: Any, *paths: str) -> list[httpx.Response]:
    """The answers of an ASGI application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.example") as http:
        return [await http.get(path) for path in paths]
