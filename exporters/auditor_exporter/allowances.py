"""What each account may use in its current billing cycle, as the audit has it: included, carried over and bought."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, select

from auditor.ledger.record import Sums
from auditor.ledger.schema import periods
from auditor.ledger.state import Payer
from auditor.model.allowance import fold
from auditor.model.events import EXACT
from auditor.model.plans import Plan, cycles
from auditor.model.settings import Account


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of one account in one cycle."""

    plan: Plan
    credits: Fraction


class Allowances:
    """What was found is kept while the account's plans and its past cycles are the same."""

    def __init__(self) -> None:
        self._kept: dict[Payer, tuple[Any, Allowance]] = {}

    def of(self, connection: Connection, payer: Payer, account: Account, now_us: int) -> Allowance | None:
        """The allowance of the cycle that holds a time; None without a plan."""
        (cycle,) = cycles(now_us, now_us, account.anchor_day, account.timezone)
        plan = account.plan_of(cycle)
        if plan is None:
            return None
        plans = [account.plan, *(each for _, each in account.history)]
        if not account.topups and not any(each and each.rollover for each in plans):
            return Allowance(plan, Fraction(plan.included))
        used = {start: spent for start, spent in _used(connection, payer).items() if start < cycle.start_us}
        key = (account, cycle, used)
        kept = self._kept.get(payer)
        if kept is None or kept[0] != key:
            kept = self._kept[payer] = (key, _folded(plan, account, used, now_us))
        return kept[1]


def _folded(plan: Plan, account: Account, used: dict[int, Fraction], now_us: int) -> Allowance:
    from auditor.analysis.accounts import Payer as Paying
    from auditor.analysis.terms import terms_of  # (the audits' own, with all they need; few accounts carry credits on)

    first_us = min(used, default=now_us)
    listed = tuple(cycles(first_us, now_us, account.anchor_day, account.timezone))
    terms = terms_of(Paying(0, account.provider, "", account, (), listed, first_us, now_us))
    balances = fold([each.grant for each in terms], [used.get(cycle.start_us, Fraction(0)) for cycle in listed])
    return Allowance(plan, balances[-1].available)


def _used(connection: Connection, payer: Payer) -> dict[int, Fraction]:
    """Credits by the start of each cycle in which the account did anything."""
    found: dict[int, Decimal] = defaultdict(Decimal)
    query = select(periods).where(periods.c.provider == payer[0], periods.c.account == payer[1])
    for row in connection.execute(query):
        if any(getattr(row, name) for name in Sums._fields):
            found[row.start_us] = EXACT.add(found[row.start_us], row.credits)
    return {start: Fraction(credits) for start, credits in found.items()}
