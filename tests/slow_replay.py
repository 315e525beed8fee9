"""The simulation of docs/semantics.md read slowly: requests one by one, no streams, no codes, no state but a dictionary.

It shares nothing with the product but the words.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.bruteforce import DAY, Audit, Event, bill, cheapest, cycles_between, folded

MICRO = timedelta(microseconds=1)


@dataclass
class Figures:
    """What one setting brings; credits by (account, day or cycle) too."""

    renders: int = 0
    hits: int = 0
    coalesced: int = 0
    credits: Fraction = Fraction(0)
    missed_bytes: int = 0
    stale: int = 0
    by_account: dict[Any, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    by_template: dict[Any, list[Any]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, Fraction(0), 0]))


def middle(values: list[Fraction]) -> Fraction | None:
    """The median: the mean of the middle two where their number is even."""
    if not values:
        return None
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def first_known(*values: Any) -> Any:
    """The first that is not None."""
    return next(value for value in values if value is not None)


class SlowReplay:
    """One log, from the events of `tests.bruteforce`."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        self.demand = sorted(
            (e for e in audit.events if e["outcome"] in ("render", "hit", "coalesced")),
            key=lambda e: (e["at"], e["id"]),
        )
        renders = [e for e in self.demand if e["outcome"] == "render"]

        def usual(value: str) -> dict[Any, Fraction | None]:
            known = [(e["template"], e[value]) for e in renders if e.get(value) is not None]
            names = {e["template"] for e in self.demand}
            return {None: middle([v for _, v in known])} | {
                name: middle([v for template, v in known if template == name]) for name in names
            }

        for e in renders:
            if "duration_ms" in e:
                e["lasted"] = Fraction((e["done"] - e["at"]) // MICRO)
        self.usual_duration, self.usual_cost = usual("lasted"), usual("cost")
        last_cost: dict[Any, Fraction] = {}
        for e in self.demand:
            known = e["cost"] if e["outcome"] == "render" else None
            e["price"] = first_known(
                known,
                last_cost.get(self.key(e)),
                self.usual_cost[e["template"]],
                self.usual_cost[None],
                Fraction(1),
            )
            if known is not None:
                last_cost[self.key(e)] = known

    @staticmethod
    def key(e: Event) -> tuple[str, str, str, str]:
        """What a cache would look up."""
        return e["provider"], e["account"], e["environment"], e["key"]

    @property
    def requests(self) -> int:
        """Hits with a count are so many."""
        return sum(e.get("count", 1) for e in self.demand)

    @property
    def bytes(self) -> int:
        """Of all requests."""
        return sum(e.get("count", 1) * e.get("bytes", 0) for e in self.demand)

    def lasts(self, e: Event) -> timedelta:
        """How long a simulated render of this request takes."""
        own = e.get("lasted") if e["outcome"] == "render" else None
        return MICRO * round(
            first_known(own, self.usual_duration[e["template"]], self.usual_duration[None], Fraction(0))
        )

    def run(
        self, ttl: timedelta | None, *, coalescing: bool = True, entries: int | None = None, size: int | None = None
    ) -> Figures:
        """All requests under one setting."""
        figures = Figures()
        bounded = entries is not None or size is not None
        # Oldest use first. An image: (the request it was rendered for, when it is done, its bytes).
        cache: dict[Any, tuple[Event, datetime, int]] = {}
        for e in self.demand:
            key, count = self.key(e), e.get("count", 1)
            found = cache.get(key)
            verdict = self.verdict(e, found, ttl)
            rest = count - 1
            if verdict == "hit":
                self.book(figures, e, hits=count, stale=count if differs(e, found) else 0)
                if bounded:
                    cache[key] = cache.pop(key)
                continue
            if verdict == "concurrent":
                stale = rest if differs(e, found) else 0
                if coalescing:
                    self.book(figures, e, coalesced=1, hits=rest, stale=stale)
                else:
                    self.book(figures, e, renders=1, hits=rest, stale=stale)
                continue
            self.book(figures, e, renders=1, hits=rest)
            cache.pop(key, None)
            weight = e.get("bytes", 0)
            if bounded:
                if (size is not None and weight > size) or entries == 0:
                    continue
                while (entries is not None and len(cache) + 1 > entries) or (
                    size is not None and sum(kept for _, _, kept in cache.values()) + weight > size
                ):
                    del cache[next(iter(cache))]
            cache[key] = (e, e["at"] + (timedelta(0) if bounded else self.lasts(e)), weight)
        return figures

    @staticmethod
    def verdict(e: Event, found: tuple[Event, datetime, int] | None, ttl: timedelta | None) -> str:
        """Semantics section 3, over the whole demand."""
        if found is None:
            return "render"
        current, done, _ = found
        if e["at"] < done:
            return "concurrent"
        if ttl is not None and e["at"] >= done + ttl:
            return "render"
        renders = e["outcome"] == current["outcome"] == "render"
        return "render" if renders and differs(e, found) else "hit"

    def book(
        self, figures: Figures, e: Event, *, renders: int = 0, hits: int = 0, coalesced: int = 0, stale: int = 0
    ) -> None:
        """Count one request."""
        figures.renders += renders
        figures.hits += hits
        figures.coalesced += coalesced
        figures.stale += stale
        own = figures.by_template[e["provider"], e["account"], e["template"]]
        for place, amount in enumerate((renders, hits, coalesced, renders * e["price"], stale)):
            own[place] += amount
        if renders:
            figures.credits += e["price"]
            figures.missed_bytes += e.get("bytes", 0)
            figures.by_account[e["provider"], e["account"], self.cycle(e)] += e["price"]

    def cycles(self, provider: str, account: str) -> list[tuple[datetime, datetime]]:
        """The billing cycles of an account, from its first to its last event of any kind."""
        own = [e["at"] for e in self.audit.events if (e["provider"], e["account"]) == (provider, account)]
        settings = self.audit.account(provider, account)
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(settings.get("timezone", self.audit.config.get("timezone", "UTC")))
        return cycles_between(min(own), max(own), settings.get("anchor_day", 1), zone)

    def cycle(self, e: Event) -> datetime:
        """The start of the cycle that a request belongs to."""
        name = (e["provider"], e["account"])
        if not hasattr(self, "_cycles"):
            self._cycles: dict[Any, Any] = {}
        if name not in self._cycles:
            self._cycles[name] = self.cycles(*name)
        return next(start for start, end in self._cycles[name] if start <= e["at"] < end)

    def bills(self, figures: Figures) -> dict[tuple[str, str], tuple[Any, ...]]:
        """(plan, bill, cheapest plan, its bill) of each account over its complete cycles."""
        found = {}
        for provider, account in sorted({(e["provider"], e["account"]) for e in self.audit.events}):
            times = [e["at"] for e in self.audit.events if (e["provider"], e["account"]) == (provider, account)]
            own = self.cycles(provider, account)
            busy = folded([(start, end, [at for at in times if start <= at < end]) for start, end in own])[0]
            credits = [
                figures.by_account.get((provider, account, start), Fraction(0))
                for start, end, _ in busy
                if min(times) <= start + DAY and max(times) >= end - DAY
            ]
            plan, offers = self.audit.plan(provider, account), self.audit.plans(provider)
            best = cheapest(offers, [(amount, amount) for amount in credits], []) if credits else None
            found[provider, account] = (
                self.audit.account(provider, account).get("plan") if plan else None,
                total(plan, credits),
                best,
                total(offers[best], credits) if best else None,
            )
        return found


def total(plan: dict[str, Any] | None, credits: list[Fraction]) -> Fraction | None:
    """The sum of the bills, None where one cannot be."""
    amounts = [bill(plan, amount) for amount in credits] if plan and credits else [None]
    return None if None in amounts else sum((amount for amount in amounts if amount is not None), Fraction(0))


def differs(e: Event, found: tuple[Event, datetime, int] | None) -> bool:
    """Whether both images are known and are not the same."""
    assert found is not None
    return "digest" in e and "digest" in found[0] and e["digest"] != found[0]["digest"]
