"""What the formats of JSON lines share: reading an object, and paths of keys into it."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

import orjson

from auditor.exchanges.exchange import Exchange
from auditor.model.events import BadRecordError, Reason
from auditor.reading.format import NO_REQUEST, Fits, Format
from auditor.reading.named import completed
from auditor.reading.names import at
from auditor.reading.unread import Head, counted
from auditor.reading.wrapped import bare

_Record = TypeVar("_Record", bound=Mapping[str, Any])
_ESCAPED = re.compile("[\udc80-\udcff]")
_SCANNED = 2000
"""Requests among which those for images are looked for."""


class JsonObjects(Format):
    """A format of one JSON object a line; `exchange` is left to write."""

    objects = True
    needs: ClassVar[tuple[str, ...]] = ()
    """Keys that every record has, of objects within it with dots: a line without one is of another format."""
    documented: ClassVar[frozenset[str]] = frozenset()
    """Numbers that are not read, and that by their documentation are no counts of renders and no prices."""

    def parse(self, data: bytes) -> Exchange:
        """One line."""
        fields = self.fields(data)
        return counted(self._told(fields), fields, self.unread)

    @classmethod
    def refined(cls, exchanges: Iterable[tuple[bytes, Exchange]], fits: Fits) -> type[Any]:
        """With the numbers that are not read of the requests for images."""
        reader, head = cls(ZoneInfo("UTC")), Head()
        for line, exchange in islice(exchanges, _SCANNED):
            if fits(exchange.method, exchange.host, exchange.target):
                head.look(reader.fields(line))
        unread = tuple(path for path in head.unread(reader._told) if path[-1] not in cls.documented)
        return type(cls.__name__, (cls,), {"unread": unread}) if unread else cls

    def _told(self, fields: Mapping[str, Any]) -> Exchange:
        found = self.exchange(dict(fields))
        return found if found is NO_REQUEST else completed(found, fields)

    def fields(self, data: bytes) -> dict[str, Any]:
        """The object of one line."""
        found = json_object(data)
        return needing(found, self.needs)

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """What an object tells."""
        raise NotImplementedError


def json_object(data: bytes) -> dict[str, Any]:
    """The object of a line, also behind what a collector put before it, or behind a byte order mark."""
    data = bare(data)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        value = _repaired(data, error)
    if not isinstance(value, dict):
        raise BadRecordError(Reason.NOT_OBJECT, "not a JSON object")
    return value


def needing(record: _Record, names: Iterable[str]) -> _Record:
    """*record*, if it has all of some keys (`request.uri`). Raises `BadRecordError` for one that is missing."""
    for name in names:
        if at(record, *name.split(".")) is None:
            raise BadRecordError(Reason.MISSING_FIELD, f"{name} is missing")
    return record


def _repaired(data: bytes, error: orjson.JSONDecodeError) -> Any:
    r"""The value of a line with bytes that are no UTF-8, as nginx lets them through: they become `\xff`, as text."""
    text = data.decode(errors="surrogateescape")
    mended = _ESCAPED.sub(lambda found: f"\\\\x{ord(found[0]) - 0xDC00:02x}", text)
    if mended == text:
        raise BadRecordError(Reason.NOT_JSON, str(error).partition(":")[0]) from None
    try:
        return orjson.loads(mended)
    except orjson.JSONDecodeError:
        raise BadRecordError(Reason.BAD_ENCODING, "not UTF-8, and no JSON without that either") from None


def integer(value: object, name: str) -> int | None:
    """A whole number, given as one or as text; None for an absent one."""
    if value is None or value in ("", "-"):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number")
    try:
        number = int(value)
    except (ValueError, OverflowError):
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a number") from None
    if not -(2**62) < number < 2**62:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is out of range")
    return number


def text(value: object, name: str) -> str:
    """Text that has to be there."""
    if not isinstance(value, str) or not value:
        raise BadRecordError(Reason.BAD_VALUE, f"{name} is not a text")
    return value
