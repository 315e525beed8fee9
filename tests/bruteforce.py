"""The rules of docs/semantics.md read slowly: pure Python, no engine, every group walked by hand.

It shares nothing with the product but the words. Credits and money are Fractions throughout.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
REQUIRED = ("id", "ts", "outcome", "provider", "account", "environment", "template", "key")
ENUMS = {
    "outcome": "attempt render hit coalesced error refused",
    "source": "online batch",
    "format": "png jpeg jpg webp avif gif svg pdf",
    "error": "timeout connection quota no_plan throttled auth not_found invalid server other",
}
BUILT_IN = {"og_image": (1200, 630)}
CATALOGUE = [("Free", "0.00", 100), ("Basic", "14.99", 1000), ("Pro", "24.99", 10000)]
Event = dict[str, Any]


class BadLineError(Exception):
    """A line that is not an event."""


class OddTimeError(BadLineError):
    """A line of a clock that was never set, or that is far ahead."""


def read(data: bytes, zone: ZoneInfo, now: datetime) -> Event:
    """One line."""

    def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise BadLineError
        return dict(pairs)

    def constant(_: str) -> Any:
        raise BadLineError

    try:
        raw = json.loads(data.decode(), parse_float=Decimal, parse_constant=constant, object_pairs_hook=no_twins)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise BadLineError from None
    if not isinstance(raw, dict) or raw.get("v") != 1 or raw["v"] is True:
        raise BadLineError
    event = {name: value for name, value in raw.items() if value is not None}
    if event.get("outcome") == "attempt":
        event.pop("credits", None)  # ignored, whatever it is
    if any(not isinstance(event.get(name), str) or event[name] == "" for name in REQUIRED) or len(event["id"]) > 200:
        raise BadLineError
    for name, words in ENUMS.items():
        if name in event and event[name] not in words.split():
            raise BadLineError
    for name, least in (("count", 1), ("width", 1), ("height", 1), ("bytes", 0), ("status", 0)):
        if name in event:
            if isinstance(event[name], bool) or not isinstance(event[name], int | Decimal):
                raise BadLineError
            if event[name] != int(event[name]) or event[name] < least:
                raise BadLineError
            event[name] = int(event[name])
    for name in ("duration_ms", "credits"):
        if name in event and (
            isinstance(event[name], bool) or not isinstance(event[name], int | Decimal) or event[name] < 0
        ):
            raise BadLineError
    for name in ("template_version", "placement"):
        if not isinstance(event.get(name, ""), str):
            raise BadLineError
    if "digest" in event and not re.fullmatch("sha256:[0-9a-f]{64}", str(event["digest"])):
        raise BadLineError
    inputs = event.get("inputs", {})
    if not isinstance(inputs, dict) or not all(isinstance(value, str) for value in inputs.values()):
        raise BadLineError
    if (event.get("count", 1) != 1 and event["outcome"] != "hit") or (
        event.get("retried") and event["outcome"] != "error"
    ):
        raise BadLineError
    if not isinstance(event.get("retried", False), bool):
        raise BadLineError
    event["at"], event["assumed"] = instant(event["ts"], zone)
    if event["at"] < datetime(2000, 1, 2, tzinfo=UTC) or event["at"] > now + timedelta(hours=48):
        raise OddTimeError
    event["environment"] = event["environment"].lower()
    if event.get("format") == "jpg":
        event["format"] = "jpeg"
    event["cost"] = cost(raw, event)
    event["done"] = event["at"] + timedelta(microseconds=round(Fraction(event.get("duration_ms", 0)) * 1000))
    event["canonical"] = json.dumps(
        raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=float
    ).encode()
    return event


def instant(text: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """An RFC 3339 time; second 60 is the next one, without an offset the zone says."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", text)
    if not found:
        raise BadLineError
    seconds = int(found[3])
    try:
        whole = datetime.fromisoformat(f"{found[1]}T{found[2]}:{min(seconds, 59):02d}" + (found[5] or ""))
    except ValueError:
        raise BadLineError from None
    if not 1 < whole.year < 9999:
        raise OddTimeError
    if seconds > 60:
        raise BadLineError
    if whole.tzinfo is None:
        whole = whole.replace(tzinfo=zone)
    micro = int(((found[4] or ".0")[1:] + "000000")[:6])
    return whole.astimezone(UTC) + timedelta(seconds=seconds == 60, microseconds=micro), not found[5]


def cost(raw: Event, event: Event) -> Fraction | None:
    """Known credits, None for unknown ones."""
    if "credits" in raw:
        return None if raw["credits"] is None else Fraction(raw["credits"])
    if event["outcome"] == "render":
        return Fraction(1)
    doubtful = event.get("status") in (None, 408, 502, 504, *range(520, 528))
    return None if event["outcome"] == "error" and doubtful else Fraction(0)


def one_of(records: list[Event]) -> Event:
    """Which record of an id counts."""
    return min(
        records,
        key=lambda e: (
            e["outcome"] == "attempt",
            e["outcome"] != "render",
            e["outcome"] == "attempt" or e["cost"] is None,
            0 if e["outcome"] == "attempt" else -(e["cost"] or 0),
            e["at"],
            e["canonical"],
        ),
    )


def walk(renders: Iterable[Event], ttl: timedelta) -> dict[str, str]:
    """Id -> verdict for the renders of one key."""
    verdicts = {}
    current = None
    for e in sorted(renders, key=lambda e: (e["at"], e["id"])):
        if current is not None and e["at"] < current["done"]:
            verdicts[e["id"]] = "concurrent"
            continue
        digests = (e.get("digest"), current.get("digest") if current else None)
        if current is not None and e["at"] < current["done"] + ttl and (None in digests or digests[0] == digests[1]):
            verdicts[e["id"]] = "repeat"
            continue
        verdicts[e["id"]] = "needed"
        if (
            current is not None
            and e["at"] >= current["done"] + ttl
            and digests[0] is not None
            and digests[0] == digests[1]
        ):
            verdicts[e["id"]] = "expired_identical"
        current = e
    return verdicts


def grouped(items: Iterable[Event], key: Callable[[Event], Any]) -> dict[Any, list[Event]]:
    """Items by key."""
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def unit(e: Event) -> tuple[str, str, str, str]:
    """Provider, account, environment, template."""
    return e["provider"], e["account"], e["environment"], e["template"]


DUPLICATE = ("concurrent", "repeat")


class Audit:
    """One audit; its attributes are the figures."""

    def __init__(
        self, files: dict[str, bytes], config: dict[str, Any], ttl: timedelta = DAY, now: datetime = NOW
    ) -> None:
        self.config, self.ttl = config, ttl
        self.zone = ZoneInfo(config.get("timezone", "UTC"))
        self.production = {
            name.lower() for name in config.get("production_environments", ["production", "prod", "live"])
        }
        self.lines = self.filtered = self.rejected = self.odd = 0
        records = self.records(files, now)
        ids = grouped(records, lambda e: e["id"])
        self.events = [one_of(group) for group in ids.values()]
        superseded = sum(
            sum(e["outcome"] == "attempt" for e in group)
            for group in ids.values()
            if any(e["outcome"] != "attempt" for e in group)
        )
        self.inputs = {
            "lines": self.lines,
            "events": len(self.events),
            "superseded": superseded,
            "duplicates": len(records) - len(self.events) - superseded,
            "filtered": self.filtered,
            "rejected": self.rejected,
            "assumed_timezone": sum(e.get("assumed", False) for e in records),
        }
        self.finals = [e for e in self.events if e["outcome"] != "attempt"]
        self.renders = [e for e in self.events if e["outcome"] == "render"]
        self.verdict: dict[str, str] = {}
        known = [e for e in self.renders if not e.get("unknown")]
        for group in grouped(known, lambda e: (*unit(e)[:3], e["key"])).values():
            self.verdict |= walk(group, ttl)
        self.verdict |= {e["id"]: "unknown" for e in self.renders if e.get("unknown")}
        self.wasted: dict[str, dict[str, Fraction]] = {e["id"]: {} for e in self.renders}
        for e in self.renders:
            if e["environment"] not in self.production and self.pays(e):
                self.wasted[e["id"]]["staging"] = e["cost"] or Fraction(0)
            elif self.verdict[e["id"]] in DUPLICATE:
                self.wasted[e["id"]][self.verdict[e["id"]]] = e["cost"] or Fraction(0)
        self.failed = {
            e["id"]: e["cost"]
            for e in self.finals
            if e["outcome"] == "error" and e["cost"] is not None and e["cost"] > 0
        }
        self.volatile = {who: self.volatile_of(group) for who, group in sorted(grouped(self.renders, unit).items())}

    def records(self, files: dict[str, bytes], now: datetime) -> list[Event]:
        """The events of usage logs, one a line, with what could not be read counted."""
        found = []
        for line in (line for data in files.values() for line in data.split(b"\n") if line.strip(b" \t\r")):
            self.lines += 1
            try:
                found.append(read(line, self.zone, now))
            except BadLineError as bad:
                self.rejected += 1
                self.odd += isinstance(bad, OddTimeError)
        return found

    # plans

    def plans(self, provider: str) -> dict[str, dict[str, Any]]:
        known = {n: {"price": p, "included": i} for n, p, i in CATALOGUE} if provider == "imejis" else {}
        return known | self.config.get("plans", {}).get(provider, {})

    def account(self, provider: str, name: str) -> dict[str, Any]:
        found = self.config.get("accounts", {}).get(name, {})
        return found if found.get("provider") == provider else {}

    def plan(self, provider: str, name: str) -> dict[str, Any] | None:
        return self.plans(provider).get(self.account(provider, name).get("plan", ""))

    def pays(self, e: Event) -> bool:
        plan = self.plan(e["provider"], e["account"])
        return plan is None or Fraction(plan["price"]) > 0 or Fraction(plan.get("overage", 0)) > 0

    # totals

    def totals(self) -> dict[str, Any]:
        def count(outcome: str) -> int:
            return sum(e["outcome"] == outcome and not e.get("retried") for e in self.finals)

        hits = sum(e.get("count", 1) for e in self.finals if e["outcome"] == "hit")
        misses = sum(count(outcome) for outcome in ("coalesced", "render", "error", "refused"))
        unresolved = len(self.events) - len(self.finals)
        return {
            "requests": hits + misses,
            "hits": hits,
            "misses": misses,
            "coalesced": count("coalesced"),
            "renders": count("render"),
            "errors": count("error"),
            "refused": count("refused"),
            "retries": sum(bool(e.get("retried")) for e in self.finals),
            "unresolved": unresolved,
            "credits": sum((e["cost"] or 0 for e in self.finals), Fraction(0)),
            "credits_uncertain": sum(e["cost"] is None for e in self.finals) + unresolved,
            "bytes": sum(
                e.get("bytes", 0) * e.get("count", 1)
                for e in self.finals
                if e["outcome"] in ("hit", "coalesced", "render")
            ),
            "hit_ratio": round(Fraction(hits, hits + misses), 6) if hits + misses else None,
        }

    def unknown(self) -> dict[str, Any]:
        """Renders of which nobody can tell whether they were needed."""
        found = [e for e in self.renders if e.get("unknown") and not self.wasted[e["id"]].get("staging")]
        return {
            "renders": len(found),
            "credits": sum((e["cost"] or 0 for e in found), Fraction(0)),
            "reasons": dict(Counter(e["unknown"] for e in found)),
        }

    def waste(self) -> dict[str, Fraction]:
        sums = {
            cause: sum((causes.get(cause, 0) for causes in self.wasted.values()), Fraction(0))
            for cause in ("staging", "concurrent", "repeat", "volatile")
        }
        sums["failed"] = sum(self.failed.values(), Fraction(0))
        return sums | {"total": sum(sums.values(), Fraction(0))}

    # volatile inputs

    def volatile_of(self, renders: list[Event]) -> list[tuple[str, int, int, str, Fraction]]:
        """(field, pairs, agreeing, confidence, credits) of one unit; books the waste."""
        sample = sorted((e for e in renders if "inputs" in e), key=lambda e: (e["at"], e["id"]))
        by_size = not any("digest" in e for e in sample)
        if by_size:
            sample = [e | {"digest": e["bytes"]} if e["key"].startswith("f1:") and "bytes" in e else e for e in sample]
        fields = sorted({field for e in sample for field in e["inputs"]})

        def volatile(left_out: set[str]) -> bool:
            others, alike = self.other_pairs(sample, left_out)
            tells = not by_size or (others >= 20 and alike * 100 <= others * 5)
            return passes(*self.pairs(sample, left_out)) and tells

        passing = [field for field in fields if volatile({field})]
        if not passing:
            return []
        alone = {field: sum((s for s, _ in self.savings(sample, {field})), Fraction(0)) for field in passing}
        best = min(passing, key=lambda field: (-alone[field], field))
        if len(passing) > 1 and volatile(set(passing)):
            left_out, reported = set(passing), passing
        else:
            left_out, reported = {best}, [best]
        booked = Fraction(0)
        for saved, newly in self.savings(sample, left_out):
            rest = saved
            for e in newly:
                if not self.wasted[e["id"]] and rest > 0:
                    part = min(rest, e["cost"] or Fraction(0))
                    self.wasted[e["id"]]["volatile"] = part
                    booked += part
                    rest -= part

        def confidence(field: str) -> str:
            pairs, agreeing = self.pairs(sample, {field})
            others, alike = self.other_pairs(sample, {field})
            if by_size:
                return "medium" if others >= 100 and alike * 100 <= others else "low"
            if pairs == agreeing and pairs >= 20:
                return "high"
            return "medium" if agreeing * 100 >= pairs * 99 else "low"

        return [
            (field, *self.pairs(sample, {field}), confidence(field), booked if field == best else Fraction(0))
            for field in reported
        ]

    def merged(self, sample: list[Event], left_out: set[str]) -> list[list[Event]]:
        return list(
            grouped(
                sample,
                lambda e: (
                    tuple(sorted((f, v) for f, v in e["inputs"].items() if f not in left_out)),
                    e.get("format"),
                    e.get("width"),
                    e.get("height"),
                ),
            ).values()
        )

    def pairs(self, sample: list[Event], left_out: set[str]) -> tuple[int, int]:
        needed = [e for e in sample if "digest" in e and self.verdict[e["id"]] not in DUPLICATE]
        pairs = agreeing = 0
        for group in self.merged(needed, left_out):
            for a, b in pairwise(group):
                if any(a["inputs"].get(f) != b["inputs"].get(f) for f in left_out):
                    pairs += 1
                    agreeing += a["digest"] == b["digest"]
        return pairs, agreeing

    def other_pairs(self, sample: list[Event], left_out: set[str]) -> tuple[int, int]:
        """Neighbours of one shape that are two images even without the fields, and how many of them have one size."""
        needed = [e for e in sample if "digest" in e and self.verdict[e["id"]] not in DUPLICATE]
        others = alike = 0
        for group in grouped(needed, lambda e: (e.get("format"), e.get("width"), e.get("height"))).values():
            for a, b in pairwise(group):
                if any(a["inputs"].get(f) != b["inputs"].get(f) for f in {*a["inputs"], *b["inputs"]} - left_out):
                    others += 1
                    alike += a["digest"] == b["digest"]
        return others, alike

    def savings(self, sample: list[Event], left_out: set[str]) -> list[tuple[Fraction, list[Event]]]:
        found = []
        for group in self.merged(sample, left_out):
            verdicts = walk(group, self.ttl)
            before = sum((e["cost"] or 0 for e in group if self.verdict[e["id"]] in DUPLICATE), Fraction(0))
            after = sum((e["cost"] or 0 for e in group if verdicts[e["id"]] in DUPLICATE), Fraction(0))
            newly = [e for e in group if verdicts[e["id"]] in DUPLICATE and self.verdict[e["id"]] not in DUPLICATE]
            found.append((max(Fraction(0), after - before), newly))
        return found

    # bills

    def accounts(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            who: self.bill(who, group)
            for who, group in grouped(self.events, lambda e: (e["provider"], e["account"])).items()
        }

    def bill(self, who: tuple[str, str], events: list[Event]) -> dict[str, Any]:
        provider, name = who
        settings, plan, offers = self.account(provider, name), self.plan(provider, name), self.plans(provider)
        zone = ZoneInfo(settings.get("timezone", self.config.get("timezone", "UTC")))
        first, last = min(e["at"] for e in events), max(e["at"] for e in events)
        cycles = []
        listed, gaps = folded(
            [
                (start, end, [e for e in events if start <= e["at"] < end])
                for start, end in cycles_between(first, last, settings.get("anchor_day", 1), zone)
            ]
        )
        for start, end, own in listed:
            credits = sum((e["cost"] or 0 for e in own if e["outcome"] != "attempt"), Fraction(0))
            waiting = sum(
                e["outcome"] in ("attempt", "refused")
                or e["cost"] is None
                or (e["outcome"] == "error" and e.get("error") == "quota" and not e.get("retried") and e["cost"] == 0)
                for e in own
            )
            wasted = sum((part for e in own for part in self.wasted.get(e["id"], {}).values()), Fraction(0))
            wasted += sum((self.failed.get(e["id"], Fraction(0)) for e in own), Fraction(0))
            cycles.append(
                {
                    "start": start,
                    "end": end,
                    "credits": credits,
                    "demand": credits + waiting,
                    "wasted": wasted,
                    "complete": first <= start + DAY and last >= end - DAY,
                }
            )
        now, projected, why = advise(offers, cycles, first, last, fixed=False)
        then, *_ = advise(offers, cycles, first, last, fixed=True)
        return {
            "plan": settings.get("plan") if plan else None,
            "cycles": cycles,
            "recommended_plan": now,
            "recommended_after_fixes": then,
            "projected": projected,
            "advice": why,
            "gaps": [
                (start, end, count, count * Fraction(plan["price"]) if plan else None) for start, end, count in gaps
            ],
            "bills": [bill(plan, c["credits"]) if plan and c["complete"] else None for c in cycles],
            "cheapest": [
                cheapest(offers, [(c["credits"], c["credits"])], []) if c["complete"] else None for c in cycles
            ],
        }


def passes(pairs: int, agreeing: int) -> bool:
    """At least 3 pairs, at least 95 % of them with equal images."""
    return pairs >= 3 and agreeing * 100 >= pairs * 95


def cycles_between(first: datetime, last: datetime, anchor: int, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """All cycles that hold a moment from first to last, found by listing every month around them."""
    starts = []
    for month in range(first.year * 12 + first.month - 4, last.year * 12 + last.month + 4):
        year, number = divmod(month, 12)
        following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
        day = min(anchor, (following - timedelta(days=1)).day)
        starts.append(datetime.combine(date(year, number + 1, day), time(), zone).astimezone(UTC))
    return [(start, end) for start, end in pairwise(starts) if end > first and start <= last]


def folded(cycles: list[tuple[datetime, datetime, list[Event]]]) -> tuple[list[Any], list[Any]]:
    """(cycles that are listed, (start, end, how many) of each run of more than 3 without any event)."""
    listed: list[Any] = []
    gaps: list[Any] = []
    for empty, run in groupby(cycles, key=lambda cycle: not cycle[2]):
        members = list(run)
        if empty and len(members) > 3:
            gaps.append((members[0][0], members[-1][1], len(members)))
        else:
            listed += members
    return listed, gaps


def bill(plan: dict[str, Any], credits: Fraction) -> Fraction | None:
    """The bill of one cycle, None where the cap forbids it."""
    included = Fraction(plan["included"])
    if credits <= included:
        return Fraction(plan["price"])
    return Fraction(plan["price"]) + (credits - included) * Fraction(plan["overage"]) if "overage" in plan else None


def cheapest(offers: dict[str, Any], loads: list[tuple[Fraction, Fraction]], hold: list[Fraction]) -> str | None:
    """The plan with the least total bill that holds all demands."""
    fit = [
        name
        for name, plan in offers.items()
        if all(bill(plan, demand) is not None for _, demand in loads) and all(bill(plan, d) is not None for d in hold)
    ]
    return min(
        fit,
        key=lambda name: (
            sum(bill(offers[name], credits) or 0 for credits, _ in loads),
            -Fraction(offers[name]["included"]),
            name,
        ),
        default=None,
    )


def advise(
    offers: dict[str, Any], cycles: list[dict[str, Any]], first: datetime, last: datetime, *, fixed: bool
) -> tuple[str | None, bool, str | None]:
    """(recommended plan, whether projected, why there is no advice)."""
    less = [c["wasted"] if fixed else Fraction(0) for c in cycles]
    loads = [(c["credits"] - gone, c["demand"] - gone) for c, gone in zip(cycles, less, strict=True)]
    complete = [load for load, c in zip(loads, cycles, strict=True) if c["complete"]]
    if complete:
        return (
            cheapest(offers, complete, [load[1] for load, c in zip(loads, cycles, strict=True) if not c["complete"]]),
            False,
            None,
        )
    newest = cycles[-1]
    elapsed = last - max(newest["start"], first)
    if elapsed < 7 * DAY:
        return None, False, "too_little_data"
    micro = timedelta(microseconds=1)
    share = Fraction((newest["end"] - newest["start"]) // micro, elapsed // micro)
    whole = loads[-1][1] * share
    return cheapest(offers, [(whole, whole)], [demand for _, demand in loads]), True, None


def oversized(audit: Audit) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(provider, template, placement) -> (stored, delivered) needless bytes."""
    limits = audit.config.get("limits", {})
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])

    def needless(e: Event) -> int:
        if not {"width", "height", "bytes"} <= set(e) or e.get("format") in ("svg", "pdf"):
            return 0
        limit = limits.get("templates", {}).get(e["template"]) or limits.get("placements", {}).get(e.get("placement"))
        if limit is None and e.get("placement") in BUILT_IN:
            limit = dict(zip(("width", "height"), BUILT_IN[e["placement"]], strict=True))
        if limit is None:
            return 0
        dpr = Fraction(limit.get("dpr", 1))
        scale = min(
            [Fraction(1)] + [Fraction(limit[side]) * dpr / e[side] for side in ("width", "height") if side in limit]
        )
        wasted = int(e["bytes"] * (1 - scale * scale) + Fraction(1, 2))
        return wasted if wasted >= 4096 else 0

    def where(e: Event) -> tuple[str, str, str]:
        return e["provider"], e["template"], e.get("placement", "")

    for group in grouped(audit.renders, lambda e: (*unit(e)[:3], e["key"])).values():
        last = max(group, key=lambda e: (e["at"], e["id"]))
        sums[where(last)][0] += needless(last)
    for e in audit.finals:
        if e["outcome"] in ("hit", "coalesced", "render"):
            sums[where(e)][1] += needless(e) * e.get("count", 1)
    return {place: (stored, sent) for place, (stored, sent) in sums.items() if stored or sent}
