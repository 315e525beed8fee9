"""Traffic and cache: what is asked for, what serves it, and how the API behaves."""

from typing import Any

from auditor_exporter.alerts import Parameters

from grafana.source.frame import TO_FINDINGS, assembled
from grafana.source.panels import BAD, GOOD, AnyPanel, Ask, graph, number
from grafana.source.queries import ACCOUNT, FAILED, otherwise, quantile, ratio, seen, select, speed, total

LIMITS = Parameters()
NO_CLIENTS = "no data: are the processes that render scraped?"
WAIT = "imgrender_client_request_duration_seconds"
CALL = "imgrender_client_api_request_duration_seconds"
CALLS = "imgrender_client_api_requests_total"


def dashboard(runbooks: str) -> dict[str, Any]:
    """As Grafana reads it."""
    return assembled(
        "traffic",
        "What callers ask for and what serves it (from the ledger), how long they wait and how the provider's API "
        "behaves (from the processes themselves, where Prometheus scrapes them).",
        {
            "Requests (ledger)": _ledger(),
            "Waits (processes)": _waits(),
            "The provider's API (processes)": _api(),
        },
        runbooks, since="now-24h", refresh="1m",
    )  # fmt: skip


def _ledger() -> list[AnyPanel]:
    requests = "imgrender_requests_total"
    everything = total(speed(requests))
    hits, joined = (total(speed(requests, f'result="{result}"')) for result in ("hit", "coalesced"))
    return [
        graph(
            "Requests by outcome",
            "How requests end, per minute. Blue costs a credit each, green and light green cost none. Red and purple "
            "got no picture: see the API below, and the budget of refused ones.",
            "reqpm", Ask(total(speed(requests), "result") + " * 60", "{{result}}"), stacked=True,
        ),
        graph(
            "Hits and coalesced calls",
            "Shares of all requests that a cache served, and that waited for an identical call in flight. When hits "
            "fall, look for a deploy, an emptied cache, or an input that changes at every call (`auditor explain "
            "volatile-inputs`).",
            "percentunit", Ask(ratio(hits, everything), "hit"), Ask(ratio(joined, everything), "coalesced"), most=1,
            runbook="ImgRenderHitRateDropped", nothing="no requests",
        ),
        graph(
            "Delivered bytes by format",
            "Bytes of pictures that callers got, per second. A format that dominates is worth a look with `auditor "
            "inspect`: PNG photographs and pictures larger than they are shown cost transfer and time, not credits.",
            "binBps", Ask(total(speed("imgrender_output_bytes_total"), "format"), "{{format}}"), stacked=True,
            nothing="nothing delivered as bytes",
        ),
        graph(
            "Renders again, and retries",
            "Renders per hour whose picture was there already, and calls per hour that were tried again. The first "
            "is paid for nothing: share the cache. The second is the API's trouble, and may be billed too.",
            "short", Ask(total(speed("imgrender_duplicate_renders_total"), *ACCOUNT) + " * 3600", "{{account}} again"),
            Ask(total(speed("imgrender_retries_total"), *ACCOUNT) + " * 3600", "{{account}} retries"),
            dashed=".* retries", runbook="ImgRenderDuplicateRenders", links=TO_FINDINGS,
        ),
    ]  # fmt: skip


def _or_none(expr: str, label: str) -> str:
    """A 0 named none where processes are scraped and none of it was ever counted."""
    return otherwise(expr, label, "none", select("imgrender_client_build_info"))


def _waits() -> list[AnyPanel]:
    def waits(level: float, title: str, meaning: str) -> AnyPanel:
        return graph(
            title,
            f"{meaning} waited no longer than this, by outcome; the scale is logarithmic. Hits should take a "
            "millisecond at most (else the cache is far away), renders a few seconds (else see the API below).",
            "s", Ask(quantile(level, WAIT, "result"), "{{result}}"), log=True, nothing=NO_CLIENTS,
        )  # fmt: skip

    return [
        waits(0.5, "Median wait by outcome", "Half of the callers"),
        waits(0.95, "Long waits by outcome", "95 of 100 callers"),
        graph(
            "In flight",
            "Requests that wait for a picture now. A line that climbs and does not come down is an API that hangs: "
            "look at its latency, and give calls a timeout.",
            "short", Ask(total(select("imgrender_client_inflight_requests"), *ACCOUNT), "{{account}}"),
            nothing=NO_CLIENTS,
        ),
        graph(
            "Cache errors",
            "Operations of a cache that failed, per minute; the render went on without it, and costs a credit. Look "
            "at the tier's server (Redis: memory, connections), or at the disk.",
            "short", Ask(_or_none(f"{total(seen('imgrender_client_cache_errors_total'), 'tier', 'op')} * 60", "tier"),
                         "{{tier}} {{op}}"),
            nothing=NO_CLIENTS,
        ),
    ]  # fmt: skip


def _api() -> list[AnyPanel]:
    calls = total(seen(CALLS))
    failed, throttled = total(seen(CALLS, FAILED)), total(seen(CALLS, 'code="429"'))
    return [
        graph(
            "Calls by answer",
            "Calls to the API per minute, tries again among them, by HTTP status; `error` had no answer and may have "
            "been billed. 429: call more slowly. 5xx: see the provider's status page. 401 and 402: see the key and "
            "the plan.",
            "reqpm", Ask(total(seen(CALLS), "code") + " * 60", "{{code}}"), stacked=True, runbook="ImgRenderApiErrors",
            nothing=NO_CLIENTS,
        ),
        graph(
            "Failing calls",
            "Shares of calls that failed (5xx, or no answer) and that were throttled (429). The alerts fire from 5 % "
            "on (the line). Do not raise the number of tries: each may be billed.",
            "percentunit", Ask(ratio(failed, calls), "failed"), Ask(ratio(throttled, calls), "throttled"), most=1,
            steps=((None, "transparent"), (LIMITS.failures, BAD)), runbook="ImgRenderApiThrottled", nothing=NO_CLIENTS,
        ),
        graph(
            "Latency of the API",
            "How long calls take: half, 95 and 99 of 100 take no longer. When it rises, callers of misses wait; warm "
            "the cache ahead with `auditor prerender`.",
            "s", *(Ask(quantile(level, CALL), f"p{level * 100:g}") for level in (0.5, 0.95, 0.99)),
            nothing=NO_CLIENTS,
        ),
        graph(
            "Retries by reason",
            "Calls per hour that were tried again, by the reason. Each try is a call, and some are billed: if this "
            "does not come down, lower the number of tries.",
            "short", Ask(_or_none(f"{total(seen('imgrender_client_api_retries_total'), 'reason')} * 3600", "reason"),
                         "{{reason}}"),
            stacked=True, nothing=NO_CLIENTS,
        ),
        number(
            "Events lost",
            "Usage events of the shown time that could not be written: the ledger is short of them. Look at the disk "
            "of the spool, and at the log of the process.",
            "short", Ask(f"sum (increase({select('imgrender_client_events_dropped_total')}[$__range])) or vector(0)"),
            steps=((None, GOOD), (1, BAD)), width=12, decimals=0, named=False, runbook="ImgRenderLedgerDrift",
        ),
        number(
            "Calls that may have been billed",
            "Calls of the current billing cycle without an answer. The bill lies between the credits and the credits "
            "with these; `auditor audit --rule failed-calls` lists them.",
            "short", Ask(total("max by (job, provider, account, app_env, production) ("
                               + select("imgrender_period_credits_uncertain") + ")") + " or vector(0)"),
            steps=((None, GOOD), (1, "orange")), width=12, named=False,
        ),
    ]  # fmt: skip
