"""Every metric once: name, type, labels, help; and the client's own, in prometheus_client.

`imgrender_client_*` is what one process knows of itself. What the ledger knows has other names (`imgrender_*`), never
the same one from both, or every sum would double. Labels are bounded: values beyond the cap become `other`, and that is
counted.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from auditor.version import __version__

OTHER = "other"
LABEL_CAP = 20
"""Values that one label may take before further ones are folded into `other`."""
WAITS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Seconds: from a memory hit of some µs to renders of 1–3 s and a timeout."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric family."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...]


_ACCOUNT = ("provider", "account")


def _counter(name: str, help: str, *labels: str) -> Definition:
    return Definition(f"imgrender_client_{name}", "counter", help, labels)


def _gauge(name: str, help: str, *labels: str) -> Definition:
    return Definition(f"imgrender_client_{name}", "gauge", help, labels)


def _histogram(name: str, help: str, *labels: str) -> Definition:
    return Definition(f"imgrender_client_{name}", "histogram", help, labels)


CLIENT: tuple[Definition, ...] = (
    _counter("requests_total", "Requests by the way they ended; the sum is all of them.", *_ACCOUNT, "result"),
    _counter("api_requests_total", "Calls to the API, retries included, by HTTP status or `error`.", *_ACCOUNT, "code"),
    _counter("api_retries_total", "Calls that were tried again, by the reason.", *_ACCOUNT, "reason"),
    _histogram("request_duration_seconds", "How long callers waited.", *_ACCOUNT, "result"),
    _histogram("api_request_duration_seconds", "How long calls to the API took.", *_ACCOUNT),
    _counter("output_bytes_total", "Bytes of the pictures that callers got.", *_ACCOUNT, "format"),
    _counter("credits_used_total", "Credits that calls are known to have cost.", *_ACCOUNT, "app_env", "production"),
    _counter("credits_uncertain_total", "Calls that may have been billed.", *_ACCOUNT, "app_env", "production"),
    _gauge("inflight_requests", "Requests that wait for a picture.", *_ACCOUNT),
    _gauge("last_paid_render_timestamp_seconds", "When the last credit was spent.", *_ACCOUNT, "app_env", "production"),
    _gauge("credits_remaining", "Credits left, as the provider last said.", *_ACCOUNT),
    _gauge("credits_remaining_timestamp_seconds", "When the provider said so.", *_ACCOUNT),
    _counter("cache_errors_total", "Operations of a cache that failed; the render went on without it.", "tier", "op"),
    _counter("events_dropped_total", "Usage events that could not be written.", "reason"),
    _counter("faults_total", "Faults of the metering itself that were kept from callers."),
    _counter("label_values_dropped_total", "Label values that were folded into `other`.", "label"),
    _gauge("build_info", "Version of the client; always 1.", "version"),
)  # fmt: skip


def _shown(name: str, type: str, help: str, *labels: str) -> Definition:
    return Definition(f"imgrender_{name}", type, help, labels)


_PLACE = (*_ACCOUNT, "app_env", "production")

LEDGER: tuple[Definition, ...] = (
    _shown("requests_total", "counter", "Requests by the way they ended; their sum is all.", *_ACCOUNT, "result"),
    _shown("output_bytes_total", "counter", "Bytes of the pictures that callers got.", *_ACCOUNT, "format"),
    _shown("retries_total", "counter", "Calls that were tried again.", *_ACCOUNT),
    _shown("credits_used_total", "counter", "Credits that calls are known to have cost: for rates.", *_PLACE),
    _shown("credits_saved_total", "counter", "Renders that were not needed, one credit each.", *_ACCOUNT, "reason"),
    _shown("duplicate_renders_total", "counter", "Renders whose key had a picture that was still good.", *_ACCOUNT),
    _shown("period_credits_used", "gauge", "Exact credits in the current billing period.", *_PLACE),
    _shown("period_credits_uncertain", "gauge", "Calls in the period that may have been billed.", *_PLACE),
    _shown("credits_spent", "gauge", "Credits of the last hours, by the time of the events.", *_ACCOUNT, "window"),
    _shown("credits_spent_fastest", "gauge", "The most that one such window of the last day took out of this period.",
           *_ACCOUNT, "window"),
    _shown("credits_spent_usual", "gauge",
           "The most that one such window took in the two weeks before the last three days.", *_ACCOUNT, "window"),
    _shown("credits_forecast", "gauge",
           "Credits that the rest of the period, or its next 60 hours, will need at the pace of the last week.",
           *_ACCOUNT, "horizon"),
    _shown("credits_forecast_week_ratio", "gauge", "Share of a week, in whole days, that the forecast rests on.",
           *_ACCOUNT),
    _shown("recent_requests", "gauge", "Requests of three hours, by the time of the events: now, a day and a week ago.",
           *_ACCOUNT, "result", "ago"),
    _shown("recent_duplicate_renders", "gauge", "Duplicate renders of the last three hours.", *_ACCOUNT),
    _shown("period_start_timestamp_seconds", "gauge", "Start of the current billing period.", *_ACCOUNT),
    _shown("period_end_timestamp_seconds", "gauge", "End of the current billing period.", *_ACCOUNT),
    _shown("plan_credits", "gauge", "Credits of the current period: included, carried over and bought.", *_ACCOUNT,
           "hard_cap"),
    _shown("plan_info", "gauge", "The plan of the account; always 1.", *_ACCOUNT, "plan", "currency"),
    _shown("plan_price", "gauge", "Price of the plan for a period.", *_ACCOUNT, "plan", "currency"),
    _shown("plan_overage_price", "gauge", "Price of a credit beyond those of the period.", *_ACCOUNT, "plan",
           "currency"),
    _shown("last_paid_render_timestamp_seconds", "gauge", "When the last credit was spent.", *_PLACE),
    _shown("ledger_corrections_total", "counter", "How far counters are above the exact sums.", *_ACCOUNT, "sum"),
    _shown("ledger_lines_total", "counter", "Lines that were taken in, by what became of them.", "fate"),
    _shown("ledger_config_conflict", "gauge", "Processes whose auditor.toml contradicts the ledger.", *_ACCOUNT),
    _shown("ingest_files_set_aside", "gauge", "Files that cannot be read to their end."),
    _shown("ledger_events", "gauge", "Events in the ledger, pruned ones not among them."),
    _shown("ingest_last_success_timestamp_seconds", "gauge", "When usage was last looked for."),
    _shown("source_last_seen_timestamp_seconds", "gauge",
           "When a source that is followed could last be looked at; 0 for never.", "source"),
    _shown("scrape_collector_success", "gauge", "Whether a collector worked, 1 or 0.", "collector"),
    _shown("scrape_collector_duration_seconds", "gauge", "How long a collector took.", "collector"),
    _shown("label_values_dropped_total", "counter", "Label values that were folded into `other`.", "label"),
    _shown("exporter_build_info", "gauge", "Version of the exporter; always 1.", "version", "revision"),
)  # fmt: skip
"""What the exporter shows of the ledger."""

RELOAD: tuple[Definition, ...] = (
    _shown("config_last_reload_successful", "gauge", "Whether the configuration was usable when last read, 1 or 0."),
    _shown("config_last_reload_success_timestamp_seconds", "gauge", "When a usable configuration was last read."),
)
"""What the exporter shows of its configuration."""

USAGE: tuple[Definition, ...] = (
    _shown("credits_remaining", "gauge", "Credits left in the provider's period, as it last said.", *_ACCOUNT),
    _shown("credits_remaining_timestamp_seconds", "gauge", "When the provider said so.", *_ACCOUNT),
    _shown("provider_credits_used", "gauge", "Credits used in the provider's period, as it last said.", *_ACCOUNT),
    _shown("provider_plan_credits", "gauge", "Credits in the provider's period, as it last said.", *_ACCOUNT),
)
"""What the exporter shows of the providers' own count."""

_FINDING = (*_ACCOUNT, "template", "rule", "severity")

FINDINGS: tuple[Definition, ...] = (
    _shown("findings", "gauge", "Findings of the newest audit.", *_ACCOUNT, "rule", "severity"),
    _shown("finding_credits", "gauge", "Credits that findings are about; each counts once.", *_FINDING),
    _shown("finding_bytes", "gauge", "Bytes that findings are about.", *_FINDING),
    _shown("finding_money", "gauge", "What mending findings would save over the audited window, each by itself.",
               *_ACCOUNT, "rule", "when", "currency"),
    _shown("waste_credits", "gauge", "Wasted credits by their one cause; the sum is all.", "cause"),
    _shown("audit_credits", "gauge", "All credits of the audited window."),
    _shown("audit_timestamp_seconds", "gauge", "When the newest audit was made."),
    _shown("audit_window_start_timestamp_seconds", "gauge", "Start of the audited window."),
    _shown("audit_window_end_timestamp_seconds", "gauge", "End of the audited window."),
)  # fmt: skip
"""What the exporter shows of a report."""

AD_HOC: Mapping[str, str] = {
    "imgrender_config_last_reload_success_timestamp_seconds":
        "Since when an exporter has not taken a changed auditor.toml.",
    "imgrender_client_requests_total": "The hit rate of one process. Dashboards count requests once, in the ledger.",
    "imgrender_client_output_bytes_total": "The traffic of one process. Dashboards take that of all from the ledger.",
    "imgrender_client_credits_used_total": "Which process spends, and spending where there is no ledger.",
    "imgrender_client_credits_uncertain_total": "Which process's calls break off; the ledger's gauge has their sum.",
    "imgrender_client_last_paid_render_timestamp_seconds": "Which process spends outside production.",
    "imgrender_client_faults_total": "Whether metering met an object that it did not expect: its log line says where.",
    "imgrender_client_label_values_dropped_total": "Which process's accounts are `other`.",
    "imgrender_credits_saved_total": "All renders spared so far. Dashboards show the same as a share, the hit rate.",
    "imgrender_ledger_corrections_total": "Why a counter is above its gauge. Panels of credits read the gauge.",
    "imgrender_ledger_events": "How large the ledger is, and whether `auditor prune` runs.",
    "imgrender_scrape_collector_duration_seconds": "Which collector makes scrapes slow.",
}  # fmt: skip
"""What no rule, alert or dashboard asks for, and what it is there for: every other one is used by one of them."""

_TYPES: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Bounded:
    """Label values: the *known* ones and the first that come, up to *cap*; the rest are `other`, and *fold* is told."""

    def __init__(self, fold: Callable[[str], object], known: Iterable[str] = (), cap: int = LABEL_CAP) -> None:
        self._seen = set(known)
        self._fold, self._cap = fold, max(cap, len(self._seen))
        self.forked()

    def forked(self) -> None:
        """The parent's lock may be held for ever."""
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        """*value*, or `other`."""
        if value in self._seen:
            return value
        with self._lock:
            if len(self._seen) < self._cap and value.isprintable() and 0 < len(value.encode()) <= 100:
                self._seen.add(value)
                return value
        self._fold(value)
        return OTHER


class ClientMetrics(Collector):
    """The client's metrics in one registry; one object a registry, however many renderers there are.

    The families are held here and collected without their `_created` series, which double what Prometheus stores and
    say nothing that a restart does not say.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.families: dict[str, Any] = {}
        for definition in CLIENT:
            options: dict[str, Any] = {"registry": None}
            if definition.type == "histogram":
                options["buckets"] = WAITS
            if definition.type == "gauge":
                options["multiprocess_mode"] = "livesum" if "inflight" in definition.name else "mostrecent"
            short = definition.name.removeprefix("imgrender_client_")
            self.families[short] = _TYPES[definition.type](
                definition.name, definition.help, definition.labels, **options
            )
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
        self.account.forked()
        self.environment.forked()
        _renew_locks(self._registry())
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
        labels = (provider, metrics.account(account))
        where = (metrics.environment(environment), "true" if production else "false")
        self._metrics, self._labels = metrics, labels
        self.requests = {result: metrics.child("requests_total", *labels, result) for result in results}
        self.waits = {result: metrics.child("request_duration_seconds", *labels, result) for result in results}
        self.bytes: dict[str | None, Any] = {}
        self._answers: dict[str, Any] = {}
        self.inflight = metrics.child("inflight_requests", *labels)
        self._api_wait = metrics.child("api_request_duration_seconds", *labels)
        self._credits = metrics.child("credits_used_total", *labels, *where)
        self._uncertain = metrics.child("credits_uncertain_total", *labels, *where)
        self._last_paid = metrics.child("last_paid_render_timestamp_seconds", *labels, *where)

    def delivered(self, result: str, waited: float, size: int | None, picture_format: str | None) -> None:
        """A request got its picture; *size* in bytes, None where it was delivered as an address."""
        self.requests[result].inc()
        self.waits[result].observe(waited)
        if size:
            (self.bytes.get(picture_format) or self.output(picture_format)).inc(size)

    def output(self, picture_format: str | None) -> Any:
        """The byte counter of a format, kept."""
        found = self._metrics.child("output_bytes_total", *self._labels, picture_format or OTHER)
        self.bytes[picture_format] = found
        return found

    def ended(self, result: str, waited: float) -> None:
        """A request ended."""
        self.requests[result].inc()
        self.waits[result].observe(waited)

    def called(self, status: int | None, took: float, credits: float | None, now: float) -> None:
        """A call to the API ended; *credits* None if they are unknown; *now* in seconds since 1970."""
        code = _code(status)
        if code not in self._answers:
            self._answers[code] = self._metrics.child("api_requests_total", *self._labels, code)
        self._answers[code].inc()
        self._api_wait.observe(took)
        if credits is None:
            self._uncertain.inc()
        elif credits:
            self._credits.inc(credits)
            self._last_paid.set(now)

    def retried(self, reason: str) -> None:
        """A call will be made again."""
        self._metrics.child("api_retries_total", *self._labels, reason).inc()

    def remaining(self, credits: float, now: float) -> None:
        """The provider said what is left."""
        self._metrics.child("credits_remaining", *self._labels).set(credits)
        self._metrics.child("credits_remaining_timestamp_seconds", *self._labels).set(now)


_KNOWN_CODES = frozenset({200, 201, 202, 400, 401, 402, 403, 404, 408, 422, 429, 500, 502, 503, 504})


def _code(status: int | None) -> str:
    if status is None:
        return "error"
    return str(status) if status in _KNOWN_CODES else f"{status // 100}xx" if 100 <= status < 600 else OTHER
