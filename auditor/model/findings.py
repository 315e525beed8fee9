"""Finding: what an audit says, as a value. Reports only render findings, they decide nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple


class Graded(StrEnum):
    """Words from the most to the least."""

    @property
    def rank(self) -> int:
        """0 for the most severe or surest."""
        return list(type(self)).index(self)


class Severity(Graded):
    """How much of the window's credits (for byte rules: delivered bytes) a finding is about."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Confidence(Graded):
    """How sure the evidence makes it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Money:
    """What stored and delivered bytes cost in the window; None where no prices are configured."""

    now: Fraction | None = None
    after_plan_change: Fraction | None = None
    currency: str | None = None


class Mended(NamedTuple):
    """What is so once a finding is mended, as the end of "main fits Basic once …": a thing, and what one or many do."""

    thing: str
    one: str
    """`is cached`."""
    many: str
    """`are cached`."""


class SnippetKind(StrEnum):
    """What a snippet is written in."""

    PYTHON = "python"
    """For the application that calls the provider."""
    TOML = "toml"
    """For auditor.toml."""
    NGINX = "nginx"
    """For the server in front of the endpoint that renders."""


class Snippet(NamedTuple):
    """A fix to copy. Names that came from a log are escaped for the language; lines end where the text says so."""

    kind: SnippetKind
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend."""

    rule: str
    severity: Severity
    confidence: Confidence
    subject: Mapping[str, str]
    """What it is about: provider, account, environment, template, placement, field, …"""
    message: str
    advice: str
    credits: Fraction = Fraction(0)
    """Credits that the waterfall gave to this cause; of a rule without a cause those that no cause has."""
    bytes: int = 0
    money: Money | None = None
    """Of bytes; that of credits depends on what else is mended (`auditor.analysis.headline`)."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    payer: int | None = None
    """The code of the account that pays for it; None where it is about none, or about bytes."""
    mended: Mended | None = None
    """For findings of waste."""
    snippet: Snippet | None = None
    """The advice as code or configuration, where that can mend it."""
    changes_plan: bool = False
    """Whether another plan is what it advises."""
    saved: Mapping[int, Fraction] = field(default_factory=dict)
    """Its credits, which that account would not spend without it, by cycle."""

    def __post_init__(self) -> None:
        """Whatever the rule: what is not sure is not severe (semantics section 8)."""
        if self.confidence is Confidence.LOW and self.severity is Severity.HIGH:
            object.__setattr__(self, "severity", Severity.MEDIUM)

    def sort_key(self) -> tuple[Any, ...]:
        """Most severe first, then the most credits and bytes, then rule and subject."""
        return (self.severity.rank, -self.credits, -self.bytes, self.rule, sorted(self.subject.items()))


class ActionKind(StrEnum):
    """What an action is about, in the order in which actions are told."""

    CHANGED = "changed"
    """The plan changed, or credits were bought: it already happened."""
    PLAN = "plan"
    """Another plan is right for the credits as they are."""
    FIXES = "fixes"
    """Another bill once some waste is gone."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An entry of the baseline: findings of a rule that are known and accepted."""

    rule: str
    subject: Mapping[str, str]
    """What a finding's subject has to agree with, name by name."""
    reason: str
    until: date
    """The last day on which it holds, in UTC."""

    def accepts(self, finding: Finding) -> bool:
        """Whether it speaks of this finding."""
        return finding.rule == self.rule and self.subject.items() <= finding.subject.items()


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that is accepted, and by which entry."""

    finding: Finding
    accepted: Accepted


def severity_of(part: Fraction | int, whole: Fraction | int) -> Severity:
    """High from 10 % of the whole, medium from 1 %, else low (semantics section 8)."""
    if whole > 0 and part * 10 >= whole:
        return Severity.HIGH
    if whole > 0 and part * 100 >= whole:
        return Severity.MEDIUM
    return Severity.LOW
