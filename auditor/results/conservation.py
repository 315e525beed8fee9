"""What became of every line of the inputs: each is counted once."""

from collections import Counter
from collections.abc import Sequence

from auditor.analysis.accounts import Counts
from auditor.analysis.identities import Replaced
from auditor.intake.read import Intake
from auditor.intake.sources import Source
from auditor.model.events import Reason
from auditor.reading.reader import MAX_REJECTIONS, explained
from auditor.results.inputs import InputFile, Inputs, RejectedLine


def inputs_of(sources: Sequence[Source], intakes: Sequence[Intake], replaced: Replaced, counts: Counts) -> Inputs:
    """The count of all lines; `AssertionError` where one is lost."""
    reasons: Counter[str] = Counter()
    for intake in intakes:
        reasons.update(intake.tally.reasons)
    filtered = Counter({"window": counts.filtered, "no_source": sum(intake.tally.others for intake in intakes)})
    for intake in intakes:
        filtered.update(intake.tally.filtered)
    inputs = Inputs(
        lines=sum(intake.tally.lines for intake in intakes),
        events=counts.events,
        superseded=replaced.superseded,
        duplicates=replaced.duplicates,
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
                filtered=dict(sorted(intake.tally.filtered.items())),
                explained={name: explained(name, intake.tally.explained) for name in assumed},
            )
            for index, (source, intake) in enumerate(zip(sources, intakes, strict=True))
        ),
        rejections=tuple(
            RejectedLine(bad.path, bad.line, bad.reason, bad.detail, bad.excerpt)
            for intake in intakes
            for bad in intake.tally.rejections
        )[:MAX_REJECTIONS],
        reasons={reason.value: reasons[reason] for reason in Reason if reasons[reason]},
        filtered_reasons={name: lines for name, lines in sorted(filtered.items()) if lines},
    )
    if inputs.lines != inputs.events + inputs.superseded + inputs.duplicates + inputs.filtered + inputs.rejected:
        raise AssertionError(f"lines are not conserved: {inputs}")
    return inputs
