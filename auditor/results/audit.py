"""Report: a renderer of one audit, and the result that all renderers are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Protocol, TextIO

from auditor.analysis.case import Case
from auditor.analysis.days import Day
from auditor.model.events import Rejection
from auditor.model.findings import Finding, Suppressed


@dataclass(frozen=True, slots=True)
class FileRead:
    """What reading one input gave."""

    path: str
    format: str
    lines: int
    rejected: int
    truncated: bool
    detected: str = ""
    """What was detected and how sure that is; empty for usage events."""
    others: int = 0
    """Requests that ask for no picture that anybody told of; they count as filtered."""
    assumed: Mapping[str, int] = field(default_factory=dict)
    """What the log could not tell and what was taken instead: name -> events."""
    filtered: Mapping[str, int] = field(default_factory=dict)
    """Requests of a source or a provider that are no events: reason -> lines."""
    explained: Mapping[str, str] = field(default_factory=dict)
    """Each name of `assumed` as a sentence."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What went in: lines = events + superseded + duplicates + filtered + rejected, always."""

    lines: int
    events: int
    superseded: int
    duplicates: int
    filtered: int
    rejected: int
    assumed_timezone: int
    files: tuple[FileRead, ...]
    rejections: tuple[Rejection, ...]
    """The first 100."""
    reasons: Mapping[str, int]
    """Of the rejected lines."""
    filtered_reasons: Mapping[str, int] = field(default_factory=dict)
    """Of the filtered lines, whose sum they are."""


@dataclass(frozen=True, slots=True)
class TtlPoint:
    """The demand of the log as a cache with some time-to-live, and coalescing, would have met it (section 10)."""

    ttl_us: int | None
    """None is for ever."""
    now: bool
    """Whether it is the one that the audit was made with."""
    requests: int
    renders: int
    credits: Fraction
    stale: int | None
    """Hits that gave another picture than the log says; None: no hit of the log has a digest, so nobody knows."""

    @property
    def served(self) -> Fraction:
        """The share of requests that needed no render."""
        return Fraction(self.requests - self.renders, self.requests) if self.requests else Fraction(0)


@dataclass(frozen=True, slots=True)
class Result:
    """One audit."""

    inputs: Inputs
    case: Case
    findings: Sequence[Finding]
    """Those that were asked for, gravest first."""
    options: Mapping[str, Any]
    generated_at: datetime
    days: Sequence[Day] = ()
    """What each account used on each day, by account and date."""
    curve: Sequence[TtlPoint] = ()
    """Other times-to-live, shortest first; empty where nobody asked for them."""
    suppressed: Sequence[Suppressed] | None = None
    """Findings that the baseline accepts; None where there is no baseline."""


class Report(Protocol):
    """One output format."""

    name: str
    suffix: str
    """Ending of its files, without the first point."""
    media_type: str
    draws_curve: bool
    """Whether it wants `Result.curve`, which takes another walk over the log."""

    def write(self, result: Result, out: TextIO) -> None:
        """Write the whole report."""
