"""The bridge from lines to needed credits in the words of every report: figures, and what each of them is."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from auditor.model.numbers import number
from auditor.reports.shared.words import CAUSES, FILTERED
from auditor.results.bridge import Stage, Step

STAGES = {
    Stage.LINES: "lines read",
    Stage.EVENTS: "events",
    Stage.REQUESTS: "requests",
    Stage.RENDERS: "renders",
    Stage.CREDITS: "credits billed",
    Stage.NEEDED: "credits needed",
}
CHANGES = {
    "superseded": "attempts whose result is in the log too",
    "duplicates": "duplicates: events that were read before",
    "window": "outside the time that was asked for",
    "no_source": "requests for no known image",
    **FILTERED,
    "rejected": "rejected lines: not readable as events",
    "grouped_hits": "more cache hits: one event can stand for many",
    "retries": "failed calls that were tried again",
    "unresolved": "calls whose result is not in the log",
    "hits": "served from the cache",
    "coalesced": "waited for an identical call",
    "errors": "failed",
    "refused": "refused by a budget or rate limit",
    "unknown_cost": "renders of unknown cost",
    "other_cost": "since not every render costs 1 credit",
    "billed_errors": "billed for failed calls",
    "unrendered": "billed without a render",
    **{cause: f"wasted: {meaning}" for cause, meaning in CAUSES.items()},
    "unknown": "the log does not tell which image was rendered",
}
"""Name of a change -> why it was added or left out."""


class Row(NamedTuple):
    """One line of the bridge."""

    figure: str
    """Signed for a change; `unknown` where it is not known."""
    what: str
    total: bool
    """Whether it is a stage rather than a change on the way to it."""


def rows(bridge: Iterable[Step]) -> Iterator[Row]:
    """The changes of each step, and the stage that they lead to."""
    for step in bridge:
        for name, amount in step.changes.items():
            yield Row(f"{number(amount):+,}", CHANGES[name], total=False)
        yield Row("unknown" if step.amount is None else f"{number(step.amount):,}", STAGES[step.stage], total=True)
