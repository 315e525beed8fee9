"""low-volume-templates: a few rarely used templates would fit a free plan together.

What it does
    Takes the account's templates, smallest first, as long as their credits together stay within the provider's free
    plan in every complete cycle.

Why it matters
    Moved to a free account they leave room on the paid plan, sometimes enough for a smaller one.

Example
    invoice-badge 12, thank-you 31, press-kit 40 credits a month: 83 together, the free plan holds 100

How to fix
    Ask whether the provider's terms allow a second account; they decide. Then move these templates' calls there.

Options

"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction

from auditor.analysis.case import Case, Rule
from auditor.model.findings import Confidence, Finding, Severity
from auditor.model.numbers import number
from auditor.model.words import credits_word, plural


class LowVolumeTemplates(Rule):
    """One finding for each account."""

    id = "low-volume-templates"
    summary = "rarely used templates would fit the provider's free plan together"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Only accounts that pay, and only over complete cycles."""
        usage = _by_template(case)
        for bill in case.bills:
            complete, free = bill.payer.complete_cycles, case.facts.settings.free_plan(bill.payer.provider)
            if free is None or not complete or not bill.payer.costs_money or bill.unadvised is not None:
                continue
            own = {
                name: {index: by_cycle[index] for index in complete if index in by_cycle}
                for name, by_cycle in usage[bill.payer.code].items()
            }
            chosen, used = _smallest(own, Fraction(free.included))
            if not chosen:
                continue
            moved = {index: used.get(index, Fraction(0)) for index in complete}
            cycles = [(bill.uses[index].cycle.start, number(credits)) for index, credits in moved.items()]
            total = sum(chosen.values(), Fraction(0))
            yield Finding(
                rule=self.id,
                severity=Severity.LOW,
                confidence=Confidence.LOW,
                subject=bill.payer.names,
                message=f"{plural(len(chosen), 'template')} with {credits_word(total)} together fit {free.name} in "
                f"every complete cycle",
                advice=f"Move them to a {free.name} account if the provider's terms allow one: "
                f"{case.facts.settings.terms.get(bill.payer.provider, 'unknown')}",
                payer=bill.payer.code,
                saved=moved,
                evidence={
                    "free_plan": free.name,
                    "templates": [{"template": name, "credits": number(credits)} for name, credits in chosen.items()],
                    "cycles": [{"start": start, "credits": credits} for start, credits in cycles],
                },
            )


Cycles = Mapping[int, Fraction]
"""Credits by cycle."""


def _by_template(case: Case) -> dict[int, dict[str, dict[int, Fraction]]]:
    """Payer -> template -> cycle -> credits."""
    found: dict[int, dict[str, dict[int, Fraction]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(Fraction)))
    for row in case.facts.usage:
        unit = case.facts.units[row.unit]
        found[unit.payer][unit.template][row.cycle] += row.credits
    return found


def _smallest(usage: Mapping[str, Cycles], room: Fraction) -> tuple[dict[str, Fraction], Cycles]:
    """The largest set of templates, smallest first, that fits *room* in every cycle, with its credits by cycle."""
    totals = {name: sum(by_cycle.values(), Fraction(0)) for name, by_cycle in usage.items()}
    cycles: Cycles = {}
    chosen: dict[str, Fraction] = {}
    for name, total in sorted(totals.items(), key=lambda item: (item[1], item[0])):
        if total == 0:
            continue
        after = {cycle: cycles.get(cycle, 0) + credits for cycle, credits in usage[name].items()}
        if any(credits > room for credits in after.values()):
            break
        cycles, chosen[name] = {**cycles, **after}, total
    return chosen, cycles
