"""Billing: what each account pays, what it would pay, and which plan it needs (semantics section 7).

Every saving goes through the plan function: a credit saved inside an allowance that has to be paid anyway saves
nothing until a smaller plan fits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from auditor.analysis.accounts import Payer
from auditor.analysis.basis import basis_of
from auditor.analysis.facts import Facts, UnitUsage
from auditor.analysis.rows import grouped
from auditor.analysis.terms import CycleUse, GapUse, Terms, gap_use, terms_of
from auditor.analysis.walk import Replayed
from auditor.model.allowance import Balance, fold
from auditor.model.events import Outcome
from auditor.model.numbers import is_unknown
from auditor.model.plans import Idle, Plan, Unadvised, cheapest, total_bill
from auditor.replay.walk import Verdict


@dataclass(frozen=True)  # (no slots: a bill is made of it)
class Recommendation:
    """A plan and what it was chosen on."""

    recommended: Plan | None
    loads: tuple[tuple[Fraction, Fraction], ...] = ()
    """(credits, demand) of the complete cycles, or the one that is projected."""
    idle: Idle = field(default_factory=dict)
    """Cycles of gaps by the position in `loads` before which they passed."""
    projected: bool = False
    """Whether the advice rests on a projection, since no cycle is complete."""
    unadvised: Unadvised | None = None
    """Why there is no advice; None where there is, or no plan is known."""


@dataclass(frozen=True, kw_only=True)
class Bill(Recommendation):
    """One account: its cycles and what follows for its plan."""

    payer: Payer
    terms: tuple[Terms, ...]
    uses: tuple[CycleUse, ...]
    gaps: tuple[GapUse, ...]
    after_fixes: Recommendation
    blind: bool
    """Whether the log tells of no render which image it was: what a fix by image saves is unknown."""

    @property
    def unpriced(self) -> bool:
        """Whether no call of the log says what it cost."""
        credits = sum((use.credits for use in self.uses), Fraction(0))
        renders, uncertain = sum(use.renders for use in self.uses), sum(use.uncertain for use in self.uses)
        return is_unknown(credits, renders, uncertain)

    @property
    def fixes_known(self) -> bool:
        """Whether the log tells what all fixes would save together."""
        return any(use.wasted for use in self.uses) or not (self.blind or self.unpriced)

    @property
    def currency(self) -> str | None:
        """The configured plan's currency, else that of the provider's catalog."""
        if self.payer.plan is not None:
            return self.payer.plan.currency
        return self.payer.plans[0].currency if self.payer.plans else None

    def saving(self, plan: Plan | None, loads: Sequence[tuple[Fraction, Fraction]]) -> Fraction | None:
        """Bills now less the bills of *plan* over *loads*, for one cycle on average; None where unknown."""
        if self.payer.plan is None or plan is None or not loads:
            return None
        now, then = (
            total_bill(each, [(credits, credits) for credits, _ in rest], idle=self.idle)
            for each, rest in ((self.payer.plan, self.loads), (plan, loads))
        )
        return None if now is None or then is None else (now - then) / len(loads)

    def holds_demand(self, plan: Plan) -> bool:
        """Whether *plan* holds what every cycle needed."""
        idle = {use.gap.before: use.gap.cycles for use in self.gaps}
        return total_bill(plan, [(use.demand, use.demand) for use in self.uses], idle=idle) is not None

    def balances(self, credits: Sequence[Fraction]) -> list[tuple[Terms, Balance]]:
        """The terms and the balance of each cycle, had it used so many credits."""
        return list(zip(self.terms, _fold(self.terms, credits, self.gaps), strict=True))


def _fold(terms: Sequence[Terms], credits: Sequence[Fraction], gaps: Sequence[GapUse]) -> list[Balance]:
    return fold([each.grant for each in terms], credits, {use.gap.before: use.stretches for use in gaps})


def bills(facts: Facts, replayed: Replayed) -> tuple[Bill, ...]:
    """The bill of every account."""
    payers = {code: unit.payer for code, unit in enumerate(facts.units)}
    used = grouped(facts.usage, lambda row: (payers[row.unit], row.cycle))
    wasted = replayed.waste.by_payer_cycle(payers)
    blind, sighted = (
        {payers[row.unit] for row in replayed.verdicts if (row.verdict == Verdict.UNKNOWN) == unknown}
        for unknown in (True, False)
    )
    return tuple(
        _bill(
            payer,
            [used.get((payer.code, index), []) for index in range(len(payer.cycles))],
            wasted.get(payer.code, {}),
            blind=payer.code in blind - sighted,
        )
        for payer in facts.payers
    )


def _bill(payer: Payer, used: Sequence[Sequence[UnitUsage]], wasted: Mapping[int, Fraction], *, blind: bool) -> Bill:
    terms = tuple(terms_of(payer, cycle) for cycle in payer.cycles)
    gaps = tuple(gap_use(payer, gap) for gap in payer.gaps)
    credits = [sum((row.credits for row in rows), Fraction(0)) for rows in used]
    uses = tuple(
        CycleUse(
            cycle=cycle,
            complete=complete,
            credits=credits[index],
            demand=sum((row.demand for row in used[index]), Fraction(0)),
            renders=sum(row.events for row in used[index] if row.outcome == Outcome.RENDER),
            uncertain=sum(row.uncertain for row in used[index]),
            wasted=wasted.get(index, Fraction(0)),
            plan=terms[index].plan,
            balance=balance,
            bill=terms[index].bill(balance) if complete else None,
        )
        for index, (cycle, balance) in enumerate(zip(payer.cycles, _fold(terms, credits, gaps), strict=True))
        for complete in [cycle.complete(payer.first_us, payer.last_us)]
    )
    now = recommend(payer, uses, {})
    after = recommend(payer, uses, wasted) if wasted else now
    return Bill(**vars(now), payer=payer, terms=terms, uses=uses, gaps=gaps, after_fixes=after, blind=blind)


def recommend(payer: Payer, uses: Sequence[CycleUse], saved: Mapping[int, Fraction]) -> Recommendation:
    """The plan once *saved* credits, by cycle, are gone."""
    basis = basis_of(payer)
    if isinstance(basis, Unadvised):
        return Recommendation(None, unadvised=basis)
    less = [saved.get(place, Fraction(0)) for place in range(len(uses))]
    demand = [use.demand - gone for use, gone in zip(uses, less, strict=True)]
    # A projected cycle is billed by its demand: what was not known to cost anything may have.
    billed = demand if basis.projected else [use.credits - gone for use, gone in zip(uses, less, strict=True)]
    loads = tuple(zip(basis.whole(billed), basis.whole(demand), strict=True))
    plan = cheapest(payer.plans, loads, basis.so_far(demand), basis.idle)
    return Recommendation(plan, loads, basis.idle, basis.projected)
