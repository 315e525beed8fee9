"""The registry names everything that exists, and names match files."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from auditor import registry
from tests.conftest import ROOT

SHARED = {
    "audits": {"base", "pictures", "placements", "words"},
    "formats": {
        "array",
        "base",
        "behind",
        "bulk",
        "bulk_columns",
        "cells",
        "columns",
        "detect",
        "decimals",
        "durations",
        "environments",
        "exports",
        "ids",
        "har_entries",
        "json_lines",
        "lines",
        "log_template",
        "media_field",
        "named",
        "names",
        "number_columns",
        "packed",
        "reading",
        "rows",
        "secrets",
        "statuses",
        "sums",
        "table",
        "template_bulk",
        "template_columns",
        "times",
        "unread",
        "variables",
        "wrapped",
    },
    "reports": {"base", "charts", "words"},
    "providers": {"base", "facts", "usage"},
    "caches": {"base", "tiered"},
    "engine": {"base", "tables"},
}


@pytest.mark.parametrize(
    ("family", "registered"),
    [
        ("audits", registry.AUDITS.values()),
        ("formats", registry.FORMATS.values()),
        ("reports", registry.REPORTS.values()),
    ],
)
def test_every_file_of_a_family_is_registered(family: str, registered: Iterable[object]) -> None:
    """A file that is not in the registry, and not known as shared, is forgotten work."""
    files = {path.stem for path in (ROOT / "auditor" / family).glob("*.py")} - {"__init__"} - SHARED[family]
    kinds = [entry if isinstance(entry, type) else type(entry) for entry in registered]
    assert files == {kind.__module__.rsplit(".", 1)[1] for kind in kinds}


def test_providers_and_engines_are_registered_by_their_file_names() -> None:
    """A provider's name is its file's."""
    families = {"providers": registry.PROVIDERS, "engine": registry.ENGINES, "caches": registry.CACHES}
    for family, names in families.items():
        files = {path.stem for path in (ROOT / "auditor" / family).glob("*.py")} - {"__init__"} - SHARED[family]
        assert files == set(names)


@pytest.mark.parametrize("rule", sorted(registry.AUDITS))
def test_a_rule_is_its_file_its_page_and_its_test(rule: str) -> None:
    """Id = file = first line of the manual page = test file."""
    module = type(registry.AUDITS[rule]).__module__
    assert module == f"auditor.audits.{rule.replace('-', '_')}"
    assert (sys.modules[module].__doc__ or "").startswith(f"{rule}: ")
    assert Path(ROOT / "tests" / "audits" / f"test_{rule.replace('-', '_')}.py").is_file()
