"""Ids of foreign logs: those of one format, provider and account are apart from all others, and some are none.

A spreadsheet spoils ids (`2.0260901E+16`), and some tables count their rows: where many rows share an id with a row of
another time, it does not name one request. Of a table of finished renders such ids are dropped; elsewhere several
records of one request may be meant, and the user is asked.
"""

import hashlib
from array import array
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import orjson

from auditor.errors import InputError
from auditor.events import MAX_ID_LENGTH, Outcome, UsageEvent

MOST = 100
"""One row in so many may share its id with a row of another time."""
_SCOPE = 12


class IdChoice(StrEnum):
    """What becomes of ids that repeat at other times."""

    KEEP = "keep"
    ROWS = "rows"


class Ids:
    """The ids of one input, in the order of its records."""

    def __init__(self, kind: str, choice: str | None) -> None:
        """*kind* is the format, *choice* what the user wants with ids that repeat."""
        self._kind, self._choice = kind, choice
        self._scopes: dict[tuple[str, str], str] = {}
        self._seen: Sequence[array[int]] = (array("q"), array("q"))
        self.rows = 0
        """Events so far."""
        self._stages = False

    @property
    def used(self) -> bool:
        """Whether ids count at all."""
        return self._choice != IdChoice.ROWS

    def of(self, own: str | None, event: UsageEvent, *, table: bool) -> str | None:
        """The id of an event whose record has *own*; None where it has none that counts."""
        self.rows += 1
        self._stages |= not table or event.outcome is Outcome.ATTEMPT
        if own is None or not self.used:
            return None
        who = event.provider, event.account
        if who not in self._scopes:
            scope = orjson.dumps([self._kind, *who])
            self._scopes[who] = hashlib.sha256(scope).hexdigest()[:_SCOPE]
        if len(own) > MAX_ID_LENGTH - _SCOPE - 1:
            own = hashlib.sha256(own.encode()).hexdigest()
        scoped = f"{own}@{self._scopes[who]}"
        for column, value in zip(self._seen, (hash(scoped), event.ts_us), strict=True):
            column.append(value)
        return scoped

    def repeat(self, label: str) -> bool:
        """Whether the ids of a table are none. Raises `InputError` where the user has to say."""
        if self._choice is not None:
            return False
        rows = self._shared()
        if rows * MOST <= self.rows:
            return False
        if self._stages:
            raise InputError(
                f"{label}: {rows:,} of {self.rows:,} rows share an id with a row of another time; count each id once "
                "with --ids keep, or each row with --ids rows"
            )
        return True

    def _shared(self) -> int:
        """Rows that share their id with a row of another time."""
        ids, times = (np.frombuffer(column, np.int64) for column in self._seen)
        if not len(ids):
            return 0
        order = np.lexsort((times, ids))
        ids, times = ids[order], times[order]
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        ends = np.r_[starts[1:], len(ids)]
        return int((ends - starts)[times[starts] != times[ends - 1]].sum())
