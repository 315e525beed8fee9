"""The headline of a report: what a month costs, and the actions after which it costs less (semantics section 12)."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from auditor.analysis import headline as reckoned
from auditor.analysis.headline import Unbilled
from auditor.model.findings import ActionKind, Finding, Mended
from auditor.model.plans import Plan, Unadvised
from auditor.results.document import Amount, Credits, Snippet, Some, Subject, only


class Fix(Struct, frozen=True):
    """A finding that has to be mended, and the credits that it wastes in a month."""

    rule: str
    subject: Subject
    credits_per_month: Credits
    mended: Mended | None = field(name="_mended", default=None)


class Action(Struct, frozen=True, kw_only=True):
    """One step to a cheaper month; *saving* is negative where a plan has to grow."""

    kind: ActionKind
    provider: str
    account: str
    before: str | UnsetType = field(name="from", default=UNSET)
    to: str | UnsetType = UNSET
    saving: Amount
    fixes: tuple[Fix, ...] | UnsetType = UNSET
    needs: Fraction = field(name="_needs", default_factory=Fraction)
    """The demand of the month that needs most; it is what the new plan has to hold."""
    plan: Plan | None = field(name="_plan", default=None)
    """The new one."""
    snippets: tuple[Snippet, ...] = field(name="_snippets", default=())
    """What of it can be copied, each once; of each fix the finding has its own."""


class Room(Struct, frozen=True):
    """What an account whose bill no fix changes would use of its plan once its waste is gone."""

    provider: str
    account: str
    plan: Plan
    uses: Fraction
    """Credits of the month that needs most."""


class Headline(Struct, frozen=True, kw_only=True):
    """All accounts that are billed in one currency; `now`, `today` and `after_fixes` are a month's bills."""

    currency: str | None
    accounts: Annotated[int, Meta(ge=0)]
    left_out: Annotated[dict[str, Some], Meta(extra_json_schema=only(*Unbilled, *Unadvised))]
    now: Amount
    today: Amount
    after_fixes: Amount
    actions: tuple[Action, ...]
    paid: Annotated[int, Meta(ge=0)] = field(name="_paid", default=0)
    """Accounts that cost something now."""
    room: tuple[Room, ...] = field(name="_room", default=())


def headline_of(found: reckoned.Headline) -> Headline:
    """As it is written: savings are differences of rounded running totals, so that what is printed adds up."""
    return Headline(
        currency=found.currency,
        accounts=len(found.accounts),
        left_out=dict(found.left_out),
        now=found.now,
        today=found.today,
        after_fixes=found.after_fixes,
        actions=tuple(_actions(found)),
        paid=sum(1 for each in found.accounts if each.now),
        room=tuple(
            Room(each.bill.payer.provider, each.bill.payer.account, each.plan, each.left)
            for each in found.accounts
            if each.wasted
        ),
    )


def _actions(found: reckoned.Headline) -> Iterator[Action]:
    rest = found.now
    for action in found.actions:
        left = rest - action.saving
        yield Action(
            kind=action.kind,
            provider=action.payer.provider,
            account=action.payer.account,
            before=UNSET if action.before is None else action.before.name,
            to=UNSET if action.to is None else action.to.name,
            saving=round(rest, 2) - round(left, 2),
            fixes=UNSET
            if action.kind is not ActionKind.FIXES
            else tuple(
                Fix(each.finding.rule, dict(each.finding.subject), each.credits_per_month, each.finding.mended)
                for each in action.fixes
            ),
            needs=action.needs,
            plan=action.to,
            snippets=tuple(Snippet(*each) for each in action.snippets),
        )
        rest = left


class Parts:
    """Which action each finding is part of, and what it saves alone."""

    accounts: Mapping[int, reckoned.AccountMonth]
    """By the account's code; those that are left out are not there."""

    def __init__(self, found: Sequence[reckoned.Headline]) -> None:
        self.accounts = {each.bill.payer.code: each for headline in found for each in headline.accounts}
        self._fixes = {
            id(fix.finding): place
            for headline in found
            for place, action in enumerate(headline.actions)
            for fix in action.fixes
        }
        self._plans = {
            action.payer.code: place
            for headline in found
            for place, action in enumerate(headline.actions)
            if action.kind is ActionKind.PLAN
        }

    def action(self, finding: Finding) -> int | None:
        """The place of its action among those of its currency; None where it is part of none."""
        if finding.changes_plan and finding.payer is not None:
            return self._plans.get(finding.payer)
        return self._fixes.get(id(finding))

    def alone(self, finding: Finding) -> Fraction | None:
        """By how much a month's bill falls if nothing else is mended; None where the account is left out."""
        account = None if finding.payer is None else self.accounts.get(finding.payer)
        return None if account is None else account.alone(finding.saved)
