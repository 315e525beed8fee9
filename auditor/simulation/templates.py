"""Each template under every cache, and the TTL that is worth it for its own demand."""

from collections.abc import Mapping, Sequence

from msgspec.structs import astuple

from auditor.results import simulation as results
from auditor.results.simulation import Setting
from auditor.simulation.choose import chosen, knee_of, span_us_of, worth_it
from auditor.simulation.outcomes import NOTHING, DemandOutcome, DemandSource, Sums


def by_template(
    demand: DemandSource, settings: Sequence[Setting], found: Mapping[Setting, Sums], asked: Sums
) -> tuple[tuple[results.TemplateBest, ...], Sums]:
    """Each template that was asked for, those with the most requests first, and all with the best setting for each.

    A template that renders least as it is stays so.
    """
    span_us = span_us_of(demand)
    logged: dict[tuple[int, str], DemandOutcome] = {}
    for (payer, template, _), outcome in asked.items():
        logged[payer, str(template)] = logged.get((payer, str(template)), NOTHING) + outcome
    sums: dict[tuple[int, str], dict[Setting, DemandOutcome]] = {}
    for setting, own in found.items():
        for (payer, template, _), outcome in own.items():
            by_setting = sums.setdefault((payer, str(template)), {})
            by_setting[setting] = by_setting.get(setting, NOTHING) + outcome
    templates, picked = [], {}
    for at, of in sorted(sums.items(), key=lambda item: (-next(iter(item[1].values())).requests, item[0])):
        was = logged.get(at, NOTHING)
        if not was.requests:
            continue
        best, payer_of = worth_it(knee_of(of, span_us), of, was), demand.accounts.payers[at[0]]
        if best is not None:
            picked[at] = best
        templates.append(
            results.TemplateBest(
                provider=payer_of.provider,
                account=payer_of.account,
                template=at[1],
                demand=was.requests,
                logged_renders=was.renders,
                recommendation=chosen(best, of) if best else None,
                rows=tuple(results.TemplateRow(*(*astuple(each), *of[each].figures)) for each in settings),
            )
        )
    mixed = {group: outcome for group, outcome in asked.items() if (group[0], str(group[1])) not in picked} | {
        group: outcome
        for setting, own in found.items()
        for group, outcome in own.items()
        if picked.get((group[0], str(group[1]))) == setting
    }
    return tuple(templates), mixed
