"""k1: the same request has the same key, and no other has."""

import random
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.model.fingerprint import Scope, canonical, derive_key, is_exact

SCOPE = Scope("imejis", "main", "production", derive_key("a secret"))
TEXT = st.text(max_size=6)
NUMBERS = st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False))
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_canonical_is_rfc_8785(document: Any) -> None:
    """The fast path never differs from the exact implementation."""
    assert canonical(document) == rfc8785.dumps(document)


@pytest.mark.slow
def test_canonical_is_rfc_8785_for_awkward_numbers_and_names() -> None:
    """100,000 documents of exponents, whole floats, astral characters and names that sort differently in UTF-16."""
    rng = random.Random(8785)
    pool = ["", "a", "é", "\U0001f600", "\uffff", "\ue000", "\u2028", "\x00\x7f", "null", "1e5", "x.0", '"\\']
    numbers = [0.0, -0.0, 1.0, 1e16, 1e20, 1e21, 1e-6, 1e-7, 5e-324, 0.1 + 0.2, 2**53 - 1, 123456789012345680.0]
    for _ in range(100_000):
        document = {
            rng.choice(pool) + rng.choice(pool): rng.choice([rng.choice(numbers), rng.choice(pool), None, True])
            for _ in range(5)
        }
        assert canonical(document) == rfc8785.dumps(document)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, {1: 2}, b"x", {"a": float("nan"), "b": None}, "\ud800"]
)
def test_what_has_no_canonical_form_is_refused_before_any_call(value: Any) -> None:
    """NaN, infinities, integers beyond 2^53 - 1 and keys that are no strings."""
    with pytest.raises(ValueError, match="canonical"):
        SCOPE.key("t", {"v": value})


@pytest.mark.parametrize(
    ("number", "exact"),
    [
        (2**53 - 1, True), (1 - 2**53, True), (2**53, False), (-(2**53), False), (1e16, False), (-1e300, False),
        (float("inf"), False), (float("nan"), False), (0.5, True), (True, True), (None, True), ("9" * 20, True),
    ],
)  # fmt: skip
@settings(max_examples=20)
@given(DOCUMENTS, DOCUMENTS)
def test_a_number_that_is_not_exact_is_found_however_deep(number: Any, exact: bool, before: Any, after: Any) -> None:
    """Parsers make one number of several larger ones, so nothing that holds one has a key."""
    documents: list[Any] = [number, [number], {"a": number}, {"a": [{"b": [{}, number]}]}, [[], {}, [["x", number]]]]
    for document in documents:
        assert is_exact(document) is exact
    assert is_exact({"a": [1, {"b": number}], "c": "x"}) is exact
    plain = all(abs(each) < 2**53 for each in numbers_in([before, after]))
    assert is_exact([before, {"n": [number]}, after]) is (exact and plain)


def numbers_in(value: Any) -> list[Any]:
    """All that a document holds."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in numbers_in(each)]
    return [value] if isinstance(value, int | float) else []


@given(TEXT, TEXT, TEXT, TEXT)
def test_no_two_requests_share_a_key(a: str, b: str, c: str, d: str) -> None:
    """Parts are length-prefixed, so that nothing slips from one into the next."""
    left, right = (a, b), (c, d)
    keys = [SCOPE.key(template, {}, template_version=version) for template, version in (left, right)]
    assert (keys[0] == keys[1]) == (left == right)


def test_equal_requests_have_equal_keys() -> None:
    """1 is 1.0, jpg is jpeg, an option that is None is absent, the environment is lower case; true is not 1."""
    assert SCOPE.key("t", {"n": 1}) == SCOPE.key("t", {"n": 1.0}) != SCOPE.key("t", {"n": True})
    assert SCOPE.key("t", {}, {"format": "jpg"}) == SCOPE.key("t", {}, {"format": "jpeg", "quality": None})
    assert SCOPE.key("t", {}) == Scope("imejis", "main", "Production", SCOPE.secret).key("t", {})
    assert SCOPE.key("t", {"é": 1}) != SCOPE.key("t", {"e\u0301": 1})
    assert SCOPE.key("t", {}) != Scope("imejis", "other", "production", SCOPE.secret).key("t", {})
    assert SCOPE.key("t", {}).startswith("k1:")


def test_nothing_secret_shows() -> None:
    """Neither the key nor a value of an input can be read off, or guessed without the key."""
    assert "secret" not in repr(SCOPE)
    digests = SCOPE.input_digests({"title": {"text": "Zoe"}, "list": ["Zoe"], "empty": {}})
    assert set(digests) == {"title.text", "list", "empty"}
    assert all(len(value) == 16 and "Zoe" not in value for value in digests.values())
    assert digests != Scope("imejis", "main", "production", derive_key("b")).input_digests({"title": {"text": "Zoe"}})
