"""One `[sources.NAME]` table, compiled: which requests are images, and what their addresses say.

Patterns are RE2, whose time is linear in the address, whatever the pattern.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.model.errors import MissingExtraError
from auditor.model.events import FIELDS, MAX_SIDE, Outcome
from auditor.model.settings import SourceTable

GROUPS = ("template", "template_version", "width", "height", "format", "placement", "environment", "account")
"""Names that groups may have: the field of the event that they fill."""
OUTCOMES = (Outcome.RENDER, Outcome.HIT)


def compiled(pattern: str) -> Any:
    """An RE2 pattern; `ValueError` says what is wrong with it."""
    try:
        import re2
    except ImportError:
        raise MissingExtraError("[sources.…]", "audit", "google-re2") from None
    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"= {pattern!r} is not a RE2 pattern: {reason}") from None
    for group in found.groupindex:
        if group not in GROUPS:
            raise ValueError(f"= {pattern!r} has the group {group!r}; groups are {', '.join(GROUPS)}")
    return found


class CompiledTable:
    """A compiled table."""

    def __init__(self, table: SourceTable) -> None:
        self.table = table
        self._host = compiled(table.host) if table.host is not None else None
        self._path = compiled(table.path) if table.path is not None else None
        self._query = {name: compiled(pattern) for name, pattern in table.query.items()}

    def groups(
        self, method: str, host: str | None, path: str, query: Sequence[tuple[str, str]]
    ) -> Mapping[str, str] | None:
        """What the patterns found, None where the request is none of this table's."""
        if method not in self.table.methods:
            return None
        found: dict[str, str] = {}
        for pattern, text in ((self._host, host), (self._path, path)):
            if pattern is None:
                continue
            match = pattern.fullmatch(text) if text is not None else None
            if match is None:
                return None
            found |= {name: value for name, value in match.groupdict().items() if value}
        for name, value in query:
            pattern = self._query.get(name)
            match = pattern.fullmatch(value) if pattern is not None else None
            if match is not None:
                found |= {group: text for group, text in match.groupdict().items() if text}
        return found

    def keyed(self, query: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The parameters that belong to the key, by name; of one name in their order."""
        key, ignore = self.table.key, self.table.ignore
        return sorted(
            ((name, value) for name, value in query if name not in ignore and (key is None or name in key)),
            key=lambda pair: pair[0],
        )


def side(text: str | None) -> int | None:
    """Pixels of a group, None where it holds none."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    value = int(text)
    return value if 0 < value <= MAX_SIDE else None


def picture_format(text: str | None) -> str | None:
    """The event's word for a format or an extension."""
    return FIELDS["format"].choices.get((text or "").lower())
