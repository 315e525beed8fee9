"""The status of an answer as people log it: `200`, `HTTP/1.1 200 OK`, `OK (200)`; words alone tell of failures only."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from auditor.exchanges.cache_field import bare
from auditor.model.events import Outcome, Reason
from auditor.reading.exports import WORDS
from auditor.reading.format import UnknownStatusError

_ALONE = re.compile(r"(-?\d{1,18})(?:\.0+)?", re.ASCII)
_WITHIN = re.compile(
    r"(?:(?<=HTTP)|(?<![A-Za-z\d.-]))(?<!\d,)([1-5]\d\d)(?![,.]?\d)(?![A-Za-z]| ?(?:ms|s|us|ns|µs|k?b|bytes)\b)",
    re.ASCII,
)
_PHRASES = {bare(each.phrase): each.value for each in HTTPStatus if each >= 400}
_FAILED = {word for word, outcome in WORDS.items() if outcome is Outcome.ERROR}


def status_of(told: Iterable[Any], *, failed: bool = False) -> int | None:
    """The first status that can be read.

    None where none is told, and for a call that *failed* or has a word for that in its place. Raises
    `UnknownStatusError` where any other word is all there is: `OK` may be 200, or say that something else went well.
    """
    words = []
    for value in told:
        if (status := _read(value)) is not None:
            return status
        if value not in (None, "", "-"):
            words.append(str(value).strip().lower())
    if any(words) and not failed and _FAILED.isdisjoint(words):
        raise UnknownStatusError(Reason.BAD_VALUE, "status is no number")
    return None


def _read(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    if alone := _ALONE.fullmatch(text):
        return int(alone[1])
    within = _WITHIN.findall(text[:200])
    return int(within[0]) if len(within) == 1 else _PHRASES.get(bare(text))
