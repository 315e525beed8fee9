"""JSON as reports write it: byte for byte what the standard library writes, only sooner."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.model.events import Outcome
from auditor.system.indented import indented

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=20
)


@given(VALUES)
def test_it_is_what_the_standard_library_writes(value: Any) -> None:
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)


def test_names_of_an_enum_and_big_numbers_are_written_exactly() -> None:
    value = {Outcome.HIT: Outcome.RENDER, "big": 2**200, "small": 1e-300, "odd": "\x7f\ud800\U0001f600"}
    assert indented(value) == json.dumps(value, indent=2)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        indented(value)
