"""`make test QUICK=1` knows which tests start a process, and stops one that was not known."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.hostile import INPUTS, make, measured
from tests.conftest import command, event
from tests.quick import Quick, reaches


def by_command() -> None:
    """A process by way of another module of the tests."""
    command("rules")


def by_name() -> list[object]:
    """A process inside a comprehension."""
    return [subprocess.run([sys.executable, "-V"], check=True) for _ in range(1)]


def by_script(folder: Path) -> None:
    """A process of multiprocessing, by way of a script of ours."""
    measured(make(next(iter(INPUTS)), folder))


def by_itself() -> None:
    """Nothing of the kind."""
    event()


@pytest.mark.parametrize(
    ("found", "service"), [(by_command, True), (by_name, True), (by_script, True), (by_itself, False)]
)
def test_what_code_reaches_is_found(found: object, service: bool) -> None:
    """Through functions and comprehensions."""
    assert reaches(found) == service


@pytest.mark.service
def test_a_quick_test_that_starts_a_process_is_told_the_marker() -> None:
    """It fails before the process is there."""
    watched = Quick()
    watched.running = "tests/test_x.py::test_y"
    try:
        with pytest.raises(pytest.fail.Exception, match=r"test_y starts a process: add @pytest\.mark\.service"):
            by_name()
    finally:
        watched.running = ""
    assert by_name(), "nothing is watched between tests"
