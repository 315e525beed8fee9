"""The bridge from the lines that were read to the credits that were needed: what each step left out, and why.

Each amount is the one of the step before plus the changes, exactly. Where no call says what it cost, the credits are
unknown (null), and so is what follows from them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

from msgspec import Meta, Struct

from auditor.analysis.case import Case
from auditor.model.events import Outcome
from auditor.model.numbers import is_unknown
from auditor.model.waste import Cause
from auditor.results.document import Credits, only
from auditor.results.inputs import NO_EVENT, Inputs


class Stage(StrEnum):
    """What is counted, in the order in which one leads to the next."""

    LINES = "lines"
    EVENTS = "events"
    REQUESTS = "requests"
    RENDERS = "renders"
    CREDITS = "credits"
    NEEDED = "needed"


NO_RENDER = {"coalesced": Outcome.COALESCED, "errors": Outcome.ERROR, "refused": Outcome.REFUSED}
"""Requests beside hits that rendered nothing, by their names in the report's totals."""
CHANGES = (
    "superseded", "duplicates", "window", "no_source", *NO_EVENT, "rejected",
    "grouped_hits", "retries", "unresolved",
    "hits", *NO_RENDER,
    "unknown_cost", "other_cost", "billed_errors", "unrendered",
    *Cause, "unknown",
)  # fmt: skip
Changes = Annotated[
    dict[str, Annotated[Fraction, Meta(extra_json_schema={"type": "number"})]],
    Meta(extra_json_schema=only(*CHANGES)),
]


class Step(Struct, frozen=True):
    """One step; its amount is that of the step before plus all changes. Null is unknown."""

    stage: Stage
    amount: Credits | None
    changes: Changes


def bridge_of(case: Case, inputs: Inputs) -> tuple[Step, ...]:
    """All steps; changes of 0 are left out."""
    steps, amount = [], Fraction(inputs.lines)
    usage = case.facts.usage
    renders = sum(row.events for row in usage if row.outcome == Outcome.RENDER)
    known = not is_unknown(case.credits, renders, sum(row.uncertain for row in usage))
    for stage, changes in _changes(case, inputs):
        if stage in (Stage.CREDITS, Stage.NEEDED) and not known:
            steps.append(Step(stage, None, {}))
            continue
        told = {name: Fraction(change) for name, change in changes.items() if change}
        amount += sum(told.values())
        steps.append(Step(stage, amount, told))
    return tuple(steps)


def _changes(case: Case, inputs: Inputs) -> Iterator[tuple[Stage, Mapping[str, Fraction | int]]]:
    """Each stage with what leads to it from the one before."""
    usage, waste = case.facts.usage, case.replayed.waste
    events, cost, retries = Counter[str](), defaultdict[str, Fraction](Fraction), 0
    for row in usage:
        cost[row.outcome] += row.credits
        if row.retried:
            retries += row.events
        else:
            events[row.outcome] += row.events
    hits = sum(row.requests for row in usage if row.outcome == Outcome.HIT)
    unpriced = sum(row.unknown for row in usage if row.outcome == Outcome.RENDER)
    others = sum((cost[outcome] for outcome in cost if outcome not in (Outcome.RENDER, Outcome.ERROR)), Fraction(0))
    yield Stage.LINES, {}
    yield Stage.EVENTS, {
        "superseded": -inputs.superseded,
        "duplicates": -inputs.duplicates,
        **{why: -lines for why, lines in inputs.filtered_reasons.items()},
        "rejected": -inputs.rejected,
    }  # fmt: skip
    yield Stage.REQUESTS, {
        "grouped_hits": hits - events[Outcome.HIT],
        "retries": -retries,
        "unresolved": -events[Outcome.ATTEMPT],
    }  # fmt: skip
    yield Stage.RENDERS, {
        "hits": -hits,
        **{why: -events[outcome] for why, outcome in NO_RENDER.items()},
    }  # fmt: skip
    yield Stage.CREDITS, {
        "unknown_cost": -unpriced,
        "other_cost": cost[Outcome.RENDER] - events[Outcome.RENDER] + unpriced,
        "billed_errors": cost[Outcome.ERROR],
        "unrendered": others,
    }  # fmt: skip
    yield Stage.NEEDED, {
        **{cause.value: -waste.total(cause) for cause in Cause},
        "unknown": -case.replayed.unknown.credits,
        "unrendered": -others,
    }  # fmt: skip
