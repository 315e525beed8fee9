"""A number as people and spreadsheets write it: `1.234,50`, `1,234.50`, `1 234,5`, `1'234.50`, `12,34,567`, `€ 12,50`.

Which of the comma and the point is the decimal mark cannot be told from `1,250` alone: that is 1.25 or 1250.
"""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

POINT, COMMA = ".", ","
MARKS = (POINT, COMMA)
"""What may stand before the decimals."""
LONGEST = 64
"""Characters of the longest number that is read."""
_BLANKS = " \u00a0\u2007\u2009\u202f"
_BETWEEN = f"{_BLANKS}'\u2019"
_PLAIN = re.compile(rf"[-+]?[.,]?[0-9](?:[0-9.,{_BETWEEN}]*[0-9])?")
_MONEY = re.compile(rf"([^0-9.,+-]{{0,6}})({_PLAIN.pattern})([^0-9]{{0,6}})")
_CURRENCY = re.compile("[A-Z]{3}|kr|zł|Kč|Fr|Ft|lei|Rs|руб|р|лв|din")


def _pattern(mark: str, other: str, more: str = "") -> re.Pattern[str]:
    groups = rf"[1-9][0-9]{{0,2}}(?P<by>[{other}{_BETWEEN}])[0-9]{{3}}(?:(?P=by)[0-9]{{3}})*"
    return re.compile(rf"(?P<whole>[-+]?(?:[0-9]+|{groups}{more}))?(?:[{mark}](?P<part>[0-9]+))?")


_PATTERNS = {
    POINT: _pattern(POINT, COMMA, "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"),  # India's, a hundred thousands
    COMMA: _pattern(COMMA, POINT),
}


def amount(text: str, mark: str) -> Decimal | None:
    """The number that *text* is with *mark* before its decimals, without the currency; None for what is none."""
    text = text.strip(_BLANKS)
    money = None if _PLAIN.fullmatch(text) else _MONEY.fullmatch(text)
    if money is not None and _is_currency(money[1]) and _is_currency(money[3]):
        text = money[2]
    match = _PATTERNS[mark].fullmatch(text)
    if match is None or not match[0]:
        return None
    whole = re.sub("[^0-9+-]", "", match["whole"] or "0")
    return Decimal(f"{whole}.{match['part']}" if match["part"] else whole)


def is_number(text: str) -> bool:
    """Whether it is a number, whatever the mark, or two that were run together."""
    return _PLAIN.fullmatch(text.strip(_BLANKS)) is not None


def readings(text: str) -> Mapping[str, Decimal]:
    """What *text* is, by the mark."""
    return _readings(text) if len(text) <= LONGEST else {}


@lru_cache(maxsize=1 << 14)
def _readings(text: str) -> Mapping[str, Decimal]:
    return {mark: value for mark in MARKS if (value := amount(text, mark)) is not None}


def either(text: str) -> str:
    """The numbers that it may be, for people."""
    return " or ".join(format(value, "f") for value in sorted(set(readings(text).values())))


def read(text: str, told: str | None = None) -> Decimal:
    """A number that stands alone. `ValueError` for what is none, or may be two while no mark is *told*."""
    found = readings(text)
    values = {value for mark, value in found.items() if told in (None, mark)}
    if not values:
        raise ValueError(f"= {text!r} is not a number" + (f" with the decimal mark {told}" if told else ""))
    if len(values) > 1:
        raise ValueError(f"= {text!r} is {either(text)}; name the decimal mark: --decimal , or --decimal .")
    return values.pop()


def _is_currency(affix: str) -> bool:
    """Whether it is a currency's name or sign (`US$`), or nothing."""
    affix = affix.strip(_BLANKS)
    signs = sum(unicodedata.category(each) == "Sc" for each in affix)
    if signs:
        letters = "".join(each for each in affix if unicodedata.category(each) != "Sc")
        return signs == 1 and (not letters or letters.isupper())
    return not affix or _CURRENCY.fullmatch(affix.removesuffix(".")) is not None
