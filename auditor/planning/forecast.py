"""Forecast of the running cycle: the rest of it as the last weeks were, weekday by weekday.

Every whole week before now is one way in which the rest of the cycle may go: each remaining day takes what its weekday
needed in that week. The forecast is the mean of these ways and its range runs from the least to the most of them. If
weeks differ by chance alone, the truth lies within the range of n weeks in n − 1 of n + 1 cases. Nothing is divided by
elapsed time, so the first and the last day of a cycle are days like the others; growth is not foreseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from itertools import accumulate

from auditor.analysis.bills import Bill
from auditor.analysis.quarters import Days, days_between
from auditor.model.plans import Cycle, moment
from auditor.model.settings import Account

WEEK = 7
MOST_WEEKS = 8
RANGE_FROM = 3
"""Whole weeks from which on a range is given."""


@dataclass(frozen=True, slots=True)
class Span:
    """An amount, with its range where there is enough data for one."""

    likely: Fraction
    low: Fraction | None = None
    high: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """The day on which the credits run out; None: not in this cycle."""

    likely: date | None
    earliest: date | None
    latest: date | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """How the running cycle will end."""

    cycle: Cycle
    as_of: datetime
    weeks: int
    """Whole weeks that it rests on."""
    silent: tuple[date, ...]
    """Days of those weeks without any event: perhaps missing logs."""
    so_far: Fraction
    """Demand of the cycle up to now."""
    total: Span | None
    """Demand of the whole cycle; None where there is less than a week of data."""
    available: Fraction | None
    """Credits that the cycle has, None without a plan."""
    exhausted: Exhaustion | None
    ending: Span | None
    """Credits that will end unused with the cycle."""
    ending_value: Span | None

    @property
    def confidence(self) -> Fraction | None:
        """How often the truth lies within the range, if weeks differ by chance alone."""
        return Fraction(self.weeks - 1, self.weeks + 1) if self.weeks >= RANGE_FROM else None


def forecast(bill: Bill, days: Days, as_of: datetime) -> Forecast | None:
    """The forecast of the account's newest cycle at *as_of*; None if that cycle is over."""
    use, account = bill.uses[-1], bill.payer.settings
    cycle = use.cycle
    if as_of >= cycle.end:
        return None
    today = account.day(as_of)
    first_whole = account.day(moment(bill.payer.first_us)) + timedelta(days=1)
    weeks = max(0, min(MOST_WEEKS, (today - first_whole).days // WEEK))
    silent = tuple(days.silent(today - timedelta(days=WEEK * weeks), today))
    available = use.balance.available if use.plan else None
    if not weeks:
        return Forecast(cycle, as_of, 0, silent, use.demand, None, available, None, None, None)
    ahead = _ahead(account, as_of, cycle)
    ways = [[part * week[day.weekday()] for day, part in ahead] for week in weeks_before(days, today, weeks)]
    mean = [sum(column, Fraction(0)) / weeks for column in zip(*ways, strict=True)]
    enough = weeks >= RANGE_FROM
    total = _span(use.demand, mean, ways if enough else [])
    if available is None:
        return Forecast(cycle, as_of, weeks, silent, use.demand, total, None, None, None, None)
    remaining = [day for day, _ in ahead]
    ran_out = [_ran_out(available - use.demand, way, remaining, today) for way in ways] if enough else []
    dates = [day for day in ran_out if day is not None]
    exhausted = Exhaustion(
        _ran_out(available - use.demand, mean, remaining, today),
        min(dates, default=None),
        max(dates) if dates and len(dates) == len(ran_out) else None,
    )
    before = [use.credits for use in bill.uses[:-1]]
    known = [amount for amount in (total.likely, total.high, total.low) if amount is not None]
    ends = [bill.balances([*before, amount])[-1][1].ended for amount in known]
    ending = Span(*ends)
    return Forecast(cycle, as_of, weeks, silent, use.demand, total, available, exhausted, ending, _worth(bill, ending))


def weeks_before(days: Days, today: date, weeks: int) -> list[list[Fraction]]:
    """What each weekday (Monday first) needed in each of the *weeks* whole weeks before *today*.

    A silent day is as that weekday was in the other weeks; one that is silent in all of them needs nothing.
    """
    columns: list[list[Fraction]] = [[] for _ in range(WEEK)]
    for back in range(1, WEEK + 1):
        dates = [today - timedelta(days=back + WEEK * week) for week in range(weeks)]
        known = [days.demand[day] for day in dates if days.seen(day)]
        usual = sum(known, Fraction(0)) / max(1, len(known))
        columns[dates[0].weekday()] = [days.demand[day] if days.seen(day) else usual for day in dates]
    return [list(week) for week in zip(*columns, strict=True)]


def _ahead(account: Account, as_of: datetime, cycle: Cycle) -> list[tuple[date, Fraction]]:
    """(day, the part of it that is still to come), from now to the end of the cycle."""
    today = account.day(as_of)
    midnights = [
        datetime.combine(day, time(), tzinfo=account.timezone).astimezone(cycle.end.tzinfo)
        for day in (today, today + timedelta(days=1))
    ]
    micro = timedelta(microseconds=1)
    rest = Fraction((midnights[1] - as_of) // micro, (midnights[1] - midnights[0]) // micro)
    whole = days_between(today + timedelta(days=1), account.day(cycle.end))
    return [(today, rest), *((day, Fraction(1)) for day in whole)]


def _span(so_far: Fraction, mean: Sequence[Fraction], ways: Sequence[Sequence[Fraction]]) -> Span:
    totals = [so_far + sum(way, Fraction(0)) for way in ways]
    return Span(so_far + sum(mean, Fraction(0)), min(totals, default=None), max(totals, default=None))


def _ran_out(left: Fraction, way: Sequence[Fraction], days: Sequence[date], today: date) -> date | None:
    """The day on which more is needed than is left."""
    needed = accumulate(way, initial=Fraction(0))
    return next((day for day, total in zip([today, *days], needed, strict=True) if total > left), None)


def _worth(bill: Bill, ending: Span) -> Span | None:
    plan = bill.uses[-1].plan
    if plan is None or not plan.included:
        return None
    each = plan.monthly / Fraction(plan.included)
    low, high = (None if amount is None else amount * each for amount in (ending.low, ending.high))
    return Span(ending.likely * each, low, high)
