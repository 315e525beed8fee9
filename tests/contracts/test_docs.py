"""The docs tell the truth."""

import re
import subprocess
import sys

import pytest

from auditor.registry import REPORTS, RULES
from tests.conftest import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def test_generated_parts_are_fresh() -> None:
    """Help, rules, placements and the excerpt of the report are what the program prints."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_path_leads_somewhere(page: "object") -> None:
    """Relative links, and paths in code."""
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", prose) if not link.startswith(("http", "#"))]
    paths = [
        path
        for path in re.findall(r"`((?:auditor|tests|docs|sample_logs|scripts)/[\w./]+\.\w+)`", prose)
        if "night" not in path and "NAME" not in path
    ]
    for target in [page.parent / link for link in links] + [ROOT / path for path in paths]:  # type: ignore[attr-defined]
        assert target.exists(), target


def test_every_rule_has_its_heading() -> None:
    """docs/rules.md#RULE is where the README points."""
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(RULES), "docs/rules.md is stale; run make docs"


def test_every_report_has_its_heading() -> None:
    """docs/reports.md tells of each format."""
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    headings = [name for heading in re.findall(r"^## (`.+)$", text, re.MULTILINE) for name in heading.split(", ")]
    told = [name.strip("`") for name in headings]
    missing = ", ".join(f"## `{name}`" for name in REPORTS if name not in told)
    assert not missing, f"docs/reports.md: add the heading {missing}"
    assert told == list(REPORTS), f"docs/reports.md: put its headings in the order {', '.join(REPORTS)}"


def test_every_report_has_its_row() -> None:
    """The table at the head of docs/reports.md says what each format is for."""
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`[\w-]+` ?)+)\|", text.partition("\n## ")[0], re.MULTILINE)
    told = {name.strip("`") for row in rows for name in row.split()}
    missing = "; ".join(f"| `{name}` | for whom | limits |" for name in REPORTS if name not in told)
    assert not missing, f"docs/reports.md: add to the first table {missing}"
