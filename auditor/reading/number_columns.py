"""The numbers of a table: each column decides over the whole file how its numbers are spelled, or the user is asked."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from auditor.model.errors import InputError
from auditor.model.events import BadRecordError, Reason
from auditor.reading.decimals import COMMA, MARKS, POINT, either, is_number, readings
from auditor.reading.names import column_name

Rows = Iterable[tuple[int, Mapping[str, Any]]]
"""(line, row)"""
_SPENT = ("used", "charged", "consumed", "spent", "billed", "usage", "cost", "deducted")
CREDITS = ("credits", *(f"credits_{each}" for each in _SPENT), "credit", *(f"credit_{each}" for each in _SPENT),
           *(f"{each}_credit{s}" for each in _SPENT for s in ("s", "")), "cost_in_credits", "cost_credits",
           "usage_in_credits", "price_in_credits")  # fmt: skip
"""What a table calls the credits of one row."""

_UNIT = "(?:_?(?:in_)?(?:s|m?secs?|m?seconds?|[mun]s|[mun]secs?|millis|micros|nanos|(?:milli|micro|nano)seconds?))?"
_NAMES = re.compile(
    f"{'|'.join(CREDITS)}|width|height|sc_content_len"
    "|(?:body_|response_|file_|sc_|edge_response_|edge_response_body_)?(?:bytes|size)|filesize|size_bytes|content_length"
    "|bytes_(?:out|sent)|(?:body_bytes|sent_bytes|sent_body_bytes)(?:_sent)?|edge_time_to_first_byte_ms"
    "|(?:(?:(?:request|response|render|rendering|http)_)?(?:duration|latency)|elapsed(?:_time)?|time_elapsed|time_taken|took"
    f"|(?:response|request|render|processing|process|generation|total|duration)_time){_UNIT}"
)
"""What is read as a number, in tables of any kind."""
_COUNTED = (
    "(?:renders|renderings|requests|images|pictures|calls|generations|hits|events|records|rows|usages|jobs|occurrences"
    "|occurences|invocations|executions|screenshots)"
)
_PERIOD = "(?:hour|day|week|month|period|cycle|year|minute)"
_SUMS = re.compile(
    f"(?:(?:number|num|nr|no|n|total|sum|count|daily|hourly|weekly|monthly|billed|billable)_(?:of_)?)*(?:api_)?{_COUNTED}"
    "(?:_(?:count|cnt|total|sum|quantity|qty|made|used|billed|generated|rendered|created|produced|processed"
    f"|(?:per|this|in_the|a|by)_{_PERIOD}))*"
    f"|(?:rendered|generated|created|produced|billed)_{_COUNTED}"
    "|(?:total_)?(?:count|counts|cnt|quantity|quantities|qty)(?:_(?:star|all|total|\\d+|id|distinct_id|of_\\w+))*"
    f"|(?:total_)?(?:api_)?(?:render|rendering|request|image|picture|call|generation|hit|event|record|row|usage|job|occurrence)_(?:counts?|cnt|quantity|qty|total|sum)"
    "|(?:sum|total)_(?:of_)?credits(?:_used)?|credits_(?:sum|total)"
)
"""What says how many renders a row stands for."""
_MAYBE = re.compile(
    "n|num|number|nums|total|totals|(?:total_)?(?:amount|volume|usage|uses)|vol|sum|freq|frequency|tally|ct"
    "|(?:total_)?(?:generated|rendered|produced)"
)
"""What may say so, or be anything: whole numbers above 1 in most rows are taken for counts."""
_MOST = 10**9
"""A count is smaller, and what is not may be a time."""


@dataclass(slots=True)
class Column:
    """How one column spells its numbers, by (line, text) of the first of each kind."""

    only: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By the one mark that reads it."""
    unclear: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By the mark in it, where both read it, as different numbers."""

    def look(self, line: int, text: str) -> None:
        """Another value."""
        found = readings(text)
        if len(found) == 1:
            self.only.setdefault(next(iter(found)), (line, text))
        elif found and found[POINT] != found[COMMA]:
            self.unclear.setdefault(COMMA if COMMA in text else POINT, (line, text))

    def mark(self, told: str | None, *, local: bool) -> str | None:
        """The decimal mark; None where nothing tells it. A *local* table comes from where commas may be marks."""
        if len(self.only) == 1:
            return next(iter(self.only))
        if told is not None or self.only or COMMA in self.unclear:
            return told
        # What programs write has a point.
        return None if POINT in self.unclear and local else POINT

    def doubt(self) -> tuple[int, str]:
        """(line, why) the mark cannot be told."""
        if self.only:
            (_, first), (line, second) = sorted(self.only.values())
            return line, f"holds `{second}` and `{first}`, whose decimal marks differ"
        line, text = min(self.unclear.values())
        return line, f"holds `{text}`, which is {either(text)}"


@lru_cache(maxsize=4096)
def is_numeric(name: str) -> bool:
    """Whether a column of this name is read as a number."""
    return _NAMES.fullmatch(column_name(name)) is not None


@lru_cache(maxsize=4096)
def is_sum(name: str) -> bool:
    """Whether a column of this name says how many renders a row stands for, or may."""
    return _is_surely(name) or _MAYBE.fullmatch(column_name(name)) is not None


@lru_cache(maxsize=4096)
def _is_surely(name: str) -> bool:
    return _SUMS.fullmatch(column_name(name)) is not None


def columns_of(rows: Rows) -> dict[str, Column]:
    """The numeric columns of a table, looked at as a whole."""
    columns: dict[str, Column] = {}
    for line, row in rows:
        for name, value in row.items():
            if isinstance(value, str) and not value.isdigit() and is_numeric(name):
                columns.setdefault(name, Column()).look(line, value)
    return columns


def marks_of(label: str, columns: Mapping[str, Column], told: str | None, *, local: bool) -> dict[str, str]:
    """Numeric column -> decimal mark. *told* is that of the columns that do not tell.

    Raises `InputError` where nothing tells, with the option that answers.
    """
    local = local or any(COMMA in column.only for column in columns.values())
    found = {}
    for name, column in columns.items():
        mark = column.mark(told, local=local)
        if mark is None:
            line, why = column.doubt()
            raise InputError(
                f"{label} line {line}: column `{name}` {why}; name the decimal mark: --decimal , or --decimal ."
            )
        found[name] = mark
    return found


def singles(label: str, rows: Rows) -> Rows:
    """*rows*, none of which is a sum. Raises `InputError` for one that is."""
    maybe: dict[str, list[int]] = {}
    for line, row in rows:
        counts = _said(row)
        if not is_nothing(row) and (name := next((name for name in counts if counts[name] != {1}), None)):
            raise _of_sums(label, line, name)
        for name, value in row.items():
            if is_sum(name) and not _is_surely(name) and value not in (None, ""):
                # [the first line with such a count, rows with one, rows with a value]
                seen = maybe.setdefault(name, [0, 0, 0])
                several = any(each.is_finite() and 1 < each < _MOST and each == int(each) for each in _counts(value))
                maybe[name] = [seen[0] or line * several, seen[1] + several, seen[2] + 1]
        yield line, row
    for name, (line, counted, told) in maybe.items():
        if 2 * counted > told:
            raise _of_sums(label, line, name)


def _of_sums(label: str, line: int, name: str) -> InputError:
    return InputError(
        f"{label} line {line}: column `{name}` says that a row stands for several renders, and sums cannot "
        "be audited; export a row for each render, or rename the column if it means something else; to find "
        "the plan for a sum of N renders, run: auditor estimate --requests N"
    )


def is_nothing(row: Mapping[str, Any]) -> bool:
    """Whether a row says that it stands for no render: all its counts are 0, and not those of credits alone."""
    counts = _said(row)
    return any("credits" not in column_name(name) for name in counts) and all(each == {0} for each in counts.values())


def _said(row: Mapping[str, Any]) -> dict[str, set[Decimal]]:
    """Column of sums -> what its count may be."""
    return {name: found for name, value in row.items() if _is_surely(name) and (found := _counts(value))}


def _counts(value: Any) -> set[Decimal]:
    """What a count may be; nothing where it is none."""
    if isinstance(value, str):
        return set(readings(value).values())
    return set() if isinstance(value, bool) or not isinstance(value, int | float) else {Decimal(value)}


def plain(row: Mapping[str, Any], marks: Mapping[str, str]) -> dict[str, Any]:
    """A row whose numbers are written as programs write them. Raises `BadRecordError` for one of another mark."""
    return {name: _plain(name, value, marks.get(name, "")) for name, value in row.items()}


def _plain(name: str, value: Any, mark: str) -> Any:
    if not isinstance(value, str) or value.isdigit() or not is_numeric(name):
        return value
    values = readings(value)
    # The column was not looked at where a sample is read: any reading does, and a whole number fits any field.
    readable = (values[each] for each in mark or MARKS if each in values)
    found = min(readable, key=lambda each: each != each.to_integral_value(), default=None)
    if found is None and is_number(value) and ", " not in value:
        told = f" with the decimal mark {mark}" if mark else ""
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number{told}")
    return value if found is None else format(found, "f")
