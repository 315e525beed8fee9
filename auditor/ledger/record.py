"""A record as the ledger weighs it: which of several with one id counts, and what it adds to the sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from auditor.formats.jsonl import parse_object
from auditor.model.event_reader import parse_event
from auditor.model.events import EXACT, Outcome, rank
from auditor.model.fingerprint import canonical_record, short

_CALLS = (Outcome.RENDER, Outcome.ERROR)
_NONE = Decimal(0)
_COLUMNS = (
    "id", "ts_us", "outcome", "provider", "account", "environment", "key", "format", "count", "bytes", "digest",
    "duration_us", "status", "credits", "retried",
)  # fmt: skip
_weighs = attrgetter(*_COLUMNS)


class Place(NamedTuple):
    """Where an event is added up, but for its time."""

    provider: str
    account: str
    environment: str
    outcome: str
    format: str


class Sums(NamedTuple):
    """What is added up. `uncertain` may fall when an answer comes; the others only by a correction."""

    requests: int = 0
    retries: int = 0
    calls: int = 0
    bytes: int = 0
    duplicates: int = 0
    uncertain: int = 0
    credits: Decimal = Decimal(0)

    @classmethod
    def of(cls, row: Any) -> "Sums":
        """Those in a row of a table."""
        return cls(*(getattr(row, name) for name in cls._fields))

    def plus(self, other: "Sums", sign: int = 1) -> "Sums":
        """Both together, or the difference."""
        total: list[Any] = [*self]
        sum_into(total, other, sign)
        return Sums(*total)


def sum_into(into: list[Any], sums: Sequence[Any], sign: int = 1) -> None:
    """Add values of `Sums` to others, or take them off."""
    *counts, credits = sums
    for index, number in enumerate(counts):
        if number:
            into[index] += sign * number
    if credits:
        into[-1] = EXACT.fma(sign, credits, into[-1])


@dataclass(slots=True)
class Record:
    """One line, and what the ledger needs of the event in it."""

    line: bytes
    id: str
    ts_us: int
    place: Place
    sums: Sums
    credits: Decimal | None
    key: str
    digest: str | None
    done_us: int
    """When its image was there."""

    @classmethod
    def of(cls, line: bytes, zone: ZoneInfo, ts_us: int | None = None) -> "Record":
        """The record of a line; `BadRecordError` if it is none.

        *zone* is for a time without an offset; *ts_us* is what the ledger read from it before, maybe in another zone.
        """
        event = parse_event(parse_object(line), zone)
        identity, own_us, *rest = _weighs(event)
        return _weighed(line, event.inputs is not None, identity, own_us if ts_us is None else ts_us, *rest)

    @property
    def final(self) -> bool:
        """Whether it says how the request ended."""
        return self.place.outcome != Outcome.ATTEMPT

    def beats(self, other: "Record") -> bool:
        """Whether it counts rather than another of its id: the smaller by its rank does (semantics section 1)."""
        mine, others = (
            rank(each.place.outcome, each.credits is None, (each.credits or _NONE).copy_negate(), each.ts_us)
            for each in (self, other)
        )
        if mine != others:
            return mine < others
        return self.line != other.line and canonical_record(self.line) < canonical_record(other.line)


def _weighed(  # (in the order of `_COLUMNS`)
    line: bytes, has_inputs: bool, identity: str, ts_us: int, outcome: str, provider: str, account: str,
    environment: str, key: str, picture_format: str | None, count: int, size: int | None, digest: str | None,
    duration_us: int | None, status: int | None, credits: Decimal | None, retried: bool,
) -> Record:  # fmt: skip
    """An attempt without an answer may have been billed."""
    place = _place(provider, account, environment, str(outcome), picture_format or "")
    if outcome == Outcome.ATTEMPT:
        sums = Sums(uncertain=1)
    else:
        # An error that made no call: a waiter whose flight failed carries neither a status nor inputs.
        waited = outcome == Outcome.ERROR and status is None and credits == 0 and not has_inputs
        requests, called = 0 if retried else count, outcome in _CALLS and not waited
        whole, uncertain = (size or 0) * count, int(credits is None)
        sums = Sums(requests, int(retried), int(called), whole, 0, uncertain, credits or _NONE)
    return Record(line, identity, ts_us, place, sums, credits, short(key), digest, ts_us + (duration_us or 0))


@lru_cache(10_000)
def _place(provider: str, account: str, environment: str, outcome: str, picture_format: str) -> Place:
    """Most records share one of few."""
    return Place(short(provider), short(account), short(environment), outcome, picture_format)


def plain_records(block: bytes, first_number: int) -> tuple[list[tuple[int, Record]], list[tuple[int, bytes]]]:
    """(number, record) of the plain lines of a block, and (number, line) of those that `Record.of` has to read.

    Plain lines hold no secret. Lines are numbered from *first_number*; blank ones are left out.
    """
    from auditor.intake.columnar.bulk_columns import read_block  # (compiled: for blocks that are worth it)

    batch, others, _ = read_block(block, first_number - 1)
    lines = block.split(b"\n")
    columns = {name: batch.column(name) for name in batch.schema.names}
    known = [columns["inputs"].is_valid().to_pylist(), *(_values(columns[name]) for name in _COLUMNS)]
    numbers = columns["line"].to_pylist()
    records = map(_weighed, [lines[number - first_number] for number in numbers], *known)
    return list(zip(numbers, records, strict=True)), [(line.number, line.data) for line in others]


def _values(column: Any) -> list[Any]:
    """Of an Arrow column; what comes often is made once."""
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.dictionary_encode()
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    made = column.dictionary.to_pylist()
    if made and isinstance(made[0], Decimal):  # as `parse_event` has them: without zeros at the end
        made = [Decimal(f"{value.normalize(EXACT):f}") for value in made]
    return [None if index is None else made[index] for index in column.indices.to_pylist()]
