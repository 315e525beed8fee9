"""Plain access-log lines of a block -> the columns of their events, by the exact reader's own functions.

Logs repeat themselves: each distinct time, address and status of a block is read once, by the very code that reads
single lines, and spread over the lines that have it. So there is one meaning and two speeds.
"""

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.exchanges.cache_field import names_cache
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapped import Mapped
from auditor.intake.columnar.coded import Coded, PlainLines, distinct
from auditor.intake.columnar.template_bulk import ID_SIZE, compiled, identities, split
from auditor.intake.columns import SCHEMA
from auditor.model.events import MAX_BYTES, BadRecordError, Reason
from auditor.model.media import media_type_of
from auditor.reading.behind import Behind, Fixed, Tail, behind_agent
from auditor.reading.durations import durations, unit_of
from auditor.reading.lines import Line, read_exactly
from auditor.reading.reader import Reading
from auditor.reading.secrets import HINT
from auditor.reading.times import clf_time
from auditor.reading.variables import SHAPES, cache_in, request_of, roles_of, seconds_of, shape_of, text_of

_REQUEST = ("request", "method", "target", "query")
_KIND = attrgetter("provider", "account", "otherwise", "format", "assumed", "typed", "redirects", "credits")
"""All of a request that tells what becomes of its answers."""
_OF_REQUEST = (
    "provider", "account", "environment", "template", "key", "template_version", "placement", "width", "height",
    "unrendered",
)  # fmt: skip
"""Fields of an event that are the request's."""


class TemplateBlocks:
    """Reads the blocks of one log, whose format has a template."""

    def __init__(self, reading: Reading) -> None:
        kind = reading.kind
        assert kind.template is not None
        self._reading, self._kind, self._mapper = reading, kind, reading.mapper
        names = kind.template.names
        self._how = (*compiled(kind.template), kind.template.open, kind.blanks)
        self._at = {role: names.index(name) for role, name in roles_of(names).items()}
        # Where nginx's own says it, other durations are not looked at.
        timed = [] if "seconds" in self._at else [name for name in names if unit_of(name) is not None]
        self._several = len(timed) > 1
        self._timed = timed[0] if timed else ""
        if self._timed:
            self._at["took"] = names.index(self._timed)
        self._caches = {name: place for place, name in enumerate(names) if names_cache(name)}

    def read(self, block: bytes, before: int) -> tuple[pa.RecordBatch | None, list[Line], int]:
        """(events as columns, lines left to the exact reader, how many lines in all) of a block of whole lines.

        *before* lines stand before the block.
        """
        if self._several:
            return read_exactly(block, before)
        if not block.endswith(b"\n"):
            block += b"\n"
        most, width = block.count(b"\n"), len(self._how[2])
        numbers, bounds, other = np.empty(most, np.int64), np.empty((most, 2), np.int64), np.empty((most, 3), np.int64)
        spans = np.empty((most + 1, width, 2), np.int64)
        buf = np.frombuffer(block, np.uint8)
        plain, others, count = split(buf, *self._how, numbers, bounds, spans, other)
        lines = PlainLines(buf, numbers[:plain] + before + 1, bounds[:plain], spans[:plain], self._at)
        rest = [Line(before + 1 + number, block[start:end]) for number, start, end in other[:others].tolist()]
        if not plain:
            return None, rest, count
        # The first record of a file names all of them, whichever way it is read.
        start, end = min([*bounds[:1].tolist(), *other[: min(others, 1), 1:].tolist()])
        self._reading.begin(block[start:end])
        read = self._values(lines)
        good = np.logical_and.reduce([each.good for each in read.values()])
        left = zip(lines.numbers[~good].tolist(), lines.bounds[~good].tolist(), strict=True)
        rest += [Line(number, block[start:end]) for number, (start, end) in left]
        self._secrets(block, lines.bounds[good])
        return self._events(lines, read, good), sorted(rest, key=lambda line: line.number), count

    def _secrets(self, block: bytes, bounds: Any) -> None:
        """Look closely at those lines that hold a hint; each is taken to reach to the next one."""
        if not len(bounds):
            return
        offsets = np.append(bounds[:, 0], bounds[-1, 1]).astype(np.int32)
        lines = pa.Array.from_buffers(pa.binary(), len(bounds), [None, pa.py_buffer(offsets), pa.py_buffer(block)])
        hinted = pc.match_substring_regex(lines, HINT, ignore_case=True).to_numpy(zero_copy_only=False)
        for start, end in bounds[hinted].tolist():
            self._reading.tally.look(block[start:end])

    def _values(self, lines: PlainLines) -> dict[str, Coded]:
        """Every distinct value, read."""
        read = {role: lines.read(role, parse) for role, parse in _PARSERS.items()}
        read["time"] = lines.read("time", lambda text: clf_time(text, self._kind.zone))
        if self._timed:
            read["seconds"] = lines.read(
                "took", lambda text: self._mapper.duration(*durations({self._timed: text}), None)
            )
        columns = {role: lines.texts(self._at[role]) for role in ("host", *_REQUEST) if role in self._at}
        read["cache"] = lines.joint({name: lines.texts(place) for name, place in self._caches.items()}, _cache)
        tail = self._kind.tail
        read["behind"] = lines.same(Behind())
        if tail is not None:
            behind = lines.joint({"behind": lines.texts(None)}, lambda said: _single(tail, said["behind"]), Behind())
            read["behind"], read["cache"] = behind, behind.recoded(attrgetter("cache"))
            read["seconds"] = behind.recoded(lambda found: (found.duration_us, ()))
            hosts = behind.recoded(lambda found: found.host or "-")
            columns["host"] = hosts.codes, list(hosts.values)
        read["request"] = lines.joint(columns, self._request)
        return read

    def _request(self, said: dict[str, str]) -> Mapped | None:
        """What a request asks for; where its key, or a unit of its durations, is its own, the exact one has to tell."""
        method, target = request_of({**dict.fromkeys(_REQUEST), **said})
        mapped = self._mapper.request(method, text_of(_shaped("host", said.get("host", ""))), target)
        if mapped is not None and (mapped.key is None or (self._timed and mapped.duration_unit)):
            raise _NotPlainError
        return mapped

    def _events(self, lines: PlainLines, read: dict[str, Coded], good: Any) -> pa.RecordBatch | None:
        """The columns of those lines that ask for an image; all that were read are counted."""
        tally, request = self._reading.tally, read["request"]
        rows = np.flatnonzero(np.array([found is not None for found in request.values])[request.codes] & good)
        tally.lines += int(good.sum())
        tally.others += int(good.sum()) - len(rows)
        if not len(rows):
            return None
        rows, kinds = self._kinds(read, rows)
        return self._batch(lines, read, kinds, rows) if len(rows) else None

    def _kinds(self, read: dict[str, Coded], rows: Any) -> tuple[Any, Coded]:
        """The lines that are events, each with one of its kind: what status, cache, type and the like make of it.

        Few kinds of lines differ in these, so that each is mapped once, by what maps single lines.
        """
        request = read["request"]
        alike: dict[Any, int] = {}
        kind_of = np.array([alike.setdefault(found and _KIND(found), len(alike)) for found in request.values])
        examples = dict(zip(kind_of.tolist(), request.values, strict=True))
        said = read["behind"].recoded(attrgetter("assumed"))
        took = read["seconds"].recoded(lambda value: (value is None or value[0] is None, value[1] if value else ()))
        coded = (read["status"], read["cache"], read["type"], said, took)
        codes, kinds, counts = distinct([kind_of[request.codes[rows]], *(each.codes[rows] for each in coded)])
        events = []
        for (kind, *found), count in zip(kinds, counts, strict=True):
            status, cache, media, behind, (endless, assumed) = (
                each.values[code] for each, code in zip(coded, found, strict=True)
            )
            exchange = Exchange(
                0, "", "", status=status, bytes=0, duration_us=None if endless else 0, cache=cache, media_type=media,
                assumed=(*behind, *assumed),
            )  # fmt: skip
            answered = self._mapper.answered(examples[kind], exchange, "")
            event = self._reading.taken(answered, exchange, count)
            events.append(event and replace(event[0], assumed=event[1]))
        kept = np.array([event is not None for event in events])[codes]
        return rows[kept], Coded(codes[kept], events, kept[kept])

    def _batch(self, lines: PlainLines, read: dict[str, Coded], kinds: Coded, rows: Any) -> pa.RecordBatch:
        """The events of some *rows* of a block: what is the line's own, its request's, and its kind's."""
        every, size, time, request = np.arange(len(rows)), read["bytes"].ints(rows), read["time"], read["request"]
        zoneless = np.array([value is not None and value[1] for value in time.values], np.bool_)
        duration = read["seconds"].ints(rows, lambda value: value and value[0])
        parts = kinds.ints(every, lambda event: event and event.bytes) < 0
        hidden = np.array([event is None or event.inputs is None for event in kinds.values])[kinds.codes]
        made = {
            "line": pa.array(lines.numbers[rows]),
            "id": self._ids(lines, rows),
            "ts_us": pa.array(time.ints(rows, lambda value: value and value[0]) - np.maximum(duration, 0)),
            "bytes": pa.array(size, mask=parts | (size < 0) | (size > MAX_BYTES)),
            "duration_us": pa.array(duration, mask=duration < 0),
            "assumed_timezone": pa.array(zoneless[time.codes[rows]]),
            "inputs": request.column(rows, "inputs", hidden),
            **{name: request.column(rows, name) for name in _OF_REQUEST},
        }
        made |= {name: kinds.column(every, name) for name in SCHEMA.names if name not in made}
        return pa.RecordBatch.from_arrays([made[name] for name in SCHEMA.names], schema=SCHEMA)

    def _ids(self, lines: PlainLines, rows: Any) -> pa.Array:
        first, out = np.frombuffer(self._reading.first.encode(), np.uint8), np.empty(len(rows) * ID_SIZE, np.uint8)
        identities(lines.buf, first, lines.numbers[rows], lines.bounds[rows], out)
        offsets = np.arange(len(rows) + 1, dtype=np.int32) * ID_SIZE
        return pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(out)])


class _NotPlainError(BadRecordError):
    """A line that is for the exact reader."""

    def __init__(self) -> None:
        super().__init__(Reason.BAD_VALUE, "not plain")


def _digits(text: str) -> int:
    """A whole number without a sign; everything else is for the exact reader."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _NotPlainError
    return int(text)


def _shaped(role: str, text: str) -> str:
    """A value that looks like one of its kind."""
    if not SHAPES[role].fullmatch(text):
        raise _NotPlainError
    return text


def _cache(said: dict[str, str]) -> str | None:
    """What some variables say of caches."""
    for name, text in said.items():
        if shape_of(name, "cache") is not None:
            _shaped("cache", text)
    return cache_in(said)


def _single(tail: Tail | Fixed, text: str) -> Behind:
    """What stands behind a line; one of which more than one event becomes is left to the exact reader."""
    found = tail.read(behind_agent(text))
    if found.tries:
        raise _NotPlainError
    return found


_PARSERS: dict[str, Callable[[str], Any]] = {
    "status": lambda text: _digits(_shaped("status", text)),
    "bytes": lambda text: None if text == "-" else _digits(text),
    "seconds": lambda text: (seconds_of(_shaped("seconds", text)), ()),
    "type": media_type_of,
}
"""What is read of one variable alone, and in one way in every log."""
