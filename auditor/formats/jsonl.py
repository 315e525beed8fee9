"""JSON Lines of usage events, schema version 1: what the client writes."""

import codecs
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from auditor.events import BadRecordError, Reason, Rejection, UsageEvent, parse_event
from auditor.formats.lines import EXCERPT, MAX_LINE, Line
from auditor.formats.secrets import redact


class JsonLines:
    """One JSON object a line."""

    name = "jsonl"

    def read(self, path: str, lines: Iterable[Line], zone: ZoneInfo) -> Iterator[tuple[int, UsageEvent | Rejection]]:
        """(line number, event or rejection) of each line."""
        for line in lines:
            try:
                if len(line.data) > MAX_LINE:
                    raise BadRecordError(Reason.TOO_LONG, "the line is longer than 1 MiB")
                yield line.number, parse_event(parse_object(line.data), zone)
            except BadRecordError as bad:
                excerpt = redact(line.data[: EXCERPT * 8])[:EXCERPT].decode(errors="replace")
                yield line.number, Rejection(path, line.number, bad.reason, bad.detail, excerpt)


def parse_object(data: bytes) -> dict[str, Any]:
    """The object of a line, strictly: no NaN, no repeated key, numbers with a fraction as `Decimal`."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise BadRecordError(Reason.BAD_ENCODING, f"not UTF-8 at byte {error.start}") from None
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise BadRecordError(Reason.NOT_JSON, f"{error.msg} at column {error.colno}") from None
    except RecursionError:
        raise BadRecordError(Reason.NOT_JSON, "nested too deeply") from None
    if not isinstance(value, dict):
        raise BadRecordError(Reason.NOT_OBJECT, "not a JSON object")
    return value


def _constant(name: str) -> NoReturn:
    raise BadRecordError(Reason.NOT_JSON, f"{name} is not JSON")


def _integer(digits: str) -> int | Decimal:
    # Beyond 64 bits anyway; as a Decimal it costs no quadratic conversion and is rejected by its range.
    return int(digits) if len(digits) <= 20 else Decimal(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadRecordError(Reason.BAD_VALUE, "a key stands twice")
    return result


_decode = json.JSONDecoder(
    parse_float=Decimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_unique
).decode
