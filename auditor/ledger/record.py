"""A record as the ledger weighs it: which of several with one id counts, and what it adds to the sums."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from auditor.formats.jsonl import parse_object
from auditor.model.event_reader import parse_event
from auditor.model.events import EXACT, Outcome, rank
from auditor.model.fingerprint import canonical_record

NAME = 150
"""Characters of a name that the ledger keeps beside the line; PostgreSQL's indexes take 2,704 bytes a row."""


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

    def plus(self, other: "Sums", sign: int = 1) -> "Sums":
        """Both together, or the difference."""
        return Sums(
            self.requests + sign * other.requests,
            self.retries + sign * other.retries,
            self.calls + sign * other.calls,
            self.bytes + sign * other.bytes,
            self.duplicates + sign * other.duplicates,
            self.uncertain + sign * other.uncertain,
            EXACT.fma(sign, other.credits, self.credits),
        )

    @property
    def nothing(self) -> bool:
        """Whether it changes nothing."""
        return not any(self)


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
        return _weighed(
            line, event.id, event.ts_us if ts_us is None else ts_us, event.outcome, event.provider, event.account,
            event.environment, event.key, event.format, event.count, event.bytes, event.digest, event.duration_us,
            event.status, event.credits, event.inputs is not None, event.retried,
        )  # fmt: skip

    @property
    def final(self) -> bool:
        """Whether it says how the request ended."""
        return self.place.outcome != _ATTEMPT

    @property
    def rank(self) -> tuple[Any, ...]:
        """The smallest of an id counts (semantics section 1); ties are broken by `beats`."""
        negated = (self.credits or Decimal(0)).copy_negate()
        return rank(self.place.outcome, self.credits is None, negated, self.ts_us)

    def beats(self, other: "Record") -> bool:
        """Whether it counts rather than another of its id."""
        mine, others = self.rank, other.rank
        if mine != others:
            return mine < others
        return self.line != other.line and canonical_record(self.line) < canonical_record(other.line)


def _weighed(  # (in the order of `_COLUMNS`)
    line: bytes, identity: str, ts_us: int, outcome: str, provider: str, account: str, environment: str, key: str,
    picture_format: str | None, count: int, size: int | None, digest: str | None, duration_us: int | None,
    status: int | None, credits: Decimal | None, has_inputs: bool, retried: bool,
) -> Record:  # fmt: skip
    """An attempt without an answer may have been billed."""
    place = _place(provider, account, environment, str(outcome), picture_format or "")
    if outcome == _ATTEMPT:
        sums = _UNRESOLVED
    else:
        # An error that made no call: a waiter whose flight failed carries neither a status nor inputs.
        waited = outcome == _ERROR and status is None and credits == 0 and not has_inputs
        sums = Sums(
            0 if retried else count,
            1 if retried else 0,
            1 if outcome in _CALLS and not waited else 0,
            size * count if size else 0,
            0,
            1 if credits is None else 0,
            credits or _NONE,
        )
    if len(key) > NAME:
        key = short(key)
    return Record(line, identity, ts_us, place, sums, credits, key, digest, ts_us + (duration_us or 0))


@lru_cache(10_000)
def _place(provider: str, account: str, environment: str, outcome: str, picture_format: str) -> Place:
    """Most records share one of few."""
    return Place(short(provider), short(account), short(environment), outcome, picture_format)


_UNRESOLVED = Sums(uncertain=1)
_ATTEMPT, _ERROR = str(Outcome.ATTEMPT), str(Outcome.ERROR)
_CALLS = frozenset((str(Outcome.RENDER), _ERROR))
_NONE = Decimal(0)


def short(name: str) -> str:
    """A name of any length as one that an index takes, and a different one for each."""
    if len(name) <= NAME:
        return name
    return f"{name[:100]}…{blake2b(name.encode(), digest_size=16).hexdigest()}"


def plain_records(block: bytes, first_number: int) -> tuple[list[tuple[int, Record]], list[tuple[int, bytes]]]:
    """(number, record) of the plain lines of a block, and (number, line) of those that `Record.of` has to read.

    Plain lines hold no secret. Lines are numbered from *first_number*; blank ones are left out.
    """
    from auditor.intake.columnar.bulk_columns import read_block  # (compiled: for blocks that are worth it)

    batch, others, _ = read_block(block, first_number - 1)
    lines = block.split(b"\n")
    columns = {name: batch.column(name) for name in batch.schema.names}
    known = [_values(columns[name]) for name in _COLUMNS]
    known += [columns["inputs"].is_valid().to_pylist(), columns["retried"].to_pylist()]
    numbers = columns["line"].to_pylist()
    records = list(
        zip(numbers, map(_weighed, [lines[number - first_number] for number in numbers], *known), strict=True)
    )
    return records, [(line.number, line.data) for line in others]


_COLUMNS = (
    "id", "ts_us", "outcome", "provider", "account", "environment", "key", "format", "count", "bytes", "digest",
    "duration_us", "status", "credits",
)  # fmt: skip


def _values(column: Any) -> list[Any]:
    """Of an Arrow column; what comes often is made once."""
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.dictionary_encode()
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    made = [_digits(value) if isinstance(value, Decimal) else value for value in column.dictionary.to_pylist()]
    return [None if index is None else made[index] for index in column.indices.to_pylist()]


def _digits(value: Decimal) -> Decimal:
    """As `parse_event` has it: without zeros at the end."""
    return Decimal(f"{value.normalize(EXACT):f}")
