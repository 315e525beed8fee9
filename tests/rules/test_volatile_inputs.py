"""volatile-inputs, worked out by hand."""

from typing import Any

import pytest

from tests.conftest import DIGEST, OTHER, Report, event, only


def renders(pictures: str, **fields: Any) -> list[dict[str, Any]]:
    """A render a minute, each with another `t`; the letters say which image came."""
    return [
        event(
            f"e{n:03d}",
            f"2026-09-01T08:{n // 60 * 10 + n % 60:02d}:00Z",
            key=f"k{n}",
            digest={"a": DIGEST, "b": OTHER}[picture],
            inputs={"title": "x", "t": str(n)},
            **fields,
        )
        for n, picture in enumerate(pictures)
    ]


def test_a_field_that_never_shows(report: Report) -> None:
    """Four renders, three pairs, one image: three credits were needless."""
    found = report(renders("aaaa"))
    finding = only(found, "volatile-inputs")
    assert (finding["subject"]["field"], finding["credits"], finding["confidence"]) == ("t", 3, "medium")
    assert (finding["evidence"]["pairs"], finding["evidence"]["agreeing"]) == (3, 3)
    assert finding["evidence"]["example_agreeing"] == ["e000", "e001"]
    assert found["waste"]["volatile"] == 3


@pytest.mark.parametrize(
    ("pictures", "reported"),
    [
        ("aaa", False),  # two pairs are too few
        ("aaab", False),  # a third of the pairs differ
        ("a" * 19 + "b", False),  # 18 of 19 are 94.7 %
        ("a" * 20 + "b", True),  # 19 of 20 are 95 %
    ],
)
def test_at_least_three_pairs_and_95_percent(report: Report, pictures: str, reported: bool) -> None:
    """The edges of the share."""
    rules = [finding["rule"] for finding in report(renders(pictures))["findings"]]
    assert ("volatile-inputs" in rules) is reported


@pytest.mark.parametrize(
    ("pictures", "confidence"), [("a" * 20, "medium"), ("a" * 21, "high"), ("a" * 40 + "b", "low")]
)
def test_confidence(report: Report, pictures: str, confidence: str) -> None:
    """High for 100 % of 20 pairs, low below 99 %."""
    assert only(report(renders(pictures)), "volatile-inputs")["confidence"] == confidence


def test_an_absent_field_is_a_value(report: Report) -> None:
    """A field that comes and goes makes pairs too."""
    found = report(
        [{**each, "inputs": {"title": "x"} | ({"t": "1"} if n % 2 else {})} for n, each in enumerate(renders("aaaa"))]
    )
    assert only(found, "volatile-inputs")["evidence"]["pairs"] == 3


def test_staging_credits_stay_staging(report: Report) -> None:
    """The field is reported, the credits have their cause already."""
    found = report(renders("aaaa", environment="staging"))
    assert only(found, "volatile-inputs")["credits"] == 0
    assert found["waste"] == {"staging": 4, "concurrent": 0, "repeat": 0, "volatile": 0, "failed": 0, "total": 4}


def test_two_fields_that_pass_together_are_both_reported(report: Report) -> None:
    """Their saving is booked once, on the one that saves most alone."""
    events = renders("a" * 8)
    for n, each in enumerate(events):
        each["inputs"] = {"title": "x", "a": str(n // 4), "b": str(n % 4)}
    found = [finding for finding in report(events)["findings"] if finding["rule"] == "volatile-inputs"]
    assert {(finding["subject"]["field"], finding["credits"]) for finding in found} == {("b", 7), ("a", 0)}


def test_a_field_that_selects_the_picture_is_not_volatile(report: Report) -> None:
    """Whatever is not proved by equal images stays part of the key."""
    assert report(renders("abababab"))["waste"]["volatile"] == 0


def test_sizes_and_inputs_are_never_mistaken_for_each_other(report: Report) -> None:
    """Two titles at two sizes are four groups, also where their renders take turns."""
    events = [
        event(
            f"e{n:02d}",
            f"2026-09-01T08:{n:02d}:00Z",
            key=f"k{n}",
            digest=DIGEST,
            width=600,
            height=(315, 400)[n % 2],
            inputs={"title": "ab"[n // 2 % 2], "when": str(n)},
        )
        for n in range(40)
    ]
    (finding,) = [f for f in report(events)["findings"] if f["subject"].get("field") == "when"]
    assert (finding["evidence"]["pairs"], finding["evidence"]["agreeing"]) == (4 * 9, 4 * 9)
