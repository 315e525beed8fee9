"""Numbers as people write them, one by one: what they are by each mark, and which are refused."""

from decimal import Decimal

import pytest

from auditor.commands.reconcile import credits_of
from auditor.reading.decimals import COMMA, POINT, amount, read, readings

ONE = [
    ("1,5", "1.5"), ("0,5", "0.5"), ("2602,5", "2602.5"), ("2.602,00", "2602"), ("2,602.00", "2602"),
    ("1.234.567", "1234567"), ("1,234,567", "1234567"), ("12,34,567.5", "1234567.5"), ("1 234", "1234"),
    ("1\u00a0234,5", "1234.5"), ("1\u202f234.5", "1234.5"), ("1\u2009234\u2009567", "1234567"), ("1'234.50", "1234.5"),
    ("1’234’567", "1234567"), ("0,250", "0.25"), ("0.250", "0.25"), ("1234,567", "1234.567"), (".5", "0.5"),
    ("€ 12,50", "12.5"), ("12,50 €", "12.5"), ("$1,234.50", "1234.5"), ("US$12.5", "12.5"), ("1.234,50 EUR", "1234.5"),
    ("CHF 1'234.50", "1234.5"), ("12,50\u00a0kr", "12.5"), ("R$ 1,50", "1.5"), ("£0.10", "0.1"), ("12,5 zł", "12.5"),
    ("+7", "7"), ("801439850948198,25", "801439850948198.25"),
]  # fmt: skip
TWO = [
    ("1,250", "1.250 or 1250"),
    ("2.602", "2.602 or 2602"),
    ("12,000", "12.000 or 12000"),
    ("€ 1,250", "1.250 or 1250"),
]
NONE = [
    "", "-", ",", "1,2,3", "1.2.3", "1,23,4", "1 23", "12 3456", "1.234,567.8", "1,234.567,8", "1e3", "1_000", "NaN",
    "Infinity", "five", "1,5 kB", "5 %", "250ms", "1200x630", "1,,5", "1.", "٣", "1\u00a0 234", "$$5", "€5€x", "0x10", "1" * 65,
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), ONE)
def test_numbers_with_one_reading(text: str, value: str) -> None:
    assert read(text) == Decimal(value)
    assert credits_of(text) == Decimal(value)


@pytest.mark.parametrize(("text", "either"), TWO)
def test_numbers_with_two_readings_are_asked_about(text: str, either: str) -> None:
    """The message has both, and the option that answers."""
    with pytest.raises(ValueError, match=r"--decimal , or --decimal \.") as caught:
        credits_of(text)
    assert either in str(caught.value)
    small, large = map(Decimal, either.split(" or "))
    assert {read(text, COMMA), read(text, POINT)} == {small, large}


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number(text: str) -> None:
    assert readings(text) == {}
    with pytest.raises(ValueError, match="not a number"):
        read(text)


@pytest.mark.parametrize(("text", "mark"), [("1,5", POINT), ("1.5", COMMA), ("1.234,5", POINT), ("1,234.5", COMMA)])
def test_a_mark_that_was_told_holds(text: str, mark: str) -> None:
    """Rather no number than another one."""
    assert amount(text, mark) is None
    with pytest.raises(ValueError, match="decimal mark"):
        read(text, mark)


@pytest.mark.parametrize("text", ["-1", "-1,5", "1" * 40, "9" * 64])
def test_no_invoice_has_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"below|digits"):
        credits_of(text)
