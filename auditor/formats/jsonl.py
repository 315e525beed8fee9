"""JSON Lines of usage events, schema version 1: what the client writes."""

import codecs
import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from auditor.model.event_reader import parse_event
from auditor.model.events import BadRecordError, Reason, UsageEvent, is_like_event
from auditor.reading.format import Format, Sample
from auditor.reading.names import json_in


class JsonLines(Format):
    """One JSON object a line."""

    name = "jsonl"
    title = "usage events, JSON Lines"

    @classmethod
    def detect(cls, sample: Sample) -> float:
        """By the names of fields: damaged events are events, and rejected one by one."""
        told = sum(_is_own(line) for line in sample.lines)
        return told / len(sample.lines) if sample.lines else 0.0

    def parse(self, data: bytes) -> UsageEvent:
        """One line."""
        return parse_event(parse_object(data), self.zone)


def _is_own(line: bytes) -> bool:
    if not (b'"outcome"' in line and b'"v"' in line):
        return False
    record = json_in(line.removeprefix(codecs.BOM_UTF8))
    return not isinstance(record, dict) or is_like_event(record)


def parse_object(data: bytes) -> dict[str, Any]:
    """The object of a line, strictly: no NaN, no repeated key, numbers with a fraction as `Decimal`."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise BadRecordError(Reason.BAD_ENCODING, f"not UTF-8 at byte {error.start}") from None
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise BadRecordError(Reason.NOT_JSON, _why(error)) from None
    except RecursionError:
        raise BadRecordError(Reason.NOT_JSON, "nested too deeply") from None
    if not isinstance(value, dict):
        raise BadRecordError(Reason.NOT_OBJECT, "not a JSON object")
    return value


def _why(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data" and error.doc[error.pos] == "{":
        return f"a second object begins at column {error.colno}; write one event a line"
    return f"{error.msg.removesuffix(' at')} at column {error.colno}"


def _constant(name: str) -> NoReturn:
    raise BadRecordError(Reason.NOT_JSON, f"{name} is not JSON")


def _fraction(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent of twenty digits
        raise BadRecordError(Reason.BAD_VALUE, "a number is out of range") from None


def _integer(digits: str) -> int | Decimal:
    # Beyond 64 bits anyway; as a Decimal it costs no quadratic conversion and is rejected by its range.
    return int(digits) if len(digits) <= 20 else Decimal(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadRecordError(Reason.BAD_VALUE, "a key stands twice")
    return result


_decode = json.JSONDecoder(
    parse_float=_fraction, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_unique
).decode
