"""The demand of the past under other caches, and which of them is worth it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from msgspec.structs import astuple

from auditor.analysis.accounts import Payer
from auditor.analysis.demand import Demand
from auditor.model.events import EPOCH
from auditor.model.plans import cents, cheapest, micros, total_bill
from auditor.results import simulation as results
from auditor.results.inputs import Inputs
from auditor.results.report import Window
from auditor.results.simulation import AccountBill, Setting
from auditor.simulation.batch import ahead_of
from auditor.simulation.outcomes import NOTHING, DemandOutcome, DemandSource, Sums, asked_of, stale_known, sums_of

NEAR = Fraction(101, 100)
"""Credits, as a multiple of the fewest, that are as good as these."""
KNEE = Fraction(105, 100)
"""Renders, as a multiple of the fewest, that the knee may have."""


def simulate(
    demand: DemandSource,
    settings: Sequence[Setting],
    inputs: Inputs,
    options: Mapping[str, Any],
    generated_at: datetime,
    *,
    per_template: bool = False,
    batch: bool = False,
) -> results.Simulated:
    """Replay *demand* under each of *settings*.

    *per_template* asks for the best setting of each template too, *batch* for what could have been made ahead.
    """
    found = sums_of(demand, settings, per_template=per_template)
    whole = {setting: sum(own.values(), NOTHING) for setting, own in found.items()}
    asked = asked_of(demand, per_template)
    logged = sum(asked.values(), NOTHING)
    start, end = demand.accounts.window or (EPOCH, EPOCH)
    span_us = micros(end) - micros(start)
    within = {each: of for each, of in whole.items() if each.ttl_us is not None and each.ttl_us <= span_us}
    knee = _best(within, lambda outcome: outcome.renders, KNEE)
    best = knee if knee is not None and whole[knee].renders < logged.renders else None
    templates, mixed = _by_template(demand, settings, found) if per_template else ((), None)
    fewest = _best(whole, lambda outcome: outcome.credits, NEAR)
    return results.Simulated(
        generated_at=generated_at,
        window=Window(*demand.accounts.window or (None, None)),
        options=dict(options),
        inputs=inputs,
        demand=logged.requests,
        demand_bytes=logged.bytes,
        logged=results.Logged(*(*logged.figures, *_bills(demand, asked), logged.uncertain)),
        rows=tuple(
            results.Row(*(*astuple(each), *whole[each].figures, *_bills(demand, found[each]), each == best))
            for each in settings
        ),
        recommendation=_chosen(best, whole) if best else None,
        knee=results.Knee(knee.ttl_seconds or Fraction(0), whole[knee].renders, knee) if knee else None,
        fewest_credits=_chosen(fewest, whole) if fewest else None,
        templates=templates,
        each_template_its_own=None
        if mixed is None
        else results.Figures(*(*sum(mixed.values(), NOTHING).figures, *_bills(demand, mixed))),
        batch=ahead_of(demand) if batch and isinstance(demand, Demand) else None,
        stale_known=stale_known(demand),
    )


def _bills(demand: DemandSource, sums: Sums) -> tuple[tuple[AccountBill, ...], Fraction | None, str, str]:
    """Each account's bill, the share that was missed, and the bills' totals."""
    by_cycle: dict[tuple[int, int], DemandOutcome] = {}
    for (payer, _, cycle), outcome in sums.items():
        by_cycle[payer, cycle] = by_cycle.get((payer, cycle), NOTHING) + outcome
    whole, payers = sum(sums.values(), NOTHING), demand.accounts.payers
    bills = [
        _bill(payer, [by_cycle.get((payer.code, cycle), NOTHING) for cycle in range(len(payer.cycles))])
        for payer in payers
    ]
    known = [(payer, bill) for payer, bill in zip(payers, bills, strict=True) if bill.priced]
    now = _total(known, "bill") if all(payer.plan for payer, _ in known) else "-"
    missed = Fraction(whole.renders, whole.requests) if whole.requests else None
    return tuple(bills), missed, now, _total(known, "cheapest_bill")


def _bill(payer: Payer, used: Sequence[DemandOutcome]) -> AccountBill:
    """What one account would have paid; its bill only where its plan holds the credits of every complete cycle."""
    complete, credits, plan = payer.complete_cycles, [each.credits for each in used], payer.plan
    known = sum(used, NOTHING).known
    loads, idle = [(credits[index], credits[index]) for index in complete if known], payer.idle
    best = cheapest(payer.plans, loads, idle=idle) if loads else None
    return AccountBill(
        provider=payer.provider,
        account=payer.account,
        credits=sum(credits, Fraction(0)) if known else None,
        currency=next((each.currency for each in (plan, best) if each is not None), None),
        plan=plan.name if plan else None,
        bill=total_bill(plan, loads, idle=idle) if plan and loads else None,
        cheapest_plan=best.name if best else None,
        cheapest_bill=total_bill(best, loads, idle=idle) if best else None,
        cycles=len(complete),
        priced=bool(payer.plans),
        cheapest_currency=best.currency if best else None,
    )


def _total(known: Sequence[tuple[Payer, AccountBill]], name: str) -> str:
    """The bills of all accounts of known providers; none where one of them is unknown, or not in the same currency."""
    if len({plan.currency for payer, _ in known for plan in payer.plans}) != 1:
        return "-"
    if any(bill.credits is None for _, bill in known):
        return "unknown"
    amounts = [getattr(bill, name) for _, bill in known if bill.cycles]
    if any(amount is None for amount in amounts):
        return "over the cap"
    if len(amounts) < len(known):
        return "too little data"  # no whole cycle, no bill
    return str(cents(sum(amounts, Fraction(0))))


def _chosen(setting: Setting, of: Mapping[Setting, DemandOutcome]) -> results.Chosen:
    return results.Chosen(*(*astuple(setting), of[setting].renders, of[setting].credits, of[setting].stale))


def _by_template(
    demand: DemandSource, settings: Sequence[Setting], found: Mapping[Setting, Sums]
) -> tuple[tuple[results.TemplateBest, ...], Sums]:
    """Each template that was asked for, those with the most requests first, and all with the best setting for each."""
    sums: dict[tuple[int, str], dict[Setting, DemandOutcome]] = {}
    for setting, own in found.items():
        for (payer, template, _), outcome in own.items():
            by_setting = sums.setdefault((payer, str(template)), {})
            by_setting[setting] = by_setting.get(setting, NOTHING) + outcome
    templates, chosen = [], {}
    for at, of in sorted(sums.items(), key=lambda item: (-next(iter(item[1].values())).requests, item[0])):
        best = _best(of, lambda outcome: outcome.credits, NEAR)
        if best is None or not of[best].requests:
            continue
        chosen[at], payer_of = best, demand.accounts.payers[at[0]]
        rows = tuple(results.TemplateRow(*(*astuple(each), *of[each].figures)) for each in settings)
        templates.append(
            results.TemplateBest(payer_of.provider, payer_of.account, at[1], of[best].requests, _chosen(best, of), rows)
        )
    mixed = {
        group: outcome
        for setting, own in found.items()
        for group, outcome in own.items()
        if chosen.get((group[0], str(group[1]))) == setting
    }
    return tuple(templates), mixed


def _best(
    found: Mapping[Setting, DemandOutcome], cost: Callable[[DemandOutcome], Fraction | int], near: Fraction
) -> Setting | None:
    """The setting with the smallest TTL whose cost is at most *near* times the least; None where there is none.

    Ties go to the lower cost, then to coalescing, then to the smaller cache.
    """
    least = min(map(cost, found.values()), default=0)

    def rank(setting: Setting) -> tuple[int, Fraction | int, bool, int, int]:
        cache = setting.cache
        return cache.ttl_us, cost(found[setting]), not setting.coalescing, cache.entries, cache.bytes

    return min((each for each, outcome in found.items() if cost(outcome) <= least * near), key=rank, default=None)
