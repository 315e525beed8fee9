"""Which tests are quick: those that start no process, found from what a test and its fixtures can reach.

`--quick` leaves out the others, and those that are marked as slow. If a quick test starts a process after all, the
audit hook fails it with the line to add.
"""

import inspect
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

STARTING = (
    "subprocess",
    "multiprocessing",
    "playwright",
    "tests.services",
    "auditor.inspect.worker",
    "auditor.inspect.run",
)
"""Modules that start processes: what a test takes from them makes it a test of a service."""
SERVICES = {"postgresql", "redis"}
"""Parameters of fixtures that ask for a server only then."""
EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
"""What Python calls the start of a process (PEP 578)."""


def service(item: pytest.Function) -> bool:
    """Whether a test, or a fixture of it, starts a process."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if any(isinstance(value, str) and not SERVICES.isdisjoint(value.split()) for value in parameters):
        return True
    fixtures = [found[-1].func for found in item._fixtureinfo.name2fixturedefs.values()]
    return any(reaches(found) for found in (item.function, *fixtures, *filter(callable, parameters)))


@cache
def reaches(found: Any) -> bool:
    """Whether the code of a function or class takes something that starts processes, directly or by way of tests."""
    return _reaches(found, set())


def _reaches(found: Any, seen: set[int]) -> bool:
    if id(found) in seen:
        return False
    seen.add(id(found))
    module = found.__name__ if isinstance(found, ModuleType) else str(getattr(found, "__module__", ""))
    if module.startswith(STARTING):
        return not (isinstance(found, FunctionType) and found.__name__ == "free_port")
    if not module.startswith(("tests.", "scripts.")):
        return False
    if isinstance(found, type):
        return any(_reaches(each, seen) for each in vars(found).values())
    function = inspect.unwrap(found) if callable(found) else found
    if not isinstance(function, FunctionType):
        return False
    names = function.__globals__
    return any(name == "fork" or (name in names and _reaches(names[name], seen)) for name in _names(function.__code__))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


class Quick:
    """The plug-in of `--quick`: it chooses the tests, and watches them."""

    def __init__(self) -> None:
        self.running = ""
        sys.addaudithook(self.watch)

    def watch(self, event: str, _: tuple[Any, ...]) -> None:
        """Fail a test that starts a process."""
        if self.running and event in EVENTS:
            test, self.running = self.running, ""
            pytest.fail(f"{test} starts a process: add @pytest.mark.service above it, or it is not quick")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is marked."""
        left = [item for item in items if any(item.iter_markers("service")) or any(item.iter_markers("slow"))]
        items[:] = [item for item in items if item not in set(left)]
        config.hook.pytest_deselected(items=left)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Know which test runs."""
        self.running = item.nodeid
        try:
            return (yield)
        finally:
            self.running = ""
