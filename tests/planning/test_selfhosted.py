"""Self-hosting: the break-even against counting up, and what cannot be known."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from auditor.commands.compare import span
from auditor.model.plans import Plan
from auditor.providers.hcti import HCTI
from auditor.providers.imejis import IMEJIS
from auditor.results.selfhosted import ASSUMPTIONS, bought, compared
from tests.examined import ran


def test_the_guides_model() -> None:
    """20 + 4 x 50 + 10 + 5 and 40 + 8 x 50 + 20 + 10."""
    found = compared("imejis", ASSUMPTIONS, IMEJIS.plans, None).self_hosted
    assert (found.low, found.high) == (235, 470)
    assert all(each.source and each.checked for each in ASSUMPTIONS.values())


def test_imejis_stays_cheaper_as_far_as_its_plans_are_known() -> None:
    """No plan above Pro is known, so beyond 10,000 nothing is claimed."""
    found = compared("imejis", ASSUMPTIONS, IMEJIS.plans, None).break_even
    for even in (found.low, found.high):
        assert (even.calls, even.plans_known_to) == (None, 10_000)


def test_hcti_by_hand() -> None:
    """230 = 149 + 8,100 x 0.01 on the plan of 30,000: the next call is dearer."""
    found = compared("hcti", ASSUMPTIONS, HCTI.plans, None).break_even
    assert (found.low.calls, found.high.calls) == (38_101, 108_501)


def test_an_unknown_provider_is_unknown_and_not_free() -> None:
    """Without plans there is no figure at all."""
    found = compared("placid", ASSUMPTIONS, (), None)
    assert bought((), 1) is None
    even = found.break_even
    assert [(each.calls, each.plans_known_to) for each in (even.low, even.high)] == [(None, 0), (None, 0)]
    text = ran("compare", "self-hosted", "--provider", "placid").out
    assert "prices unknown: no plan of placid is known" in text
    assert "cheaper" not in text


plans = st.builds(
    lambda price, included, overage: Plan(
        "p", f"{price}/{included}", Decimal(price), Decimal(included), overage=overage
    ),
    st.integers(0, 40),
    st.integers(0, 60),
    st.one_of(st.none(), st.decimals("0.05", "2", places=2)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(plans, min_size=1, max_size=3), st.integers(0, 60))
def test_the_break_even_is_the_first_dearer_number(offers: list[Plan], cost: int) -> None:
    """Counted up one by one."""
    assumptions = {name: replace(each, low=Fraction(0), high=Fraction(0)) for name, each in ASSUMPTIONS.items()}
    assumptions["server"] = replace(assumptions["server"], low=Fraction(cost), high=Fraction(cost))
    found = compared("p", assumptions, tuple(offers), 7)
    even = found.break_even.low
    top = 1300 if even.plans_known_to is None else even.plans_known_to
    first = next((calls for calls in range(top + 1) if (there := bought(offers, calls)) and there[1] > cost), None)
    assert even.calls == first
    rows = [point.calls for point in found.points]
    assert rows == sorted(set(rows))
    assert 7 in rows


@pytest.mark.parametrize(("text", "ends"), [("30", (30, 30)), ("20-40", (20, 40)), ("0.5-0.75", ("0.5", "0.75"))])
def test_spans(text: str, ends: tuple[object, object]) -> None:
    """A figure is a range of its own."""
    assert span(text) == tuple(Fraction(str(end)) for end in ends)


@pytest.mark.parametrize("text", ["", "a", "9-5", "-3", "1-2-3", "nan"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """With what is wrong."""
    with pytest.raises(ValueError, match="write"):
        span(text)


def test_overriding_and_marking() -> None:
    """The user's figures replace the guide's, with their source; the own volume is in the image and the JSON."""
    arguments = ["--maintenance", "0", "--server", "5", "--monitoring", "0", "--redis", "0", "--calls", "321"]
    text = ran("compare", "self-hosted", *arguments).out
    assert "321 <- you" in text
    assert "Self-hosted: 5.00 to 5.00 a month" in text
    assert "from 101 calls a month on imejis costs more" in text
    found = json.loads(ran("compare", "self-hosted", *arguments, "--format", "json").out)
    assert found["break_even"]["low"] == {"calls": 101, "plans_known_to": 10_000}
    assert [point["plan"] for point in found["points"] if point["yours"]] == ["Basic"]
    assert {each["source"] for each in found["assumptions"]} == {"you", "cost guide"}
    assert next(point for point in found["points"] if point["calls"] == 20_000)["bill"] is None
