"""A record as the ledger weighs it: which of several with one id counts, and what it adds to the sums."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from auditor.events import EXACT, Outcome, UsageEvent, parse_event
from auditor.fingerprint import canonical_record
from auditor.formats.jsonl import parse_object


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


@dataclass(frozen=True)
class Record:
    """One line and the event in it."""

    line: bytes
    event: UsageEvent

    @classmethod
    def of(cls, line: bytes, zone: ZoneInfo) -> "Record":
        """The record of a line; `BadRecordError` if it is none."""
        return cls(line, parse_event(parse_object(line), zone))

    @property
    def final(self) -> bool:
        """Whether it says how the request ended."""
        return self.event.outcome is not Outcome.ATTEMPT

    @cached_property
    def rank(self) -> tuple[Any, ...]:
        """The smallest of an id counts (semantics section 1); ties are broken by `beats`."""
        event = self.event
        known = event.credits is not None
        return (
            not self.final,
            event.outcome is not Outcome.RENDER,
            not known,
            (event.credits or Decimal(0)).copy_negate(),
            event.ts_us,
        )

    def beats(self, other: "Record") -> bool:
        """Whether it counts rather than another of its id."""
        if self.rank != other.rank:
            return self.rank < other.rank
        return self.line != other.line and canonical_record(self.line) < canonical_record(other.line)

    @cached_property
    def place(self) -> Place:
        """Where it is added up."""
        event = self.event
        return Place(event.provider, event.account, event.environment, str(event.outcome), event.format or "")

    @cached_property
    def sums(self) -> Sums:
        """What it adds. An attempt without an answer may have been billed."""
        event = self.event
        if not self.final:
            return Sums(uncertain=1)
        called = event.outcome in (Outcome.RENDER, Outcome.ERROR) and not self._waited
        return Sums(
            requests=0 if event.retried else event.count,
            retries=int(event.retried),
            calls=int(called),
            bytes=(event.bytes or 0) * event.count,
            uncertain=int(event.credits is None),
            credits=event.credits or Decimal(0),
        )

    @property
    def _waited(self) -> bool:
        """An error that made no call: a waiter whose flight failed carries neither a status nor inputs."""
        event = self.event
        return event.outcome is Outcome.ERROR and event.status is None and event.credits == 0 and event.inputs is None
