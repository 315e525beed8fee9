"""volatile-inputs: an input field makes every key new but never changes the image.

What it does
    Leaves one field out of the inputs and looks at neighbors in time that then are the same but for that field.
    If at least 3 such pairs exist and at least 95 % of them show byte-identical images, the field is volatile. Fields
    that pass one by one are tested together; where that fails, only the one that saves most is reported.

Why it matters
    A timestamp, a request id or a cache buster among the overrides defeats every cache: the key differs each time.

Example
    title=9f2c…  generated_at=1a…   digest sha256:77…   1 credit
    title=9f2c…  generated_at=4e…   digest sha256:77…   1 credit, for the very same image
    Access logs have no digests: sizes are compared, if they tell other images apart. Of at least 20 pairs that differ
    in other fields at most 5 % may have one size; the confidence is low, medium from 100 pairs and 1 % on.

How to fix
    Leave the field out of the call, or round it (a date instead of a time). If the image does show it sometimes,
    the examples in the evidence tell which pairs differed.

Options

"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from auditor.analysis.case import Case, Rule
from auditor.fixes.render_once import render_once
from auditor.model.findings import Confidence, Finding, Mended, severity_of
from auditor.model.waste import Cause
from auditor.model.words import credits_word, listed, plural
from auditor.replay.volatile import Pairs


class VolatileInputs(Rule):
    """One finding for each account, environment, template and field."""

    id = "volatile-inputs"
    causes = (Cause.VOLATILE,)
    summary = "an input field changes the key of a render but not its image"

    def findings(self, case: Case) -> Iterable[Finding]:
        """The saving of fields that are left out together is booked on the one that saves most alone."""
        ids, keys = _examples(case, "id"), _examples(case, "key")
        for unit, volatile in sorted(case.replayed.volatile.items()):
            template = case.facts.units[unit].template
            names = [name for name, _ in volatile.fields]
            for place, (name, pairs) in enumerate(volatile.fields):
                saved = case.replayed.waste.by_cycle([unit], self.causes) if place == 0 else {}
                credits = sum(saved.values(), Fraction(0))
                yield Finding(
                    rule=self.id,
                    severity=severity_of(credits, case.credits),
                    confidence=_confidence(pairs),
                    subject={**case.facts.units[unit].names, "field": name},
                    message=f"`{name}` changed without changing the image in {pairs.agreeing:,} of "
                    f"{plural(pairs.pairs, 'pair')}{' by size' if pairs.apart else ''}: {credits_word(credits)}"
                    + (" (booked on the field that saves most)" if place else ""),
                    advice=f"Leave `{name}` out of the call or make it coarser, so that equal images get equal keys",
                    credits=credits,
                    payer=case.payer_of(unit),
                    saved=saved,
                    mended=Mended(listed(names), *_left_out(names, template)),
                    snippet=render_once(case, unit, keys[pairs.example_agreeing[0]] if pairs.example_agreeing else ""),
                    evidence={
                        "pairs": pairs.pairs,
                        "agreeing": pairs.agreeing,
                        "example_agreeing": _named(pairs.example_agreeing, ids),
                        "example_differing": _named(pairs.example_differing, ids),
                        "left_out_together": names,
                        **_sizes(pairs),
                    },
                )


def _left_out(names: Sequence[str], template: str) -> tuple[str, str]:
    many = f"are left out of {template}"
    return many if len(names) > 1 else f"is left out of {template}", many


def _confidence(pairs: Pairs) -> Confidence:
    """Sizes agree by chance now and then: what they show rests on how well they tell other images apart."""
    if pairs.apart is not None:
        return Confidence.MEDIUM if pairs.apart.shows(100, Fraction(1, 100)) else Confidence.LOW
    share = Fraction(pairs.agreeing, pairs.pairs)
    if share == 1 and pairs.pairs >= 20:
        return Confidence.HIGH
    return Confidence.MEDIUM if share >= Fraction(99, 100) else Confidence.LOW


def _sizes(pairs: Pairs) -> dict[str, int | str]:
    """What is said where sizes stand for digests."""
    if pairs.apart is None:
        return {}
    return {"compared": "sizes", "other_pairs": pairs.apart.pairs, "other_pairs_of_equal_size": pairs.apart.alike}


def _examples(case: Case, name: str) -> dict[int, str]:
    """The ids or keys of all rows that serve as examples, asked for at once."""
    rows = {
        row
        for volatile in case.replayed.volatile.values()
        for _, pairs in volatile.fields
        for pair in (pairs.example_agreeing, pairs.example_differing)
        for row in pair or ()
    }
    return case.facts.records.values(name, sorted(rows))


def _named(rows: tuple[int, int] | None, ids: dict[int, str]) -> list[str] | None:
    return None if rows is None else [ids[row] for row in rows]
