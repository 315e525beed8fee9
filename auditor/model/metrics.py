"""Every metric once: name, type, labels, help.

`imgrender_client_*` is what one process knows of itself. What the ledger knows has other names (`imgrender_*`), never
the same one from both, or every sum would double. Labels are bounded: values beyond the cap become `other`, and that is
counted.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

OTHER = "other"
LABEL_CAP = 20
"""Values that one label may take before further ones are folded into `other`."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric family."""

    name: str
    help: str
    labels: tuple[str, ...]

    @property
    def type(self) -> str:
        """Counter, histogram or gauge, as its name tells."""
        if self.name.endswith("_total"):
            return "counter"
        return "histogram" if self.name.endswith("request_duration_seconds") else "gauge"


def _table(prefix: str, **rows: tuple[str, ...]) -> tuple[Definition, ...]:
    """Definitions from help and labels by name."""
    return tuple(Definition(f"{prefix}_{name}", help, tuple(labels)) for name, (help, *labels) in rows.items())


_ACCOUNT = ("provider", "account")
_WINDOW = (*_ACCOUNT, "window")
_PLACE = (*_ACCOUNT, "app_env", "production")
_PLAN = (*_ACCOUNT, "plan", "currency")
_FINDING = (*_ACCOUNT, "template", "rule", "severity")

CLIENT = _table(
    "imgrender_client",
    requests_total=("Requests by the way they ended; the sum is all of them.", *_ACCOUNT, "result"),
    api_requests_total=("Calls to the API, retries included, by HTTP status or `error`.", *_ACCOUNT, "code"),
    api_retries_total=("Calls that were tried again, by the reason.", *_ACCOUNT, "reason"),
    request_duration_seconds=("How long callers waited.", *_ACCOUNT, "result"),
    api_request_duration_seconds=("How long calls to the API took.", *_ACCOUNT),
    output_bytes_total=("Bytes of the images that callers got.", *_ACCOUNT, "format"),
    credits_used_total=("Credits that calls are known to have cost.", *_PLACE),
    credits_uncertain_total=("Calls that may have been billed.", *_PLACE),
    inflight_requests=("Requests that wait for an image.", *_ACCOUNT),
    last_paid_render_timestamp_seconds=("When the last credit was spent.", *_PLACE),
    credits_remaining=("Credits left, as the provider last said.", *_ACCOUNT),
    credits_remaining_timestamp_seconds=("When the provider said so.", *_ACCOUNT),
    cache_errors_total=("Operations of a cache that failed; the render went on without it.", "tier", "op"),
    events_dropped_total=("Usage events that could not be written.", "reason"),
    faults_total=("Faults of the metering itself that were kept from callers.",),
    label_values_dropped_total=("Label values that were folded into `other`.", "label"),
    build_info=("Version of the client; always 1.", "version"),
)

LEDGER = _table(
    "imgrender",
    requests_total=("Requests by the way they ended; their sum is all.", *_ACCOUNT, "result"),
    output_bytes_total=("Bytes of the images that callers got.", *_ACCOUNT, "format"),
    retries_total=("Calls that were tried again.", *_ACCOUNT),
    credits_used_total=("Credits that calls are known to have cost: for rates.", *_PLACE),
    credits_saved_total=("Renders that were not needed, one credit each.", *_ACCOUNT, "reason"),
    duplicate_renders_total=("Renders whose key had an image that was still good.", *_ACCOUNT),
    period_credits_used=("Exact credits in the current billing period.", *_PLACE),
    period_credits_uncertain=("Calls in the period that may have been billed.", *_PLACE),
    credits_spent=("Credits of the last hours, by the time of the events.", *_WINDOW),
    credits_spent_fastest=("The most that one such window of the last day took out of this period.", *_WINDOW),
    credits_spent_usual=("The most that one such window took in the two weeks before the last three days.", *_WINDOW),
    credits_forecast=(
        "Credits that the rest of the period, or its next 60 hours, will need at the pace of the last week.",
        *_ACCOUNT, "horizon",
    ),
    credits_forecast_week_ratio=("Share of a week, in whole days, that the forecast rests on.", *_ACCOUNT),
    recent_requests=(
        "Requests of three hours, by the time of the events: now, a day and a week ago.", *_ACCOUNT, "result", "ago"
    ),
    recent_duplicate_renders=("Duplicate renders of the last three hours.", *_ACCOUNT),
    period_start_timestamp_seconds=("Start of the current billing period.", *_ACCOUNT),
    period_end_timestamp_seconds=("End of the current billing period.", *_ACCOUNT),
    plan_credits=("Credits of the current period: included, carried over and bought.", *_ACCOUNT, "hard_cap"),
    plan_info=("The plan of the account; always 1.", *_PLAN),
    plan_price=("Price of the plan for a period.", *_PLAN),
    plan_overage_price=("Price of a credit beyond those of the period.", *_PLAN),
    period_projected_bill=(
        "What the current period costs at the pace of the last week, on this plan or the one that it then needs.",
        *_PLAN,
    ),
    last_paid_render_timestamp_seconds=("When the last credit was spent.", *_PLACE),
    ledger_corrections_total=("How far counters are above the exact sums.", *_ACCOUNT, "sum"),
    ledger_lines_total=("Ingested lines, by what became of them.", "fate"),
    ledger_config_conflict=("Processes whose auditor.toml contradicts the ledger.", *_ACCOUNT),
    ingest_files_set_aside=("Files that cannot be read to their end.",),
    ledger_events=("Events in the ledger, pruned ones not among them.",),
    ingest_last_success_timestamp_seconds=("When usage was last looked for.",),
    source_last_seen_timestamp_seconds=(
        "When a source that is followed could last be looked at; 0 for never.", "source"
    ),
    scrape_collector_success=("Whether a collector worked, 1 or 0.", "collector"),
    scrape_collector_duration_seconds=("How long a collector took.", "collector"),
    label_values_dropped_total=("Label values that were folded into `other`.", "label"),
    exporter_build_info=("Version of the exporter; always 1.", "version", "revision"),
)  # fmt: skip
"""What the exporter shows of the ledger."""

RELOAD = _table(
    "imgrender",
    config_last_reload_successful=("Whether the configuration was usable when last read, 1 or 0.",),
    config_last_reload_success_timestamp_seconds=("When a usable configuration was last read.",),
)
"""What the exporter shows of its configuration."""

INGEST = _table(
    "imgrender",
    ingest_requests_total=("Requests to `/v1/`, by the HTTP status of the answer.", "code"),
    ingest_lines_total=("Lines that came by `/v1/events`, by what became of them.", "fate"),
    ingest_bytes_total=("Bytes that came by `/v1/events`, unpacked.",),
)
"""What the exporter shows of `--web.ingest`."""

USAGE = _table(
    "imgrender",
    credits_remaining=("Credits left in the provider's period, as it last said.", *_ACCOUNT),
    credits_remaining_timestamp_seconds=("When the provider said so.", *_ACCOUNT),
    provider_credits_used=("Credits used in the provider's period, as it last said.", *_ACCOUNT),
    provider_plan_credits=("Credits in the provider's period, as it last said.", *_ACCOUNT),
)
"""What the exporter shows of the providers' own count."""

FINDINGS = _table(
    "imgrender",
    findings=("Findings of the newest audit.", *_ACCOUNT, "rule", "severity"),
    finding_credits=("Credits that findings are about; each counts once.", *_FINDING),
    finding_bytes=("Bytes that findings are about.", *_FINDING),
    finding_monthly_saving=(
        "What fixing one finding of a rule alone saves in a month, at most.", *_ACCOUNT, "rule", "currency"
    ),
    finding_bytes_cost=(
        "What the bytes that findings are about cost over the audited window.", "provider", "rule", "currency"
    ),
    monthly_saving=("What the actions of the newest audit save in a month; they add up.", *_PLAN, "action"),
    waste_credits=("Wasted credits by their one cause; the sum is all.", "cause"),
    audit_credits=("All credits of the audited window.",),
    audit_timestamp_seconds=("When the newest audit was made.",),
    audit_window_start_timestamp_seconds=("Start of the audited window.",),
    audit_window_end_timestamp_seconds=("End of the audited window.",),
)  # fmt: skip
"""What the exporter shows of a report."""

AD_HOC: Mapping[str, str] = {
    "imgrender_config_last_reload_success_timestamp_seconds":
        "Since when an exporter has not taken a changed auditor.toml.",
    "imgrender_ingest_requests_total": "Whether forwarders are refused (4xx) or told to come again (429, 503).",
    "imgrender_ingest_lines_total": "How much comes over the network; the ledger's own counter has all lines.",
    "imgrender_ingest_bytes_total": "How much the network and the forwarders carry.",
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


class Bounded:
    """Label values: the *known* ones and the first that come, up to *cap*; the rest are `other`, and *fold* is told."""

    def __init__(self, fold: Callable[[str], object], known: Iterable[str] = (), cap: int = LABEL_CAP) -> None:
        self._seen = set(known)
        self._fold, self._cap = fold, max(cap, len(self._seen))
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
