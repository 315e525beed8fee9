"""What results and reports take and give is typed: nothing public of them is `Any`, however deep."""

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, get_args, get_type_hints

import auditor.reports
import auditor.results

PACKAGES: tuple[ModuleType, ...] = (auditor.results, auditor.reports)


def modules() -> Iterator[ModuleType]:
    """Every module of the results and the reports."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield import_module(found.name)


def public(owner: Any, module: str) -> Iterator[Any]:
    """The functions and classes of a module, with their methods, that others may use."""
    for name, found in vars(owner).items():
        each = getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", found)
        if (name.startswith("_") and name != "__init__") or getattr(each, "__module__", None) != module:
            continue
        if inspect.isfunction(each) or inspect.isclass(each):
            yield each
        if inspect.isclass(each):
            yield from public(each, module)


def holds_any(hint: Any) -> bool:
    """Whether a type is `Any` or made of it."""
    return hint is Any or any(holds_any(each) for each in get_args(hint))


def test_nothing_public_of_results_and_reports_is_any() -> None:
    """Parameters, results and fields; `object` says that anything will do, `Json` what JSON can hold."""
    found = [each for module in modules() for each in public(module, module.__name__)]
    assert len(found) > 150
    loose = [
        f"{each.__module__}.{each.__qualname__}: {name} is Any; name its type"
        for each in found
        for name, hint in get_type_hints(each, include_extras=True).items()
        if not name.startswith("_") and holds_any(hint)
    ]
    assert not loose, "\n".join(loose)


def test_no_report_looks_into_the_analysis() -> None:
    """A result holds the case that the rules looked at; reports read what the result says of it."""
    looked = [
        f"{module.__name__} reads {node.attr}: add what it needs to auditor/results/report.py"
        for module in modules()
        if module.__name__.startswith("auditor.reports.")
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and node.attr in ("case", "facts", "replayed", "bills")
    ]
    assert not looked, "\n".join(looked)
