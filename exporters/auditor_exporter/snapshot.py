"""One collection at a time, shared by all who ask meanwhile: a hammered /metrics costs nothing."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Protocol

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from auditor.ledger.receive import Receiver
from auditor.model.errors import AuditorError
from auditor.version import __version__
from auditor_exporter.families import Families, StaleError

FRESH = 1.0
"""Seconds for which a collection is good enough; Prometheus scrapes seldom more often."""
KINDS = 12
"""Formats of one collection that are kept; a header may name versions without end, and then gets the plain one."""


class Collects(Protocol):
    """A source of samples."""

    name: str

    def collect(self, families: Families, now: float, /) -> None:
        """Add samples; whatever it raises makes it unsuccessful."""


def reason(error: Exception) -> str:
    """Why something failed, in our own words; other texts may hold the ledger's password."""
    return str(error) if isinstance(error, AuditorError) else type(error).__name__


class Snapshot:
    """The newest exposition.

    *clock* is wall time, *steady* measures ages and durations; *say* is told when a collector begins to fail, and why.
    """

    def __init__(
        self,
        collectors: Sequence[Collects],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._collectors, self._clock, self._steady, self._say = collectors, clock, steady, say
        self._lock = threading.Lock()
        self._taken: float | None = None
        self._families: list[Metric] = []
        self._encoded: dict[str, tuple[bytes, str]] = {}
        self._failing: dict[str, str] = {}
        self.healthy = False
        """Whether every collector showed something the last time, be it not new."""
        self.collections = 0
        self.more: Sequence[Collector] = ()
        """What is shown whether collectors work or not."""
        self.receiver: Receiver | None = None
        """What books the lines that are sent here, where that is wanted and the ledger is open."""

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """(body, content type) in the format that the scraper accepts."""
        encoder, content_type = _encoder(accept)
        with self._lock:
            if self._taken is None or self._steady() - self._taken >= FRESH:
                self._collect()
            if content_type not in self._encoded and len(self._encoded) >= KINDS:
                encoder, content_type = choose_encoder("")
            if content_type not in self._encoded:
                created = content_type.startswith("application/openmetrics-text")
                self._encoded[content_type] = (encoder(_Taken(self._families, created)), content_type)
            return self._encoded[content_type]

    def registry(self) -> Collector:
        """The same for prometheus_client's own ways out."""
        self.exposition()
        return _Taken(self._families)

    def at_hand(self, accept: str = "") -> tuple[bytes, str] | None:
        """The same without waiting, if nothing has to be done for it."""
        if self._taken is None or self._steady() - self._taken >= FRESH:
            return None
        return self._encoded.get(_encoder(accept)[1])

    def _collect(self) -> None:
        families = Families()
        healthy = True
        for collector in self._collectors:
            started = self._steady()
            own = Families()
            try:
                collector.collect(own, self._clock())
                self._failing.pop(collector.name, None)
            except Exception as error:  # (one that fails is a sample, and does not take the others with it)
                why = reason(error)
                if self._failing.get(collector.name) != why:
                    self._say(f"the collector {collector.name!r} fails: {why}")
                self._failing[collector.name] = why
                if not isinstance(error, StaleError):
                    own, healthy = Families(), False
            families.take(own)
            families.add("scrape_collector_success", (collector.name,), int(collector.name not in self._failing))
            families.add("scrape_collector_duration_seconds", (collector.name,), self._steady() - started)
        self.healthy = healthy
        self._families = [*families.metrics(), *(family for each in self.more for family in each.collect())]
        self._encoded = {}
        self._taken = self._steady()
        self.collections += 1


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """What prometheus_client makes of the header; it fails at versions that are no numbers."""
    try:
        return choose_encoder(accept)
    except Exception:
        return choose_encoder("")


@dataclass(frozen=True, slots=True)
class _Taken(Collector):
    """A registry of families that are there already.

    When a counter was *created* is told in OpenMetrics alone: in the plain format it would be a series of its own.
    """

    families: Iterable[Metric]
    created: bool = False

    def collect(self) -> Iterable[Metric]:
        """As prometheus_client's encoders ask for them."""
        for family in self.families:
            shown = Metric(family.name, family.documentation, family.type, family.unit)
            shown.samples = [each for each in family.samples if self.created or not each.name.endswith("_created")]
            yield shown


def build_info() -> Collector:
    """The version as a metric of one sample, whatever else can be shown; "" for an unknown commit."""
    try:
        written = distribution("render-auditor").read_text("direct_url.json")
    except PackageNotFoundError:
        written = None
    families = Families()
    families.add("exporter_build_info", (__version__, revision_of(os.environ, written)), 1)
    return _Taken(list(families.metrics()))


def revision_of(environ: Mapping[str, str], direct_url: str | None) -> str:
    """From `AUDITOR_REVISION`, which an image sets, or what pip writes down of an installation from git (PEP 610)."""
    try:
        found = environ.get("AUDITOR_REVISION") or json.loads(direct_url or "{}")["vcs_info"]["commit_id"]
    except (ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) and found.isalnum() and len(found) <= 64 else ""
