"""The count held against the provider's invoice, and what the difference may be.

Known credits are certain. Calls that may or may not have been billed lie between nothing and the most that a
call can cost; those that made an unknown number of images, or cost what nothing limits, have no such end, and neither
has the count then. What is left beyond them was never seen here, or was counted in another cycle.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from auditor.analysis.bills import Bill
from auditor.analysis.facts import Facts
from auditor.analysis.quarters import Days, Quarter, days_of, quarters
from auditor.model.endpoints import Billing, one
from auditor.model.events import Outcome
from auditor.model.plans import Cycle, cycles
from auditor.registry import PROVIDERS
from auditor.results.document import Amount, Day, Time
from auditor.results.header import Document, Edges


class ReconciledCycle(Edges, frozen=True):
    """The cycle of the invoice."""

    complete: bool


class Uncertain(Struct, frozen=True):
    """Calls of which it is not known whether they were billed."""

    calls: int
    most_credits_each: int | None
    """Of those whose size is known; None where the provider names no most."""
    of: dict[str, int]
    """What they are -> calls."""
    of_unknown_size: int
    """Those that may have cost any number of credits."""

    @property
    def most(self) -> int | None:
        """Credits that they can have cost together; None where nothing limits them."""
        return None if self.of_unknown_size else self.calls * (self.most_credits_each or 0)

    def holds(self, difference: Fraction) -> bool:
        """Whether they can have cost so many credits."""
        return difference >= 0 and (self.most is None or difference <= self.most)


class AgreesWith(Struct, frozen=True):
    """Other edges of the cycle, with which the count would agree."""

    anchor_day: int
    timezone: str
    start: Time
    end: Time
    counted: Fraction


class Reconciled(Document, frozen=True, kw_only=True):
    """One invoice and one cycle."""

    SCHEMA = "render-auditor/reconciliation/v1"

    provider: str
    account: str
    cycle: ReconciledCycle
    invoice: Fraction
    counted: Fraction
    difference: Fraction
    agrees: bool
    unexplained: Fraction
    uncertain: Uncertain
    silent_days: tuple[Day, ...]
    silent_days_usual_credits: int
    rejected_lines: int
    agrees_with: tuple[AgreesWith, ...]
    bill_of_count: Amount | None
    bill_of_invoice: Amount | None
    currency: str | None
    plan: str | None = field(name="_plan")
    days: tuple[date, date] = field(name="_days")
    """The edges of the cycle, where the account is."""
    timezone: str = field(name="_timezone")


def reconcile(facts: Facts, bill: Bill, index: int, invoice: Fraction, rejected: int) -> Reconciled:
    """Compare cycle *index* of an account with an invoice's credits."""
    payer, use, account = bill.payer, bill.uses[index], bill.payer.settings
    own = [quarter for quarter in quarters(facts) if quarter.payer == payer.code]
    days, (first, end) = days_of(facts, own)[payer.code], (account.day(use.cycle.start), account.day(use.cycle.end))
    silent, difference = days.silent(first, end), invoice - use.credits
    uncertain = _uncertain(_within(own, use.cycle), payer.provider)
    agrees = uncertain.holds(difference)
    return Reconciled(
        provider=payer.provider,
        account=payer.account,
        cycle=ReconciledCycle(use.cycle.start, use.cycle.end, use.complete),
        invoice=invoice,
        counted=use.credits,
        difference=difference,
        agrees=agrees,
        unexplained=Fraction(0) if agrees else difference - (uncertain.most or 0 if difference > 0 else 0),
        uncertain=uncertain,
        silent_days=tuple(silent),
        silent_days_usual_credits=round(_usual(days, silent)),
        rejected_lines=rejected,
        agrees_with=() if agrees else tuple(_elsewhere(bill, use.cycle, invoice, own)),
        bill_of_count=_bill_of(bill, index, use.credits),
        bill_of_invoice=_bill_of(bill, index, invoice),
        currency=use.plan.currency if use.plan else None,
        plan=use.plan.name if use.plan else None,
        days=(first, end),
        timezone=str(account.timezone),
    )


def _within(used: Iterable[Quarter], cycle: Cycle) -> list[Quarter]:
    return [quarter for quarter in used if cycle.start_us <= quarter.start_us < cycle.end_us]


def _uncertain(used: Iterable[Quarter], provider: str) -> Uncertain:
    """The calls of unknown price, those of which there are most first."""
    most, found, unsized = _most(provider), dict[str, int](), 0
    for quarter in used:
        if quarter.uncertain:
            endless = most is None or (quarter.outcome == Outcome.RENDER and _makes_several(provider))
            unsized += quarter.uncertain if endless else 0
            name = "unresolved" if quarter.outcome == Outcome.ATTEMPT else quarter.error or quarter.outcome
            found[name] = found.get(name, 0) + quarter.uncertain
    ordered = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
    return Uncertain(sum(found.values()), most, ordered, unsized)


def _most(provider: str) -> int | None:
    """The most that one image can cost there; None where the provider does not say."""
    billing = PROVIDERS[provider].billing if provider in PROVIDERS else Billing()
    if billing.sizes is None:
        return None
    return max(1, billing.beyond or 0, *(credits for _, credits in billing.sizes))


def _makes_several(provider: str) -> bool:
    """Whether one call may make several images there: one whose credits are unknown is such a call."""
    return any(endpoint.images is not one for endpoint in PROVIDERS[provider].endpoints)


def _usual(days: Days, silent: Iterable[date]) -> Fraction:
    """What the weekdays of some days used on the days that the log has, on average."""
    total = Fraction(0)
    for day in silent:
        known = [credits for seen, credits in days.credits.items() if seen.weekday() == day.weekday()]
        total += sum(known, Fraction(0)) / len(known) if known else 0
    return total


def _elsewhere(bill: Bill, near: Cycle, invoice: Fraction, used: Sequence[Quarter]) -> Iterator[AgreesWith]:
    """Other anchor days, and UTC, with which the count agrees, if the log covers that cycle."""
    payer, account = bill.payer, bill.payer.settings
    middle = (near.start_us + near.end_us) // 2
    seen = {(near.start, near.end)}
    for zone in dict.fromkeys((account.timezone, ZoneInfo("UTC"))):
        for anchor in (account.anchor_day, *(day for day in range(1, 32) if day != account.anchor_day)):
            (cycle,) = cycles(middle, middle, anchor, zone)
            if (cycle.start, cycle.end) in seen or not cycle.complete(payer.first_us, payer.last_us):
                continue
            seen.add((cycle.start, cycle.end))
            inside = _within(used, cycle)
            credits = sum((quarter.credits for quarter in inside), Fraction(0))
            if _uncertain(inside, payer.provider).holds(invoice - credits):
                yield AgreesWith(anchor, str(zone), cycle.start, cycle.end, credits)


def _bill_of(bill: Bill, index: int, credits: Fraction) -> Fraction | None:
    """The bill of the cycle, had it used so many credits."""
    used = [credits if place == index else use.credits for place, use in enumerate(bill.uses)]
    terms, balance = bill.balances(used)[index]
    return terms.bill(balance)


def cycle_named(bill: Bill, name: str) -> int:
    """The index of the cycle that begins in a month (2026-09), or that holds a day (2026-09-15).

    `ValueError` lists the cycles that there are.
    """
    account = bill.payer.settings
    starts = [account.day(use.cycle.start) for use in bill.uses]
    ends = [account.day(use.cycle.end) for use in bill.uses]
    try:
        day = date.fromisoformat(name) if name.count("-") == 2 else None
    except ValueError:
        day = None
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if (start <= day < end) if day else f"{start:%Y-%m}" == name:
            return index
    raise ValueError(f"= {name!r} is not a cycle of the log; its cycles begin on {', '.join(map(str, starts))}")
