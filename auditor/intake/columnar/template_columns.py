"""Plain access-log lines of a block -> the columns of their events, by the exact reader's own functions.

Logs repeat themselves: each distinct time, address and status of a block is read once, by the very code that reads
single lines, and spread over the lines that have it. So there is one meaning and two speeds.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.cache_field import names_cache
from auditor.exchanges.mapped import LeftOut, Mapped
from auditor.exchanges.mapper import MEMO, Mapper, assumptions, used_up
from auditor.exchanges.outcome import Fate, fate, served
from auditor.exchanges.picture import Filtered, left_out, media_type_of
from auditor.intake.columnar.coded import Coded, PlainLines, distinct
from auditor.intake.columnar.template_batch import Read, batch
from auditor.intake.columnar.template_bulk import compiled, split
from auditor.model.events import BadRecordError, Reason
from auditor.reading.behind import Behind, behind_agent
from auditor.reading.durations import durations, unit_of
from auditor.reading.lines import Line, read_exactly
from auditor.reading.log_template import LogTemplate
from auditor.reading.reader import Reading, together
from auditor.reading.secrets import HINT
from auditor.reading.times import clf_time
from auditor.reading.variables import SHAPES, cache_in, request_of, roles_of, seconds_of, shape_of, text_of

_REQUEST = ("request", "method", "target", "query")


class TemplateBlocks:
    """Reads the blocks of one log, whose *template*'s first variable has so many *blanks* in a plain line (-1: any)."""

    def __init__(self, reading: Reading, mapper: Mapper, template: LogTemplate, blanks: int, zone: ZoneInfo) -> None:
        self._reading, self._mapper, self._zone = reading, mapper, zone
        self._open, self._blanks = template.open, blanks
        self._literals = compiled(template)
        self._memo: dict[tuple[str, ...], Any] = {}
        self._at = {role: template.names.index(name) for role, name in roles_of(template.names).items()}
        # Where nginx's own says it, other durations are not looked at.
        timed = [] if "seconds" in self._at else [name for name in template.names if unit_of(name) is not None]
        self._several = len(timed) > 1
        self._timed = timed[0] if timed else ""
        if self._timed:
            self._at["took"] = template.names.index(self._timed)
        self._caches = {name: place for place, name in enumerate(template.names) if names_cache(name)}

    def read(self, block: bytes, before: int) -> tuple[pa.RecordBatch | None, list[Line], int]:
        """(events as columns, lines left to the exact reader, how many lines in all) of a block of whole lines.

        *before* lines stand before the block.
        """
        if self._several:
            return read_exactly(block, before)
        if not block.endswith(b"\n"):
            block += b"\n"
        most, width = block.count(b"\n"), len(self._literals[2])
        numbers, bounds, other = np.empty(most, np.int64), np.empty((most, 2), np.int64), np.empty((most, 3), np.int64)
        spans = np.empty((most + 1, width, 2), np.int64)
        buf = np.frombuffer(block, np.uint8)
        plain, others, count = split(
            buf, len(block), *self._literals, self._open, self._blanks, numbers, bounds, spans, other
        )
        lines = PlainLines(buf, numbers[:plain] + before + 1, bounds[:plain], spans[:plain], self._at)
        rest = [Line(before + 1 + number, block[start:end]) for number, start, end in other[:others].tolist()]
        if not plain:
            return None, rest, count
        self._begin(block, bounds[0].tolist(), other[:others])
        read = self._values(lines)
        rest += [
            Line(number, block[start:end])
            for number, (start, end) in zip(
                lines.numbers[~read.good].tolist(), lines.bounds[~read.good].tolist(), strict=True
            )
        ]
        self._secrets(block, lines.bounds[read.good])
        return self._events(lines, read), sorted(rest, key=lambda line: line.number), count

    def _begin(self, block: bytes, bounds: Sequence[int], other: Any) -> None:
        """The first record of a file names all of them, whichever way it is read."""
        first = min(bounds, other[0, 1:].tolist()) if len(other) else bounds
        self._reading.begin(block[first[0] : first[1]])

    def _secrets(self, block: bytes, bounds: Any) -> None:
        """Look closely at those lines that hold a hint; each is taken to reach to the next one."""
        if not len(bounds):
            return
        offsets = np.append(bounds[:, 0], bounds[-1, 1]).astype(np.int32)
        lines = pa.Array.from_buffers(pa.binary(), len(bounds), [None, pa.py_buffer(offsets), pa.py_buffer(block)])
        hinted = pc.match_substring_regex(lines, HINT, ignore_case=True).to_numpy(zero_copy_only=False)
        for start, end in bounds[hinted].tolist():
            self._reading.tally.look(block[start:end])

    def _values(self, lines: "PlainLines") -> "Read":
        """Every distinct value, read."""
        if len(self._memo) > MEMO:
            self._memo.clear()
        time = lines.read("time", lambda text: clf_time(text, self._zone))
        status = lines.read("status", _digits)
        size = lines.read("bytes", lambda text: None if text == "-" else _digits(text))
        seconds = lines.read("took", self._took) if self._timed else lines.read("seconds", _seconds)
        media = lines.read("type", media_type_of)
        columns = {role: lines.texts(self._at[role]) for role in ("host", *_REQUEST) if role in self._at}
        cache = lines.joint({name: lines.texts(place) for name, place in self._caches.items()}, _cache)
        behind = self._behind(lines)
        if self._reading.kind.tail is not None:
            seconds = behind.recoded(lambda found: (found.duration_us, None))
            cache = behind.recoded(attrgetter("cache"))
            hosts = behind.recoded(lambda found: found.host or "-")
            columns["host"] = hosts.codes, list(hosts.values)
        request = lines.joint(columns, self._request)
        good = time.good & status.good & size.good & seconds.good & cache.good & request.good & behind.good
        return Read(time, status, size, seconds, cache, media, request, behind, good)

    def _behind(self, lines: "PlainLines") -> "Coded":
        """What stands behind the lines; those of which more than one event becomes are left to the exact reader."""
        tail = self._reading.kind.tail
        if tail is None:
            return lines.same(Behind())

        def read(said: dict[str, str]) -> Behind:
            found = tail.read(behind_agent(said["behind"]))
            if found.tries:
                raise _NotPlainError
            return found

        return lines.joint({"behind": lines.texts(None)}, read, Behind())

    def _request(self, said: dict[str, str]) -> Mapped | None:
        """What a request asks for; where its key is its own, only the exact reader can tell."""
        values = tuple(said.values())
        if values not in self._memo:
            self._memo[values] = _request(self._mapper, said, timed=bool(self._timed))
        found: Mapped | None = self._memo[values]
        if found is _EXACT:
            raise _NotPlainError
        return found

    def _took(self, text: str) -> tuple[int | None, Assumption | None]:
        known, took = durations({self._timed: text})
        if not took:
            return known, None
        taken, assumed = self._mapper.units.micros(took)
        return taken, Assumption.DURATION_UNKNOWN if taken is None else Assumption.DURATION_UNIT if assumed else None

    def _events(self, lines: "PlainLines", read: "Read") -> pa.RecordBatch | None:
        """The columns of those lines that ask for a picture; all that were read are counted."""
        tally = self._reading.tally
        asks = np.array([found is not None for found in read.request.values])[read.request.codes] & read.good
        rows = np.flatnonzero(asks)
        tally.lines += int(read.good.sum())
        tally.others += int(read.good.sum()) - len(rows)
        if not len(rows):
            return None
        rows, fates = self._kept(read, rows, _fates(read, rows))
        if not len(rows):
            return None
        return batch(lines, self._reading.first, read, fates, self._assumed(read, fates, rows), rows)

    def _kept(self, read: "Read", rows: Any, fates: "Coded") -> tuple[Any, "Coded"]:
        """The lines that are events, with their fates; who has the others is counted."""
        tally, alike = self._reading.tally, dict[Any, int]()
        payer_of = np.array([alike.setdefault(found and found.payer, len(alike)) for found in read.request.values])
        payers = list(alike)
        kinds, counts = distinct((payer_of[read.request.codes[rows]], fates.codes))[1:]
        for (payer, fate_code), lines in zip(kinds, counts, strict=True):
            if isinstance(why := fates.values[fate_code], Filtered):
                tally.leave_out(LeftOut(why, payers[payer]), lines)
            else:
                tally.kept[payers[payer]] += lines
        events = np.array([isinstance(value, Fate) for value in fates.values])
        kept = events[fates.codes]
        codes = (np.cumsum(events) - 1)[fates.codes[kept]]
        return rows[kept], Coded(codes, [value for value in fates.values if isinstance(value, Fate)], fates.good[kept])

    def _assumed(self, read: "Read", fates: "Coded", rows: Any) -> "Coded":
        """What was assumed for each line: few kinds of lines differ in it."""
        alike: dict[Any, int] = {}
        kind_of = np.array([alike.setdefault(found and found.assumed, len(alike)) for found in read.request.values])
        examples = {kind: found for found, kind in zip(read.request.values, kind_of.tolist(), strict=True)}
        behind = read.behind.recoded(attrgetter("assumed"))
        timed = read.seconds.recoded(lambda value: (value is None or value[0] is None, value and value[1]))
        columns = (
            kind_of[read.request.codes[rows]], fates.codes, read.cache.codes[rows], behind.codes[rows],
            timed.codes[rows],
        )  # fmt: skip
        codes, kinds, _ = distinct(columns)
        values = []
        for kind, became, cache, more, duration in kinds:
            found = examples[kind]
            assert found is not None
            endless, assumed = timed.values[duration]
            ending = Assumption.END_AS_START if self._reading.kind.ending and endless else None
            taken = assumptions(found, fates.values[became], read.cache.values[cache])
            values.append(together((*taken, *behind.values[more], *filter(None, (assumed, ending)))))
        return Coded(codes, values, np.ones(len(rows), np.bool_))


_EXACT = object()


class _NotPlainError(BadRecordError):
    """A line that is for the exact reader."""

    def __init__(self) -> None:
        super().__init__(Reason.BAD_VALUE, "not plain")


def _request(mapper: Mapper, said: dict[str, str], *, timed: bool) -> Any:
    """What a request asks for; `_EXACT` where only the exact reader can tell: if *timed*, a unit of its own, too."""
    try:
        method, target = request_of({**dict.fromkeys(_REQUEST), **said})
        mapped = mapper.request(method, text_of(_shaped("host", said.get("host", ""))), target)
    except BadRecordError:
        return _EXACT
    return _EXACT if mapped is not None and (mapped.key is None or (timed and mapped.duration_unit)) else mapped


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


def _seconds(text: str) -> tuple[int | None, Assumption | None]:
    return seconds_of(_shaped("seconds", text)), None


def _cache(said: dict[str, str]) -> str | None:
    """What some variables say of caches."""
    for name, text in said.items():
        if shape_of(name, "cache") is not None:
            _shaped("cache", text)
    return cache_in(said)


def _fates(read: Read, rows: Any) -> Coded:
    """What became of each line, a `Fate` or why it is filtered: few kinds of status, cache, type and endpoint."""
    alike: dict[Any, int] = {}
    endpoint_of = np.array([
        alike.setdefault(found and (found.otherwise, found.typed, found.redirects, used_up(found.provider)), len(alike))
        for found in read.request.values
    ])  # fmt: skip
    endpoints = list(alike)
    codes, kinds, _ = distinct(
        (read.status.codes[rows], read.cache.codes[rows], read.media.codes[rows], endpoint_of[read.request.codes[rows]])
    )
    values: list[Fate | Filtered] = []
    for status_code, cache, media, endpoint in kinds:
        status, (otherwise, typed, redirects, spent) = read.status.values[status_code], endpoints[endpoint]
        why = left_out(status, read.media.values[media] or "", None, typed=typed, redirects=redirects)
        values.append(why or fate(status, served(read.cache.values[cache]), otherwise, redirects, spent))
    return Coded(codes, values, np.ones(len(rows), np.bool_))
