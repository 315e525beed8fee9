"""Forecast of the running cycle: the rest of it as the last weeks were, weekday by weekday.

Every whole week before now is one way in which the rest of the cycle may go: each remaining day takes what its weekday
needed in that week. The forecast is the mean of these ways and its range runs from the least to the most of them. If
weeks differ by chance alone, the truth lies within the range of n weeks in n − 1 of n + 1 cases. Nothing is divided by
elapsed time, so the first and the last day of a cycle are days like the others; growth is not foreseen.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import TypeVar

from auditor.analysis.bills import Bill
from auditor.analysis.quarters import Days, days_between
from auditor.model.numbers import ratio
from auditor.model.plans import Cycle, moment
from auditor.model.settings import Account
from auditor.results.header import Edges
from auditor.results.plan import RANGE_FROM, Exhausted, Forecast, Span, Value

T = TypeVar("T")
WEEK = 7
MOST_WEEKS = 8


def forecast(bill: Bill, days: Days, as_of: datetime) -> Forecast | None:
    """The forecast of the account's newest cycle at *as_of*; None if that cycle is over."""
    use, account = bill.uses[-1], bill.payer.settings
    cycle, plan = use.cycle, use.plan
    if as_of >= cycle.end:
        return None
    today = account.day(as_of)
    first_whole = account.day(moment(bill.payer.first_us)) + timedelta(days=1)
    weeks = max(0, min(MOST_WEEKS, (today - first_whole).days // WEEK))
    ranged = weeks >= RANGE_FROM
    demand = exhausted = ending = value = None
    unused = False
    if weeks:
        ahead = _ahead(account, as_of, cycle)
        ways = [[part * week[day.weekday()] for day, part in ahead] for week in weeks_before(days, today, weeks)]
        mean = [sum(column, Fraction(0)) / weeks for column in zip(*ways, strict=True)]
        ways = ways if ranged else []
        likely, *each = (use.demand + sum(way, Fraction(0)) for way in (mean, *ways))
        edges = [min(each), max(each)] if ranged else []
        demand = _ranged(Span, map(round, (likely, *edges)))
        if plan is not None:
            remaining, left = [day for day, _ in ahead], use.balance.available - use.demand
            ran_out, *others = (_ran_out(left, way, remaining, today) for way in (mean, *ways))
            dates = [day for day in others if day is not None]
            last = max(dates) if dates and len(dates) == len(others) else None
            exhausted = Exhausted(ran_out, min(dates, default=None), last)
            before = [earlier.credits for earlier in bill.uses[:-1]]
            # The more is needed, the less ends.
            ends = [bill.balances([*before, amount])[-1][1].ended for amount in (likely, *reversed(edges))]
            ending, unused = _ranged(Span, map(round, ends)), bool(ends[0] or ends[-1])
            if plan.included:
                value = _ranged(Value, (amount * plan.monthly / Fraction(plan.included) for amount in ends))
    return Forecast(
        cycle=Edges(cycle.start, cycle.end),
        as_of=as_of,
        weeks=weeks,
        silent=tuple(days.silent(today - timedelta(days=WEEK * weeks), today)),
        enough_data=ranged,
        confidence=ratio(weeks - 1, weeks + 1) if ranged else None,
        so_far=use.demand,
        demand=demand,
        available=use.balance.available if plan else None,
        exhausted=exhausted,
        ending_unused=ending,
        ending_unused_value=value,
        unused=unused,
    )


def _ranged(kind: Callable[..., T], amounts: Iterable[object]) -> T:
    """The likely amount, with the lowest and the highest where there is enough data for these."""
    return kind(*[*amounts, None, None][:3])


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


def _ran_out(left: Fraction, way: Sequence[Fraction], days: Sequence[date], today: date) -> date | None:
    """The day on which more is needed than is left."""
    needed = accumulate(way, initial=Fraction(0))
    return next((day for day, total in zip([today, *days], needed, strict=True) if total > left), None)
