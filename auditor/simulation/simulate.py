"""The demand of the past under other caches, and which of them is worth it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from msgspec.structs import astuple

from auditor.analysis.accounts import Payer
from auditor.analysis.demand import Demand
from auditor.model.plans import cents, cheapest, total_bill
from auditor.results import simulation as results
from auditor.results.inputs import Inputs
from auditor.results.report import Window
from auditor.results.simulation import AccountBill, Setting
from auditor.simulation.batch import ahead_of
from auditor.simulation.choose import NEAR, best_of, chosen, knee_of, span_us_of, worth_it
from auditor.simulation.outcomes import NOTHING, DemandOutcome, DemandSource, Sums, asked_of, stale_known, sums_of
from auditor.simulation.plans_then import plan_then
from auditor.simulation.templates import by_template


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
    span_us = span_us_of(demand)
    knee = knee_of(whole, span_us)
    best = worth_it(knee, whole, logged)
    templates, mixed = by_template(demand, settings, found, asked) if per_template else ((), None)
    fewest = best_of(whole, lambda outcome: outcome.credits, NEAR)
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
        recommendation=_recommended(demand, best, whole, asked, found[best]) if best else None,
        knee=results.Knee(knee.ttl_seconds or Fraction(0), whole[knee].renders, knee) if knee else None,
        fewest_credits=chosen(fewest, whole) if fewest else None,
        templates=templates,
        each_template_its_own=None
        if mixed is None
        else results.Figures(*(*sum(mixed.values(), NOTHING).figures, *_bills(demand, mixed))),
        batch=ahead_of(demand) if batch and isinstance(demand, Demand) else None,
        stale_known=stale_known(demand),
    )


def _bills(demand: DemandSource, sums: Sums) -> tuple[tuple[AccountBill, ...], Fraction | None, str, str]:
    """Each account's bill, the share that was missed, and the bills' totals."""
    whole, payers = sum(sums.values(), NOTHING), demand.accounts.payers
    bills = [_bill(payer, own) for payer, own in zip(payers, _by_cycle(payers, sums), strict=True)]
    known = [(payer, bill) for payer, bill in zip(payers, bills, strict=True) if bill.priced]
    now = _total(known, "bill") if all(payer.plan for payer, _ in known) else "-"
    missed = Fraction(whole.renders, whole.requests) if whole.requests else None
    return tuple(bills), missed, now, _total(known, "cheapest_bill")


def _by_cycle(payers: Sequence[Payer], sums: Sums) -> list[list[DemandOutcome]]:
    """For each account the outcome of each of its cycles."""
    found = [[NOTHING] * len(payer.cycles) for payer in payers]
    for (payer, _, cycle), outcome in sums.items():
        found[payer][cycle] += outcome
    return found


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


def _recommended(
    demand: DemandSource, best: Setting, whole: Mapping[Setting, DemandOutcome], asked: Sums, found: Sums
) -> results.Recommended:
    """The setting with what it saves, in renders, credits and bills."""
    payers, logged, outcome = demand.accounts.payers, sum(asked.values(), NOTHING), whole[best]
    cycles = zip(payers, _by_cycle(payers, asked), _by_cycle(payers, found), strict=True)
    credits = logged.credits - outcome.credits if logged.known else None
    accounts = tuple(plan_then(*each) for each in cycles)
    return results.Recommended(
        *(*astuple(chosen(best, whole)), outcome.hits, logged.renders - outcome.renders, credits, accounts)
    )
