"""Formats of JSON objects that are nothing but a declaration: a `JsonShape` says at which keys what stands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cache_field import cache_of, verdict_in
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.headers import pairs_of
from auditor.exchanges.units import UNITS, micros
from auditor.model.events import BadRecordError, Reason
from auditor.model.json_shape import JsonShape, Paths
from auditor.reading.durations import Durations, amount, durations, unit_in, with_unit
from auditor.reading.format import NO_REQUEST
from auditor.reading.json_lines import JsonObjects, integer, json_object
from auditor.reading.lines import MAX_BATCH, MAX_LINE, Line, LineReader
from auditor.reading.names import json_in
from auditor.reading.times import moment, since_1970, start_of
from auditor.reading.variables import status_of, text_of

_ABSENT = object()
MAX_VALUES = 1_500_000
"""Values of the batch on a line: a small one takes 200 bytes of memory, so the bytes of a line tell little."""


class ShapedJson(JsonObjects):
    """`shape` is left to write. An object without an address or a status tells of no request."""

    shape: ClassVar[JsonShape]
    own: ClassVar[bool] = False
    """Whether auditor.toml declares it."""
    mixed = True

    def __init_subclass__(cls) -> None:
        """What declares where a document has its records reads lines with many of them."""
        if cls.shape.records:
            cls.longest = MAX_BATCH
            cls.too_long = f"a record over 1 MiB, or a batch over 16 MiB or {MAX_VALUES:,} values"

    @classmethod
    def of(cls, name: str, shape: JsonShape) -> "type[ShapedJson]":
        """The format of a declaration in auditor.toml."""
        title = f"JSON as [formats.{name}] says"
        return type("ShapedJson", (cls,), {"name": name, "title": title, "shape": shape, "own": True})

    @classmethod
    def lacking(cls, lines: Iterable[bytes]) -> str:
        """What a request needs and none of some lines holds, for people; empty where each stands somewhere."""
        records = []
        for part in cls.each(lines):
            with suppress(BadRecordError):
                records.append(json_object(part))
        needed = {"time": cls.shape.time, "url": cls.shape.url, "path": cls.shape.path, "status": cls.shape.status}
        empty = [
            f'{key} = "{paths[0]}"'
            for key, paths in needed.items()
            if paths and all(_value(record, paths) is None for record in records)
        ]
        return f"[formats.{cls.name}] finds nothing at {', '.join(empty)}" if empty else ""

    @classmethod
    def parts(cls, line: bytes) -> Iterable[bytes]:
        """Those of the documents on a line; an object that is none, or holds none, is a record itself."""
        objects = super().parts(line)
        return (part for each in objects for part in cls._unnested(each)) if cls.shape.records else objects

    @classmethod
    def _unnested(cls, record: bytes) -> Iterator[bytes]:
        fits = len(record) <= MAX_LINE or (len(record) <= MAX_BATCH and _most_values(record) <= MAX_VALUES)
        document = json_in(record) if fits and cls.is_batch(record) else None
        rest = iter(cls.batch(document))
        first = next(rest, _ABSENT)
        # One by one: all of a batch may take a hundred times what it takes.
        yield from (record,) if first is _ABSENT else map(_record, chain([first], rest))

    @classmethod
    def is_batch(cls, line: bytes) -> bool:
        """Whether a line may be a document that holds records; quick."""
        return any(f'"{_keys(path)[-1]}"'.encode() in line for path in cls.shape.records)

    @classmethod
    def batch(cls, document: Any) -> Iterable[Any]:
        """The records that a document holds."""
        found = _value(document, cls.shape.records)
        return found if isinstance(found, list) else ()

    def records(self, path: Path, reader: LineReader) -> Iterable[Line]:
        """Lines, or numbered in their order the records that lines hold."""
        if not self.shape.records:
            return super().records(path, reader)
        return _numbered(self.each(line.data for line in reader))

    def shape_of(self, record: Mapping[str, Any]) -> JsonShape | None:
        """The shape of one object; None for one that tells of no request."""
        del record
        return self.shape

    def exchange(self, record: dict[str, Any]) -> Exchange:
        """What an object tells."""
        shape = self.shape_of(record)
        target = None if shape is None else _target(record, shape)
        if shape is None or target is None or (status := _held(record, shape.status)) is _ABSENT:
            return NO_REQUEST
        time = _held(record, shape.time)
        if time in (_ABSENT, None, ""):
            raise BadRecordError(Reason.MISSING_FIELD, f"{' or '.join(shape.time)} is missing")
        stamp, assumed = self._moment(time, shape.time_unit)
        size = _first(record, shape.bytes)
        told = _durations(record, shape)
        ends = shape.time_of == "end"
        return Exchange(
            ts_us=start_of(stamp, told.known_us) if ends else stamp,
            method=(_text(record, shape.method) or "GET").upper(),
            target=target,
            host=_text(record, shape.host),
            status=status_of([status]),
            bytes=integer(size[1], size[0]),
            duration_us=told.known_us,
            took=told.took,
            cache=_cache(record, shape),
            media_type=_text(record, shape.media_type),
            environment=_text(record, shape.environment),
            id=_text(record, shape.id),
            assumed_timezone=assumed,
            ended=ends and told.known_us is None,
            assumed=() if shape.url or shape.query or "?" in target else (Assumption.NO_QUERY,),
        )

    def _moment(self, value: object, unit: str | None) -> tuple[int, bool]:
        if unit is not None and (told := since_1970(value, UNITS[unit])) is not None:
            return told, False
        return moment(value, self.zone)


def _numbered(records: Iterable[bytes]) -> Iterator[Line]:
    # A line that is too long is rejected by its length, without parsing the rest.
    yield from (Line(number, record[: MAX_LINE + 1]) for number, record in enumerate(records, 1))


def _most_values(record: bytes) -> int:
    """No JSON text holds more values than begin with one of these, or behind it."""
    return 1 + sum(map(record.count, (b"[", b"{", b",")))


def _record(part: object) -> bytes:
    try:
        return orjson.dumps(part)
    except orjson.JSONEncodeError:
        # More levels than it writes, or a number of more than 64 bits: no JSON, so it is rejected.
        return b"a record that is nested too deep, or holds too large a number"


def _target(record: Mapping[str, Any], shape: JsonShape) -> str | None:
    if (url := _text(record, shape.url)) is not None:
        return url
    path, query = _text(record, shape.path), _value(record, shape.query)
    if path is None:
        return None
    if isinstance(query, dict):
        query = urlencode(query, doseq=True)
    asked = _checked(query, shape.query)
    path = path if path.startswith("/") else f"/{path}"
    return path if asked is None or "?" in path else f"{path}?{asked.removeprefix('?')}"


def _durations(record: Mapping[str, Any], shape: JsonShape) -> Durations:
    if not shape.duration:
        return durations(record)
    path, value = _first(record, shape.duration)
    name = path.rpartition(".")[2]
    if (known := with_unit(value)) is not None or (number := amount(value)) is None:
        return Durations(known, ())
    unit = shape.duration_unit or unit_in(name)
    return Durations(micros(number, UNITS[unit]), ()) if unit else Durations(None, ((path, number),))


def _cache(record: Mapping[str, Any], shape: JsonShape) -> str | None:
    if not shape.cache:
        return cache_of(record)
    path, value = _first(record, shape.cache)
    # A name of ours may say more of its value than that it is a verdict: a count of hits, or `cacheMissed`.
    if (told := verdict_in(path.rpartition(".")[2], value)) is not None or not isinstance(value, dict | list):
        return told or verdict_in("cache", value)
    # Of headers and the like, those whose own names tell of a cache; of several values, verdicts.
    return cache_of(pairs_of(value)) or verdict_in("hit", value)


def _text(record: Mapping[str, Any], paths: Paths) -> str | None:
    """The text that stands at a path; None for none. Raises `BadRecordError` for an object."""
    return _checked(_value(record, paths), paths)


def _checked(value: Any, paths: Paths) -> str | None:
    if isinstance(value, list) and not any(isinstance(each, dict | list) for each in value):
        value = ", ".join(map(str, value))  # of headers that may come several times
    if isinstance(value, dict | list):
        raise BadRecordError(Reason.BAD_VALUE, f"{paths[0]} is not a text")
    return text_of(value)


def _value(record: Mapping[str, Any], paths: Paths) -> Any:
    """What stands at the first of some paths that lead somewhere; None where none does."""
    return _first(record, paths)[1]


def _first(record: Mapping[str, Any], paths: Paths) -> tuple[str, Any]:
    for path in paths:
        value = _at(record, _keys(path))
        if value is not _ABSENT and value is not None and value != "":
            return path, value
    return "", None


def _held(record: Mapping[str, Any], paths: Paths) -> Any:
    """The same, but null where it stands there, and `_ABSENT` where no path leads anywhere."""
    value = _value(record, paths)
    if value is None and all(_at(record, _keys(path)) is _ABSENT for path in paths):
        return _ABSENT
    return value


@lru_cache(1024)
def _keys(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _at(value: Any, keys: Sequence[str]) -> Any:
    """What stands at a path in an object, whose keys may hold dots themselves, or in a list of names and values."""
    if not keys:
        return value
    if isinstance(value, list):
        value = dict(pairs_of(value))
    if isinstance(value, dict):
        for end in range(len(keys), 0, -1):
            name = ".".join(keys[:end])
            if name in value and (found := _at(value[name], keys[end:])) is not _ABSENT:
                return found
    return _ABSENT
