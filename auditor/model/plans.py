"""Plans, bills and billing cycles: exact arithmetic, no floats, every instant with a zone (semantics section 7)."""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from auditor.model.allowance import Balance, Grant, Stretch, fold
from auditor.model.endpoints import Grade
from auditor.model.events import EPOCH

_MICRO = timedelta(microseconds=1)
_EDGE_US = timedelta(hours=24) // _MICRO
"""How much of a cycle's start and end may be without events before the cycle counts as incomplete."""


@dataclass(frozen=True)  # (no slots: it keeps what is reckoned once)
class Plan:
    """What a provider sells: a price and the credits in each cycle."""

    provider: str
    name: str
    price: Decimal
    included: Decimal
    currency: str = "USD"
    overage: Decimal | None = None
    """Price of one credit beyond the included ones; None is a hard cap."""
    rollover: bool = False
    """Whether unused credits are carried into later cycles."""
    rollover_cycles: int | None = None
    """For how many further cycles; None: without an end."""
    rollover_limit: Decimal | None = None
    """The most that a cycle may start with, as a multiple of the included credits; None: no limit."""
    period: Literal["month", "year"] = "month"
    """What the price is for: `month` or `year`. The credits are for each cycle, either way."""
    valid_from: date | None = None
    source: str = "auditor.toml"
    checked: date | None = None
    grade: Grade = Grade.CONFIGURED
    limit_known: bool = True
    """False where no source says what happens beyond the included credits: it is treated as a hard cap."""

    @property
    def beyond(self) -> str:
        """What happens beyond the included credits, in words."""
        if self.overage is not None:
            return f"{self.overage} {self.currency} a credit"
        return "stops" if self.limit_known else "unknown"

    @cached_property
    def monthly(self) -> Fraction:
        """The price of one cycle."""
        return Fraction(self.price) / 12 if self.period == "year" else Fraction(self.price)

    @cached_property
    def grant(self) -> Grant:
        """What each cycle brings."""
        limit = None if self.rollover_limit is None else Fraction(self.rollover_limit * self.included)
        return Grant(Fraction(self.included), self.rollover_cycles if self.rollover else 0, limit)

    def holds(self, credits: Fraction) -> bool:
        """Whether so many credits can be had in one cycle at all, with nothing carried over."""
        return self.overage is not None or credits <= self.grant.included

    def bill(self, credits: Fraction) -> Fraction | None:
        """What a cycle with so many credits costs, with nothing carried over; None where the hard cap forbids it."""
        return self.charge(max(Fraction(0), credits - self.grant.included))

    def charge(self, beyond: Fraction) -> Fraction | None:
        """What a cycle with so many credits beyond all that were there costs; None where the hard cap forbids it."""
        if not beyond:
            return self.monthly
        return None if self.overage is None else self.monthly + beyond * Fraction(self.overage)


def billed(period: str) -> str:
    """What has to stand behind the monthly price of a plan where a whole year is paid at once; empty for a month."""
    return ", billed yearly" if period == "year" else ""


@dataclass(frozen=True, slots=True)
class TopUp:
    """Credits that were bought beside the plan."""

    day: date
    credits: Decimal
    price: Decimal
    expires: date | None = None
    """The last day on which they can be used; None: they do not end."""


@dataclass(frozen=True)  # (no slots: it keeps what is reckoned once)
class Cycle:
    """One billing cycle, [start, end) in UTC."""

    start: datetime
    end: datetime

    @cached_property
    def start_us(self) -> int:
        """Microseconds since 1970."""
        return micros(self.start)

    @cached_property
    def end_us(self) -> int:
        """Microseconds since 1970."""
        return micros(self.end)

    def complete(self, first_us: int, last_us: int) -> bool:
        """Whether events from *first_us* to *last_us* cover it, a day at either edge aside."""
        return first_us <= self.start_us + _EDGE_US and last_us >= self.end_us - _EDGE_US


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (moment - EPOCH) // _MICRO


def moment(us: int) -> datetime:
    """The instant of so many microseconds since 1970, in UTC."""
    return EPOCH + timedelta(microseconds=us)


def cycles(first_us: int, last_us: int, anchor_day: int, zone: ZoneInfo) -> list[Cycle]:
    """The cycles from the one that holds *first_us* to the one that holds *last_us*.

    A cycle starts at local midnight of *anchor_day*, clamped to the month's last day.
    """
    local = moment(first_us).astimezone(zone)
    number = local.year * 12 + local.month - 1
    if _boundary(number, anchor_day, zone) > moment(first_us):
        number -= 1
    found = []
    while (cycle := cycle_numbered(number, anchor_day, zone)).start <= moment(last_us):
        found.append(cycle)
        number += 1
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """Successive cycles without an event that are too many to be listed, [start, end) in UTC."""

    start: datetime
    end: datetime
    cycles: int
    before: int
    """The place in the list of cycles of the one that follows."""


MOST_IDLE = 3
"""Successive cycles without an event that are listed like others."""
IDLE = timedelta(days=100)
"""Events that are less apart have no more than `MOST_IDLE` whole cycles between them."""


def listed(
    spans: Sequence[tuple[int, int]], anchor_day: int, zone: ZoneInfo
) -> tuple[tuple[Cycle, ...], tuple[Gap, ...]]:
    """The cycles from the first to the last event, and the gaps that are left out of them.

    *spans* are (first, last) event of stretches, in order, in which no two neighboring events are `IDLE` apart; work
    does not grow with what lies between them.
    """
    found: list[Cycle] = []
    gaps: list[Gap] = []
    for first_us, last_us in spans:
        own = cycles(first_us, last_us, anchor_day, zone)
        if found:
            end, start = found[-1].end, own[0].start
            ended, begins = (cycle_number(each.astimezone(zone).date(), anchor_day) for each in (end, start))
            if begins - ended > MOST_IDLE:
                gaps.append(Gap(end, start, begins - ended, len(found)))
            else:
                found += (cycle_numbered(number, anchor_day, zone) for number in range(ended, begins))
        found += own
    return tuple(found), tuple(gaps)


def cycle_number(day: date, anchor_day: int) -> int:
    """The number of the cycle that holds a local day: the months since the year 0 at its start."""
    month = day.year * 12 + day.month - 1
    return month - (day.day < min(anchor_day, monthrange(day.year, day.month)[1]))


def cycle_numbered(number: int, anchor_day: int, zone: ZoneInfo) -> Cycle:
    """The cycle of that number."""
    return Cycle(_boundary(number, anchor_day, zone), _boundary(number + 1, anchor_day, zone))


@lru_cache(10_000)
def _boundary(number: int, anchor_day: int, zone: ZoneInfo) -> datetime:
    """The start of a cycle."""
    year, month = number // 12, number % 12 + 1
    # Midnights that a DST change skips move forward, doubled ones are the first: fold=0 does both.
    local = datetime.combine(date(year, month, min(anchor_day, monthrange(year, month)[1])), time(), tzinfo=zone)
    return local.astimezone(UTC)


def comparable(plans: Sequence[Plan], plan: Plan | None = None) -> tuple[Plan, ...]:
    """Those in the currency of *plan*, else of the first: without an exchange rate no others can be held against it."""
    currency = plan.currency if plan else plans[0].currency if plans else None
    return tuple(each for each in plans if each.currency == currency)


Idle = Mapping[int, int]
"""Position in a list of loads -> cycles without an event that passed before the load there."""


def cheapest(
    plans: Iterable[Plan],
    loads: Sequence[tuple[Fraction, Fraction]],
    must_hold: Sequence[Fraction] = (),
    idle: Idle | None = None,
) -> Plan | None:
    """The plan with the least total bill over *loads*, pairs of (credits to bill, demand to hold).

    *must_hold* are further demands it has to hold. Ties go to more included credits, then the name.
    """
    best: tuple[Fraction, Decimal, str] | None = None
    chosen = None
    for plan in plans:
        if best is not None and plan.monthly * len(loads) > best[0]:
            continue  # it costs more even if it holds everything
        total = total_bill(plan, loads, must_hold, idle)
        if total is not None and (best is None or (total, -plan.included, plan.name) < best):
            best, chosen = (total, -plan.included, plan.name), plan
    return chosen


def total_bill(
    plan: Plan,
    loads: Sequence[tuple[Fraction, Fraction]],
    must_hold: Sequence[Fraction] = (),
    idle: Idle | None = None,
) -> Fraction | None:
    """Sum of the bills of *loads*, in order, None if the plan cannot hold one of the demands."""
    if not all(plan.holds(each) for each in must_hold):
        return None
    if not plan.rollover:  # every cycle stands alone
        included = plan.grant.included
        bill = plan.monthly * len(loads)
        if plan.overage is None:
            return bill if all(each <= included for load in loads for each in load) else None
        return bill + Fraction(plan.overage) * sum(credits - included for credits, _ in loads if credits > included)
    if any(plan.charge(cycle.beyond) is None for cycle in _balances(plan, [demand for _, demand in loads], idle)):
        return None
    bills = [plan.charge(cycle.beyond) for cycle in _balances(plan, [credits for credits, _ in loads], idle)]
    return None if None in bills else sum((bill for bill in bills if bill is not None), Fraction(0))


def shortfall(
    plan: Plan, demands: Sequence[Fraction], must_hold: Sequence[Fraction] = (), idle: Idle | None = None
) -> Fraction:
    """Credits that the plan lacks in the cycle in which it lacks most; 0 if it holds every demand."""
    if plan.overage is not None:
        return Fraction(0)
    lacks = [cycle.beyond for cycle in _balances(plan, demands, idle)]
    return max([Fraction(0), *lacks, *(each - plan.grant.included for each in must_hold)])


def _balances(plan: Plan, used: Sequence[Fraction], idle: Idle | None) -> list[Balance]:
    """The credits of successive cycles on the plan."""
    passed = {place: [Stretch(cycles, plan.grant)] for place, cycles in (idle or {}).items()}
    return fold([plan.grant] * len(used), used, passed)


class Unadvised(StrEnum):
    """Why an account gets no advice on its plan."""

    TOO_LITTLE_DATA = "too_little_data"
    MOSTLY_FILTERED = "mostly_filtered"


def cents(amount: Fraction | Decimal | None, places: int = 2) -> str | None:
    """Money as reports write it: rounded half-even, to cents unless *places* says otherwise."""
    if amount is None:
        return None
    scaled = round(Fraction(amount) * 10**places)  # Fraction rounds half to even, exactly
    return str(Decimal(scaled).scaleb(-places))
