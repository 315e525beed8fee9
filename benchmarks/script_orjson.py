"""The rival: what a careful engineer writes in one file with orjson and the standard library.

    python benchmarks/script_orjson.py FILE.jsonl

One pass over the lines, then the walks. Exact: times are whole microseconds, credits whole billionths. It knows one
configuration, that of `generate.py`, and one format, JSON Lines.
"""

import gc
import json
import re
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import orjson

SCALE = 10**9
"""Credits are held as whole billionths."""
TTL = 24 * 3600 * 10**6
DAY = 24 * 3600 * 10**6
PRODUCTION = frozenset({"production", "prod", "live"})
PLANS = (("Free", 0, 100), ("Basic", 1499, 1_000), ("Pro", 2499, 10_000))
"""Name, price in cents, included credits."""
CURRENT = "Pro"
TEMPLATE_LIMITS: dict[str, tuple[int, int | None]] = {"tpl-003": (1200, None)}
PLACEMENT_LIMITS: dict[str, tuple[int, int | None]] = {
    "og_image": (1200, 630),
    "product_card": (400, None),
    "email_header": (600, 300),
}
SMALLEST = 4096
AMBIGUOUS = frozenset({408, 502, 504, *range(520, 528)})
FORMATS = frozenset({"png", "jpeg", "webp", "avif", "gif", "svg", "pdf", None})
ERRORS = frozenset(
    {"timeout", "connection", "quota", "no_plan", "throttled", "auth", "not_found", "invalid", "server", "other", None}
)
OUTCOMES = frozenset({"render", "hit", "coalesced", "error", "refused", "attempt"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))?", re.ASCII
)
HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d:", re.ASCII)
SECONDS = {f"{at // 60:02}:{at % 60:02}.": at * 10**6 for at in range(3600)}
MILLIS = {f"{at:03}Z": at * 1000 for at in range(1000)}
DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
MISSING = object()


class BadLineError(ValueError):
    """A line that is not an event."""


class Render(NamedTuple):
    """What the walks need of a render; sorts by (ts, id)."""

    ts: int
    id: str
    done: int
    digest: int
    credits: int
    unit: "Unit"
    inputs: int
    shape: tuple[Any, ...]
    placement: str
    size: int | None
    cycle: int


class Unit:
    """One (provider, account, environment, template)."""

    __slots__ = ("account", "demand", "environment", "first", "last", "production", "renders", "spent", "template")

    def __init__(self, account: tuple[str, str], environment: str, template: str) -> None:
        self.account, self.environment, self.template = account, environment, template
        self.production = environment in PRODUCTION
        self.first, self.last = 1 << 62, -(1 << 62)
        self.spent: dict[int, int] = defaultdict(int)
        self.demand: dict[int, int] = defaultdict(int)
        self.renders: dict[str, list[Render]] = {}


def text(value: Any) -> str:
    """A required string."""
    if not isinstance(value, str) or not value:
        raise BadLineError("not a non-empty string")
    return value


def whole(value: Any, least: int) -> int | None:
    """An optional whole number; integral floats pass."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < least:
        raise BadLineError("not a whole number")
    return int(value)


def billionths(value: Any) -> int | None:
    """Exact credits; a float stands for its shortest decimal."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadLineError("credits")
    scaled = Decimal(repr(value)) * SCALE
    if scaled != int(scaled):
        raise SystemExit("credits with more than nine decimals are beyond this script")
    return int(scaled)


def month(us: int) -> int:
    """The cycle of an instant: months since year 0, UTC."""
    moment = EPOCH + timedelta(microseconds=us)
    return moment.year * 12 + moment.month - 1


def month_start(cycle: int) -> int:
    """The instant at which a cycle starts."""
    start = datetime(cycle // 12, cycle % 12 + 1, 1, tzinfo=UTC)
    return (start - EPOCH) // timedelta(microseconds=1)


def slow_time(value: Any) -> tuple[int, bool]:
    """(microseconds since 1970, whether UTC was assumed) of any RFC 3339 time."""
    match = TIME.fullmatch(text(value))
    if match is None:
        raise BadLineError("ts")
    day, hour, minute, second, fraction, zulu, sign, hours, minutes = match.groups()
    if second > "60":
        raise BadLineError("ts")
    try:
        base = datetime.fromisoformat(f"{day}T{hour}:{minute}:{min(second, '59')}+00:00")
    except ValueError:
        raise BadLineError("ts") from None
    us = (base - EPOCH) // timedelta(microseconds=1) + int((fraction or "0").ljust(6, "0")[:6])
    us += 1_000_000 if second == "60" else 0
    if sign:
        us -= (int(hours) * 60 + int(minutes)) * 60_000_000 * (1 if sign == "+" else -1)
    return us, not (zulu or sign)


class Log:
    """One pass over a file; everything that is counted on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = self.rejected = self.assumed = self.superseded = self.duplicates = 0
        self.seen: dict[str, int] = {}
        """id of each final -> where its line starts."""
        self.attempts: dict[str, list[Any]] = {}
        """id -> [how many, the best one], of those without a final so far."""
        self.units: dict[tuple[Any, ...], Unit] = {}
        self.groups: dict[tuple[str, str, str], dict[str, list[Render]]] = defaultdict(dict)
        self.delivered: dict[tuple[Any, ...], int] = {}
        self.failed: Counter[tuple[Any, ...]] = Counter()
        self.tries: list[tuple[Unit, str, str, int, str]] = []
        """Tries that may have been billed: unit, error, key, ts, id."""
        self.refused = self.credits = self.uncertain = self.unresolved = 0
        self.hours: dict[str, tuple[int, int]] = {}
        """Start of each hour seen, and its cycle."""
        self.amounts: dict[Any, int] = {}
        self.digests: dict[str, int] = {}
        self.inputs: dict[tuple[Any, ...], int] = {}
        self.edges_dirty = False

    def read(self) -> None:
        """The pass."""
        loads, add, seen = orjson.loads, self.add, self.seen
        offset = 0
        with self.path.open("rb", buffering=1 << 20) as file:
            for line in file:
                try:
                    event = loads(line)
                    identity = event["id"]
                    if event["v"] != 1 or event["v"] is True:
                        raise BadLineError("v")
                    if event["outcome"] == "attempt":
                        self.attempt(event)
                    elif identity in seen:
                        self.again(event, line, offset)
                    else:
                        add(event, 1)
                        seen[identity] = offset
                    self.lines += 1
                except (BadLineError, ValueError, KeyError, TypeError, AttributeError):
                    if line.strip():
                        self.lines += 1
                        self.rejected += 1
                offset += len(line)
        self.settle()

    def settle(self) -> None:
        """Attempts without a final are events; the others were superseded."""
        for identity, (count, event) in self.attempts.items():
            if identity in self.seen:
                self.superseded += count
                continue
            self.duplicates += count - 1
            unit, ts, cycle = self.place(event)
            unit.demand[cycle] += SCALE
            self.edges(unit, ts)
            self.unresolved += 1
        if self.edges_dirty:
            self.rescan()

    def attempt(self, event: dict[str, Any]) -> None:
        """A write-ahead record: it waits until the end of the file."""
        if len(text(event["id"])) > 200:
            raise BadLineError("id")
        self.place(event)
        text(event["key"])
        known = self.attempts.get(event["id"])
        if known is None:
            self.attempts[event["id"]] = [1, event]
            return
        known[0] += 1
        known[1] = min(known[1], event, key=self.rank)

    def rank(self, event: dict[str, Any]) -> tuple[Any, ...]:
        """The smallest of the finals of one id is the event."""
        credits = None if event["outcome"] == "attempt" else self.credits_of(event)
        canonical = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
        return (event["outcome"] != "render", -1 if credits is None else -credits - 1, self.time(event)[0], canonical)

    def again(self, event: dict[str, Any], line: bytes, offset: int) -> None:
        """A further final of an id: the better one stays."""
        with self.path.open("rb") as file:
            file.seek(self.seen[event["id"]])
            first_line = file.readline()
        if first_line.rstrip(b"\r\n") == line.rstrip(b"\r\n"):
            self.duplicates += 1
            return
        first = orjson.loads(first_line)
        self.check(event)
        self.duplicates += 1
        if self.rank(event) >= self.rank(first):
            return
        unit, ts, _ = self.place(first)
        if self.place(event)[:2] != (unit, ts) and ts in {unit.first, unit.last}:
            self.edges_dirty = True
        self.add(first, -1)
        self.add(event, 1)
        self.seen[event["id"]] = offset

    def check(self, event: dict[str, Any]) -> None:
        """Raise for a line that is not an event, without counting it."""
        trial = Log(self.path)
        trial.add(event, 1)

    def time(self, event: dict[str, Any]) -> tuple[int, int]:
        """(microseconds since 1970, cycle): the usual form from tables."""
        stamp = event["ts"]
        try:
            base, cycle = self.hours[stamp[:14]]
            return base + SECONDS[stamp[14:20]] + MILLIS[stamp[20:]], cycle
        except (KeyError, TypeError):
            us, assumed = slow_time(stamp)
            self.assumed += assumed
            hour = stamp[:14]
            if HOUR.fullmatch(hour) and stamp[-1] == "Z":
                start = slow_time(f"{hour}00:00Z")[0]
                self.hours[hour] = (start, month(start))
            return us, month(us)

    def unit_of(self, event: dict[str, Any]) -> Unit:
        """The unit, known or new; environments compare in lower case."""
        names = (event["provider"], event["account"], event["environment"], event["template"])
        known = self.units.get(names)
        if known is not None:
            return known
        provider, account, environment, template = (text(name) for name in names)
        if environment != environment.lower():
            unit = self.unit_of({**event, "environment": environment.lower()})
        else:
            unit = Unit((provider, account), environment, template)
            unit.renders = self.groups[provider, account, environment]
        self.units[names] = unit
        return unit

    def place(self, event: dict[str, Any]) -> tuple[Unit, int, int]:
        """Unit, time and cycle."""
        ts, cycle = self.time(event)
        return self.unit_of(event), ts, cycle

    def edges(self, unit: Unit, ts: int) -> None:
        """The first and last event of the unit."""
        unit.first, unit.last = min(unit.first, ts), max(unit.last, ts)

    def credits_of(self, event: dict[str, Any]) -> int | None:
        """Billionths, None where unknown."""
        value = event.get("credits", MISSING)
        if value is not MISSING:
            if value.__class__ is bool:
                raise BadLineError("credits")
            amount = self.amounts.get(value)
            if amount is None and value is not None:
                amount = self.amounts[value] = billionths(value)  # type: ignore[assignment]
            return amount
        if event["outcome"] == "render":
            return SCALE
        if event["outcome"] == "error":
            status = event.get("status")
            return None if status is None or status in AMBIGUOUS else 0
        return 0

    def add(self, event: dict[str, Any], sign: int) -> None:
        """Count one final event, or take it back."""
        get = event.get
        outcome, identity, key = event["outcome"], event["id"], event["key"]
        if identity.__class__ is not str or not 0 < len(identity) <= 200 or key.__class__ is not str or not key:
            raise BadLineError("id or key")
        # The commonest form of a time, from tables, without a call.
        stamp = event["ts"]
        try:
            base, cycle = self.hours[stamp[:14]]
            ts = base + SECONDS[stamp[14:20]] + MILLIS[stamp[20:]]
        except (KeyError, TypeError):
            ts, cycle = self.time(event)
        unit = self.units.get((event["provider"], event["account"], event["environment"], event["template"]))
        if unit is None:
            unit = self.unit_of(event)
        credits: int | None = 0
        if outcome in {"hit", "coalesced", "render"}:
            width, height, size, count = get("width"), get("height"), get("bytes"), get("count", 1)
            if not width.__class__ is height.__class__ is size.__class__ is count.__class__ is int:
                width, height, size = whole(width, 1), whole(height, 1), whole(size, 0)
                count = whole(count, 1) or 1
            if count != 1 and (count < 1 or outcome != "hit"):
                raise BadLineError("count")
            form, placement = get("format"), get("placement")
            slot = (outcome, unit, placement, form, width, height, size)
            known = self.delivered.get(slot)
            if known is None:
                self.check_picture(form, placement, width, height, size)
            if outcome == "render":
                credits = self.credits_of(event)
                self.render(event, unit, ts, cycle, credits, sign)
            else:
                if "credits" in event:
                    credits = self.credits_of(event)
                if get("duration_ms") is not None:
                    self.duration(event)
            self.delivered[slot] = (known or 0) + sign * count
        elif outcome == "error":
            credits = self.credits_of(event)
            self.error(event, unit, ts, cycle, credits, sign)
        elif outcome == "refused":
            credits = self.credits_of(event)
            self.refused += sign
            unit.demand[cycle] += sign * SCALE if credits is not None else 0
        else:
            raise BadLineError("outcome")
        if ts < unit.first:
            unit.first = ts
        if ts > unit.last:
            unit.last = ts
        if credits is None:
            self.uncertain += sign
            unit.demand[cycle] += sign * SCALE
        elif credits:
            self.credits += sign * credits
            unit.spent[cycle] += sign * credits

    def check_picture(self, form: Any, placement: Any, width: Any, height: Any, size: Any) -> None:
        """The fields of an image, once for each combination."""
        if (form != "jpg" and form not in FORMATS) or not isinstance(placement, str | None):
            raise BadLineError("format or placement")
        if (width is not None and width < 1) or (height is not None and height < 1) or (size or 0) < 0:
            raise BadLineError("size")

    def duration(self, event: dict[str, Any]) -> int:
        """Whole microseconds."""
        value = event["duration_ms"]
        if value.__class__ is float or value.__class__ is int:
            if value >= 0:
                return round(value * 1000)
        elif value is None:
            return 0
        raise BadLineError("duration_ms")

    def render(self, event: dict[str, Any], unit: Unit, ts: int, cycle: int, credits: int | None, sign: int) -> None:
        """Keep a render for the walks."""
        get = event.get
        if sign < 0:
            group = unit.renders[event["key"]]
            group[:] = [kept for kept in group if kept.id != event["id"]]
            return
        digest = get("digest")
        code = 0
        if digest is not None:
            code = self.digests.get(digest, 0)
            if not code:
                if DIGEST.fullmatch(digest) is None:
                    raise BadLineError("digest")
                code = self.digests[digest] = self.digests.setdefault(digest.lower(), len(self.digests) + 1)
        inputs, fields = get("inputs"), 0
        if inputs is not None:
            items = tuple(inputs.items())
            fields = self.inputs.get(items, 0)
            if not fields:
                fields = self.new_inputs(items)
        form = get("format")
        done = ts + self.duration(event) if "duration_ms" in event else ts
        status = get("status")
        if status is not None and status.__class__ is not int:
            whole(status, 0)
        width, height = get("width"), get("height")
        record = Render(
            ts,
            event["id"],
            done,
            code,
            credits or 0,
            unit,
            fields,
            ("jpeg" if form == "jpg" else form, width, height),
            get("placement") or "",
            get("bytes"),
            cycle,
        )
        group = unit.renders.get(event["key"])
        if group is None:
            unit.renders[event["key"]] = [record]
        else:
            group.append(record)

    def new_inputs(self, items: tuple[Any, ...]) -> int:
        """A code for inputs not seen before; the order of fields does not matter."""
        if not all(isinstance(value, str) for _, value in items):
            raise BadLineError("inputs")
        ordered = tuple(sorted(items))
        code = self.inputs.setdefault(ordered, len(self.inputs) + 1)
        self.inputs[items] = code
        return code

    def error(self, event: dict[str, Any], unit: Unit, ts: int, cycle: int, credits: int | None, sign: int) -> None:
        """A failed call."""
        kind, retried, status = event.get("error"), event.get("retried"), event.get("status")
        if kind not in ERRORS or retried not in {None, True, False} or isinstance(retried, int) is (retried is None):
            raise BadLineError("error or retried")
        whole(status, 0)
        if event.get("duration_ms") is not None:
            self.duration(event)
        if kind == "quota" and not retried and credits is not None:
            unit.demand[cycle] += sign * SCALE
        kind = kind or "other"
        self.failed[unit.account, kind, bool(retried), credits is None] += sign
        if retried and (credits is None or credits > 0):
            record = (unit, kind, event["key"], ts, event["id"])
            if sign > 0:
                self.tries.append(record)
            else:
                self.tries.remove(record)

    def rescan(self) -> None:
        """First and last events anew, where a record that stood at an edge was taken back."""
        for unit in self.units.values():
            unit.first, unit.last = 1 << 62, -(1 << 62)
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    event = orjson.loads(line)
                    if self.seen.get(event["id"]) == offset or self.is_unresolved(event):
                        unit, ts, _ = self.place(event)
                        self.edges(unit, ts)
                except (ValueError, KeyError, TypeError):
                    pass
                offset += len(line)

    def is_unresolved(self, event: dict[str, Any]) -> bool:
        """Whether this record is the attempt that stands for its id."""
        known = self.attempts.get(event["id"])
        return known is not None and event["id"] not in self.seen and known[1] == event


class Walks:
    """Sections 3 to 5: needed or not, key by key; then what volatile fields cost."""

    def __init__(self, log: Log) -> None:
        self.waste = dict.fromkeys(("staging", "concurrent", "repeat", "volatile"), 0)
        self.evidence = Counter({"renders": 0, "concurrent": 0, "repeat": 0, "expired_identical": 0})
        self.duplicated: set[Unit] = set()
        self.staging: set[tuple[Any, ...]] = set()
        self.by_unit: dict[Unit, list[tuple[Render, bool]]] = defaultdict(list)
        self.last: list[Render] = []
        """The last render of each key."""
        self.last_ts: dict[tuple[Any, ...], int] = {}
        self.wasted: dict[Unit, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for owner, keys in log.groups.items():
            for key, group in keys.items():
                if group:
                    self.walk(group)
                    self.last_ts[owner, key] = group[-1].ts
        items = {code: given for given, code in log.inputs.items()}
        self.volatile = sum(len(self.find(unit, renders, items)) for unit, renders in self.by_unit.items())

    def walk(self, group: list[Render]) -> None:
        """The walk of section 3 over one key."""
        if len(group) > 1:
            group.sort()
        self.last.append(group[-1])
        self.evidence["renders"] += len(group)
        done, current = -1, 0
        for number, render in enumerate(group):
            ts, _, end, digest, credits, unit, inputs, _, _, _, cycle = render
            cause = None
            if number and ts < done:
                cause = "concurrent"
            elif number and ts < done + TTL and not (digest and current and digest != current):
                cause = "repeat"
            else:
                if number and ts >= done + TTL and digest and digest == current:
                    self.evidence["expired_identical"] += 1
                done, current = end, digest
            if inputs:
                self.by_unit[unit].append((render, cause is not None))
            if cause is not None:
                self.evidence[cause] += 1
                self.duplicated.add(unit)
            if not unit.production:
                cause = "staging"
                if credits:
                    self.staging.add((unit.account, unit.environment))
            if cause is not None:
                self.waste[cause] += credits
                self.wasted[unit][cycle] += credits

    def find(self, unit: Unit, renders: list[tuple[Render, bool]], items: dict[int, Any]) -> list[str]:
        """The volatile fields of a unit; their saving is booked."""
        renders.sort(key=itemgetter(0))
        own = {render.inputs for render, _ in renders}
        fields = sorted({name for code in own for name, _ in items[code]})
        passing = [name for name in fields if self.passes(renders, self.split(own, items, {name}))]
        if not passing:
            return []
        together = self.split(own, items, set(passing))
        if len(passing) > 1 and self.passes(renders, together):
            self.book(unit, self.savings(renders, together))
            return passing
        saved = {name: self.savings(renders, self.split(own, items, {name})) for name in passing}
        best = min(passing, key=lambda name: (-sum(group[0] for group in saved[name]), name))
        self.book(unit, saved[best])
        return [best]

    def split(self, own: set[int], items: dict[int, Any], out: set[str]) -> dict[int, tuple[Any, Any]]:
        """inputs -> (code of the fields that stay, the values of those left out)."""
        codes: dict[tuple[Any, ...], int] = {}
        parts = {}
        for code in own:
            given = dict(items[code])
            gone = tuple(sorted((name, given.pop(name)) for name in out if name in given))
            parts[code] = (codes.setdefault(tuple(sorted(given.items())), len(codes)), gone)
        return parts

    def passes(self, renders: list[tuple[Render, bool]], parts: dict[int, tuple[Any, Any]]) -> bool:
        """Whether neighbors that differ only in what was left out have the same image."""
        before: dict[tuple[Any, ...], tuple[Any, int]] = {}
        pairs = agreeing = 0
        for render, duplicate in renders:
            digest = render[3]
            if duplicate or not digest:
                continue
            rest, gone = parts[render[6]]
            group = (rest, render[7])
            known = before.get(group)
            if known is not None and known[0] != gone:
                pairs += 1
                agreeing += known[1] == digest
            before[group] = (gone, digest)
        return pairs >= 3 and agreeing * 100 >= 95 * pairs

    def savings(
        self, renders: list[tuple[Render, bool]], parts: dict[int, tuple[Any, Any]]
    ) -> list[tuple[int, list[Render]]]:
        """(credits, newly duplicate renders) of each merged group."""
        merged: dict[tuple[Any, ...], list[tuple[Render, bool]]] = defaultdict(list)
        for entry in renders:
            merged[parts[entry[0].inputs][0], entry[0].shape].append(entry)
        found = []
        for group in merged.values():
            saved, fresh, started, done, current = 0, [], False, 0, 0
            for render, duplicate in group:
                ts, digest = render.ts, render.digest
                now = started and (ts < done or (ts < done + TTL and not (digest and current and digest != current)))
                if not now:
                    started, done, current = True, render.done, digest
                elif not duplicate:
                    fresh.append(render)
                saved += (now - duplicate) * render.credits
            if saved > 0:
                found.append((saved, fresh))
        return found

    def book(self, unit: Unit, savings: list[tuple[int, list[Render]]]) -> None:
        """Give the saving to the newly duplicate renders until it is used up."""
        if not unit.production:
            return
        for saved, fresh in savings:
            left = saved
            for render in fresh:
                part = min(left, render.credits)
                left -= part
                self.waste["volatile"] += part
                self.wasted[unit][render.cycle] += part


class Sizes:
    """Section 6: images larger than the place where they are shown."""

    def __init__(self, log: Log, last: list[Render]) -> None:
        self.found: set[tuple[str, str, str]] = set()
        self.delivered = self.stored = 0
        for (_, unit, placement, form, width, height, size), count in log.delivered.items():
            self.delivered += count * self.wasted(unit, placement or "", form, width, height, size)
        for render in last:
            self.stored += self.wasted(render.unit, render.placement, *render.shape, render.size)
        self.retina = self.variants(log)

    def wasted(self, unit: Unit, placement: str, form: Any, width: Any, height: Any, size: Any) -> int:
        """Bytes in vain, half up; 0 below 4096."""
        limit = TEMPLATE_LIMITS.get(unit.template) or PLACEMENT_LIMITS.get(placement)
        if limit is None or not width or not height or size is None or form in {"svg", "pdf"}:
            return 0
        shown, actual = limit[0], width
        if limit[1] is not None and limit[1] * width < limit[0] * height:
            shown, actual = limit[1], height
        if actual <= shown:
            return 0
        square = actual * actual
        lost = (2 * size * (square - shown * shown) + square) // (2 * square)
        if lost < SMALLEST:
            return 0
        self.found.add((unit.account[0], unit.template, placement))
        return int(lost)

    def variants(self, log: Log) -> int:
        """Templates whose inputs were rendered at two sizes of one shape."""
        sizes: dict[tuple[Unit, int], set[tuple[int, int]]] = defaultdict(set)
        for keys in log.groups.values():
            for group in keys.values():
                for render in group:
                    if render.inputs and render.shape[1] and render.shape[2]:
                        sizes[render.unit, render.inputs].add(render.shape[1:])
        found = set()
        for (unit, _), own in sizes.items():
            if len(own) > 1 and any(
                2 * w2 >= 3 * w1 and 100 * abs(w1 * h2 - w2 * h1) <= w2 * h1 for w1, h1 in own for w2, h2 in own
            ):
                found.add((unit.account[0], unit.template))
        return len(found)


class Bills:
    """Section 7: cycles, the plan that fits, and templates that would fit a free one."""

    def __init__(self, log: Log) -> None:
        self.accounts: dict[tuple[str, str], list[Unit]] = defaultdict(list)
        for unit in {id(unit): unit for unit in log.units.values()}.values():
            if unit.last >= unit.first:
                self.accounts[unit.account].append(unit)
        self.mismatch = self.low_volume = 0
        self.cycles: dict[str, dict[str, Any]] = {}
        for account, units in sorted(self.accounts.items()):
            self.judge(account, units)

    def judge(self, account: tuple[str, str], units: list[Unit]) -> None:
        """One account."""
        first, last = min(unit.first for unit in units), max(unit.last for unit in units)
        cycles = range(month(first), month(last) + 1)
        spent = {cycle: sum(unit.spent.get(cycle, 0) for unit in units) for cycle in cycles}
        demand = {cycle: spent[cycle] + sum(unit.demand.get(cycle, 0) for unit in units) for cycle in cycles}
        complete = [
            cycle for cycle in cycles if first <= month_start(cycle) + DAY and last >= month_start(cycle + 1) - DAY
        ]
        self.cycles[account[1]] = {
            "credits": [number(value) for value in spent.values()],
            "demand": [number(value) for value in demand.values()],
            "complete": len(complete),
        }
        needs = [Fraction(demand[cycle]) for cycle in cycles]
        bills = len(complete)
        if not complete:
            newest = cycles[-1]
            start, end = month_start(newest), month_start(newest + 1)
            elapsed = max(last - max(start, first), 1)
            needs[-1] = Fraction(demand[newest]) * (end - start) / elapsed
            bills = 1
        fitting = [plan for plan in PLANS if all(need <= plan[2] * SCALE for need in needs)]
        best = min(fitting, key=lambda plan: (plan[1] * bills, -plan[2], plan[0]), default=None)
        self.mismatch += best is None or best[0] != CURRENT
        self.low_volume += self.fits_free(units, complete)

    def fits_free(self, units: list[Unit], complete: list[int]) -> bool:
        """Whether some templates, smallest first, fit the free plan in every complete cycle."""
        totals: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for unit in units:
            for cycle in complete:
                totals[unit.template][cycle] += unit.spent.get(cycle, 0)
        smallest = min(
            (by for by in totals.values() if sum(by.values())), key=lambda by: sum(by.values()), default=None
        )
        return smallest is not None and all(credits <= PLANS[0][2] * SCALE for credits in smallest.values())


def number(billionth: int) -> int | float:
    """Credits as JSON writes them."""
    value = Fraction(billionth, SCALE)
    return int(value) if value.denominator == 1 else float(value)


def totals_of(log: Log) -> dict[str, Any]:
    """Section 8's totals."""
    requests: Counter[str] = Counter()
    size = 0
    for (outcome, *_, one), count in log.delivered.items():
        requests[outcome] += count
        size += (one or 0) * count
    errors = sum(count for (_, _, retried, _), count in log.failed.items() if not retried)
    retries = sum(count for (_, _, retried, _), count in log.failed.items() if retried)
    hits, misses = requests["hit"], requests["coalesced"] + requests["render"] + errors + log.refused
    return {
        "requests": hits + misses,
        "hits": hits,
        "misses": misses,
        "coalesced": requests["coalesced"],
        "renders": requests["render"],
        "errors": errors,
        "refused": log.refused,
        "retries": retries,
        "unresolved": log.unresolved,
        "credits": number(log.credits),
        "credits_uncertain": log.uncertain + log.unresolved,
        "bytes": size,
        "hit_ratio": float(round(Fraction(hits, hits + misses), 6)) if hits + misses else None,
    }


def report(log: Log) -> dict[str, Any]:
    """The same numbers as the product's report."""
    walks = Walks(log)
    sizes, bills = Sizes(log, walks.last), Bills(log)
    ghosts = 0
    for unit, _, key, ts, _ in log.tries:
        owner = (*unit.account, unit.environment)
        ghosts += walks.last_ts.get((owner, key), -(1 << 62)) >= ts
    return {
        "inputs": {
            "lines": log.lines,
            "events": len(log.seen) + log.unresolved,
            "superseded": log.superseded,
            "duplicates": log.duplicates,
            "filtered": 0,
            "rejected": log.rejected,
            "assumed_timezone": log.assumed,
        },
        "totals": totals_of(log),
        "waste": {cause: number(credits) for cause, credits in walks.waste.items()}
        | {"total": number(sum(walks.waste.values()))},
        "findings": {
            "duplicate-renders": len(walks.duplicated),
            "failed-calls": len({(account, kind) for (account, kind, _, _), n in log.failed.items() if n}),
            "low-volume-templates": bills.low_volume,
            "oversized-outputs": len(sizes.found),
            "plan-mismatch": bills.mismatch,
            "retina-variants": sizes.retina,
            "staging-credits": len(walks.staging),
            "volatile-inputs": walks.volatile,
        },
        "evidence": {
            **walks.evidence,
            "stored_wasted_bytes": sizes.stored,
            "delivered_wasted_bytes": sizes.delivered,
            "retry_ghosts": ghosts,
            "cycles": bills.cycles,
        },
    }


def main() -> None:
    """Command line."""
    gc.disable()  # nothing here is cyclic garbage, and the collector would walk millions of tuples again and again
    log = Log(Path(sys.argv[1]))
    log.read()
    json.dump(report(log), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
