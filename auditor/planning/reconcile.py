"""The count held against the provider's invoice, and what the difference may be.

Known credits are certain. Calls of which nobody knows whether they were billed lie between nothing and the most that a
call can cost. What is left beyond them was never seen here, or was counted in another cycle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

from auditor.analysis.bills import Bill
from auditor.analysis.facts import Facts
from auditor.analysis.quarters import Days, Quarter, days_of, quarters
from auditor.analysis.terms import CycleUse
from auditor.model.events import Outcome
from auditor.model.plans import Cycle, cycles
from auditor.model.provider import Provider


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Other edges of the cycle, with which the count would agree."""

    anchor_day: int
    timezone: str
    cycle: Cycle
    credits: Fraction


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One invoice and one cycle."""

    bill: Bill
    use: CycleUse
    invoice: Fraction
    uncertain: tuple[tuple[str, int], ...]
    """(what they are, calls) of which it is not known whether they were billed."""
    most: int
    """The most that one of them can have cost."""
    silent: tuple[date, ...]
    """Days of the cycle without any event."""
    silent_credits: Fraction
    """What such weekdays used on other days, together."""
    rejected: int
    """Lines of the input that could not be read."""
    elsewhere: tuple[Elsewhere, ...]

    @property
    def counted(self) -> Fraction:
        """Known credits."""
        return self.use.credits

    @property
    def difference(self) -> Fraction:
        """Invoice less count: above 0 the provider bills more."""
        return self.invoice - self.counted

    @property
    def uncertain_calls(self) -> int:
        """Calls that may have been billed."""
        return sum(calls for _, calls in self.uncertain)

    @property
    def agrees(self) -> bool:
        """Whether the invoice lies where it can lie."""
        return 0 <= self.difference <= self.uncertain_calls * self.most

    @property
    def unexplained(self) -> Fraction:
        """What remains beyond the uncertain calls; below 0 where less was billed than counted."""
        return min(self.difference, max(Fraction(0), self.difference - self.uncertain_calls * self.most))


def reconcile(
    facts: Facts, bill: Bill, index: int, invoice: Fraction, provider: Provider | None, rejected: int
) -> Reconciliation:
    """Hold cycle *index* of an account against an invoice of so many credits."""
    use = bill.uses[index]
    own = [quarter for quarter in quarters(facts) if quarter.payer == bill.payer.code]
    days = days_of(facts, own)[bill.payer.code]
    account = bill.payer.settings
    silent = days.silent(account.day(use.cycle.start), account.day(use.cycle.end))
    inside = _within(own, use.cycle)
    uncertain = sorted(_uncertain(inside).items(), key=lambda item: (-item[1], item[0]))
    most = _most(provider)
    found = Reconciliation(
        bill, use, invoice, tuple(uncertain), most, tuple(silent), _usual(days, silent), rejected, ()
    )
    return found if found.agrees else replace(found, elsewhere=tuple(_elsewhere(found, own)))


def _within(used: Iterable[Quarter], cycle: Cycle) -> list[Quarter]:
    return [quarter for quarter in used if cycle.start_us <= quarter.start_us < cycle.end_us]


def _uncertain(used: Iterable[Quarter]) -> dict[str, int]:
    """What the calls of unknown price are -> how many."""
    found: dict[str, int] = {}
    for quarter in used:
        if quarter.uncertain:
            name = "unresolved" if quarter.outcome == Outcome.ATTEMPT else quarter.error or quarter.outcome
            found[name] = found.get(name, 0) + quarter.uncertain
    return found


def _most(provider: Provider | None) -> int:
    """The most that one picture can cost there, as far as the provider says."""
    if provider is None:
        return 1
    billing = provider.billing
    return max(1, billing.beyond or 0, *(credits for _, credits in billing.sizes or ()))


def _usual(days: Days, silent: Iterable[date]) -> Fraction:
    """What the weekdays of some days used on the days that the log has, on average."""
    total = Fraction(0)
    for day in silent:
        known = [credits for seen, credits in days.credits.items() if seen.weekday() == day.weekday()]
        total += sum(known, Fraction(0)) / len(known) if known else 0
    return total


def _elsewhere(found: Reconciliation, used: Sequence[Quarter]) -> Iterable[Elsewhere]:
    """Other anchor days, and UTC, with which the count agrees, if the log covers that cycle."""
    payer, account, near = found.bill.payer, found.bill.payer.settings, found.use.cycle
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
            if credits <= found.invoice <= credits + found.most * sum(_uncertain(inside).values()):
                yield Elsewhere(anchor, str(zone), cycle, credits)


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
    raise ValueError(f"= {name!r} is no cycle of the log; its cycles begin on {', '.join(map(str, starts))}")
