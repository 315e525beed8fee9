"""The findings of a report, as data: what each is about, what it is worth, and how to mend it."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from auditor.model.findings import Confidence, Severity
from auditor.registry import RULES
from auditor.results.document import Amount, Count, Credits, Day, Snippet, Subject

RuleId = Annotated[str, Meta(extra_json_schema={"enum": list(RULES)})]


class Money(Struct, frozen=True, kw_only=True):
    """Of credits: the action that it is part of, and what it saves alone; of bytes: what they cost in the window."""

    action: Annotated[int, Meta(ge=0)] | UnsetType | None = UNSET
    """Its place among the actions of its currency."""
    saves_alone: Amount | UnsetType | None = UNSET
    """By how much a month's bill falls if nothing else is mended; null where the account is left out."""
    now: Amount | UnsetType | None = UNSET
    after_plan_change: Amount | UnsetType | None = UNSET
    currency: str | None

    @property
    def cost(self) -> Fraction | None:
        """Of bytes; None where it is about credits, or no prices are configured."""
        return None if self.now is UNSET else self.now

    @property
    def alone(self) -> Fraction | None:
        """Of credits; None where it is about bytes, or unknown."""
        return None if self.saves_alone is UNSET else self.saves_alone

    @property
    def part(self) -> int | None:
        """The place of its action, from 1; None where it is part of none."""
        return None if self.action is UNSET or self.action is None else self.action + 1


class Finding(Struct, frozen=True, kw_only=True):
    """One thing to mend."""

    rule: RuleId
    severity: Severity
    confidence: Confidence
    subject: Subject
    credits: Credits
    bytes: Count
    money: Money
    message: str
    advice: str
    snippet: Snippet | UnsetType = UNSET
    """The advice as code or configuration; absent where neither can mend it."""
    evidence: Mapping[str, object]


COLUMNS = frozenset(Finding.__struct_fields__) | {"saves_alone", "action", "cost", "currency"}
"""Columns that every table of findings has, whatever their subjects."""


def subject_column(name: str) -> str:
    """The column of a name of subjects: itself, unless the table has such a column already."""
    return f"subject_{name}" if name in COLUMNS else name


class Suppressed(Struct, frozen=True, kw_only=True):
    """A finding that the baseline accepts, until when and why."""

    rule: RuleId
    severity: Severity
    subject: Subject
    credits: Credits
    bytes: Count
    message: str
    reason: Annotated[str, Meta(min_length=1)]
    until: Day
