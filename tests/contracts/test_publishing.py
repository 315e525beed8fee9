"""What a package index shows of the project, and what is said of installing it before it is there."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from trove_classifiers import classifiers

from auditor import version
from auditor.model.errors import MissingExtraError
from scripts.public import install_commands
from scripts.release import missing
from tests.conftest import ROOT

CORE = ProjectMetadata(str(ROOT), PluginManager()).core
INDEX = re.compile(r"(?:pip|pipx|uv|uvx)\b[^\n]*\b(?:install|add|run|tool)\b[^\n]*\brender-auditor\b(?!\[\w+\] @)")


def tracked() -> list[Path]:
    """The files of the project that are text."""
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
    suffixes = {".md", ".py", ".toml", ".yml", ".yaml", ".sh", ".service", ""}
    return [path for path in map(ROOT.joinpath, names) if path.suffix in suffixes and path.is_file()]


def test_the_project_says_where_it_is() -> None:
    """Each address is one of the repository or of its documentation."""
    assert {"Repository", "Documentation", "Changelog", "Issues"} <= CORE.urls.keys()
    assert {urlsplit(url).scheme for url in CORE.urls.values()} == {"https"}
    for name in ("Changelog", "Issues", "Security"):
        assert CORE.urls[name].startswith(CORE.urls["Repository"] + "/")
    assert set(CORE.classifiers) <= classifiers
    assert not any(each.startswith("License ::") for each in CORE.classifiers)  # the expression says it


def test_every_link_of_the_long_description_is_absolute() -> None:
    """And leads to a file of the repository, images to their bytes."""
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", CORE.readme.replace("[![", "["))
    repository = CORE.urls["Repository"]
    assert len(links) > 40
    for picture, link in links:
        if link.startswith("#"):
            continue
        assert link.startswith("https://"), link
        if link.startswith(repository):
            path = link.removeprefix(f"{repository}/{'raw' if picture else 'blob'}/main/").partition("#")[0]
            assert (ROOT / path).exists(), link


def test_the_newest_section_of_the_changelog_is_this_version() -> None:
    """What is built has its entries."""
    heading = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert re.fullmatch(rf"{re.escape(version.__version__)} \((unreleased|\d{{4}}-\d\d-\d\d)\)", heading)


def test_nothing_installs_from_an_index_before_it_is_there() -> None:
    """Else the command fails, or brings what a stranger put there under this name."""
    assert INDEX.search("run pip install 'render-auditor[audit]'")
    assert INDEX.search("uvx --from x tool run render-auditor")
    said = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in tracked()
        if path not in {Path(__file__), ROOT / "auditor/version.py", ROOT / "docs/releasing.md"}
        for found in [INDEX.search(path.read_text(encoding="utf-8"))]
        if found
    }
    assert version.PUBLISHED or not said


@pytest.mark.parametrize(
    ("published", "command"), [(False, "'.[audit]' in a clone"), (True, "'render-auditor[audit]'")]
)
def test_the_release_flips_one_place(published: bool, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages and pages follow."""
    monkeypatch.setattr(version, "PUBLISHED", published)
    assert f"pip install {command}" in str(MissingExtraError("auditor audit", "audit", "duckdb"))
    commands = install_commands()
    assert ("In a clone" in commands) is not published
    assert ("render-auditor" in commands) is published


def test_a_release_is_refused_until_everything_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step that was left out is named; with all of them there is nothing to say."""
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://code.example/a"\n')
    log = tmp_path / "CHANGELOG.md"
    log.write_text("# Changelog\n\n## 9.9.9 (unreleased)\n")
    monkeypatch.setattr(version, "__version__", "9.9.9")
    monkeypatch.setattr(version, "PUBLISHED", False)
    found = missing("v9.9.8", "https://code.example/b", root=tmp_path)
    assert [sentence.partition(":")[0] for sentence in found] == [
        "auditor/version.py", "auditor/version.py", "CHANGELOG.md", "pyproject.toml",
    ]  # fmt: skip
    log.write_text("# Changelog\n\n## 9.9.9 (2027-01-02)\n\n## 9.9.8 (2027-01-01)\n")
    monkeypatch.setattr(version, "PUBLISHED", True)
    assert missing("v9.9.9", "https://code.example/a", root=tmp_path) == []


def test_the_release_runs_with_pinned_actions_and_no_secret() -> None:
    """The job that publishes can do nothing else, and builds nothing."""
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert not any("run" in step for step in jobs["publish"]["steps"])
    assert "secrets." not in text
    uses = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert len(uses) == 5
    assert all(re.search(r"@[0-9a-f]{40}$", each) for each in uses)


def test_no_other_address_of_the_repository_is_left() -> None:
    """What pyproject.toml names is named everywhere."""
    wrong = {
        f"{path.relative_to(ROOT)}: {found}"
        for path in tracked()
        for found in re.findall(r"https://[\w.]+/[\w-]+/render-auditor\b", path.read_text(encoding="utf-8"))
        if found != CORE.urls["Repository"]
    }
    assert not wrong
