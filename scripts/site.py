"""What MkDocs does to the pages on their way into the site (`hooks` in mkdocs.yml).

The pages are written for a reader of the repository. Here README.md becomes the front page, other pages from outside
docs/ join, links follow them, and links to files that are no pages lead to the repository.
"""

import posixpath
import re
import tomllib
from functools import partial
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.public import module_of

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "grafana/README.md": "grafana.md",
    "grafana/runbooks/README.md": "runbooks.md",
    "sample_logs/README.md": "samples.md",
}
"""Files of the repository outside docs/ that are pages, and where they are in the site."""
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
_FENCED = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turn the links, fill in the API, and leave out diagrams, whose program would be loaded from elsewhere."""
    uri = page.file.src_uri
    source = next((path for path, name in PAGES.items() if name == uri), f"docs/{uri}")
    if uri == "api.md":
        markdown = re.sub(r"^\| `(\w+)` \|.*\n", lambda row: _directive(row[1]), markdown, flags=re.MULTILINE)
        markdown = re.sub(r"^\| (name|---).*\n", "", markdown, flags=re.MULTILINE)
    markdown = re.sub(r"^```mermaid\n.*?^```\n", "", markdown, flags=re.MULTILINE | re.DOTALL)
    parts = _FENCED.split(markdown)
    parts[::2] = [_LINK.sub(partial(_turned, source=source, uri=uri), part) for part in parts[::2]]
    return "".join(parts)


def _directive(name: str) -> str:
    """What mkdocstrings replaces by the signature and docstring of a public name."""
    return f"\n::: auditor.{module_of(name)}.{name}\n"


def _turned(link: re.Match[str], *, source: str, uri: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
    if target in PAGES:
        page = PAGES[target]
    elif target.startswith("docs/") and target.endswith((".md", ".png", ".webp")):
        page = target.removeprefix("docs/")
    else:
        return f"]({REPOSITORY}/blob/main/{target}"
    return f"]({posixpath.relpath(page, posixpath.dirname(uri) or '.')}"
