"""`make` installs what a target needs, and no more."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

AUDIT, ALL = "requirements/audit.txt", "requirements/dev.txt"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What make looks at, of a fresh clone."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def planned(clone: Path, target: str) -> list[str]:
    """The commands that a target would run."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", target], cwd=clone, env=outside, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def installs(clone: Path, target: str) -> list[str]:
    """Which lists it would install."""
    return [found for line in planned(clone, target) for found in re.findall(r"install .*-r (\S+)", line)]


def mark(clone: Path, *names: str) -> None:
    """Leave what a run leaves."""
    (clone / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    for name in names:
        (clone / ".venv" / name).touch()


def test_an_audit_installs_only_what_an_audit_needs(clone: Path) -> None:
    """And a run of the tests after it the rest."""
    assert installs(clone, "audit") == [AUDIT]
    mark(clone, "bin/pip", ".audit")
    assert planned(clone, "audit") == [".venv/bin/auditor audit sample_logs"]
    assert installs(clone, "test") == [ALL]
    mark(clone, ".ready")
    assert installs(clone, "test") == installs(clone, "check") == installs(clone, "audit") == []


def test_tests_in_a_fresh_clone_install_everything(clone: Path) -> None:
    """In one environment."""
    assert installs(clone, "test") == [AUDIT, ALL]
    assert sum("-m venv" in line for line in planned(clone, "test")) == 1


@pytest.mark.parametrize(("changed", "again"), [(AUDIT, [AUDIT, ALL]), (ALL, [ALL]), ("pyproject.toml", [AUDIT, ALL])])
def test_a_changed_list_is_installed_again(clone: Path, changed: str, again: list[str]) -> None:
    """By whichever target comes next."""
    mark(clone, "bin/pip", ".audit", ".ready")
    later = (clone / ".venv" / ".ready").stat().st_mtime_ns + 10**9
    os.utime(clone / changed, ns=(later, later))
    assert installs(clone, "test") == again


def test_both_lists_pin_the_same_versions() -> None:
    """Else the second install would replace what the first one brought."""
    first, second = (
        set(re.findall(r"^[\w.-]+==[^\\]+", (ROOT / path).read_text(), re.MULTILINE)) for path in (AUDIT, ALL)
    )
    names = {line.partition("==")[0] for line in first}
    pinned = {line.partition(" ;")[0].strip() for line in second}
    assert len(names) > 30
    assert {line.partition(" ;")[0].strip() for line in first} <= pinned
