"""The fold of balances against one that keeps every single credit in a list."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.model.allowance import Grant, Purchase, fold
from auditor.model.plans import Plan, cheapest, cycles, micros, moment, total_bill
from auditor.model.settings import Account

LATE = 10**6


@dataclass
class Credit:
    """One credit."""

    born: int
    last: int
    bought: bool


def one_by_one(grants: list[Grant], used: list[int]) -> list[tuple[int, int, int, int]]:
    """(available, beyond, ended, left) of each cycle, credit by credit."""
    purse: list[Credit] = []
    found: list[list[int]] = []
    for now, grant in enumerate([*grants, Grant(grants[-1].included, grants[-1].lives, grants[-1].limit)]):
        kept = [c for c in purse if c.bought]
        old = sorted((c for c in purse if not c.bought), key=lambda c: c.last)
        room = len(old)
        if grant.lives == 0:
            room = 0
        elif grant.limit is not None:
            room = max(0, int(grant.limit - grant.included))
        survivors = old[max(0, len(old) - room) :] if room else []
        if now:
            found[-1][2] += len(old) - len(survivors)
            found[-1][3] = len(kept) + len(survivors)
        if now == len(grants):
            break
        purse = sorted(kept + survivors, key=lambda c: (c.born, c.bought))
        last = LATE if grant.lives is None else now + grant.lives
        purse += [Credit(now, last, bought=False) for _ in range(int(grant.included))]
        for each in grant.bought:
            purse += [Credit(now, LATE if each.last is None else each.last, bought=True)] * int(each.credits)
        available = len(purse)
        beyond = 0
        for _ in range(used[now]):
            if purse:
                purse.remove(min(purse, key=lambda c: c.last))
            else:
                beyond += 1
        ended = [c for c in purse if c.last <= now]
        purse = [c for c in purse if c.last > now]
        found.append([available, beyond, len(ended), 0])
    return [tuple(each) for each in found]  # type: ignore[misc]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Grant], list[int]]:
    """Plans that change, purchases that end, cycles that use little, much and too much."""
    grants = []
    for now in range(draw(st.integers(1, 7))):
        included = draw(st.integers(0, 6))
        bought = draw(
            st.lists(st.tuples(st.integers(1, 4), st.one_of(st.none(), st.integers(now, now + 3))), max_size=2)
        )
        grants.append(
            Grant(
                Fraction(included),
                draw(st.one_of(st.none(), st.integers(0, 3))),
                draw(st.one_of(st.none(), st.integers(0, 4).map(lambda more, base=included: Fraction(base + more)))),
                tuple(Purchase(Fraction(credits), last) for credits, last in bought),
            )
        )
    return grants, draw(st.lists(st.integers(0, 12), min_size=len(grants), max_size=len(grants)))


@pytest.mark.slow
@settings(deadline=None)
@given(histories())
def test_the_fold_is_what_single_credits_do(history: tuple[list[Grant], list[int]]) -> None:
    """Rollover, its end, its limit, purchases, changes of plan: cycle by cycle."""
    grants, used = history
    folded = fold(grants, [Fraction(each) for each in used])
    assert [(b.available, b.beyond, b.ended, b.left) for b in folded] == one_by_one(grants, used)


@pytest.mark.slow
@settings(deadline=None)
@given(histories())
def test_no_credit_is_lost_or_made(history: tuple[list[Grant], list[int]]) -> None:
    """What a cycle had is used, ended or left, and what is left is what the next one carries."""
    grants, used = history
    folded = fold(grants, [Fraction(each) for each in used])
    for before, after in pairwise(folded):
        assert before.left == after.carried
    for balance in folded:
        assert balance.available - (balance.used - balance.beyond) == balance.ended + balance.left


plans = st.builds(
    lambda price, included, overage, rollover, lives, limit, period: Plan(
        "p", f"{price}-{included}", Decimal(price), Decimal(included), overage=overage, rollover=rollover,
        rollover_cycles=lives, rollover_limit=limit, period=period,
    ),
    st.integers(0, 30),
    st.integers(0, 10),
    st.one_of(st.none(), st.decimals("0", "2", places=2)),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 2)),
    st.one_of(st.none(), st.decimals("1", "3", places=1)),
    st.sampled_from(["month", "year"]),
)  # fmt: skip
loads = st.lists(st.integers(0, 20).map(Fraction), min_size=1, max_size=5)


@settings(deadline=None)
@given(plans, loads, st.data())
def test_a_bill_never_falls_when_more_is_used(plan: Plan, used: list[Fraction], data: st.DataObject) -> None:
    """One more credit, in any cycle; what cannot be had costs more than everything."""
    at = data.draw(st.integers(0, len(used) - 1))
    more = [each + (index == at) for index, each in enumerate(used)]
    before, after = (total_bill(plan, [(each, each) for each in column]) for column in (used, more))
    assert after is None or (before is not None and before <= after)


@settings(deadline=None)
@given(st.lists(plans, max_size=4), loads, st.data())
def test_the_cheapest_bill_never_falls_when_more_is_used(
    offers: list[Plan], used: list[Fraction], data: st.DataObject
) -> None:
    """Whatever plan it is on."""
    at = data.draw(st.integers(0, len(used) - 1))
    bills = []
    for more in (0, 1):
        column = [(each + (index == at) * more,) * 2 for index, each in enumerate(used)]
        best = cheapest(offers, column)
        bills.append(None if best is None else total_bill(best, column))
    before, after = bills
    assert after is None or (before is not None and before <= after)


def test_rollover_up_to_twice_the_monthly_credits() -> None:
    """100 a month, at most 200 at a start: 30 used, 170 to have, 10 used, 160 left of which 60 end."""
    plan = Plan("p", "n", Decimal(9), Decimal(100), rollover=True, rollover_limit=Decimal(2))
    first, second, third = fold([plan.grant] * 3, [Fraction(30), Fraction(10), Fraction(201)])
    assert (first.available, first.ended, first.left) == (100, 0, 70)
    assert (second.available, second.ended, second.left) == (170, 60, 100)
    assert (third.available, third.beyond) == (200, 1)
    assert total_bill(plan, [(Fraction(30),) * 2, (Fraction(150),) * 2]) == 18
    assert total_bill(plan, [(Fraction(150),) * 2, (Fraction(30),) * 2]) is None, "credits do not come from the future"


def test_what_ends_first_is_used_first() -> None:
    """A purchase that ends with the cycle goes before the included credits that live on."""
    grant = Grant(Fraction(10), lives=None, bought=(Purchase(Fraction(5), last=0),))
    (balance,) = fold([grant], [Fraction(5)])
    assert (balance.ended, balance.left) == (0, 10)


def test_a_year_is_paid_by_twelfths() -> None:
    """The credits are for each month still."""
    plan = Plan("p", "n", Decimal(100), Decimal(10), period="year")
    assert plan.bill(Fraction(10)) == Fraction(100, 12)
    assert plan.bill(Fraction(11)) is None


@pytest.mark.parametrize(
    ("since", "larger", "expected"),
    [
        ("2026-07-01", True, ["new", "new", "new"]),
        ("2026-07-02", True, ["new", "new", "new"]),
        ("2026-07-31", True, ["new", "new", "new"]),
        ("2026-08-01", True, ["old", "new", "new"]),
        ("2026-07-01", False, ["new", "new", "new"]),
        ("2026-07-02", False, ["old", "new", "new"]),
        ("2026-08-31", False, ["old", "old", "new"]),
    ],
)
def test_a_larger_plan_counts_at_once_a_smaller_one_from_the_next_cycle(
    since: str, larger: bool, expected: list[str]
) -> None:
    """To the day, in the account's own zone."""
    zone = ZoneInfo("America/New_York")
    old = Plan("p", "old", Decimal(1), Decimal(100))
    new = Plan("p", "new", Decimal(1), Decimal(200 if larger else 50))
    account = Account("p", old, 1, zone, history=((date.fromisoformat(since), new),))
    july, august, september = cycles(
        micros(moment(0).replace(year=2026, month=7, day=15)),
        micros(moment(0).replace(year=2026, month=9, day=15)),
        1,
        zone,
    )
    found = [account.plan_of(each) for each in (july, august, september)]
    assert [plan.name for plan in found if plan is not None] == expected
