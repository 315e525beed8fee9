"""The headline in words: what a month costs, what would do, and which steps lead there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from msgspec import UNSET

from auditor.model.findings import ActionKind, Mended
from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.model.words import listed, plural
from auditor.results.headline import Action, Fix, Headline

WHY = {
    "no_plan": "no plan is configured: `plan = …` under `[accounts.NAME]` in auditor.toml",
    "too_little_data": "too little data: less than 7 days of a cycle",
    "mostly_filtered": "more than half of the requests are redirects, partial answers or no images",
    "no_bill": "a cycle exceeds the plan's hard cap",
}
"""Why an account has no figures in the headline."""

MOST_ROOMS = 3
"""Accounts whose bill no fix changes that are named."""


class Step(NamedTuple):
    """One action: the change of the monthly bill, signed, when it comes, and what to do."""

    change: str
    when: str
    what: str


@dataclass(frozen=True, slots=True)
class Told:
    """One currency."""

    sentence: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    """What room the fixes leave where no bill changes, and which accounts are left out."""


def told(headline: Headline) -> Told:
    """The headline of one currency."""
    return Told(_sentence(headline), tuple(_steps(headline)), tuple(_notes(headline)))


def _sentence(headline: Headline) -> str:
    if not headline.accounts:
        return "What you pay a month is unknown."
    now, then = cents(headline.now), cents(headline.after_fixes)
    accounts = (
        plural(headline.paid, "account") + " on paid plans" if headline.paid else plural(headline.accounts, "account")
    )
    pays = f"You pay {now} {headline.currency} a month for {accounts}."
    if headline.now == headline.after_fixes:
        return pays
    if headline.after_fixes < headline.now:
        return f"{pays} {then} would do."
    return f"{pays} {then} is needed to hold the demand."


def _steps(headline: Headline) -> Iterator[Step]:
    several = len({each.provider for each in headline.actions}) > 1
    for action in headline.actions:
        who = f"{action.provider}/{action.account}" if several else action.account
        change = cents(-action.saving) or ""
        signed = change if change.startswith("-") or not action.saving else f"+{change}"
        fixes = () if action.fixes is UNSET else action.fixes
        after = f"after {plural(len(fixes), 'fix', 'fixes')}"
        when = {ActionKind.CHANGED: "already", ActionKind.PLAN: "today"}.get(action.kind, after)
        yield Step(signed, when, _what(action, who, fixes))


def _what(action: Action, who: str, fixes: Sequence[Fix]) -> str:
    if action.plan is None or action.to is UNSET or action.before is UNSET:
        return f"{who} changed its plan, or bought credits, in these cycles"
    of = f"{number(action.needs):,} of {action.to}'s {number(action.plan.included):,} credits"
    if fixes:
        fits = f"pays less on {action.to}" if action.to == action.before else f"fits {action.to}"
        return f"{who} {fits} once {_mended([each.mended for each in fixes if each.mended])} (it then needs {of})"
    if action.saving < 0:
        return f"{action.to} is needed to hold the demand of {who}: {of}"
    return f"move {who} from {action.before} to {action.to}: it needs {of}"


def _mended(all_of: Sequence[Mended]) -> str:
    """`a and b are cached, c is left out of d, and e moves off the paid plan`."""
    clauses = []
    for (one, many), group in groupby(sorted(all_of, key=lambda each: each.many), lambda each: (each.one, each.many)):
        things = [each.thing for each in group]
        clauses.append(f"{listed(things)} {one if len(things) == 1 else many}")
    return listed(clauses)


def _notes(headline: Headline) -> Iterator[str]:
    fixed = any(each.kind is ActionKind.FIXES for each in headline.actions)
    rooms = [] if fixed else [each for each in headline.room if each.plan.included]
    for each in rooms[:MOST_ROOMS]:
        share = f"{ratio(each.uses, Fraction(each.plan.included)):.0%} of {each.plan.name}'s"
        yield (
            f"No fix changes the bill of {each.account}: without its waste it would use {share} "
            f"{number(each.plan.included):,} credits."
        )
    for why, count in headline.left_out.items():
        yield f"{plural(count, 'account')} left out: {WHY[why]}."
