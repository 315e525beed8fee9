"""Ids of foreign logs: those of one format, provider and account are apart from all others, and some are none.

A spreadsheet spoils ids (`2.0260901E+16`), and some tables count their rows, in each month's export from 1 again: what
becomes of those that repeat says `auditor.analysis.load`.
"""

import hashlib
from enum import StrEnum

import orjson

from auditor.model.events import MAX_ID_LENGTH, Outcome, UsageEvent

_SCOPE = 12


class IdChoice(StrEnum):
    """What becomes of ids that repeat at other times."""

    KEEP = "keep"
    ROWS = "rows"
    REPEAT = "repeat"
    """As `ROWS`, and reported: it was not chosen."""


class Ids:
    """The ids of one input."""

    def __init__(self, kind: str, choice: str | None) -> None:
        """*kind* is the format, *choice* what to do with ids that repeat."""
        self._kind, self.choice = kind, choice
        self._scopes: dict[tuple[str, str], str] = {}
        self.stages = False
        """Whether several records may mean one request: those of a request log, or stages of a job."""

    @property
    def suffixes(self) -> list[str]:
        """What the scoped ids so far end with; none where nothing is to be found out about them."""
        return [] if self.choice else sorted(f"@{scope}" for scope in self._scopes.values())

    def of(self, own: str | None, event: UsageEvent, *, table: bool) -> str | None:
        """The id of an event whose record has *own*; None where it has none that counts."""
        self.stages |= not table or event.outcome is Outcome.ATTEMPT
        if own is None or self.choice in (IdChoice.ROWS, IdChoice.REPEAT):
            return None
        who = event.provider, event.account
        if who not in self._scopes:
            scope = orjson.dumps([self._kind, *who])
            self._scopes[who] = hashlib.sha256(scope).hexdigest()[:_SCOPE]
        if len(own) > MAX_ID_LENGTH - _SCOPE - 1:
            own = hashlib.sha256(own.encode()).hexdigest()
        return f"{own}@{self._scopes[who]}"
