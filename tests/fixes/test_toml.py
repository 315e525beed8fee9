"""The TOML to copy: auditor.toml takes it, and it does what the finding says."""

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from auditor import Sandbox, connect
from auditor.config import settings_of
from auditor.model.plans import cycles, micros
from tests.conftest import Report, documented, event, only
from tests.examined import daily, on
from tests.fixes.test_client import HOSTILE

Tables = dict[str, Any]


def merged(config: Tables, text: str) -> Tables:
    """*config* with the tables of a snippet behind its own."""
    found = {**config}
    for name, tables in tomllib.loads(text).items():
        own = found.get(name, {})
        found[name] = {**own, **{key: {**own.get(key, {}), **table} for key, table in tables.items()}}
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_staging_calls_the_test_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, report: Report, name: str
) -> None:
    """With the table of the finding, the same environment costs the paid account nothing."""
    environment = f"test {name}".lower()
    events = [event(f"e{n}", f"2026-09-{n + 1:02d}T08:00:00Z", key=f"k{n}", environment=environment) for n in range(9)]
    text = only(report(events, on("Pro")), "staging-credits")["snippet"]["text"]
    found = settings_of(merged(on("Pro"), text), "test").clients[environment]
    assert (found.provider, found.account) == ("imejis", "sandbox")
    with Sandbox() as sandbox:
        text = text.replace("http://127.0.0.1:19780/v1", sandbox.url)
        (tmp_path / "auditor.toml").write_text(text)
        monkeypatch.setenv("TEST_API_KEY", "sandbox")
        usage = tmp_path / "usage"
        with connect(environment, config=tmp_path / "auditor.toml", events=usage, registry=CollectorRegistry()) as own:
            own.render("og", {"title": "x"})
        assert sandbox.billing.invoice()["credits"] == 1
    after = documented([usage], tmp_path, on("Pro"))
    assert {account["account"] for account in after["accounts"]} == {"sandbox"}


def test_an_account_on_the_free_plan_is_named(report: Report) -> None:
    """There is one already, so no sandbox is needed."""
    config = {"accounts": {**on("Pro")["accounts"], "tests": {"provider": "imejis", "plan": "Free"}}}
    text = only(report([event(environment="staging")], config), "staging-credits")["snippet"]["text"]
    (client,) = settings_of(merged(config, text), "test").clients.values()
    assert (client.account, client.base_url) == ("tests", None)


@pytest.mark.parametrize("name", HOSTILE)
def test_another_plan(report: Report, name: str) -> None:
    """From the cycle after the newest one on; the cycles before keep theirs."""
    config = {"accounts": {name: {"provider": "imejis", "plan": "Pro", "timezone": "America/New_York"}}}
    events = daily("2026-07-01", [2] * 70, account=name)
    found = report(events, config)
    text = only(found, "plan-mismatch")["snippet"]["text"]
    account = settings_of(merged(config, text), "test").accounts[name]
    after = [cycle["start"] for cycle in report(events, merged(config, text))["accounts"][0]["cycles"]]
    assert after == [cycle["start"] for cycle in found["accounts"][0]["cycles"]]
    *_, last, following = cycles(
        *(micros(each) for each in (datetime.fromisoformat(after[0]), datetime.fromisoformat("2026-10-15T00:00:00Z"))),
        1,
        account.timezone,
    )
    advised = only(found, "plan-mismatch")["evidence"]["recommended"]
    assert [account.plan_of(each).name for each in (last, following)] == ["Pro", advised]
