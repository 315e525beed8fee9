"""The report of an audit, JSON v2: exact and typed; its schema and its documents follow from these types.

Fields whose name in the document begins with `_` are for other reports, and absent where a document was read.
"""

import json
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, Struct, UnsetType, convert, field

from auditor.model.plans import Plan, Unadvised
from auditor.model.words import covered_words
from auditor.results.bridge import Step
from auditor.results.document import Amount, Count, Credits, Price, Ratio, Time
from auditor.results.figures import Totals, Unknown, Waste
from auditor.results.finding import Finding, Suppressed
from auditor.results.headline import Headline
from auditor.results.inputs import Inputs
from auditor.results.page_images import PageImages

SCHEMA = "render-auditor/report/v2"
BEFORE = "render-auditor/report/v1"
"""Without a headline, and with the money of findings by the window; histories have such reports."""


class Window(Struct, frozen=True):
    """The times of the first and the last event; null where there is none."""

    start: Time | None
    end: Time | None


class Options(Struct, frozen=True, kw_only=True):
    """What was asked for. Filters by name choose which findings are shown, never what is counted."""

    ttl_seconds: Credits
    timezone: str
    production_environments: list[str]
    since: Time | None
    until: Time | None
    environments: list[str]
    accounts: list[str]
    templates: list[str]
    rules: list[str]
    skip: list[str]
    min_confidence: Literal["medium", "high"] | None = None


class Paid(Struct, frozen=True):
    """What a cycle was paid for with: credits, and money."""

    included: Fraction = field(default_factory=Fraction)
    bought: Fraction = field(default_factory=Fraction)
    beyond: Fraction = field(default_factory=Fraction)
    """Used though there was nothing left."""
    topups: Fraction = field(default_factory=Fraction)
    """What was paid for the bought ones."""
    charged: Fraction | None = None
    """The bill so far, also of a cycle that is not complete; None without a plan, or over a hard cap."""


class Cycle(Struct, frozen=True, kw_only=True):
    """One billing cycle of one account. What one that the log does not cover cost in the end is unknown."""

    start: Time
    end: Time
    complete: bool
    credits: Credits
    demand: Credits
    included: Credits | None
    utilisation: Ratio | None
    bill: Amount | None
    price_per_render: Price | None
    unused_credits: Credits | None
    unused_value: Amount | None
    cheapest_plan: str | None
    cheapest_bill: Amount | None
    known: bool = field(name="_known", default=True)
    """Whether anything is known of what its renders cost."""
    terms: Plan | None = field(name="_terms", default=None)
    """The plan that was in force."""
    paid: Paid = field(name="_paid", default_factory=Paid)


class Gap(Struct, frozen=True):
    """More than 3 successive cycles without an event: not among the cycles, and in no sum."""

    start: Time
    end: Time
    cycles: Annotated[int, Meta(ge=4)]
    bill: Amount | None


class Account(Struct, frozen=True, kw_only=True):
    """One account: its cycles and what follows for its plan."""

    provider: str
    account: str
    plan: str | None
    currency: str | None
    cycles: Annotated[tuple[Cycle, ...], Meta(min_length=1)]
    recommended_plan: str | None
    recommended_after_fixes: str | None
    fixes_known: bool = True
    projected: bool
    advice: Annotated[Unadvised | None, Meta(description="Why there is no advice on the plan.")]
    covered_seconds: Count | UnsetType = UNSET
    """Where that is too little data: how much of the newest cycle lies between the account's events."""
    gaps: tuple[Gap, ...] = ()
    monthly_saving: Amount | None
    monthly_saving_after_fixes: Amount | None
    timezone: str = field(name="_timezone", default="UTC")
    last: datetime | None = field(name="_last", default=None)
    """When its last event was."""
    unpriced: bool = field(name="_unpriced", default=False)
    """Whether no call of the log says what it cost."""
    projection: Fraction | None = field(name="_projection", default=None)
    """Credits at the end of the running cycle if it goes on as it went; None where the newest cycle is over."""

    @property
    def covered(self) -> str:
        """How much of its newest cycle the log has, in words, where that is too little; empty elsewhere."""
        if self.covered_seconds is UNSET:
            return ""
        newest = self.cycles[-1]
        return covered_words(timedelta(seconds=self.covered_seconds), newest.end - newest.start)

    def local(self, moment: datetime) -> datetime:
        """A moment on the clock of the account."""
        return moment.astimezone(ZoneInfo(self.timezone))

    def day(self, moment: datetime) -> date:
        """The day of a moment, where the account is."""
        return self.local(moment).date()


class Report(Struct, frozen=True, kw_only=True):
    """One audit."""

    schema: Literal["render-auditor/report/v2"]
    tool_version: str
    generated_at: Time
    window: Window
    options: Options
    headline: tuple[Headline, ...]
    """Empty for a report of version 1."""
    inputs: Inputs
    totals: Totals
    waste: Waste
    unknown: Unknown = field(default_factory=lambda: Unknown(0, Fraction(0), {}))
    bridge: tuple[Step, ...] = ()
    """From the lines that were read to the credits that were needed; empty for an older report."""
    page_images: PageImages | UnsetType = UNSET
    """Absent where no browser's log tells of any."""
    accounts: tuple[Account, ...]
    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...] | UnsetType = UNSET
    """Absent where there is no baseline."""
    bytes_priced: bool = field(name="_bytes_priced", default=False)
    """Whether it is configured what stored and delivered bytes cost."""

    @property
    def by_money(self) -> list[Finding]:
        """The findings: those of the actions first, then those that save by themselves, the severe, and by credits."""

        def weight(finding: Finding) -> tuple[int, Fraction, int, Fraction, int]:
            money = finding.money
            saves = money.alone or money.cost or Fraction(0)
            return money.part or sys.maxsize, -saves, finding.severity.rank, -finding.credits, -finding.bytes

        return sorted(self.findings, key=weight)

    @property
    def accepted(self) -> tuple[Suppressed, ...]:
        """The findings that the baseline accepts; none where there is no baseline."""
        return () if self.suppressed is UNSET else self.suppressed


def parse(text: str | bytes) -> Report:
    """A report from its JSON, its figures exact as they are written; `ValueError` where it is none."""
    found = json.loads(text, parse_float=Decimal)
    if isinstance(found, dict) and found.get("schema") == BEFORE:
        found |= {"schema": SCHEMA, "headline": []}
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"is not a report of `auditor audit --format json` ({SCHEMA})")
    return convert(found, Report, dec_hook=lambda kind, value: Fraction(value) if kind is Fraction else value)
