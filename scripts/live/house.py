"""The whole house: everything that runs, and what each part of it counts."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from auditor_exporter.alertfiles import parameters_of
from sqlalchemy import select

from auditor.ledger.database import Ledger
from auditor.ledger.schema import periods
from auditor.model.plans import Cycle
from auditor.system.progress import Progress
from scripts.live import monitoring
from scripts.live.history import Place, recorded, visited
from scripts.live.processes import Child, Processes
from scripts.live.receiver import Receiver, receiving
from scripts.live.shop import CAMPAIGNS, DAYS, SHOP, Plans, cycle_of
from scripts.live.traffic import Traffic
from tests.grafana.prometheus import Prometheus

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scale:
    """How fast the demo goes."""

    left: int
    """Credits of the shop's plan that are left when it begins."""
    step: int
    """Seconds between two scrapes of the history."""
    every: int
    """Seconds between two scrapes and evaluations of rules."""
    latency: float
    """Median seconds of a render."""
    waits: Mapping[str, str]
    """Of Alertmanager's route."""
    settings: tuple[str, ...] = ()
    """`NAME=VALUE`s of rules and alerts."""
    faults: tuple[str, ...] = ()
    """`NAME=SHARE`s of the sandbox."""


@dataclass(frozen=True, slots=True)
class Past:
    """What was before the sandbox began its invoice."""

    cycle: Cycle
    """The running one."""
    plans: Plans
    spent: Mapping[str, int]
    """Credits of the running cycle, by account."""
    earlier: int
    """Credits of the cycles before."""

    @property
    def credits(self) -> int:
        """Of the running cycle."""
        return sum(self.spent.values())


@dataclass(frozen=True, slots=True)
class House:
    """All that runs."""

    place: Place
    past: Past
    processes: Processes
    sandbox: str
    """Its origin."""
    exporter: Child
    metrics: str
    """Address of the exporter's metrics."""
    traffic: Traffic
    receiver: Receiver
    prometheus: Prometheus
    alertmanager: str

    def invoice(self) -> int:
        """Credits that the sandbox billed since it was started."""
        return int(httpx.get(f"{self.sandbox}/sandbox/invoice").json()["credits"])

    def booked(self) -> Decimal:
        """Credits of the running cycle, read from the ledger's own table."""
        current = select(periods.c.credits).where(periods.c.start_us == self.past.cycle.start_us)
        with Ledger(self.place.ledger, reader=True) as ledger, ledger.read() as connection:
            rows = connection.execute(current)
            return sum((row.credits for row in rows), Decimal(0))

    def value(self, query: str) -> float | None:
        """The newest value of a query that gives one series."""
        found = self.prometheus.get("/api/v1/query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def fault(self, *faults: str | None) -> None:
        """What the sandbox's next calls meet; None is nothing."""
        httpx.post(f"{self.sandbox}/sandbox/faults", json={"next": faults}).raise_for_status()

    def audit(self) -> None:
        """Start the job that writes the report which the exporter shows."""
        self.processes.job(
            "audit", *_module("auditor", "audit"), self.place.usage, "--config", self.place.config, "--format", "json",
            "--output", self.place.report,
        )  # fmt: skip


@contextmanager
def running(folder: Path, scale: Scale, now: int, say: Say) -> Iterator[House]:
    """Start all of it in a *folder*, after a history that ends *now*, in seconds since 1970."""
    place = Place(folder)
    place.logs.mkdir()
    monitoring.install()
    past = _past(place, scale, now, say)
    say("starting the servers")
    with ExitStack() as stack:
        processes = stack.enter_context(Processes(place.logs))
        faults = [word for fault in scale.faults for word in ("--fault", fault)]
        sandbox = processes.serve(
            "sandbox", *_module("auditor", "sandbox"), "--port", "0", "--latency", str(scale.latency), *faults
        )
        api = processes.until(sandbox.first_line, "the sandbox answers")
        exporter = processes.serve(
            "exporter", *_module("auditor_exporter", "serve"), "--config", place.config, "--replace",
            "--ledger", place.ledger, "--follow", place.usage, "--every", "0.2", "--findings", place.report,
            "--listen", "127.0.0.1:0",
        )  # fmt: skip
        metrics = processes.until(exporter.first_line, "the exporter answers")
        receiver = stack.enter_context(receiving(place.logs / "receiver.log"))
        traffic = stack.enter_context(Traffic(api, place.usage))
        alertmanager = monitoring.alertmanager(processes, folder, receiver.url, scale.waits)
        prometheus = monitoring.prometheus(
            processes, place, urlsplit(metrics).netloc, traffic.address, alertmanager, scale.every, scale.step
        )
        yield House(
            place, past, processes, api.removesuffix("/v1"), exporter, metrics, traffic, receiver, prometheus,
            f"http://{alertmanager}",
        )  # fmt: skip


def _past(place: Place, scale: Scale, now: int, say: Say) -> Past:
    """Make the history, and plans that go with it: few of the shop's credits are left."""
    say(f"{DAYS} days of history are made, which takes a minute")
    visits, cycle = visited(place.folder, now, scale.step), cycle_of(now)
    spent = {name: sum(at >= cycle.start.timestamp() for at in times) for name, times in visits.billed.items()}
    plans = Plans(spent[SHOP] + scale.left, spent[CAMPAIGNS] // 2, cycle.start.day)
    plans.write(place.config)
    sets = [word for setting in scale.settings for word in ("--set", setting)]
    alerts = [*_module("auditor_exporter", "alerts"), "--out", str(place.folder / "alerting"), *sets]
    subprocess.run(alerts, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own command)
    with Progress(unit="items") as progress:
        recorded(place, visits, scale.step, parameters_of(scale.settings), progress)
    return Past(cycle, plans, spent, sum(map(len, visits.billed.values())) - sum(spent.values()))


def _module(package: str, command: str) -> list[str]:
    """A command of ours, with this interpreter."""
    return [sys.executable, "-m", package, command]
