"""The registry names everything that exists, and names match files."""

import re
import sys
from pathlib import Path

import pytest

from auditor import registry
from tests.conftest import ROOT

FAMILIES = {
    "caches": registry.CACHES,
    "formats": registry.FORMATS,
    "providers": registry.PROVIDERS,
    "reports": registry.REPORTS,
    "rules": registry.RULES,
    "schedule/deliveries": registry.DELIVERIES,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_file_of_a_family_is_registered(family: str) -> None:
    """A file that is not in the registry is forgotten work: a family's folder holds nothing else."""
    files = {path.stem for path in (ROOT / "auditor" / family).glob("*.py")} - {"__init__"}
    entries = FAMILIES[family]
    named = {path.partition(":")[0] for path in entries.paths.values()}
    forgotten = ", ".join(sorted(files - named))
    assert not forgotten, f"auditor/{family}: add a line for {forgotten} to auditor/registry.py"
    assert named <= files, f"auditor/registry.py names files that auditor/{family} does not have: {named - files}"
    assert len(list(entries.values())) == len(entries)


@pytest.mark.parametrize("rule", sorted(registry.RULES))
def test_a_rule_is_its_file_its_page_and_its_test(rule: str) -> None:
    """Id = file = first line of the manual page = test file."""
    module, test = type(registry.RULES[rule]).__module__, f"tests/rules/test_{rule.replace('-', '_')}.py"
    assert module == f"auditor.rules.{rule.replace('-', '_')}"
    assert (sys.modules[module].__doc__ or "").startswith(f"{rule}: "), f"{module}: begin its docstring with '{rule}: '"
    assert Path(ROOT / test).is_file(), f"write {test}"


RUNBOOKS = "exporters/auditor_exporter/alerts.yml"
"""Tells people which rule to ask; those names have to be right, and nothing is decided by them."""


def test_only_the_rules_and_the_registry_know_rules_by_name() -> None:
    """What is special of a rule stands in its file: no other module may ask for one by its id."""
    names = "|".join(rule.replace("-", "[-_]") for rule in registry.RULES)
    known = re.compile(rf"(?<![\w-])({names})(?![\w-])")
    files = [*(ROOT / "auditor").rglob("*.py"), *(ROOT / "exporters").rglob("*.py")]
    assert len(files) > 300
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        found = known.findall(path.read_text(encoding="utf-8"))
        if not name.startswith("auditor/rules/") and name != "auditor/registry.py":
            assert not found, f"{name} names the rule {found[0]}: let the rule say what is special of it"


def test_runbooks_name_rules_that_there_are() -> None:
    """`--rule NAME` of an alert can be typed as it stands."""
    named = set(re.findall(r"--rule ([a-z-]+)", (ROOT / RUNBOOKS).read_text(encoding="utf-8")))
    assert named
    assert named <= set(registry.RULES)


def test_a_plug_in_may_come_in_while_another_audit_walks_the_rules() -> None:
    """The walk is of what was there when it began; the next one has the new name at its end."""
    entries = registry.Entries[str]("rules", {"one": "one:One"})
    for name in entries:
        entries.add(f"{name}-more", "found")
    assert list(entries) == ["one", "one-more"]
