"""What the ledger knows of accounts: how their billing cycles are cut, and their plans. One truth for all processes.

`auditor.ledger.upkeep` writes it; every other process reads it, and reports where its own auditor.toml differs.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, to_builtins
from msgspec.json import decode
from sqlalchemy import Connection, select

from auditor.ledger.schema import accounts, facts
from auditor.model.endpoints import Grade
from auditor.model.plans import Plan, TopUp, cycles
from auditor.model.settings import Account, Settings

ZONE = "timezone"
"""The fact that says how the cycles of accounts are cut that are not configured."""
Payer = tuple[str, str]
"""(provider, account)."""
EVERY: Payer = ("", "")
"""Accounts that are not named."""
_DIFFERS = "{} is {}, the ledger has {}"


@dataclass(frozen=True, slots=True)
class State:
    """Accounts as the ledger has them; those that it has not are cut on day 1 in *timezone*."""

    timezone: ZoneInfo
    accounts: Mapping[Payer, Account]
    """`plan` is None where it was never said."""
    told: bool = True
    """Whether the ledger is configured."""
    _cycles: dict[tuple[int, str], tuple[list[int], list[int]]] = field(default_factory=dict)

    def account(self, provider: str, name: str) -> Account:
        """The account's cut and plans."""
        return self.accounts.get((provider, name)) or Account(provider, None, 1, self.timezone)

    def cycle(self, provider: str, account: str, ts_us: int) -> tuple[int, int]:
        """(start, end) of the account's billing cycle that holds a time, in microseconds since 1970."""
        of = self.account(provider, account)
        starts, ends = self._cycles.setdefault(cut(of), ([], []))
        at = bisect_right(starts, ts_us)
        if not at or ts_us >= ends[at - 1]:
            (cycle,) = cycles(ts_us, ts_us, of.anchor_day, of.timezone)
            starts.insert(at, cycle.start_us)
            ends.insert(at, cycle.end_us)
            at += 1
        return starts[at - 1], ends[at - 1]

    @property
    def cuts(self) -> tuple[str, dict[Payer, tuple[int, str]]]:
        """How cycles are cut: by default, and of the accounts for which that is not so."""
        default, cuts = self.timezone.key, {payer: cut(each) for payer, each in self.accounts.items()}
        return default, {payer: each for payer, each in cuts.items() if each != (1, default)}

    def differences(self, settings: Settings, *, added: bool = True) -> dict[Payer, str]:
        """Where a file says otherwise than the ledger, with both values, by account.

        A plan that the ledger was never told is no difference; plans and top-ups that a file only *added* may be one.
        """
        found = {payer: self.difference(payer, each, added=added) for payer, each in told_by(settings).items()}
        return {payer: text for payer, text in found.items() if text}

    def difference(self, payer: Payer, account: Account, *, added: bool = True) -> str:
        """How what a file says of an account differs from the ledger; empty if it does not."""
        if payer == EVERY and not self.told:
            return ""
        ledger = self.account(*payer)
        cuts = zip(("anchor_day", "timezone"), cut(account), cut(ledger), strict=True)
        found = [_DIFFERS.format(*each) for each in cuts if each[1] != each[2]]
        alike = _compared(account) == _compared(ledger) or (not added and _extends(account, ledger))
        if says(account) and says(ledger) and not alike:
            found.append(_DIFFERS.format("plan", described(account), described(ledger)))
        where = "" if payer == EVERY else f"[accounts.{payer[1]}] "
        return where + "; ".join(found) if found else ""

    def seen_by(self, settings: Settings) -> dict[Payer, Account]:
        """The ledger's accounts and those of a file, as the ledger has them.

        Where the ledger was never told a plan, the file's counts if its cycles are the ledger's.
        """
        found = dict(self.accounts)
        for name, account in settings.accounts.items():
            payer = (account.provider, name)
            own = self.account(*payer)
            found[payer] = account if cut(own) == cut(account) and not says(own) else own
        return found


def fact(connection: Connection, name: str) -> str | None:
    """What is written down under a name, if anything is."""
    return connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()


def state_of(connection: Connection) -> State:
    """What the ledger knows now."""
    zone = fact(connection, ZONE)
    known = {
        (row.provider, row.account): account_of(row.provider, row.anchor_day, ZoneInfo(row.timezone), row.plans)
        for row in connection.execute(select(accounts).order_by(*accounts.primary_key))
    }
    return State(ZoneInfo(zone or "UTC"), known, zone is not None)


def told_by(settings: Settings) -> dict[Payer, Account]:
    """What a file says of the accounts that it names, and of every other one."""
    named = {(account.provider, name): account for name, account in settings.accounts.items()}
    return {EVERY: Account("", None, 1, settings.timezone), **named}


def cut(account: Account) -> tuple[int, str]:
    """The day of the month and the time zone in which its cycles begin."""
    return account.anchor_day, account.timezone.key


def says(account: Account) -> bool:
    """Whether anything is said of its plans."""
    return bool(account.plan or account.history or account.topups)


def _compared(account: Account) -> Any:
    """Plans as they are told apart: one of the catalog by its name, since its figures may come with an upgrade.

    Which file says so, `source`, tells none apart.
    """

    def plan(each: Plan | None) -> Any:
        if each is None:
            return None
        return replace(each, source="") if each.grade is Grade.CONFIGURED else each.name

    return plan(account.plan), [(since, plan(each)) for since, each in account.history], account.topups


def _extends(own: Account, ledger: Account) -> bool:
    """Whether all that the ledger has is there, and more."""
    (plan, history, topups), (old_plan, old_history, old_topups) = _compared(own), _compared(ledger)
    return plan == old_plan and Counter(old_history) <= Counter(history) and Counter(old_topups) <= Counter(topups)


def described(account: Account) -> str:
    """Plans and top-ups in words."""
    parts = ["none" if account.plan is None else _plan(account.plan)]
    parts += [f"{_plan(plan)} from {since}" for since, plan in account.history]
    for each in account.topups:
        until = f" until {each.expires}" if each.expires else ""
        parts.append(f"{each.credits} credits bought on {each.day} for {each.price}{until}")
    return ", ".join(parts)


def _plan(plan: Plan) -> str:
    if plan.grade is not Grade.CONFIGURED:
        return plan.name
    carried = ""
    if plan.rollover:
        cycles_on = "" if plan.rollover_cycles is None else f" for {plan.rollover_cycles} cycles"
        limit = "" if plan.rollover_limit is None else f" up to {plan.rollover_limit} times the plan"
        carried = f", carried over{cycles_on}{limit}"
    price = f"{plan.price} {plan.currency} a {plan.period}"
    return f"{plan.name} ({price}, {plan.included} credits, beyond them {plan.beyond}{carried})"


def row_of(account: Account) -> tuple[int, str, str | None]:
    """Its day, its time zone, and plans and top-ups as JSON; None if nothing is said of them."""
    found = to_builtins({"plan": account.plan, "history": account.history, "topups": account.topups})
    return *cut(account), json.dumps(found) if says(account) else None


class _Plans(Struct):
    plan: Plan | None
    history: tuple[tuple[date, Plan], ...]
    topups: tuple[TopUp, ...]


def account_of(provider: str, anchor_day: int, zone: ZoneInfo, plans: str | None) -> Account:
    """An account whose plans and top-ups are as `row_of` wrote them."""
    said = decode(plans, type=_Plans) if plans is not None else _Plans(None, (), ())
    return Account(provider, said.plan, anchor_day, zone, said.history, said.topups)
