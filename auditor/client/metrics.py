"""The client's own metrics, in prometheus_client: one process counts what it does itself."""

import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, ref

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from auditor.model.metrics import CLIENT, OTHER, Bounded
from auditor.version import __version__

WAITS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Seconds: from a memory hit of some µs to renders of 1–3 s and a timeout."""
_TYPES: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": partial(Histogram, buckets=WAITS)}


class ClientMetrics(Collector):
    """The client's metrics in one registry; one object a registry, however many renderers there are.

    The families are held here and collected without their `_created` series, which double what Prometheus stores and
    say nothing that a restart does not say.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.families: dict[str, Any] = {}
        for definition in CLIENT:
            options: dict[str, Any] = {"registry": None}
            if definition.type == "gauge":
                options["multiprocess_mode"] = "livesum" if "inflight" in definition.name else "mostrecent"
            made = _TYPES[definition.type](definition.name, definition.help, definition.labels, **options)
            self.families[definition.name.removeprefix("imgrender_client_")] = made
        dropped = self.families["label_values_dropped_total"]
        self.account = Bounded(lambda _: dropped.labels("account").inc())
        self.environment = Bounded(lambda _: dropped.labels("app_env").inc())
        for reason in ("io", "error"):  # 0 from the start, so that the first loss is a rise
            self.families["events_dropped_total"].labels(reason)
        self.families["build_info"].labels(__version__).set(1)
        registry.register(self)
        self._registry = ref(registry)

    def forked(self) -> None:
        """A lock that another thread held at the fork is never free again in the child: prometheus_client's too."""
        for part in (self.account, self.environment, self._registry()):
            _renew_locks(part)
        for cell in getattr(values.ValueClass, "inc", _renew_locks).__closure__ or ():
            if isinstance(cell.cell_contents, _LOCK_TYPE):  # of its multiprocess mode, one for all values
                cell.cell_contents = threading.Lock()
        for family in self.families.values():
            for part in (family, *getattr(family, "_metrics", {}).values()):
                _renew_locks(part)

    def child(self, name: str, *labels: str) -> Any:
        """One series; callers keep it, since finding it costs four times as much as counting."""
        return self.families[name].labels(*labels)

    def describe(self) -> Iterable[Metric]:
        """Names only, so that registering does not collect."""
        return [described for family in self.families.values() for described in family.describe()]

    def collect(self) -> Iterable[Metric]:
        """The families, without `_created`."""
        for family in self.families.values():
            for metric in family.collect():
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
                yield metric


def _renew_locks(part: Any) -> None:
    for value in (part, *(getattr(part, name, None) for name in ("_value", "_sum")), *getattr(part, "_buckets", ())):
        if hasattr(value, "_lock"):
            value._lock = threading.Lock()


_LOCK_TYPE = type(threading.Lock())
_BY_REGISTRY: "WeakKeyDictionary[CollectorRegistry, ClientMetrics]" = WeakKeyDictionary()
_LOCK = threading.Lock()


def client_metrics(registry: CollectorRegistry = REGISTRY) -> ClientMetrics:
    """The metrics of a registry, made at the first call."""
    with _LOCK:
        found = _BY_REGISTRY.get(registry)
        if found is None:
            found = _BY_REGISTRY[registry] = ClientMetrics(registry)
        return found


class AccountMetrics:
    """The series of one provider, account and environment, found once."""

    def __init__(
        self, metrics: ClientMetrics, provider: str, account: str, environment: str, production: bool,
        results: Sequence[str],
    ) -> None:  # fmt: skip
        self._metrics, self._labels = metrics, (provider, metrics.account(account))
        where = (metrics.environment(environment), "true" if production else "false")
        self.requests = {result: self.child("requests_total", result) for result in results}
        self.waits = {result: self.child("request_duration_seconds", result) for result in results}
        self._bytes: dict[str | None, Any] = {}
        self.inflight = self.child("inflight_requests")
        self._api_wait = self.child("api_request_duration_seconds")
        self._credits = self.child("credits_used_total", *where)
        self._uncertain = self.child("credits_uncertain_total", *where)
        self._last_paid = self.child("last_paid_render_timestamp_seconds", *where)

    def ended(self, result: str, waited: float, size: int | None = None, picture_format: str | None = None) -> None:
        """A request ended; *size* of its image in bytes, None where there is none or it went out as an address."""
        self.requests[result].inc()
        self.waits[result].observe(waited)
        if size:
            counter = self._bytes.get(picture_format)
            if counter is None:
                counter = self.child("output_bytes_total", picture_format or OTHER)
                self._bytes[picture_format] = counter
            counter.inc(size)

    def called(self, status: int | None, took: float, credits: float | None, now: float) -> None:
        """A call to the API ended; *credits* None if they are unknown; *now* in seconds since 1970."""
        self.child("api_requests_total", _code(status)).inc()
        self._api_wait.observe(took)
        if credits is None:
            self._uncertain.inc()
        elif credits:
            self._credits.inc(credits)
            self._last_paid.set(now)

    def child(self, name: str, *labels: str) -> Any:
        """Another series of the account."""
        return self._metrics.child(name, *self._labels, *labels)


_KNOWN_CODES = frozenset({200, 201, 202, 400, 401, 402, 403, 404, 408, 422, 429, 500, 502, 503, 504})


def _code(status: int | None) -> str:
    if status is None:
        return "error"
    return str(status) if status in _KNOWN_CODES else f"{status // 100}xx" if 100 <= status < 600 else OTHER
