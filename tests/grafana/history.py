"""What Prometheus would have seen of a small shop: the real client and exporter on a clock of our own.

Meters of the client count and write events, the ledger takes them in, the exporter shows it; at each step both
expositions are kept with the labels of their target and the time, as a scrape keeps them. promtool makes blocks of it.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import Any, TextIO

import orjson
from auditor_exporter.findings import FindingsCollector
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Snapshot, build_info
from auditor_exporter.usage import UsageCollector

from auditor.client.sinks import Spool
from auditor.config import settings_of
from auditor.feed.follow import Follow
from auditor.intake.sources import discover, present
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.upkeep import configure
from auditor.model.provider import Answer
from auditor.pipeline import Options, audit
from auditor.reports.json import Json
from tests.grafana.processes import STEP, Process, Virtual

START = datetime(2026, 8, 29, tzinfo=UTC)
END = datetime(2026, 9, 12, 12, tzinfo=UTC)
"""Two weeks and a half day: over the start of two cycles, three weekends, an incident and a deploy."""
EARLIER = datetime(2026, 8, 1, 4, tzinfo=UTC)
"""From here on there are events and no scrapes: the cycle of August in New York is complete, so that it has a bill."""
DAY = 86_400
AUDIT_EVERY = 3 * DAY
DEPLOY = datetime(2026, 9, 9, 9, tzinfo=UTC)
"""It empties the cache of the shop, and puts a time into the inputs of its cards."""
MAIN = {"provider": "imejis", "plan": "Pro", "timezone": "America/New_York"}
ALL_OF_IT: Mapping[str, Any] = {
    "accounts": {
        "main": MAIN, "campaigns": {"provider": "templated", "plan": "Small", "anchor_day": 5},
    },
    "plans": {"templated": {"Small": {"price": "14.99", "currency": "USD", "included": 1000, "overage": "0.02"}}},
    "usage": {"campaigns": {"api_key_env": "CAMPAIGNS_KEY"}},
    "limits": {"templates": {"product-card": {"width": 400}}},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scene:
    """What there is to see."""

    config: Mapping[str, Any]
    start: datetime
    end: datetime
    processes: int
    """How many of the shop's there are, the shop itself first."""
    earlier: datetime | None = None
    """When its first event was, if that was before the first scrape."""
    audited: bool = True


WHOLE = Scene(ALL_OF_IT, START, END, 3, EARLIER)
"""Two accounts, staging, audits, a provider that is asked."""
ONE_ACCOUNT = Scene({"accounts": {"main": MAIN}}, datetime(2026, 9, 8, tzinfo=UTC), END, 1, EARLIER)
NO_PLAN = Scene({}, datetime(2026, 9, 9, 18, tzinfo=UTC), END, 1, datetime(2026, 9, 7, tzinfo=UTC))
FIRST_HOUR = Scene({"accounts": {"main": MAIN}}, datetime(2026, 9, 12, 11, tzinfo=UTC), END, 1, audited=False)


@dataclass
class Shop:
    """All processes, the ledger and its exporter."""

    folder: Path
    ledger: Ledger
    scene: Scene = WHOLE

    def __post_init__(self) -> None:
        self.time = Virtual(self.scene.start.timestamp())
        self.settings = settings_of(self.scene.config, "history")
        spool = Spool(self.folder / "usage", max_age=1e9, clock=self.time.clock())
        process = partial(Process, folder=self.folder, spool=spool, time=self.time, chance=random.Random(5))
        self.shop = process(
            "shop", "shop-1", "imejis", "main", "production", ("og-card", "product-card"), 50, 500, 86_400
        )
        self.processes = [
            self.shop,
            process("staging", "staging-1", "imejis", "main", "staging", ("og-card", "voucher"), 4, 40, 3600),
            process("campaigns", "campaigns-1", "templated", "campaigns", "production", ("voucher",), 3, 60, 0),
        ][: self.scene.processes]
        with self.ledger.write() as connection:
            configure(connection, self.settings, "history")
        folder = str(self.folder / "usage")
        ingest = Ingest(self.ledger, self.settings, lambda: self.time.now)
        self.follow = Follow(ingest, lambda: present([folder]), tuple, [folder])
        # Another host of the whole has an older file.
        older = settings_of({"accounts": {"main": {**MAIN, "plan": "Basic"}}} if self.scene is WHOLE else {}, "older")
        self.other = Ingest(self.ledger, older, lambda: self.time.now, where=self.folder / "older.toml")
        self.usage = UsageCollector(
            self.settings, every=STEP, fetch=self.told, environ={"CAMPAIGNS_KEY": "k"}, clock=lambda: self.time.now,
            steady=lambda: self.time.now,
        )  # fmt: skip
        collectors: list[Any] = [LedgerCollector(self.ledger, self.settings)]
        collectors += [self.usage] if self.settings.usage else []
        collectors += [FindingsCollector(self.report, self.settings)] if self.scene.audited else []
        self.exporters = [Snapshot(collectors, lambda: self.time.now, lambda: self.time.now) for _ in range(2)]
        for exporter in self.exporters:
            exporter.more = [build_info()]

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

    def earlier(self, since: datetime) -> None:
        """Quiet days before the first scrape."""
        usual, self.shop.an_hour = self.shop.an_hour, 3
        for at in range(int(since.timestamp()), int(self.scene.start.timestamp()), STEP):
            self.time.now = float(at)
            self.shop.step(at + STEP)
        self.shop.an_hour = usual
        self.shop.restart()

    def run(self, out: TextIO) -> None:
        """All steps, with a scrape after each, and an audit every few days."""
        if self.scene.earlier is not None:
            self.earlier(self.scene.earlier)
        for at in range(int(self.scene.start.timestamp()), int(self.scene.end.timestamp()), STEP):
            if at == DEPLOY.timestamp():
                self.time.now = at
                self.shop.restart()
                self.shop.salted = True
            for process in self.processes:
                self.time.now = float(at)
                process.step(at + STEP)
            self.time.now = float(at + STEP)
            if self.scene is WHOLE and at == DEPLOY.timestamp() + DAY:
                (self.folder / "usage" / "usage-torn.jsonl").write_bytes(b"torn\n" * 3)
            self.follow.look()
            if self.scene is WHOLE:
                self.other.beat()
            self.usage.refresh()
            if self.scene.audited and at % AUDIT_EVERY == 0:
                self.audit()
            for process in self.processes:
                scraped(out, process.exposition(), process.job, process.instance, at + STEP)
            # The second one shows the same ledger from the deploy on.
            for number, exporter in enumerate(
                self.exporters[: 2 if self.scene is WHOLE and at >= DEPLOY.timestamp() else 1], start=1
            ):
                shown = exporter.exposition()[0].replace(f"{gethostname()}:{self.folder}".encode(), b"host-1:/srv")
                scraped(out, shown, "imgrender", f"exporter-{number}:19710", at + STEP)
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
