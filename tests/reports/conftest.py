"""A browser, and reports of harmless and hostile logs as files."""

from collections.abc import Callable, Iterator
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from auditor.config import load
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit
from auditor.registry import REPORTS
from auditor.results.audit import Result
from tests.conftest import ROOT
from tests.reports import corpus
from tests.services import need


def written(result: Result, name: str) -> str:
    """What `--format NAME` writes."""
    out = StringIO(newline="")
    REPORTS[name].write(result, out)
    return out.getvalue()


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The audit of sample_logs/, with the TTLs that reports draw."""
    sources = discover([str(ROOT / "sample_logs")], tmp_path_factory.mktemp("scratch"))
    options = Options(cache=False, curve=True)
    return audit(sources, load(ROOT / "sample_logs" / "auditor.toml"), options, lambda *_: None)


Hostile = Callable[[str], tuple[Result, Result]]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """By the name of a corpus: the audit of its words, and that of as many harmless ones in their places."""

    @cache
    def audited(name: str) -> tuple[Result, Result]:
        texts = corpus.CORPORA[name]
        harmless = [f"harmless{number}" for number in range(len(texts))]
        bad, good = (corpus.hostile_result(tmp_path_factory.mktemp("in"), words) for words in (texts, harmless))
        return bad, good

    return audited


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a screen.

    Of one module: as long as Playwright runs, its thread has an event loop, and tests of others want their own.
    """
    program = need("chromium", "chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-background-networking", "--disable-sync"]
        )
        yield started
        started.close()


Seen = tuple[Page, list[str]]


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Seen]]:
    """Open a page from a file; with it comes what it did: requests, dialogs, errors and violations."""
    contexts = []

    def go(html: str, width: int = 1280, scheme: str = "light", **options: object) -> Seen:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        did: list[str] = []
        page.on("request", lambda request: did.append(f"request {request.url}"))
        page.on("requestfailed", lambda request: did.append(f"failed {request.url} {request.failure}"))
        page.on("dialog", lambda dialog: (did.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: did.append(f"console {message.text}"))
        page.on("pageerror", lambda error: did.append(f"error {error}"))
        page.on("popup", lambda popup: did.append(f"popup {popup.url}"))
        page.goto(path.as_uri())
        assert did.pop(0) == f"request {path.as_uri()}"
        return page, did

    yield go
    for context in contexts:
        context.close()
