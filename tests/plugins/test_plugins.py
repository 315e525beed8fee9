"""A package of somebody else, built and installed: what it may do, and what its faults cost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, command, event, lines

ALLOWED = '[plugins]\nallow = ["Acme_Audits"]\n[rules.account-names]\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which docs/examples/plugin is installed, without a network."""
    folder = tmp_path_factory.mktemp("plugin")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--quiet", "--target"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(folder / "site"), str(ROOT / "docs/examples/plugin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A working directory with one render in a folder of data."""
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage" / "usage.jsonl").write_bytes(lines([event()]))
    return tmp_path


def run(site: Path, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command where the packages of *site* are installed."""
    done = command(*arguments, cwd=folder, PYTHONPATH=f"{site}{os.pathsep}{ROOT}")
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def broken(folder: Path, code: str, *, group: str = "rules", name: str = "their-rule") -> Path:
    """An installed package `broken` with one entry point, whose module is *code*."""
    info = folder / "elsewhere" / "broken-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[render_auditor.{group}]\n{name} = broken_module:Thing\n")
    (info.parent / "broken_module.py").write_text(code)
    return info.parent


def test_an_allowed_package_brings_its_rule_and_its_report(site: Path, usage: Path) -> None:
    """By the file or by the option; the rule has its own option and manual page."""
    (usage / "auditor.toml").write_text(ALLOWED + 'prefix = "shop-"\n')
    code, out, said = run(site, usage, "audit", "usage", "--format", "one-line")
    assert (code, out) == (0, "1 findings: account-names\n"), said
    assert json.loads(run(site, usage, "audit", "usage", "--format", "json")[1])["findings"][0]["message"].endswith(
        "shop-"
    )
    (usage / "auditor.toml").unlink()
    assert run(site, usage, "--plugins", "acme-audits", "audit", "usage", "--format", "one-line")[1] == out
    page = run(site, usage, "--plugins", "acme-audits", "explain", "account-names")[1]
    assert page.startswith("account-names: ")
    assert 'prefix = "team-"' in page


def test_its_options_are_checked_like_those_built_in(site: Path, usage: Path) -> None:
    (usage / "auditor.toml").write_text(ALLOWED + "suffix = 1\n")
    code, _, said = run(site, usage, "config", "check")
    assert (code, said) == (
        2,
        "auditor: auditor.toml: rules.account-names.suffix is unknown; available: enabled, prefix\n",
    )


def test_nothing_is_loaded_that_its_user_did_not_allow(usage: Path) -> None:
    """Neither a package that is merely installed, nor one that the data allow."""
    site = broken(usage, "print('loaded')", group="reports", name="theirs")
    code, out, said = run(site, usage, "audit", "usage", "--format", "theirs")
    assert (code, out) == (2, "")
    assert "not allowed" in said
    (usage / "usage" / "auditor.toml").write_text('[plugins]\nallow = ["broken"]\n')
    code, out, said = run(site, usage, "audit", "usage")
    assert code == 0
    assert "loaded" not in out
    assert "its [plugins] are not used" in said
    code, out, said = run(site, usage, "ingest", "usage", "--ledger", "sqlite:///here.db")
    assert (code, "loaded" in out) == (0, False), said


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module", "rule their-rule cannot be used (ModuleNotFoundError)"),
        ("raise SystemExit(9)", "rule their-rule cannot be used (SystemExit)"),
        ("class Thing: id = 'other'", "rule their-rule cannot be used (TypeError)"),
        ("Thing = 5", "rule their-rule cannot be used (TypeError)"),
        (
            "class Thing:\n id = 'their-rule'\n summary = 's'\n def findings(self, case): raise ValueError('secret')",
            "rule their-rule failed (ValueError); its findings are left out",
        ),
        (
            "class Thing:\n id = 'their-rule'\n summary = 's'\n def findings(self, case): yield 'no finding'",
            "rule their-rule failed (TypeError); its findings are left out",
        ),
    ],
)
def test_a_broken_rule_is_a_sentence_and_stops_nothing(usage: Path, code: str, words: str) -> None:
    """Not even where its table is in the configuration; the report is the same as without it."""
    site = broken(usage, code)
    without = run(site, usage, "audit", "usage", "--format", "json")[1]
    (usage / "auditor.toml").write_text('[plugins]\nallow = ["broken"]\n[rules.their-rule]\nenabled = true\n')
    status, out, said = run(site, usage, "audit", "usage", "--format", "json")
    assert (status, out) == (0, without)
    assert said.count("plug-in broken") == 1
    assert words in said
    assert "secret" not in said


def test_a_built_in_rule_cannot_be_replaced(usage: Path) -> None:
    site = broken(usage, "print('loaded')", name="failed-calls")
    code, out, said = run(site, usage, "--plugins", "broken", "rules")
    assert code == 0
    assert "loaded" not in out
    assert "rule 'failed-calls' is refused" in said


def test_a_broken_report_writes_nothing(usage: Path) -> None:
    text = "class Thing:\n name = 'theirs'\n suffix = media_type = 'x'\n draws_curve = False\n"
    site = broken(
        usage, text + " def write(self, result, out): out.write('half'); 1 / 0", group="reports", name="theirs"
    )
    code, out, said = run(site, usage, "--plugins", "broken", "audit", "usage", "--format", "theirs")
    assert (code, out) == (0, "")
    assert "report theirs failed (ZeroDivisionError)" in said


@pytest.mark.parametrize("name", ["nowhere", "", " ", "../x", "x*"])
def test_a_package_that_is_not_there_is_said(usage: Path, name: str) -> None:
    code, _, said = run(usage, usage, "--plugins", name, "rules")
    assert code == 0
    assert said.startswith(f"auditor: plug-in {name} brings no rule and no report, or is not installed")
