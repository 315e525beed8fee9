"""Section 12 of docs/semantics.md read slowly: what a month costs, on which plan, and after which fixes."""

from collections import Counter, defaultdict
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from auditor.model.plans import cents
from tests.bruteforce import Audit, Event, bill, cheapest, unit

Group = tuple[str, tuple[tuple[str, str], ...]]
"""A rule, and its subject as sorted pairs."""
NAMES = ("provider", "account", "environment", "template")


def groups_of(audit: Audit, e: Event) -> dict[Group, Fraction]:
    """What one event wastes, by the finding that it is part of."""
    names = dict(zip(NAMES, unit(e), strict=True))
    found: dict[Group, Fraction] = defaultdict(Fraction)

    def book(rule: str, credits: Fraction, **subject: str) -> None:
        found[rule, tuple(sorted(subject.items()))] += credits

    for cause, credits in audit.wasted.get(e["id"], {}).items():
        if cause == "staging":
            book("staging-credits", credits, **{name: names[name] for name in NAMES[:3]})
        elif cause == "volatile":
            best = max(audit.volatile[unit(e)], key=lambda each: each[4])[0]
            book("volatile-inputs", credits, **names, field=best)
        else:
            book("duplicate-renders", credits, **names)
    if e["id"] in audit.failed:
        book(
            "failed-calls", audit.failed[e["id"]], provider=e["provider"], account=e["account"],
            error=e.get("error", "other"),
        )  # fmt: skip
    return found


class Month:
    """One account: its loads, and the waste of each group in each cycle."""

    def __init__(self, audit: Audit, who: tuple[str, str], found: dict[str, Any]) -> None:
        self.who, self.plan = who, audit.plan(*who)
        self.offers = audit.plans(who[0])
        events = [e for e in audit.events if (e["provider"], e["account"]) == who]
        first, last = min(e["at"] for e in events), max(e["at"] for e in events)
        self.cycles, self.now_on = found["cycles"], found["plan"]
        self.right = found["recommended_plan"] or self.now_on
        self.after = found["recommended_after_fixes"]
        self.places = [place for place, cycle in enumerate(self.cycles) if cycle["complete"]]
        self.scale = Fraction(1)
        newest = self.cycles[-1]
        if not self.places:
            micro = timedelta(microseconds=1)
            elapsed = (last - max(newest["start"], first)) // micro
            self.places = [len(self.cycles) - 1]
            self.scale = Fraction((newest["end"] - newest["start"]) // micro, max(elapsed, 1))
        self.waste: dict[Group, Counter[int]] = defaultdict(Counter)
        for e in events:
            for place, cycle in enumerate(self.cycles):
                if cycle["start"] <= e["at"] < cycle["end"]:
                    for group, credits in groups_of(audit, e).items():
                        if credits:
                            self.waste[group][place] += credits  # type: ignore[assignment]

    def gone(self, fixed: list[Group], place: int) -> Fraction:
        """Credits of a cycle that some fixes save."""
        return sum((Fraction(self.waste[group][place]) for group in fixed), Fraction(0))

    def mean(self, name: str, fixed: list[Group]) -> Fraction | None:
        """The mean bill on a plan."""
        bills = [
            bill(self.offers[name], self.scale * (self.cycles[place]["credits"] - self.gone(fixed, place)))
            for place in self.places
        ]
        return None if None in bills else sum((each or 0 for each in bills), Fraction(0)) / len(bills)

    def loads(self, fixed: list[Group]) -> list[tuple[Fraction, Fraction]]:
        """(credits, demand) of each."""
        return [
            (self.scale * (self.cycles[at]["credits"] - gone), self.scale * (self.cycles[at]["demand"] - gone))
            for at in self.places
            for gone in [self.gone(fixed, at)]
        ]

    def others(self, fixed: list[Group]) -> list[Fraction]:
        """Demand so far of the cycles that are no loads."""
        return [cycle["demand"] - self.gone(fixed, at) for at, cycle in enumerate(self.cycles) if at not in self.places]

    def holds(self, name: str, fixed: list[Group]) -> bool:
        """Whether a plan holds every load, and the demand so far of every other cycle."""
        wanted = [demand for _, demand in self.loads(fixed)] + self.others(fixed)
        return all(bill(self.offers[name], demand) is not None for demand in wanted)

    def per_month(self, group: Group) -> Fraction:
        """Wasted credits in the basis ÷ number of loads."""
        return self.scale * sum((Fraction(self.waste[group][at]) for at in self.places), Fraction(0)) / len(self.places)

    def alone(self, group: Group) -> Fraction:
        """What mending one group alone saves."""
        best = cheapest(self.offers, self.loads([group]), self.others([group]))
        then = None if best is None else self.mean(best, [group])
        today = self.mean(self.right, [])
        assert today is not None
        return Fraction(0) if then is None else max(Fraction(0), today - then)

    def fixes(self) -> list[Group]:
        """Those that the plan after the fixes needs."""
        chosen = sorted(self.waste, key=lambda group: (-self.per_month(group), *group))
        for group in chosen[::-1]:
            rest = [each for each in chosen if each != group]
            before, then = self.mean(self.after, chosen), self.mean(self.after, rest)
            assert before is not None
            if self.holds(self.after, rest) and then is not None and then <= before:
                chosen = rest
        return chosen


def headlines(audit: Audit) -> tuple[list[dict[str, Any]], dict[Group, tuple[int | None, str | None]]]:
    """The section of the report, and (action, saves_alone) of each finding of waste."""
    told: dict[str, Any] = {}
    months: dict[str, list[Month]] = defaultdict(list)
    money: dict[Group, tuple[int | None, str | None]] = {}
    for who, found in audit.accounts().items():
        month = Month(audit, who, found)
        currency = (month.plan or {}).get("currency", "USD")
        entry = told.setdefault(currency, {"currency": currency, "accounts": 0, "left_out": Counter()})
        why = None
        if month.plan is None:
            why = "no_plan"
        elif found["advice"]:
            why = found["advice"]
        elif None in (month.mean(month.now_on, []), month.mean(month.right, [])):
            why = "no_bill"
        if why:
            entry["left_out"][why] += 1
            money |= dict.fromkeys(month.waste, (None, None))
        else:
            entry["accounts"] += 1
            months[currency].append(month)
    for currency, entry in told.items():
        now = today = after = Fraction(0)
        actions = []
        for month in months[currency]:
            current, right = month.mean(month.now_on, []), month.mean(month.right, [])
            every = list(month.waste)
            then = None if month.after is None else month.mean(month.after, every)
            assert current is not None and right is not None
            least = right if then is None or then >= right else then
            now, today, after = now + current, today + right, after + least
            if month.right != month.now_on:
                actions.append(("plan", current - right, month.who, month.now_on, month.right, []))
            if least < right:
                actions.append(("fixes", right - least, month.who, month.right, month.after, month.fixes()))
            money |= {group: (None, cents(month.alone(group))) for group in every}
        actions.sort(key=lambda each: (["plan", "fixes"].index(each[0]), -each[1], each[2]))
        totals = [now]
        for _, saving, *_ in actions:
            totals.append(totals[-1] - saving)
        per_month = {group: month.per_month(group) for month in months[currency] for group in month.waste}
        for place, (*_, fixes) in enumerate(actions):
            money |= {group: (place, money[group][1]) for group in fixes}
        entry |= {
            "left_out": dict(entry["left_out"]),
            "now": cents(now),
            "today": cents(today),
            "after_fixes": cents(after),
            "actions": [
                {"kind": kind, "provider": who[0], "account": who[1], "from": old, "to": new,
                 "saving": cents(Fraction(cents(before) or 0) - Fraction(cents(left) or 0))}
                | ({"fixes": [(*group, per_month[group]) for group in fixes]} if kind == "fixes" else {})
                for (kind, _, who, old, new, fixes), (before, left) in zip(actions, pairwise(totals), strict=True)
            ],
        }  # fmt: skip
    return [told[currency] for currency in sorted(told)], money
