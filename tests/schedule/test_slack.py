"""Slack's webhooks: words of logs stay words."""

import html
import re

import pytest

from auditor.schedule.deliveries.slack import MOST, Slack, words
from auditor.system.terminal import plain
from tests.reports.corpus import HOSTILE
from tests.schedule.conftest import Posted, message


def read(text: str) -> str:
    """What a person sees: entities as their characters, and nothing of what has no width."""
    return html.unescape(text).replace("\u200b", "")


@pytest.mark.parametrize("word", HOSTILE)
def test_no_word_of_the_corpus_is_markup(word: str) -> None:
    """No control sequence of Slack's, no mention, no link, no emoji, no type; and it still reads the same."""
    text = words(f"before {word} after")
    assert "<" not in text and ">" not in text
    assert re.findall(r"&(?!(?:amp|lt|gt);)", text) == []
    assert re.search(r"@\w", text) is None
    assert re.search(r":\w+:", text) is None
    assert re.search(r"https?:/", text) is None
    assert re.search(r"\bwww\.\w", text) is None
    assert re.search(r"[*~`](?!\u200b)", text) is None
    assert re.search(r"\](?=\()", text) is None or re.search(r"\[(?!\u200b)", text) is None
    assert "\n" not in text and "\r" not in text
    assert read(text) == f"before {plain(word)} after"


@pytest.mark.parametrize("word", ["> quote", "- item", "1. item", "# heading", "_em_", "*bold*", "@here", "<!channel>"])
def test_nothing_begins_a_line_of_another_kind(word: str) -> None:
    """At the start of a line too."""
    assert re.match(r"(&gt;|[-#*_@+]|\d)[^\u200b]", words(word)) is None


def test_ordinary_names_and_numbers_can_be_copied() -> None:
    """Inside of words nothing is put in."""
    assert words("og_image product-card 24.99 USD, 1,428 credits").replace("\u200b", "", 0) == (
        "og_image product-card 24.99 USD, 1,428 credits"
    )


def test_what_is_posted(webhook: Posted) -> None:
    """One text, with markup, mentions and previews off; cut at a line where it is long."""
    slack = Slack({"url_env": "HOOK", "private": True}, {"HOOK": webhook.url})
    slack.send(message("<!channel> & co", "second"))
    slack.send(message(*["long line of some words"] * 1000))
    first, long = webhook.bodies
    assert first.pop("text").splitlines()[1:] == ["&lt;!channel&gt; &amp; co", "second"]
    assert first == {
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert len(long["text"]) <= MOST + 2
    assert long["text"].endswith("some words\n…")
