"""The Markdown report, judged by a CommonMark renderer with GitHub's tables."""

import html
import re
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from auditor.reports import markdown
from auditor.reports.markdown import code, prose, table
from auditor.reports.shared.snippets import code as code_lines
from auditor.results.audit import Result, document
from auditor.system.terminal import plain
from tests.reports import corpus
from tests.reports.conftest import Hostile, written

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(text: str) -> list[Token]:
    """All tokens, those inside lines too."""
    return [inner for token in RENDERER.parse(text) for inner in (token, *(token.children or []))]


def shape(text: str) -> Counter[str]:
    """How often each kind of token stands in a text."""
    return Counter(token.type for token in tokens(text) if token.type != "text_special")


@pytest.mark.slow
@pytest.mark.parametrize("name", corpus.CORPORA)
def test_no_word_is_markup(hostile: Hostile, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same headings, tables, lists and spans as with harmless words; no link, image or HTML at all."""
    monkeypatch.setattr(markdown, "MOST_GROUPS", 10**6)
    monkeypatch.setattr(markdown, "NAMED", 10**6)
    result, harmless = hostile(name)
    got, twin = (written(each, "markdown") for each in (result, harmless))
    assert shape(got) == shape(twin)
    assert not {"link_open", "image", "html_inline", "html_block", "code_block", "s_open"} & set(shape(got))
    copied = {line for told in result.report.findings if told.snippet for line in code_lines(told.snippet)}
    assert {line for token in tokens(got) if token.type == "fence" for line in token.content.splitlines()} <= copied
    spans = {token.content.strip() for token in tokens(got) if token.type == "code_inline"}
    assert {plain(text).strip() for text in corpus.CORPORA[name]} <= spans


@pytest.mark.parametrize("text", corpus.HOSTILE)
def test_words_and_sentences_are_shown_as_they_are(text: str) -> None:
    """Alone, in a table, in a list and at its start: what is rendered is what was written, and nothing else."""
    shown = plain(text)
    for line in (f"a {prose(text)} b", f"- {prose(text)}", f"- x\n  {prose(text)}"):
        rendered = RENDERER.render(line)
        assert set(re.findall(r"</?(\w+)", rendered)) <= {"p", "ul", "li"}
        visible = html.unescape(re.sub(r"<[^>]+>", "", rendered)).replace("\u2060", "")
        assert " ".join(shown.split()) in " ".join(visible.split())
    row = "\n".join(table(["x", "y"], [[code(text), prose(text)]]))
    for rendered in (RENDERER.render(f"- {code(text)}"), RENDERER.render(row)):
        assert rendered.count("<td") in {0, 2}
        (span,) = re.findall(r"<code>(.*?)</code>", rendered, re.DOTALL)
        assert html.unescape(span).strip() == shown.strip()


@pytest.mark.parametrize(
    "text", ["@everyone", "see #12", "http://canary.invalid/", "www.canary.invalid", "a@b.invalid"]
)
def test_nothing_is_for_a_forge_to_pick_up(text: str) -> None:
    """Mentions, issue numbers and bare addresses are found in the rendered text, so they are parted by a joiner."""
    rendered = html.unescape(RENDERER.render(prose(text)))
    assert not re.search(r"@\w|#\d|://|www\.", rendered)


def test_it_says_what_the_json_report_says(samples: Result) -> None:
    """Totals, causes, cycles, findings, the conservation line."""
    report, text = document(samples), written(samples, "markdown")
    rendered = html.unescape(re.sub(r"<[^>]+>", "", RENDERER.render(text)))
    for figure in (report["totals"]["requests"], report["totals"]["credits"], *filter(None, report["waste"].values())):
        assert f"| {figure:,} |" in text
    for finding in report["findings"]:
        assert finding["message"] in rendered
        assert finding["advice"] in rendered
    assert text.count("  Found: ") == len(report["findings"])
    assert f"{report['inputs']['lines']:,} lines = {report['inputs']['events']:,} events" in text
    tables = sum(token.type == "table_open" for token in tokens(text))
    assert tables == 4 + len(report["accounts"])  # (actions, figures, the bridge, other TTLs, and each account)
    for step in report["bridge"]:
        assert f"| **{step['amount']:,}** |" in text


@pytest.mark.slow
def test_it_fits_a_comment(tmp_path: Path) -> None:
    """GitHub takes 65,536 characters."""
    text = written(corpus.hostile_result(tmp_path, [f"shop{number}" for number in range(12)]), "markdown")
    assert len(text) <= 65_536
    left_out = sum(map(int, re.findall(r"- and (\d+) (?:more;|of less weight)", text)))
    assert left_out + text.count("  Found: ") == 12 * 9
