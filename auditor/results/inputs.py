"""Inputs: what went in, and what became of every line: each is counted once."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct, field

from auditor.analysis.accounts import Counts
from auditor.exchanges.assumptions import SENTENCES
from auditor.intake.read import Intake
from auditor.intake.sources import Source
from auditor.model.events import Reason
from auditor.reading.reader import MAX_REJECTIONS
from auditor.results.document import Count, Some, only

NO_EVENT = ("not_a_picture", "redirect", "partial", "not_sent")
"""Why a request of a source or a provider is not an event."""
_Names = {"propertyNames": {"pattern": "^[a-z0-9_]+$"}}


class InputFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What reading one input gave. What only logs have that are no usage events comes last, where there is some."""

    path: str
    format: str
    lines: Count
    rejected: Count
    truncated: bool
    assumed: Annotated[dict[str, Some], Meta(extra_json_schema=_Names)]
    """What the log could not tell and what was taken instead: name -> events."""
    detected: str = ""
    """What was detected and how sure that is; empty for usage events."""
    other_requests: Some = 0
    """Requests that ask for no image that anybody told of; they count as filtered."""
    loaded_images: Some = 0
    """Those of them that are images which a page loaded: rules look at their size and caching."""
    filtered: Annotated[dict[str, Some], Meta(extra_json_schema=only(*NO_EVENT))] = field(default_factory=dict)
    """Requests of a source or a provider that are no events: reason -> lines."""
    explained: Annotated[dict[str, str], Meta(extra_json_schema=_Names)] = field(default_factory=dict)
    """Each name of `assumed` as a sentence."""


class RejectedLine(Struct, frozen=True):
    """A line that was not taken, with everything a person needs to find and mend it."""

    path: str
    line: Some
    reason: Reason
    detail: str
    excerpt: str


class Inputs(Struct, frozen=True, kw_only=True):
    """What went in: lines = events + superseded + duplicates + filtered + rejected, always."""

    lines: Count
    events: Count
    superseded: Count
    duplicates: Count
    filtered: Count
    rejected: Count
    assumed_timezone: Count
    files: tuple[InputFile, ...]
    rejections: Annotated[tuple[RejectedLine, ...], Meta(max_length=MAX_REJECTIONS)]
    """The first."""
    reasons: Annotated[dict[str, Some], Meta(extra_json_schema=only(*Reason))]
    """Of the rejected lines."""
    filtered_reasons: Annotated[dict[str, Some], Meta(extra_json_schema=only("window", "no_source", *NO_EVENT))]
    """Of the filtered lines, whose sum they are."""


def inputs_of(sources: Sequence[Source], intakes: Sequence[Intake], counts: Counts) -> Inputs:
    """The count of all lines; `AssertionError` where one is lost."""
    tallies = [intake.tally for intake in intakes]
    reasons = sum((tally.reasons for tally in tallies), Counter[Reason]())
    filtered = Counter({"window": counts.filtered, "no_source": sum(tally.others for tally in tallies)})
    filtered = sum((tally.filtered for tally in tallies), filtered)
    first = [bad for tally in tallies for bad in tally.rejections][:MAX_REJECTIONS]
    inputs = Inputs(
        lines=sum(tally.lines for tally in tallies),
        events=counts.events,
        superseded=counts.superseded,
        duplicates=counts.duplicates,
        filtered=filtered.total(),
        rejected=reasons.total(),
        assumed_timezone=counts.assumed_timezone,
        files=tuple(
            InputFile(
                path=source.label,
                format=intake.format,
                lines=intake.tally.lines,
                rejected=sum(intake.tally.reasons.values()),
                truncated=intake.truncated,
                assumed=(assumed := dict(sorted(counts.assumed.get(index, {}).items()))),
                detected=intake.detected,
                other_requests=intake.tally.others,
                loaded_images=intake.tally.loaded,
                filtered=dict(sorted(intake.tally.filtered.items())),
                explained={name: intake.tally.explained.get(name) or SENTENCES[name] for name in assumed},
            )
            for index, (source, intake) in enumerate(zip(sources, intakes, strict=True))
        ),
        rejections=tuple(RejectedLine(bad.path, bad.line, bad.reason, bad.detail, bad.excerpt) for bad in first),
        reasons={reason.value: reasons[reason] for reason in Reason if reasons[reason]},
        filtered_reasons={name: lines for name, lines in sorted(filtered.items()) if lines},
    )
    if inputs.lines != inputs.events + inputs.superseded + inputs.duplicates + inputs.filtered + inputs.rejected:
        raise AssertionError(f"lines are not conserved: {inputs}")
    return inputs
