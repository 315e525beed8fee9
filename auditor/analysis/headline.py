"""The headline: what a month costs, what it would cost on the right plans, and once the waste is gone (section 12).

Bills are of credits; demand only decides which plan holds. Means are over an account's basis: its complete cycles, or
its newest one projected to the end where none is complete.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property, partial

from auditor.analysis.accounts import Payer
from auditor.analysis.basis import Basis, basis_of
from auditor.analysis.bills import Bill
from auditor.analysis.terms import total
from auditor.model.findings import ActionKind, Finding, Snippet
from auditor.model.plans import Plan, Unadvised, cheapest, total_bill

ByCycle = Mapping[int, Fraction]
"""Place of a cycle of an account -> credits."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One of the fixes that a cheaper bill needs."""

    finding: Finding
    credits_per_month: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step from what a month costs to what it would cost; *saving* is negative where a plan has to grow."""

    kind: ActionKind
    payer: Payer
    saving: Fraction
    needs: Fraction = Fraction(0)
    """The demand of the cycle that then needs most."""
    before: Plan | None = None
    to: Plan | None = None
    fixes: tuple[Fix, ...] = ()
    snippets: tuple[Snippet, ...] = ()
    """What of it can be copied, each once."""

    @property
    def order(self) -> tuple[int, Fraction, str, str]:
        """Where it stands among others."""
        return list(ActionKind).index(self.kind), -self.saving, self.payer.provider, self.payer.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """All accounts that are billed in one currency, per month."""

    currency: str | None
    accounts: "tuple[AccountMonth, ...]"
    left_out: Mapping[str, int]
    """Reason -> accounts."""
    now: Fraction
    today: Fraction
    after_fixes: Fraction
    actions: tuple[Action, ...]


class Unbilled(StrEnum):
    """Why an account is left out, beside the reasons for which it gets no advice."""

    NO_PLAN = "no_plan"
    NO_BILL = "no_bill"


class MonthlyBills:
    """Means over the *basis* of one account; *bill* has a current plan."""

    def __init__(self, bill: Bill, basis: Basis) -> None:
        self._bill, self._basis = bill, basis

    def mean(self, by_cycle: ByCycle) -> Fraction:
        """Of credits: those of the loads ÷ their number."""
        return sum(self._basis.whole(self._each(by_cycle)), Fraction(0)) / self._size

    @property
    def _size(self) -> int:
        return len(self._basis.places)

    def _each(self, by_cycle: ByCycle) -> list[Fraction]:
        return [by_cycle.get(place, Fraction(0)) for place in range(len(self._bill.uses))]

    def _loads(self, saved: ByCycle) -> list[tuple[Fraction, Fraction]]:
        uses = list(zip(self._bill.uses, self._each(saved), strict=True))
        credits = self._basis.whole([use.credits - gone for use, gone in uses])
        return list(zip(credits, self._basis.whole([use.demand - gone for use, gone in uses]), strict=True))

    def _others(self, saved: ByCycle) -> list[Fraction]:
        """Demand so far of the cycles that are no loads, the projected one among them."""
        uses = self._bill.uses
        return self._basis.so_far([use.demand - gone for use, gone in zip(uses, self._each(saved), strict=True)])

    def billed(self, plan: Plan, saved: ByCycle) -> Fraction | None:
        """The mean bill on a plan had *saved* not been spent; None over its hard cap."""
        bills = total_bill(plan, [(credits, credits) for credits, _ in self._loads(saved)], idle=self._basis.idle)
        return None if bills is None else bills / self._size

    def needed(self, saved: ByCycle) -> Fraction:
        """The demand of the load that needs most."""
        return max(demand for _, demand in self._loads(saved))

    def held(self, plan: Plan, saved: ByCycle) -> bool:
        """Whether the plan holds the demand that is then left."""
        return total_bill(plan, self._loads(saved), self._others(saved), self._basis.idle) is not None

    def cheapest(self, saved: ByCycle) -> Plan | None:
        """The plan that costs least of those that hold what is then left."""
        return cheapest(self._bill.payer.plans, self._loads(saved), self._others(saved), self._basis.idle)

    def paid(self) -> Fraction | None:
        """The mean bill as it is: each cycle on the plan that was in force, top-ups included."""
        uses = self._bill.uses
        credits = [use.credits for use in uses]
        if self._basis.projected:
            credits[-1] *= self._basis.scale
        balances = self._bill.balances(credits)
        bills = total(terms.bill(balance) for terms, balance in (balances[place] for place in self._basis.places))
        return None if bills is None else bills / self._size


@dataclass(frozen=True)  # (no slots: its figures are reckoned once)
class AccountMonth:
    """One account with a plan, a basis and all its bills, per month."""

    bill: Bill
    bills: MonthlyBills
    now: Fraction
    current: Fraction
    """On the plan that it has now."""
    today: Fraction
    """On the plan that is right for the credits as they are."""
    then: Fraction | None
    """On the one that is right once the waste is gone; None where none holds what is left."""

    @property
    def after_fixes(self) -> Fraction:
        """The least of today and then."""
        return self.today if self.then is None else min(self.today, self.then)

    @cached_property
    def plan(self) -> Plan:
        """The right one, else the current one."""
        plan = self.bill.recommended or self.bill.payer.plan
        assert plan is not None
        return plan

    @property
    def wasted(self) -> dict[int, Fraction]:
        """Credits by cycle that all fixes together would save; empty without waste."""
        return {place: use.wasted for place, use in enumerate(self.bill.uses) if use.wasted}

    @property
    def left(self) -> Fraction:
        """Demand of the month that needs most once the waste is gone."""
        return self.bills.needed(self.wasted)

    def alone(self, wasted: ByCycle) -> Fraction:
        """What the bill of today falls by if only this waste is gone, on the plan that then is the cheapest."""
        plan = self.bills.cheapest(wasted)
        bill = None if plan is None else self.bills.billed(plan, wasted)
        return Fraction(0) if bill is None else max(self.today - bill, Fraction(0))

    def actions(self, findings: Iterable[Finding]) -> Iterator[Action]:
        """Those that lead from now to after_fixes; *findings* are the account's own, of waste and of its plan."""
        action = partial(Action, payer=self.bill.payer)
        current = self.bill.payer.plan
        if self.now != self.current:
            yield action(kind=ActionKind.CHANGED, saving=self.now - self.current)
        if self.bill.recommended not in (None, current):
            saving = self.current - self.today
            yield action(
                kind=ActionKind.PLAN,
                saving=saving,
                needs=self.bills.needed({}),
                before=current,
                to=self.plan,
                snippets=_snippets(each for each in findings if each.changes_plan),
            )
        to = self.bill.after_fixes.recommended
        if to is not None and self.after_fixes < self.today:
            needed, saved = self._needed(to, findings)
            yield action(
                kind=ActionKind.FIXES,
                saving=self.today - self.after_fixes,
                needs=self.bills.needed(saved),
                before=self.plan,
                to=to,
                fixes=tuple(Fix(each, self.bills.mean(each.saved)) for each in needed),
                snippets=_snippets(needed),
            )

    def _needed(self, to: Plan, findings: Iterable[Finding]) -> tuple[list[Finding], ByCycle]:
        """Those without which *to* would not hold, or its bill would be higher; the smallest are tried first.

        And the credits that they save together.
        """
        needed = sorted(
            (each for each in findings if any(each.saved.values())),
            key=lambda each: (-self.bills.mean(each.saved), each.rule, sorted(each.subject.items())),
        )
        saved: dict[int, Fraction] = defaultdict(Fraction)
        for each in needed:
            for place, credits in each.saved.items():
                saved[place] += credits
        for each in reversed(needed.copy()):
            left = {place: credits - each.saved.get(place, 0) for place, credits in saved.items()}
            if self.bills.held(to, left) and self.bills.billed(to, left) == self.bills.billed(to, saved):
                needed.remove(each)
                saved = left
        return needed, saved


def _snippets(findings: Iterable[Finding]) -> tuple[Snippet, ...]:
    return tuple(dict.fromkeys(each.snippet for each in findings if each.snippet is not None))


def account_of(bill: Bill) -> AccountMonth | Unbilled | Unadvised:
    """The figures of an account, or why there are none."""
    plan = bill.payer.plan
    if plan is None:
        return Unbilled.NO_PLAN
    basis, then = basis_of(bill.payer), bill.after_fixes.recommended
    if isinstance(basis, Unadvised):
        return basis
    bills = MonthlyBills(bill, basis)
    wasted = {place: use.wasted for place, use in enumerate(bill.uses)}
    now, current, today = bills.paid(), bills.billed(plan, {}), bills.billed(bill.recommended or plan, {})
    if now is None or current is None or today is None:
        return Unbilled.NO_BILL
    return AccountMonth(bill, bills, now, current, today, None if then is None else bills.billed(then, wasted))


def headlines(bills: Sequence[Bill], findings: Iterable[Finding]) -> tuple[Headline, ...]:
    """One for each currency, by its name; that of accounts of which no currency is known comes last."""
    own: dict[int | None, list[Finding]] = defaultdict(list)
    for finding in findings:
        own[finding.payer].append(finding)
    found: dict[str | None, list[AccountMonth | Unbilled | Unadvised]] = defaultdict(list)
    for bill in bills:
        found[bill.currency].append(account_of(bill))
    return tuple(
        Headline(
            currency=currency,
            accounts=tuple(told),
            left_out=Counter(each.value for each in members if not isinstance(each, AccountMonth)),
            now=sum((each.now for each in told), Fraction(0)),
            today=sum((each.today for each in told), Fraction(0)),
            after_fixes=sum((each.after_fixes for each in told), Fraction(0)),
            actions=tuple(
                sorted(
                    (action for each in told for action in each.actions(own[each.bill.payer.code])),
                    key=lambda action: action.order,
                )
            ),
        )
        for currency, members in sorted(found.items(), key=lambda item: (item[0] is None, item[0]))
        for told in [[each for each in members if isinstance(each, AccountMonth)]]
    )
