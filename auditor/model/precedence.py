"""Which of several records with one id counts (semantics section 1)."""

from typing import Any

from auditor.model.events import Outcome


def rank(outcome: Any, unpriced: Any, negated_credits: Any, ts_us: Any) -> tuple[Any, ...]:
    """The record with the smallest counts; where all are equal, that with the smaller canonical bytes.

    The final event beats the attempt; between finals a render beats the others, then known credits, then the larger
    ones, then the smaller time. Works on the values of a record, and on columns for a query that is ordered by it.
    """
    return outcome == Outcome.ATTEMPT, outcome != Outcome.RENDER, unpriced, negated_credits, ts_us
