"""The words of the project: one plain, American term for each thing, in messages, docstrings, comments and pages."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

INSTEAD = {
    r"cures?\b": "fix",
    r"for ever\b": "forever; of a TTL: no expiry",
    r"since ever\b": "all time",
    r"anew\b": "again",
    r"times?-to-live\b": "TTL",
    r"in vain\b|needless(ly)?\b": "wasted, unnecessary",
    r"grav(e|er|est)\b": "severe, most severe",
    r"bill-true\b": "as the change in your bill",
    r"nobody(else)?\b|somebody\b|whoever\b": "the process, the exporter, the user; or the passive",
    r"as it stands\b|all that there is\b|each and every\b": "(leave out)",
    r"ran out of patience|runs? out of patience": "timed out",
    r"pictures?\b": "image; *picture* only of screenshots",
    r"(believed|forgotten|taken in)\b": "used, discarded, ingested",
    r"said so that\b": "known limits",
    r"hold the count against\b|held against the invoice": "compare the count with the invoice",
    r"rendering at home\b|other ways\b": "self-hosting",
    r"is no rule\b|is no (format|plan|provider|account)\b": "unknown rule 'x'; did you mean 'y'?",
    r"colour|catalogue|behaviour|favour|honour|neighbour|centre\b|grey\b|licen[c]e\b|analyse|labelled|travelled": "American spelling",
    r"\w*(recogn|real|util|normal|optim|minim|organ|summar|custom|initial|serial)is(e|ed|es|ing|ation)\b": "American spelling",
    r"please\b|sorry\b": "(no apology; what to do)",
}
"""Pattern -> what to write instead."""
BANNED = re.compile("|".join(rf"(?<![\w-])(?:{pattern})" for pattern in INSTEAD), re.IGNORECASE)
NAMES = re.compile(
    r"`[^`]*`"  # code
    r"|\]\([^)]*\)"  # addresses of links
    r"|https?://\S+"
    r"|\{[{%].*?[%}]\}"  # what a template fills in
    r"|(?<!\w)[\w*.\[\]-]*[_/=\[\]*{}][\w*./=\[\]-]*|\w+\.\w+"  # paths, options, fields
)
"""What is called as it is, beside the project's own words."""
KINDS = {".py", ".md", ".j2", ".yml"}
SCREENSHOTS = ("scripts/", "grafana/README.md", "grafana/source/")


def spoken(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of what a file says: comments and strings of sentences, or the lines of a page outside its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            sentence = token.type == tokenize.STRING and " " in token.string
            if token.type == tokenize.COMMENT or sentence:
                yield token.start[0], re.sub(r"\{[^{}]*\}", "", token.string)
        return
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not (path.suffix == ".md" and line.startswith("    ")):
            yield number, line


def files() -> list[Path]:
    """What people read: the program, its pages, dashboards and settings."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "auditor" / "auditor.example.toml"]
    for folder in ("auditor", "exporters", "docs", "grafana/source", "grafana/runbooks", "scripts"):
        every = (ROOT / folder).rglob("*")
        found += [path for path in every if path.suffix in KINDS and "node_modules" not in path.parts]
    return sorted(found)


def wrong(text: str) -> list[str]:
    """The words of a text that have a better one."""
    return [found[0] for found in BANNED.finditer(NAMES.sub(" ", text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the same picture, as a PICTURE", ["picture", "PICTURE"]),
        ("`picture`, picture=, docs/pictures/x.png and [x](pictures/a.png)", []),
        ("kept for ever: nobody knows its time-to-live", ["for ever", "nobody", "time-to-live"]),
        ("the catalogue's colours", ["catalogue", "colour"]),
        ("its fix; forever; recognized", []),
    ],
)
def test_what_is_found(text: str, found: list[str]) -> None:
    assert wrong(text) == found


def test_everything_that_people_read_uses_the_words() -> None:
    """Names of code, options and fields are called as they are."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in files()
        if not str(path.relative_to(ROOT)).startswith("grafana/dashboards")
        for line, text in spoken(path)
        for word in wrong(text)
        if not (word.lower().startswith("picture") and str(path.relative_to(ROOT)).startswith(SCREENSHOTS))
    ]
    assert found == []
