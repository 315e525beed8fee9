"""Two weeks of a small shop as Prometheus would have seen them: the real client and exporter on a clock of our own.

Meters of the client count and write events, the ledger takes them in, the exporter shows it; at each step both
expositions are kept with the labels of their target and the time, as a scrape keeps them. promtool makes blocks of it.
"""

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

import orjson
from auditor_exporter.findings import FindingsCollector
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot
from auditor_exporter.usage import UsageCollector
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from auditor.caches import Entry
from auditor.client.clock import Clock
from auditor.client.metering import Metering
from auditor.client.sinks import Sink, Spool
from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.intake.sources import discover, present
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.upkeep import configure
from auditor.model.endpoints import Seen
from auditor.model.errors import ProviderError, ThrottledError, UncertainError
from auditor.model.provider import Answer, Picture
from auditor.pipeline import Options, audit
from auditor.reports.json import Json

START = datetime(2026, 8, 29, tzinfo=UTC)
END = datetime(2026, 9, 12, 12, tzinfo=UTC)
"""Two weeks and a half day: over the start of two cycles, three weekends, an incident and a deploy."""
EARLIER = datetime(2026, 8, 1, 4, tzinfo=UTC)
"""From here on there are events and no scrapes: the cycle of August in New York is complete, so that it has a bill."""
DAY = 86_400
STEP = 900
"""Seconds between two scrapes."""
AUDIT_EVERY = 3 * DAY
INCIDENT = (datetime(2026, 9, 4, 13, tzinfo=UTC), datetime(2026, 9, 4, 16, tzinfo=UTC))
DEPLOY = datetime(2026, 9, 9, 9, tzinfo=UTC)
"""It empties the cache of the shop, and puts a time into the inputs of its cards."""
CONFIG = {
    "accounts": {
        "main": {"provider": "imejis", "plan": "Pro", "timezone": "America/New_York"},
        "campaigns": {"provider": "templated", "plan": "Small", "anchor_day": 5},
    },
    "plans": {"templated": {"Small": {"price": "14.99", "currency": "USD", "included": 1000, "overage": "0.02"}}},
    "usage": {"campaigns": {"api_key_env": "CAMPAIGNS_KEY"}},
    "limits": {"templates": {"product-card": {"width": 400}}},
}
FORMATS = {"og-card": ("png", 92_000), "product-card": ("webp", 31_000), "voucher": ("pdf", 140_000)}


@dataclass
class Virtual:
    """Seconds since 1970, moved by hand."""

    now: float

    def clock(self) -> Clock:
        """As the client takes it."""
        return Clock(wall_ns=lambda: round(self.now * 1e9), steady=lambda: self.now)


@dataclass
class Process:
    """One process that renders: its metrics begin anew when it is restarted, its cache is its own."""

    job: str
    instance: str
    provider: str
    account: str
    environment: str
    templates: Sequence[str]
    an_hour: float
    """Requests an hour, over a day and a week."""
    variants: int
    ttl: float
    """Seconds for which a picture is kept; 0 is no cache."""
    folder: Path
    spool: Sink
    time: Virtual
    chance: random.Random
    pictures: dict[str, Entry] = field(default_factory=dict)
    salted: bool = False
    billed: list[float] = field(default_factory=list)
    """When the provider billed a credit, as it knows it itself."""

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """New counters, an empty cache."""
        self.registry = CollectorRegistry()
        self.pictures = {}
        self.metering = Metering(
            account=self.account, environment=self.environment, events=self.spool, secret="history",
            registry=self.registry, clock=self.time.clock(),
        )  # fmt: skip
        self.meter = self.metering.meter(self.provider)
        _process_since(self.registry, self.folder / self.instance, self.time.now)

    def step(self, until: float) -> None:
        """Requests of one step, by the hour of the day and the day of the week."""
        began = self.time.now
        moment = datetime.fromtimestamp(began, UTC)
        daily = 1 + 0.8 * math.sin((moment.hour + moment.minute / 60 - 9) / 24 * math.tau)
        weekly = 0.45 if moment.weekday() >= 5 else 1.2
        expected = self.an_hour * daily * weekly * (until - began) / 3600
        times = sorted(self.chance.uniform(began, until - 31) for _ in range(_poisson(self.chance, expected)))
        for at in times:
            self.time.now = at
            self.request()

    def request(self) -> None:
        """One request: from the cache, by a call, or in vain."""
        template = self.chance.choices(self.templates, weights=range(len(self.templates), 0, -1))[0]
        variant = min(int(self.chance.paretovariate(0.9)), self.variants)
        inputs: dict[str, Any] = {"title": f"variant {variant}"}
        if self.salted and template == "og-card":
            inputs["rendered_at"] = round(self.time.now / 1800)
        request = self.metering.request(self.provider, Seen(template, inputs, {"format": FORMATS[template][0]}))
        kept = self.pictures.get(request.slot.key)
        if kept is not None and kept.expires_at > self.time.now:
            started, ts_ns = self.time.now, round(self.time.now * 1e9)
            self.time.now += self.chance.choice((0.00004, 0.00006, 0.0015))
            self.meter.hit(request, kept, ts_ns, started)
            return
        if self.environment != "production" and self.chance.random() < 0.05:
            self.meter.refused(request, self.meter.begin())
            return
        self.call(request, template, variant)

    def call(self, request: Any, template: str, variant: int) -> None:
        """With up to two further tries; sometimes somebody else waits for the same picture."""
        began = datetime.fromtimestamp(self.time.now, UTC)
        trouble = 0.35 if INCIDENT[0] <= began < INCIDENT[1] else 0.004
        first = self.meter.begin()
        made = first
        for tries in range(3):
            self.meter.attempt(request, made)
            took = self.chance.lognormvariate(math.log(1.6), 0.35)
            if self.chance.random() >= trouble:
                self.billed.append(self.time.now)
                break
            self.meter.cache_failed("redis", "get")  # (who has trouble with one has it with the other)
            error = self.chance.choices(
                (ProviderError("500", status=500), ThrottledError("429", status=429), UncertainError("no answer")),
                weights=(6, 3, 1),
            )[0]  # fmt: skip
            self.time.now += 10.0 if isinstance(error, UncertainError) else 0.2
            last = tries == 2 or isinstance(error, UncertainError)
            self.meter.failed(request, error, made, retried=not last)
            if last:
                return
            made = self.meter.begin()
        self.time.now += took
        picture_format, size = FORMATS[template]
        picture = Picture(None, format=picture_format, width=1200, height=630)
        digest = "sha256:" + sha256(f"{template} {variant}".encode()).hexdigest()
        entry = Entry(picture, digest, size + variant * 7, self.time.now, self.time.now + self.ttl)
        self.meter.rendered(request, entry, made, 200)
        if self.ttl:
            self.pictures[request.slot.key] = entry
            if self.chance.random() < 0.12:
                waited = first._replace(started=self.time.now - took * self.chance.random())
                self.meter.coalesced(request, entry, waited._replace(id=self.meter.begin().id))

    def exposition(self) -> bytes:
        """What it would show to a scrape now, with the requests that are in flight."""
        flying = _poisson(self.chance, self.an_hour / 90)
        self.meter.inflight(flying)
        shown = generate_latest(self.registry)
        self.meter.inflight(-flying)
        return shown


def _process_since(registry: CollectorRegistry, folder: Path, since: float) -> None:
    """prometheus_client's own collector of the process, over a /proc of our own."""
    (folder / "self" / "fd").mkdir(parents=True, exist_ok=True)
    (folder / "stat").write_text(f"btime {int(since)}\n")
    fields = ["1", "(shop)", "S", *["0"] * 49]
    (folder / "self" / "stat").write_text(" ".join(fields))
    (folder / "self" / "limits").write_text("Max open files 1024 1024 files\n")
    ProcessCollector(pid=lambda: "self", proc=str(folder), registry=registry)


def _poisson(chance: random.Random, expected: float) -> int:
    """Knuth's way; *expected* is small."""
    limit, product, number = math.exp(-expected), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number


@dataclass
class Shop:
    """All processes, the ledger and its exporter."""

    folder: Path
    ledger: Ledger

    def __post_init__(self) -> None:
        self.time = Virtual(START.timestamp())
        self.settings = settings_of(CONFIG, "history")
        spool = Spool(self.folder / "usage", max_age=1e9, clock=self.time.clock())
        process = partial(Process, folder=self.folder, spool=spool, time=self.time, chance=random.Random(5))
        self.shop = process(
            "shop", "shop-1", "imejis", "main", "production", ("og-card", "product-card"), 50, 500, 86_400
        )
        self.processes = [
            self.shop,
            process("staging", "staging-1", "imejis", "main", "staging", ("og-card", "voucher"), 4, 40, 3600),
            process("campaigns", "campaigns-1", "templated", "campaigns", "production", ("voucher",), 3, 60, 0),
        ]
        with self.ledger.write() as connection:
            configure(connection, self.settings, "history")
        folder = str(self.folder / "usage")
        ingest = Ingest(self.ledger, self.settings, lambda: self.time.now)
        self.follow = Follow(ingest, lambda: present([folder]), tuple, [folder])
        # Another host has an older file.
        older = settings_of({"accounts": {"main": {**CONFIG["accounts"]["main"], "plan": "Basic"}}}, "older")
        self.other = Ingest(self.ledger, older, lambda: self.time.now, where=self.folder / "older.toml")
        self.usage = UsageCollector(
            self.settings, every=STEP, fetch=self.told, environ={"CAMPAIGNS_KEY": "k"}, clock=lambda: self.time.now,
            steady=lambda: self.time.now,
        )  # fmt: skip
        collectors = [
            LedgerCollector(self.ledger, self.settings), self.usage, FindingsCollector(self.report, self.settings)
        ]  # fmt: skip
        self.exporters = [Snapshot(collectors, lambda: self.time.now, lambda: self.time.now) for _ in range(2)]

    @property
    def report(self) -> Path:
        """Of the newest audit."""
        return self.folder / "report.json"

    def told(self, url: str, headers: Mapping[str, str]) -> Answer:
        """What the provider of the campaigns says that it billed since its period began."""
        del url, headers
        now = datetime.fromtimestamp(self.time.now, UTC)
        start = now.replace(month=now.month - (now.day < 5), day=5, hour=0, minute=0, second=0).timestamp()
        used = sum(at >= start for at in self.processes[-1].billed)
        return Answer(200, {}, orjson.dumps({"apiUsage": used, "apiQuota": 1000}))

    def audit(self) -> None:
        """As a timer runs `auditor audit --format json --output`."""
        options = Options(cache=False, now=lambda: datetime.fromtimestamp(self.time.now, UTC))
        result = audit(discover([str(self.folder / "usage")], self.folder), self.settings, options, lambda *_: None)
        with self.report.open("w", encoding="utf-8") as file:
            Json().write(result, file)

    def earlier(self) -> None:
        """A quiet month before the first scrape."""
        usual, self.shop.an_hour = self.shop.an_hour, 3
        for at in range(int(EARLIER.timestamp()), int(START.timestamp()), STEP):
            self.time.now = float(at)
            self.shop.step(at + STEP)
        self.shop.an_hour = usual
        self.shop.restart()

    def run(self, out: TextIO) -> None:
        """All steps, with a scrape after each, and an audit every few days."""
        self.earlier()
        for at in range(int(START.timestamp()), int(END.timestamp()), STEP):
            if at == DEPLOY.timestamp():
                self.time.now = at
                self.shop.restart()
                self.shop.salted = True
            for process in self.processes:
                self.time.now = float(at)
                process.step(at + STEP)
            self.time.now = float(at + STEP)
            if at == DEPLOY.timestamp() + DAY:
                (self.folder / "usage" / "usage-torn.jsonl").write_bytes(b"torn\n" * 3)
            self.follow.look()
            self.other.beat()
            self.usage.refresh()
            if at % AUDIT_EVERY == 0:
                self.audit()
            for process in self.processes:
                scraped(out, process.exposition(), process.job, process.instance, at + STEP)
            # The second one shows the same ledger from the deploy on.
            for number, exporter in enumerate(self.exporters[: 2 if at >= DEPLOY.timestamp() else 1], start=1):
                scraped(out, exporter.exposition()[0], "imgrender", f"exporter-{number}:19710", at + STEP)
        out.write("# EOF\n")


_SAMPLE = re.compile(r"^([^#{ ]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def scraped(out: TextIO, exposition: bytes, job: str, instance: str, at: int) -> None:
    """Samples with the labels of their target and the time of the scrape, and `up` as Prometheus adds it."""
    target = f'job="{job}",instance="{instance}"'
    out.write(f"up{{{target}}} 1 {at}\n")
    out.writelines(
        f"{name}{{{target}{',' * bool(labels)}{labels}}} {value} {at}\n"
        for name, labels, value in _SAMPLE.findall(exposition.decode())
    )
