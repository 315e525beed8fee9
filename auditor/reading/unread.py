"""Numbers that a log holds and that nothing reads: one may count renders or be a price, so the report names them.

Whether a field is read shows where it is left out, or is another number: if the record then tells the same, nothing
reads it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cache_field import NONE
from auditor.exchanges.exchange import Exchange, Exported
from auditor.model.events import BadRecordError, UsageEvent
from auditor.reading.decimals import readings
from auditor.reading.durations import unit_of
from auditor.reading.format import NO_REQUEST
from auditor.reading.names import at, column_name
from auditor.reading.number_columns import is_numeric, is_sum

HEAD = 10_000
"""Records among which the values of a field are looked for."""
SAMPLED = 20
"""Values of a field that decide."""
MOST_FIELDS = 200
SHOWN = 10
_LONG = 60
_DEEP = 4
_TIME_FROM = 10**9
"""Counts are smaller; from here on whole numbers are times or ids."""
_SCIENTIFIC = re.compile(r"[-+]?\d{1,20}(?:\.\d{1,20})?[eE][-+]?\d{1,3}", re.ASCII)
_EVIDENT = re.compile(
    r"|id|index|idx|row|line|lineno|line_number|row_number|seq|sequence|offset|unnamed_\d+|v|level|severity|priority"
    r"|connection|connections_\w+|connection_requests|gzip_ratio|quality|dpr|scale|year|month|week|day|hour|minute"
    r"|(?:.*_)?(?:u?id|uuid|pid|tid|port|asn|version|key|hash|status|substatus|code|time|ts|timestamp|date|at|epoch|age"
    r"|latency|duration|elapsed|took|delay|overhead|timeout|ttl|bytes|length|len|width|height|ms|msec|millis|secs?"
    r"|seconds|[un]s|score|latitude|longitude|lat|lon|lng)"
    r"|(?:time|bytes|status|range|win32|.*_range)_.*"
    r"|(?!(?:.*_)?(?:batch|group|page|sample|pack|bundle|queue|chunk)_size).*_size"
)
"""Names of ids, times, statuses, sizes and durations, and of what servers count about themselves."""
_PRICED = re.compile(r"(?:.*_)?(?:credits?|costs?|prices?|amounts?)(?:_.*)?")
_ELSEWHERE = re.compile(r".*headers?|inputs|modifications|query|params|geo.*|tls", re.IGNORECASE)
"""Objects that hold what a client sent, or where from."""
Path = tuple[str, ...]
Record = Mapping[str, Any]
_Item = TypeVar("_Item", bound=Exchange | UsageEvent | Exported)


@dataclass(slots=True)
class Head:
    """The first values of each field, and the records that hold them."""

    records: int = 0
    _fields: dict[Path, list[tuple[Any, Record]]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether enough was looked at."""
        return self.records >= HEAD

    def look(self, record: Record) -> None:
        """Another record."""
        if self.full:
            return
        self.records += 1
        for path, value in _leaves(record):
            if path in self._fields or len(self._fields) < MOST_FIELDS:
                held = self._fields.setdefault(path, [])
                if len(held) < SAMPLED:
                    held.append((value, record))

    def unread(self, read: Callable[[Record], object]) -> tuple[Path, ...]:
        """The fields of numbers that *read* makes nothing of, in their order."""
        return tuple(
            path for path, held in self._fields.items() if _is_open(path, held) and not _is_read(path, held, read)
        )


def counted(item: _Item, record: Record, unread: tuple[Path, ...]) -> _Item:
    """*item*, with word of the numbers in its record that are *unread*."""
    if not unread or isinstance(item, UsageEvent) or item is NO_REQUEST:
        return item
    if all(_is_absent(at(record, *path)) for path in unread):
        return item
    return replace(item, assumed=(*item.assumed, Assumption.NUMBERS_UNREAD))


def sentence(unread: Iterable[Path]) -> str:
    """Which numbers are not read, and what to do about it; empty where there are none."""
    names = [f"`{name if len(name) <= _LONG else name[:_LONG] + '…'}`" for name in map(".".join, unread)]
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"the numbers in {', '.join(names[:SHOWN])}{more} are not read: each line counts as one render or hit; if one "
        "says how many renders a line stands for, export a line for each render, or run: auditor estimate --requests N;"
        " if one holds the credits of each render in a table, rename it to `credits`"
    )


def _leaves(record: Record, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            if len(path) < _DEEP and _ELSEWHERE.fullmatch(name) is None:
                yield from _leaves(value, (*path, name))
        elif not _is_absent(value):
            yield (*path, name), value


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in NONE)


def _is_open(path: Path, held: list[tuple[Any, Record]]) -> bool:
    """Whether a field holds numbers that may be anything: a count, say, or a price."""
    name = column_name(path[-1])
    if _PRICED.fullmatch(name) or (is_sum(name) and all(str(value).strip()[0].isdigit() for value, _ in held)):
        return True
    if not all(_is_number(value) for value, _ in held):
        return False
    known = _EVIDENT.fullmatch(name) or is_numeric(name) or unit_of(name) or unit_of(name, renders=True)
    digits = [str(value) for value, _ in held]
    return not (known or all(text.isdigit() and int(text[:20]) >= _TIME_FROM for text in digits))


def _is_read(path: Path, held: list[tuple[Any, Record]], read: Callable[[Record], object]) -> bool:
    return any(
        _made(read, record) != _made(read, _changed(record, path, other))
        for value, record in held
        # What a render costs anyway makes no difference where it is left out.
        for other in (None, "8" if str(value).strip() == "7" else "7")
    )


def _made(read: Callable[[Record], object], record: Record) -> object:
    try:
        return read(record)
    except BadRecordError:
        return None


def _changed(record: Record, path: Path, value: str | None) -> dict[str, Any]:
    """*record* with another number at a path; None leaves it out."""
    name, *rest = path
    changed = dict(record)
    if rest:
        changed[name] = _changed(record[name], tuple(rest), value)
    elif value is None:
        del changed[name]
    else:
        changed[name] = value if isinstance(record[name], str) else int(value)
    return changed


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(readings(value)) or _SCIENTIFIC.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
