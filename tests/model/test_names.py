"""Mistyped names are answered with the one that was meant."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditor import config
from auditor.cli import app
from auditor.model.errors import ConfigError
from auditor.model.names import available


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("mian", ["main", "other"], "did you mean 'main'? Available: main, other"),
        ("MAIN", ["main", "other"], "did you mean 'main'? Available: main, other"),
        ("basic", ["Free", "Basic"], "did you mean 'Basic'? Available: Free, Basic"),
        ("xyz", ["main", "other"], "available: main, other"),
        ("", ["main"], "available: main"),
        ("main", [], "available: none"),
    ],
)
def test_the_closest_name(name: str, known: list[str], said: str) -> None:
    assert available(name, known) == said


def test_long_lists_are_cut_and_still_searched() -> None:
    assert (
        available("a99", [f"a{n:02}" for n in range(100)], 2) == "did you mean 'a99'? Available: a00, a01 and 98 more"
    )


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["explain", "duplicate-render"], "duplicate-renders"),
        (["audit", "x", "--rule", "alias"], "aliases"),
        (["audit", "x", "--skip", "volatile-input"], "volatile-inputs"),
        (["plan", "x", "--provider", "imegis"], "imejis"),
        (["estimate", "--requests", "1", "--provider", "hctl"], "hcti"),
        (["compare", "self-hosted", "--provider", "banerbear"], "bannerbear"),
        (["sandbox", "--plan", "Basik"], "Basic"),
        (["audit", __file__, "--input-format", "ngnix"], "nginx"),
        (["audit", __file__, "--input-format", "combind"], "combined"),
        (["map", __file__, "--input-format", "apach"], "apache"),
    ],
)
def test_options_say_what_was_meant(asked: list[str], meant: str) -> None:
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, ConfigError)
    assert f"did you mean '{meant}'? Available: " in str(done.exception)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [(["audti"], "audit"), (["audit", "--timezon", "UTC"], "--timezone"), (["config", "chek"], "check")],
)
def test_commands_and_options_too(asked: list[str], meant: str) -> None:
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 2 and re.search(rf"(Did you mean|Possible options:) .*{meant}", done.output)


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("timezon = 'UTC'", "timezon", "timezone"),
        ("[accounts.main]\nprovider = 'imejis'\nplan = 'basic'", "accounts.main.plan", "Basic"),
        ("[rules.duplicate-render]\nenabled = false", "rules.duplicate-render", "duplicate-renders"),
        ("[client.x]\nprovider = 'imegis'\naccount = 'a'\napi_key_env = 'K'", "client.x.provider", "imejis"),
        ("[delivery.x]\nkind = 'slak'", "delivery.x.kind", "slack"),
        ("[delivery.x]\nkind = 'file'\nformats = ['htm']", "delivery.x.formats", "html"),
        ("[accounts.main]\nprovider = 'imejis'\n[sources.x]\npath = '/'\naccount = 'mian'", "sources.x.account", "main"),
    ],
)  # fmt: skip
def test_the_configuration_says_what_was_meant(tmp_path: Path, text: str, key: str, meant: str) -> None:
    path = tmp_path / "auditor.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        config.load(path)
    assert str(told.value).startswith(f"{path}: {key} ") and f"did you mean '{meant}'?" in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "[sources.x]\npath = '/'\naccount = 'mian'",
        "[accounts.main]\nprovider = 'imejis'\n[sources.x]\npath = '/'",
        "[accounts.main]\nprovider = 'imejis'\n[sources.x]\npath = '/'\naccount = 'main'",
    ],
)
def test_accounts_of_sources_are_free_where_none_is_configured(tmp_path: Path, text: str) -> None:
    """And a source that names none is nobody's."""
    path = tmp_path / "auditor.toml"
    path.write_text(text, encoding="utf-8")
    assert len(config.load(path).sources) == 1


def test_a_proposal_names_no_account_where_there_are_several(tmp_path: Path) -> None:
    """What it adds is read again, whoever is billed."""
    log, settings = tmp_path / "access.log", tmp_path / "auditor.toml"
    line = '1.1.1.1 - - [01/Sep/2026:08:00:00 +0000] "GET /og?title={} HTTP/1.1" 200 9 "-" "-"\n'
    log.write_text("".join(map(line.format, range(20))), encoding="utf-8")
    settings.write_text("[accounts.main]\nprovider = 'imejis'\n[accounts.other]\nprovider = 'hcti'\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["map", str(log), "--output", str(settings)])
    assert done.exit_code == 0, done.exception
    assert '# account = "…"' in settings.read_text(encoding="utf-8")
    assert [source.account for source in config.load(settings).sources] == ["default"]
