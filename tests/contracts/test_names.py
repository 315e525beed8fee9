"""One name for one thing: a public class name stands for one class."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARED = {"Options"}
"""Names that every module of a kind gives to its own declaration."""


@pytest.mark.slow
def test_no_public_class_name_is_defined_twice() -> None:
    """The structs of `results` are named as the documents name them, and so may share a name of the model."""
    files: dict[str, Path] = {}
    twice = []
    for path in sorted([*ROOT.glob("auditor/**/*.py"), *ROOT.glob("exporters/**/*.py")]):
        if path.is_relative_to(ROOT / "auditor/results"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in DECLARED:
                other = files.setdefault(node.name, path)
                if other != path:
                    names = f"{other.relative_to(ROOT)} and {path.relative_to(ROOT)}"
                    twice.append(f"{node.name} is a class in {names}: give one of them a telling name")
    assert len(files) > 100
    assert not twice, "\n".join(twice)
