"""Fixes to copy, as reports show them."""

from msgspec import UNSET

from auditor.model.findings import SnippetKind
from auditor.results.document import Snippet
from auditor.results.finding import Finding
from auditor.results.headline import Headline
from auditor.system.terminal import plain

WHERE = {
    SnippetKind.PYTHON: "in the application that calls the provider (Python)",
    SnippetKind.TOML: "in auditor.toml",
    SnippetKind.NGINX: "in nginx, in front of what renders",
}


def to_copy(headline: Headline) -> list[tuple[str, list[str]]]:
    """(heading, lines) of what the actions come to, a text for each action and place."""
    found: dict[str, list[str]] = {}
    for place, action in enumerate(headline.actions, 1):
        for snippet in action.snippets:
            lines = found.setdefault(f"Action {place}, {WHERE[snippet.kind]}", [])
            lines += [*([""] if lines else []), *code(snippet)]
    return list(found.items())


def own(finding: Finding) -> Snippet | None:
    """What is copied for a finding that no action shows."""
    return None if finding.snippet is UNSET or finding.money.part else finding.snippet


def code(snippet: Snippet) -> list[str]:
    """The lines of a snippet, harmless wherever they are shown."""
    return [plain(line) for line in snippet.text.rstrip("\n").split("\n")]
