"""Processes of a small shop that render, on a clock of our own: the real client's meters, and a provider that is made up."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from auditor.caches import Entry
from auditor.client.clock import Clock
from auditor.client.metering import Metering
from auditor.client.sinks import Sink
from auditor.model.endpoints import Seen
from auditor.model.errors import ProviderError, ThrottledError, UncertainError
from auditor.model.provider import Picture

STEP = 900
"""Seconds between two scrapes."""
INCIDENT = (datetime(2026, 9, 4, 13, tzinfo=UTC), datetime(2026, 9, 4, 16, tzinfo=UTC))
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
    """One process that renders: after a restart its metrics begin at 0; its cache is its own."""

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
        """One request: from the cache, by a call, or refused."""
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
