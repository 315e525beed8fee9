"""Records of one input -> events: what all formats share. Nothing is lost on the way, everything is counted.

An exchange has no id, so it gets one from where it stands: digest of the file's first record, number, checksum of its
own bytes. So equal lines of one file are events of their own, and a copy of a file, packed or cut at its end, repeats
ids and counts once.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from auditor.exchanges.assumptions import Assumption
from auditor.exchanges.exchange import Exchange, Exported
from auditor.exchanges.loaded import loaded
from auditor.exchanges.mapped import LeftOut, key_of
from auditor.exchanges.mapper import Mapper
from auditor.model.events import BadRecordError, Reason, Rejection, Unknown, UsageEvent
from auditor.reading.format import Format
from auditor.reading.ids import IdChoice, Ids
from auditor.reading.lines import EXCERPT, MAX_LINE, NUMBER_BITS, TRY_BITS, Line
from auditor.reading.parts import or_part
from auditor.reading.secrets import find, mask, redact

MAX_REJECTIONS = 100
MOST_TRIES = (1 << TRY_BITS) - 1


@dataclass(slots=True)
class Tally:
    """What reading one input gave, apart from its events: lines = events + others + filtered + rejections."""

    lines: int = 0
    others: int = 0
    """Requests that ask for no image that anybody told of."""
    loaded: int = 0
    """Those of them that are images which a page loaded (`NOBODY`)."""
    filtered: Counter[str] = field(default_factory=Counter)
    """Requests of a source or a provider that are no events, by the words of `exchanges.outcome.Filtered`."""
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Lines that a source or a provider's address fits and that are events, by (provider, account)."""
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Those that are not."""
    reasons: Counter[Reason] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    """The first of them."""
    secrets: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By field or parameter: lines, one masked value."""
    explained: dict[str, str] = field(default_factory=dict)
    """What was assumed, for people, where that differs from log to log: name -> sentence."""

    def look(self, data: bytes) -> None:
        """Count the secrets of a record."""
        for name, value in find(data):
            count, masked = self.secrets.get(name, (0, mask(value)))
            self.secrets[name] = (count + 1, masked)

    def reject(self, path: str, line: Line, bad: BadRecordError) -> Rejection:
        """Count a record that was not taken, and keep it if it is among the first."""
        self.reasons[bad.reason] += 1
        rejection = rejection_of(path, line, bad)
        if len(self.rejections) < MAX_REJECTIONS:
            self.rejections.append(rejection)
        return rejection


@lru_cache(maxsize=1024)
def together(assumptions: tuple[StrEnum, ...]) -> str | None:
    """`UsageEvent.assumed` of what was assumed for it."""
    return " ".join(sorted({assumption.value for assumption in assumptions})) or None


def rejection_of(path: str, line: Line, bad: BadRecordError) -> Rejection:
    """A record that was not taken, for people."""
    excerpt = redact(line.data[: EXCERPT * 8])[:EXCERPT].decode(errors="replace")
    return Rejection(path, line.place, bad.reason, bad.detail, excerpt)


class Reading:
    """Reads one input with one format."""

    def __init__(self, path: str, kind: Format, mapper: Mapper, tally: Tally, ids: Ids | None = None) -> None:
        self.kind = kind
        self.tally = tally
        self.ids = ids or Ids(kind.name, None)
        self._path, self.mapper = path, mapper
        self.first = ""
        """Digest of the first record, once there was one."""

    def events(self, records: Iterable[Line]) -> Iterator[tuple[int, UsageEvent]]:
        """(line number, event) of each record that is one; the others are counted."""
        for line, item in self.verdicts(records):
            if isinstance(item, UsageEvent):
                yield line.number, item

    def verdicts(self, records: Iterable[Line]) -> Iterator[tuple[Line, UsageEvent | Rejection | None]]:
        """What became of each record: None is a request for no known image."""
        tally = self.tally
        for line in records:
            try:
                if len(line.data) > MAX_LINE:
                    raise BadRecordError(Reason.TOO_LONG, self.kind.too_long)
                tally.look(line.data)
                item = self.kind.parse(line.data)
                if isinstance(item, Exchange) and len(item.tries) > MOST_TRIES:
                    more = f"names {len(item.tries) + 1:,} upstreams; {MOST_TRIES + 1} are read"
                    raise BadRecordError(Reason.BAD_VALUE, more)
            except BadRecordError as bad:
                tally.lines += 1
                self.begin(line.data)
                yield line, tally.reject(self._path, line, or_part(bad, line.data))
                continue
            if item is None:
                continue
            tally.lines += 1
            self.begin(line.data)
            if isinstance(item, Exchange):
                yield from self._calls(line, item)
            else:
                yield line, self._exported(line, item) if isinstance(item, Exported) else item

    def _exported(self, line: Line, item: Exported) -> UsageEvent:
        event, taken = self.mapper.exported(item)
        assumed: tuple[StrEnum, ...] = (*item.assumed, *taken)
        if event.unknown == Unknown.NO_INPUTS:
            assumed = (Assumption.MASKED if item.masked else Assumption.NO_INPUTS, *assumed)
        if self.ids.choice == IdChoice.REPEAT and item.id is not None:
            assumed = (Assumption.IDS_REPEAT, *assumed)
        identity = self.ids.of(item.id, event, table=True) or self.identity(line)
        key = event.key if item.keyed else key_of(event.provider, identity)
        return replace(event, id=identity, key=key, assumed=together(assumed))

    def _calls(self, line: Line, exchange: Exchange) -> Iterator[tuple[Line, UsageEvent | None]]:
        """A request, and the tries before the one that was answered: records of their own, so that lines add up.

        They are numbered above the bits of their line's number.
        """
        event = self._event(line, exchange)
        yield line, event
        for number, call in enumerate(self.mapper.tries(exchange, event) if event else (), 1):
            self.tally.lines += 1
            yield replace(line, number=line.number | number << NUMBER_BITS), call

    def _event(self, line: Line, exchange: Exchange) -> UsageEvent | None:
        found = self.mapper.event(exchange, self.identity(line))
        if found is None:
            self.tally.others += 1
            image = loaded(exchange, self.identity(line))
            self.tally.loaded += image is not None
            return image
        taken = self.taken(found, exchange)
        if taken is None:
            return None
        event, assumed = taken
        identity = None if exchange.id is None else self.ids.of(exchange.id, event, table=False)
        return replace(
            event,
            id=identity or self.identity(line),
            assumed=assumed,
            page=exchange.page,
            # A 304 or an answer without an image says nothing of one.
            lifetime_s=None if event.bytes is None else exchange.lifetime_s,
            shown_width=exchange.shown_width,
        )

    def taken(
        self, found: tuple[UsageEvent, tuple[StrEnum, ...]] | LeftOut, exchange: Exchange, lines: int = 1
    ) -> tuple[UsageEvent, str | None] | None:
        """The event of so many *lines* that are alike, and its `assumed`; None if left out. All are counted."""
        if isinstance(found, LeftOut):
            self.tally.filtered[found.why.value] += lines
            self.tally.dropped[found.payer] += lines
            return None
        event, assumed = found
        self.tally.kept[event.provider, event.account] += lines
        if event.duration_us is None and (exchange.ended or self.kind.ending):
            assumed = (*assumed, Assumption.END_AS_START)
        return event, together(assumed)

    def begin(self, data: bytes) -> None:
        """Remember the first record, whatever it is."""
        if not self.first:
            self.first = hashlib.sha256(data).hexdigest()[:16]

    def identity(self, line: Line) -> str:
        """The id of a record that has none."""
        return f"{self.first}-{line.number:010x}-{zlib.crc32(line.data):08x}"
