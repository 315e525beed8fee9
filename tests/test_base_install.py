"""The base install is for web applications: what it brings, and what is said where an extra is missing."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import auditor
from auditor.version import install_hint
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: [Requirement(text) for text in texts] for name, texts in PROJECT["optional-dependencies"].items()}
BASE_ONLY = """
import sys
from importlib.abc import MetaPathFinder

class BaseOnly(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, BaseOnly())
"""
"""What a process of a base install can import, in an environment that has more."""


def _closure(requirements: list[Requirement]) -> set[str]:
    """Names of the distributions that pip would install, as those that are installed here say."""
    found: set[str] = set()
    waiting = [(requirement, extra) for requirement in requirements for extra in ({"", *requirement.extras})]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        found.add(name)
        if name == "render-auditor":
            continue
        for text in metadata.requires(name) or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [
                    (wanted, each) for each in ({"", *wanted.extras}) if canonicalize_name(wanted.name) not in found
                ]
    return found


def _base() -> set[str]:
    return _closure([Requirement(text) for text in PROJECT["dependencies"]]) | {"render-auditor"}


def _modules(distributions: set[str]) -> set[str]:
    """Top-level modules that these distributions bring."""
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if distributions & {canonicalize_name(owner) for owner in owners}
    }


def _run(code: str, *arguments: str, cwd: Path = ROOT, extra: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run code where only what the base install brings, and an *extra*, can be imported."""
    there = _modules(_base()) | {"auditor", "auditor_exporter"} | (_installed_modules(extra) if extra else set())
    absent = set(metadata.packages_distributions()) - there
    guarded = f"ABSENT = {absent!r}\n{BASE_ONLY}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", guarded, *arguments], capture_output=True, text=True, cwd=cwd, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_base_install_has_at_most_fifteen_distributions() -> None:
    """And none that only a command line, an audit or a server needs."""
    base = _base()
    assert {"httpx", "prometheus-client", "orjson", "rfc8785"} <= base
    assert len(base) <= 15, sorted(base)
    assert not base & {
        "typer",
        "click",
        "rich",
        "pygments",
        "pydantic",
        "markdown-it-py",
        "sqlalchemy",
        "numpy",
        "aiohttp",
    }


@pytest.mark.parametrize("extra", ["audit", "exporter", "reports", "postgres", "sandbox", "inspect", "all"])
def test_every_extra_with_commands_brings_the_command_line(extra: str) -> None:
    """Directly or by another extra."""
    seen: set[str] = set()
    waiting = [extra]
    while waiting:
        seen.add(name := waiting.pop())
        own = [requirement for requirement in EXTRAS[name] if requirement.name == "render-auditor"]
        waiting += [other for requirement in own for other in requirement.extras if other not in seen]
    assert "cli" in seen


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"all"}))
def test_all_is_all(extra: str) -> None:
    """No extra is left out."""
    assert extra in next(iter(EXTRAS["all"])).extras


@pytest.mark.parametrize(
    ("program", "module"), [("auditor", "auditor.__main__"), ("auditor-exporter", "auditor_exporter.__main__")]
)
@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["--version"], ["audit", "."], ["sandbox"], ["inspect", "."], ["serve"], ["alerts", "--out", "."]],
)
def test_a_command_without_its_packages_is_one_sentence(
    program: str, module: str, arguments: list[str], tmp_path: Path
) -> None:
    """What to install; exit 2, no traceback, nothing on stdout."""
    assert PROJECT["scripts"][program] == f"{module}:main"
    done = _run(f"from {module} import main; main()", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    said = done.stderr.splitlines()
    assert len(said) == 1
    hint = _hint(r"(\w+)")
    found = re.fullmatch(
        rf"{program}: `{program}.*` needs the package (\S+), which the base install leaves out: run {hint}",
        said[0],
    )
    assert found, said
    assert found[1] in _installed_modules(found[2])


def _hint(extra: str) -> str:
    """A pattern of how an extra is installed."""
    return re.escape(install_hint("EXTRA")).replace("EXTRA", extra)


def _installed_modules(extra: str) -> set[str]:
    """Modules that an extra brings."""
    waiting, seen, wanted = [extra], set(), []
    while waiting:
        seen.add(name := waiting.pop())
        for requirement in EXTRAS[name]:
            if requirement.name == "render-auditor":
                waiting += [other for other in requirement.extras if other not in seen]
            else:
                wanted.append(requirement)
    return _modules(_closure(wanted))


@pytest.mark.parametrize("extra", ["cli", "sandbox", "inspect"])
def test_the_formats_are_listed_without_what_it_takes_to_read_them(extra: str, tmp_path: Path) -> None:
    """A list needs no more than the command line."""
    done = _run("from auditor.__main__ import main; main()", "formats", cwd=tmp_path, extra=extra)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


NEEDS = {"Sandbox": "sandbox", **dict.fromkeys(("Report", "audit", "plan", "reconcile", "simulate"), "audit")}
"""Public name -> its extra, of those that the client does without."""


@pytest.mark.parametrize("name", sorted(set(auditor.__all__) - NEEDS.keys()))
def test_every_name_of_the_client_is_in_the_base_install(name: str) -> None:
    """The client and all that it takes."""
    done = _run(f"from auditor import {name}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(auditor.__all__))
def test_a_public_name_is_the_same_each_time(name: str) -> None:
    """`connect` is a function in a module of that name."""
    code = f"import auditor; print(auditor.{name} is auditor.{name}, type(auditor.{name}).__name__ != 'module')"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "True True\n"


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_other_names_say_what_they_need(name: str) -> None:
    """As an `ImportError`, so that who asks whether they can be imported is answered."""
    code = (
        f"try:\n    from auditor import {name}\nexcept ImportError as error:\n"
        "    print(type(error).__name__, error, sep='|', end='')"
    )
    kind, _, said = _run(code).stdout.partition("|")
    assert kind == "MissingExtraError"
    assert re.fullmatch(
        rf"`auditor\.{name}` needs the package \w+, which the base install leaves out: "
        rf"run {_hint(NEEDS[name])}",
        said,
    )


def test_a_base_install_renders(tmp_path: Path) -> None:
    """From the constructor to the event, with nothing that an extra brings."""
    code = """
import httpx, sys
from auditor import Budget, Renderer
image = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(4) + b"IHDR" + (1).to_bytes(4) * 2 + bytes(13) + b"IEND\\xaeB`\\x82"
answer = httpx.MockTransport(lambda request: httpx.Response(200, content=image, headers={"content-type": "image/png"}))
with Renderer(api_key="k", events="usage", budget=Budget(5), transport=answer) as renderer:
    print(renderer.render("t", {"a": 1}).outcome, renderer.render("t", {"a": 1}).outcome)
"""
    done = _run(code, cwd=tmp_path)
    assert done.stdout == "render hit\n", done.stderr
    written = "".join(path.read_text() for path in (tmp_path / "usage").glob("*.jsonl"))
    assert [json.loads(line)["outcome"] for line in written.splitlines()] == ["attempt", "render", "hit"]


def test_a_module_of_our_own_that_is_absent_is_no_missing_extra() -> None:
    """A broken install must not be blamed on an extra."""
    code = "sys.modules['auditor.cli'] = None\nfrom auditor.__main__ import main; main()"
    done = _run(code)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
