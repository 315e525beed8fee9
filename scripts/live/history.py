"""Eight days before the demo, as Prometheus and the ledger would have seen them.

The real meters of the client, on a clock of their own, write usage events and count; the ledger ingests the events, and
the exporter shows it. What they show is kept with its times, and promtool makes blocks of it. The exporter of the demo
goes on with the same ledger, so that its counters do not begin again.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

import orjson
from auditor_exporter.alerts import Parameters
from auditor_exporter.findings import FindingsCollector
from auditor_exporter.ledger import LedgerCollector
from auditor_exporter.snapshot import Collects, Snapshot

from auditor import config
from auditor.client.sinks import Called, Record
from auditor.feed.follow import Follow
from auditor.intake.sources import discover, present
from auditor.ledger.database import Ledger
from auditor.ledger.ingest import Ingest
from auditor.ledger.upkeep import configure
from auditor.model.settings import Settings
from auditor.pipeline import Options, audit
from auditor.reports.json import Json
from auditor.system.progress import Progress
from scripts.live.shop import CAMPAIGNS, DAYS, ENVIRONMENTS, SHOP, TEMPLATES
from tests.grafana.history import DAY, scraped
from tests.grafana.processes import Process, Virtual
from tests.grafana.prometheus import blocks, ruled, served

WEEKS_BEFORE = 7
EXPORTER, CLIENT = "exporter", "shop-1"
"""`instance` of what is scraped, then and now."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happened until a scrape, and what the clients showed to it."""

    at: int
    """Seconds since 1970."""
    events: list[Record]
    shown: list[tuple[Process, bytes]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo keeps what."""

    folder: Path

    @property
    def config(self) -> Path:
        """auditor.toml."""
        return self.folder / "auditor.toml"

    @property
    def usage(self) -> Path:
        """The spool."""
        return self.folder / "usage"

    @property
    def ledger(self) -> Path:
        """SQLite."""
        return self.folder / "auditor.db"

    @property
    def report(self) -> Path:
        """Of the newest audit."""
        return self.folder / "report.json"

    @property
    def logs(self) -> Path:
        """Of every process."""
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        """Prometheus' blocks."""
        return self.folder / "prometheus"


@dataclass(frozen=True, slots=True)
class Visits:
    """Of all that was before the demo."""

    events: list[Record]
    """Of the weeks before the first scrape: a complete billing cycle is among them, so that there is a bill."""
    steps: list[Step]
    billed: Mapping[str, list[float]]
    """When the API billed a credit, in seconds since 1970, by account."""


def visited(folder: Path, now: int, step: int) -> Visits:
    """The visitors until *now*; for eight days there is a scrape every *step* seconds."""
    begin, events = now - DAYS * DAY, list[Record]()
    time = Virtual(begin - WEEKS_BEFORE * 7 * DAY)
    process = partial(
        Process, provider="imejis", folder=folder, spool=Called(events.append), time=time,
        chance=random.Random(8),  # noqa: S311 (no secret)
    )  # fmt: skip
    production, staging = ENVIRONMENTS
    processes = [
        process(job, instance, account=account, environment=environment, templates=TEMPLATES[account],
                an_hour=an_hour, variants=variants, ttl=ttl)
        for job, instance, account, environment, an_hour, variants, ttl in (
            ("shop", CLIENT, SHOP, production, 30, 400, DAY),
            ("staging", "staging-1", SHOP, staging, 3, 40, 3600),
            ("campaigns", "campaigns-1", CAMPAIGNS, production, 2, 40, 0),
        )
    ]  # fmt: skip
    _quiet(processes[0], time, begin)
    before, steps = events.copy(), []
    for at in range(begin, now, step):
        events.clear()
        for each in processes:
            time.now = float(at)
            each.step(at + step)
        time.now = float(at + step)
        steps.append(Step(at + step, events.copy(), [(each, each.exposition()) for each in processes]))
    billed = defaultdict[str, list[float]](list)
    for each in processes:
        billed[each.account] += each.billed
    return Visits(before, steps, billed)


def _quiet(shop: Process, time: Virtual, until: int) -> None:
    """A few visitors, counted only by the ledger."""
    usual, shop.an_hour = shop.an_hour, 2
    for at in range(int(time.now), until, DAY // 4):
        time.now = float(at)
        shop.step(at + DAY // 4)
    shop.an_hour = usual
    shop.restart()


def recorded(place: Place, visits: Visits, step: int, parameters: Parameters, progress: Progress) -> None:
    """Ingest the *visits* step by step, and make Prometheus' data of it, what the rules record among it."""
    settings, steps = config.load(place.config), visits.steps
    time = Virtual(steps[0].at)
    samples, records = place.folder / "history.om", place.folder / "records.om"
    place.usage.mkdir()
    with (
        Ledger(place.ledger) as ledger,
        samples.open("w") as out,
        (place.usage / "usage-history.jsonl").open("ab") as log,
    ):
        with ledger.write() as connection:
            configure(connection, settings, str(place.config))
        ingest = Ingest(ledger, settings, lambda: time.now, where=place.config)
        follow = Follow(ingest, lambda: present([str(place.usage)]), tuple, [str(place.usage)])
        collectors: list[Collects] = [
            LedgerCollector(ledger, settings, place.config),
            FindingsCollector(place.report, settings),
        ]
        exporter = Snapshot(collectors, lambda: time.now, lambda: time.now)
        _write(log, visits.events)
        for number, each in enumerate(steps):
            time.now = float(each.at)
            _write(log, each.events)
            follow.look()
            if number % max(1, len(steps) // 3) == 0:
                _audited(place, settings, time.now)
            _scraped(out, each, exporter)
            progress("history", number, len(steps))
        out.write("# EOF\n")
    blocks(samples, place.data)
    with served(place.data, step) as server, records.open("w") as out:
        out.writelines(ruled(server, steps[0].at, steps[-1].at, parameters, step))
    blocks(records, place.data)
    for path in (samples, records):
        path.unlink()


def _write(log: BinaryIO, events: Iterable[Record]) -> None:
    log.writelines(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE) for event in events)
    log.flush()


def _scraped(out: TextIO, step: Step, exporter: Snapshot) -> None:
    for process, exposition in step.shown:
        scraped(out, exposition, process.job, process.instance, step.at)
    scraped(out, exporter.exposition()[0], "imgrender", EXPORTER, step.at)


def _audited(place: Place, settings: Settings, now: float) -> None:
    """As a timer runs `auditor audit --format json --output`."""
    options = Options(cache=False, now=lambda: datetime.fromtimestamp(now, UTC))
    result = audit(discover([str(place.usage)], place.folder), settings, options, lambda *_: None)
    with place.report.open("w", encoding="utf-8") as file:
        Json().write(result, file)
