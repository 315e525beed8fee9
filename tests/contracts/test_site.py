"""The documentation site builds strictly, and a reader's browser asks nobody but the site."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

import auditor
from tests.conftest import ROOT

LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data", "embed": "src",
    "link": "href",
}  # fmt: skip
"""Elements that load what an attribute names."""
NAMED = {"canonical", "next", "prev"}
"""What a `link` only names."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


class Page(HTMLParser):
    """What a page loads, and which anchors it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what it loads."""
        found = dict(attrs)
        named = NAMED.intersection((found.get("rel") or "").split())
        if tag in LOADED and (address := found.get(LOADED[tag])) and not named:
            self.loaded.append(address)
        self.loaded += [part.split()[0] for part in (found.get("srcset") or "").split(",") if part.split()]


def loaded(site: Path) -> Iterator[tuple[Path, str]]:
    """(file, address) of all that pages and style sheets load."""
    for path in site.rglob("*.html"):
        yield from ((path, address) for address in Page(path).loaded)
    for path in site.rglob("*.css"):
        for address in re.findall(r"""(?:url\(|@import )['"]?([^'")]+)""", path.read_text(encoding="utf-8")):
            yield path, address


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_missing(site: Path) -> None:
    """Scripts, style sheets, images and fonts are files of the site."""
    found = [(path, urlsplit(address)) for path, address in loaded(site) if not address.startswith("data:")]
    assert {path.suffix for path, _ in found} >= {".html"}
    assert {Path(url.path).suffix for _, url in found} >= {".js", ".css", ".webp", ".png"}
    assert [url.geturl() for _, url in found if url.netloc or url.scheme] == []
    # The page of errors is served at any address, so its own begin with that of the site.
    missing = [
        (path.name, url.path)
        for path, url in found
        if url.path and path.name != "404.html" and not (path.parent / url.path).exists()
    ]
    assert missing == []


def test_no_page_makes_the_theme_fetch_something(site: Path) -> None:
    """A repository's stars, and the program that draws diagrams."""
    text = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    assert 'data-md-component="source"' not in text
    assert 'class="mermaid"' not in text


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    """With its signature, from the docstring."""
    text = (site / "api.html").read_text(encoding="utf-8")
    missing = [
        name
        for name in auditor.__all__
        if name != "__version__" and not re.search(rf'id="auditor\.[\w.]+\.{name}"', text)
    ]
    assert missing == []


def test_every_page_is_behind_a_door() -> None:
    """The navigation has each page of docs/, but for the formats, which their table lists."""
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = set(re.findall(r"[\w/-]+\.md", str(yaml.safe_load(config)["nav"])))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages <= nav
