"""Findings of one rule and account, told together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from auditor.model.plans import cents
from auditor.model.words import credits_word, plural
from auditor.results.finding import Finding

NAMED = 3
"""Members that are named; the others are counted."""
_DIGEST = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}")


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one rule and account, in the order in which they came."""

    rule: str
    account: tuple[str, ...]
    """Provider and account, as far as the rule is about them."""
    members: tuple[Finding, ...]

    @property
    def severity(self) -> str:
        """That of the most severe member."""
        return min((each.severity for each in self.members), key=lambda severity: severity.rank)

    @property
    def sums(self) -> str:
        """How many they are, and what they come to. Savings alone do not add up, so they have no sum."""
        money = [each.money for each in self.members]
        credits, lost = (
            sum((each.credits for each in self.members), Fraction(0)),
            sum(each.bytes for each in self.members),
        )
        costs = {
            currency: sum((each.cost or Fraction(0) for each in money if each.currency == currency), Fraction(0))
            for currency in dict.fromkeys(each.currency for each in money)
        }
        actions = sorted({each.part for each in money if each.part})
        told = [
            credits_word(credits) if credits else "",
            plural(lost, "byte") if lost else "",
            *(f"costs {cents(cost)} {currency} over this window" for currency, cost in costs.items() if cost),
            *(f"part of action {action}" for action in actions),
        ]
        return f"{plural(len(self.members), 'finding')}: {', '.join(filter(None, told))}".removesuffix(": ")

    def own(self, finding: Finding) -> list[str]:
        """What tells a member from the others."""
        return [value for name, value in finding.subject.items() if name not in ("provider", "account")]


def grouped(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Groups in the order of their first members."""
    found: dict[tuple[str, tuple[str, ...]], list[Finding]] = {}
    for each in findings:
        account = tuple(each.subject[name] for name in ("provider", "account") if name in each.subject)
        found.setdefault((each.rule, account), []).append(each)
    return [FindingGroup(rule, account, tuple(members)) for (rule, account), members in found.items()]


def readable(text: str) -> str:
    """A text whose digests are cut to what people compare."""
    return _DIGEST.sub(r"\1…", text)
