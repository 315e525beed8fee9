"""A result becomes JSON, and the schema of its type describes just that."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Annotated, Literal

import jsonschema
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from auditor.model.findings import Severity
from auditor.results.document import Amount, Count, Credits, Day, Price, Time, written
from auditor.results.header import schema_of


class Part(Struct, frozen=True):
    """One of several."""

    severity: Severity
    bill: Amount | None


class Whole(Struct, frozen=True):
    """A result."""

    schema: Literal["whole/v1"]
    at: Time
    day: Day
    calls: Count
    credits: Credits
    price: Price
    parts: Annotated[tuple[Part, ...], Meta(max_length=2)]
    note: str | UnsetType = UNSET


WHOLE = Whole(
    "whole/v1", datetime(2026, 9, 1, 2, 3, 4, 5, tzinfo=UTC), date(2026, 9, 1), 3, Fraction(1, 4), Fraction(1, 3),
    (Part(Severity.HIGH, Fraction(-1, 8)), Part(Severity.LOW, None)),
)  # fmt: skip
DOCUMENT = {
    "schema": "whole/v1",
    "at": "2026-09-01T02:03:04.000005Z",
    "day": "2026-09-01",
    "calls": 3,
    "credits": 0.25,
    "price": "0.333333",
    "parts": [{"severity": "high", "bill": "-0.12"}, {"severity": "low", "bill": None}],
}


def test_exact_figures_become_numbers_or_amounts_when_they_are_written() -> None:
    """Whole numbers have no point, amounts have their decimals, half to even; what is unset is left out."""
    assert written(WHOLE) == DOCUMENT
    whole = written(structs.replace(WHOLE, credits=Fraction(2), note="x"))
    assert (whole["credits"], type(whole["credits"]), whole["note"]) == (2, int, "x")


def test_the_schema_stands_in_one_piece_and_accepts_the_document() -> None:
    """Descriptions come from the types' docstrings, titles of classes do not."""
    found = schema_of(Whole, "Wholes")
    jsonschema.Draft202012Validator.check_schema(found)
    jsonschema.validate(DOCUMENT, found)
    assert (found["title"], found["description"]) == ("Wholes", "A result.")
    assert found["properties"]["parts"]["items"]["description"] == "One of several."
    assert "$ref" not in str(found) and "Part" not in str(found)
    assert "note" not in found["required"]


@pytest.mark.parametrize(
    "damage",
    [
        {"more": 1},
        {"calls": -1},
        {"credits": "1"},
        {"at": "2026-09-01"},
        {"day": "1.9.2026"},
        {"schema": "whole/v2"},
        {"price": "0.33"},
        {"parts": [DOCUMENT["parts"][0]] * 3},
        {"parts": [{"severity": "none", "bill": None}]},
        {"parts": [{"severity": "low", "bill": None, "more": 1}]},
    ],
)
def test_the_schema_refuses_what_the_type_does_not_hold(damage: dict[str, object]) -> None:
    """At every depth."""
    assert not jsonschema.Draft202012Validator(schema_of(Whole, "Wholes")).is_valid({**DOCUMENT, **damage})
