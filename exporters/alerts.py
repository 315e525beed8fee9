"""Alerts, from one source with parameters; each carries its runbook.

Credits come from gauges, which are exact; speeds come from counters. The ledger's counters do not fall, and sums are
taken `by (job, provider, account)`, so that alerts do not flap when an exporter moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from exporters.rules import BY, Parameters, filled


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; *expr* has fields of `Parameters` in braces."""

    name: str
    severity: str
    lasts: str
    """A field of `Parameters`, or empty for at once."""
    expr: str
    summary: str
    description: str
    meaning: str
    cause: str
    cure: str


ALERTS: Sequence[Alert] = (
    Alert(
        "ImgRenderCreditsProjectedOverPlan", "warning", "projection_for",
        """\
        account:imgrender_period_projected_by_speed:sum > account:imgrender_plan_credits:max
        and account:imgrender_period_projected_by_share:sum > account:imgrender_plan_credits:max
        and account:imgrender_period_elapsed:ratio > {early}""",
        "Credits are on course to exceed the plan.",
        "{{ $labels.provider }}/{{ $labels.account }} is projected to use {{ $value | humanize }} credits this period.",
        "Both ways to look ahead agree: the speed of the last day, and the share of the period that is over.",
        "`auditor audit --ledger LEDGER --since START_OF_PERIOD` names the templates and the causes.",
        "Fix the gravest findings, or take the plan that the audit recommends, before the plan is used up.",
    ),
    Alert(
        "ImgRenderCreditsFastBurn", "critical", "burn_for",
        """\
        account:imgrender_plan_burn:ratio_long > {burn}
        and account:imgrender_plan_burn:ratio_short > {burn}""",
        "Credits burn so fast that 2 % of the plan goes in an hour.",
        "{{ $labels.provider }}/{{ $labels.account }} burns its plan {{ $value | humanize }} times too fast.",
        "Something renders in a loop: the cache was emptied, an input changes at every call, a crawler walks through.",
        "`auditor audit --ledger LEDGER --since AN_HOUR_AGO`; look at volatile-inputs and duplicate-renders first.",
        "Stop the caller, or give it a budget (`Budget(credits=…)`); put the changing input out of the call.",
    ),
    Alert(
        "ImgRenderCreditsExhaustSoon", "warning", "patience",
        """\
        (
          (account:imgrender_plan_credits:max - account:imgrender_period_credits_used:sum)
          / (account:imgrender_credits_used:rate_quarter > 0)
        ) < {exhausted_within_days} * 86400
        and (
          (account:imgrender_plan_credits:max - account:imgrender_period_credits_used:sum)
          / (account:imgrender_credits_used:rate_quarter > 0)
        ) < account:imgrender_period_left:seconds""",
        "Credits run out before the period ends.",
        "{{ $labels.provider }}/{{ $labels.account }} runs out in {{ $value | humanizeDuration }}.",
        "At the speed of the last hours, the plan is used up within days, and the provider then refuses renders.",
        "`auditor audit --ledger LEDGER --since START_OF_PERIOD`, and compare with the period before.",
        "Take a larger plan now, or stop what can wait: batches, staging, templates that few people see.",
    ),
    Alert(
        "ImgRenderPlanAlmostUsed", "info", "",
        """\
        account:imgrender_period_credits_used:sum / (account:imgrender_plan_credits:max > 0) >= {almost} < 1""",
        "Most of the plan's credits are used.",
        "{{ $labels.provider }}/{{ $labels.account }} has used {{ $value | humanizePercentage }} of its plan.",
        "Not yet a problem: the projection tells whether it becomes one.",
        "The dashboard's projection, or `auditor audit --ledger LEDGER`.",
        "Nothing, if the period is nearly over.",
    ),
    Alert(
        "ImgRenderPlanUsedUp", "critical", "",
        """\
        account:imgrender_period_credits_used:sum / (account:imgrender_plan_credits:max > 0) >= 1
        and on (job, provider, account) imgrender_plan_credits{{hard_cap!="false"}}""",
        "The plan's credits are used up.",
        "{{ $labels.provider }}/{{ $labels.account }} has used {{ $value | humanizePercentage }} of its plan.",
        "With a hard cap the provider refuses renders now; pictures that are cached are still served.",
        "The share of errors with `quota`: `auditor audit --ledger LEDGER --rule failed-calls`.",
        "Take a larger plan; then fix what the audit names, and go back at the next period.",
    ),
    Alert(
        "ImgRenderPlanUnused", "info", "projection_for",
        """\
        account:imgrender_period_projected_by_share:sum / (account:imgrender_plan_credits:max > 0) < {unused}
        and account:imgrender_period_elapsed:ratio > 0.8""",
        "Credits will expire unused; a smaller plan may do.",
        "{{ $labels.provider }}/{{ $labels.account }} will use {{ $value | humanizePercentage }} of its plan.",
        "Credits do not roll over: what is left at the end of the period was paid for nothing.",
        "`auditor audit --ledger LEDGER --rule plan-mismatch` says which plan holds the demand of all cycles.",
        "Take the smaller plan for the next period.",
    ),
    Alert(
        "ImgRenderCreditsOutsideProduction", "warning", "",
        """\
        time() - max by (job, provider, account, app_env) (
          imgrender_last_paid_render_timestamp_seconds{{production="false"}}
        ) < 3600""",
        "An environment that is not production spent credits in the last hour.",
        "{{ $labels.app_env }} spent credits of {{ $labels.provider }}/{{ $labels.account }} "
        "{{ $value | humanizeDuration }} ago.",
        "Tests, previews or a developer's machine render with a key that costs money.",
        "`auditor audit --ledger LEDGER --rule staging-credits` names templates and environments.",
        "Point the environment at a free account or at `auditor sandbox` (`[client.staging]` in auditor.toml).",
    ),
    Alert(
        "ImgRenderHitRateDropped", "warning", "patience",
        """\
        account:imgrender_hits:ratio_long
        < {hit_drop} * avg_over_time(account:imgrender_hits:ratio_long[{day}] offset {long})
        and account:imgrender_requests:rate_long * 3600 > {requests_an_hour}""",
        "The cache serves far less than yesterday.",
        "{{ $labels.provider }}/{{ $labels.account }} serves {{ $value | humanizePercentage }} from cache.",
        "Every miss is a credit. A deploy, an eviction or a new input in the key makes them.",
        "Deploys; `imgrender_client_cache_errors_total`; `auditor audit --ledger LEDGER --rule volatile-inputs`.",
        "Give the cache room, keep it over deploys, take the changing input out of the call.",
    ),
    Alert(
        "ImgRenderDuplicateRenders", "warning", "patience",
        f"""\
        sum {BY} (increase(imgrender_duplicate_renders_total[{{long}}]))
        / (sum {BY} (increase(imgrender_requests_total{{{{result="render"}}}}[{{long}}])) > {{renders_an_hour}})
        > {{duplicates}}""",
        "Paid renders repeat pictures that were there.",
        "{{ $value | humanizePercentage }} of renders of {{ $labels.provider }}/{{ $labels.account }} were needless.",
        "Callers go around the cache, or each process has one of its own.",
        "`auditor audit --ledger LEDGER --rule duplicate-renders` names the templates.",
        "Share the cache (Redis), and let simultaneous identical calls wait for the first.",
    ),
    Alert(
        "ImgRenderApiThrottled", "warning", "patience",
        f"""\
        sum {BY} (rate(imgrender_client_api_requests_total{{{{code="429"}}}}[{{long}}]))
        / (sum {BY} (rate(imgrender_client_api_requests_total[{{long}}])) > 0)
        > {{failures}}""",
        "The render API answers 429.",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.provider }}/{{ $labels.account }} are refused.",
        "Too many calls a second, or an empty plan: the errors' words tell which.",
        "`auditor audit --ledger LEDGER --rule failed-calls`.",
        "Lower `per_second` of batches, or see ImgRenderPlanUsedUp.",
    ),
    Alert(
        "ImgRenderApiErrors", "critical", "patience",
        f"""\
        sum {BY} (rate(imgrender_client_api_requests_total{{{{code=~"5..|5xx|error"}}}}[{{long}}]))
        / (sum {BY} (rate(imgrender_client_api_requests_total[{{long}}])) > 0)
        > {{failures}}""",
        "The render API fails.",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.provider }}/{{ $labels.account }} fail.",
        "The provider has trouble, or the way to it. Calls without an answer may have been billed.",
        "The provider's status page; `auditor audit --ledger LEDGER --rule failed-calls`.",
        "Wait; do not raise the number of tries: each may be billed.",
    ),
    Alert(
        "ImgRenderExporterDown", "critical", "down_for",
        'up{{job="imgrender"}} == 0 or absent(up{{job="imgrender"}})',
        "The exporter cannot be scraped.",
        "Prometheus has had no sample of {{ $labels.instance }} for a while; every credit alert is blind.",
        "The exporter, its host or the way to it is down; without it no other alert of this group can fire.",
        "`systemctl status auditor-exporter`, `curl http://127.0.0.1:19710/-/ready`.",
        "Start it again; nothing is lost, since it goes on where it was.",
    ),
    Alert(
        "ImgRenderIngestStale", "warning", "burn_for",
        "time() - max by (job) (imgrender_ingest_last_success_timestamp_seconds) > {stale_seconds}",
        "Usage is not taken in any more.",
        "Usage is {{ $value | humanizeDuration }} old.",
        "The ingester stands still, or its folder is gone; credits look flat and are not.",
        "The log of `auditor ingest --follow` or of the exporter; free space; the database.",
        "Start it again; nothing is lost, since it goes on where it was.",
    ),
    Alert(
        "ImgRenderCollectorFails", "warning", "patience",
        "imgrender_scrape_collector_success == 0",
        "A part of what the exporter shows is missing or old.",
        "The collector {{ $labels.collector }} of {{ $labels.instance }} fails.",
        "`ledger`: the database is away, locked, or newer than the exporter. `usage`: a provider does not tell what "
        "was used, or its key is wrong. `findings`: the report is gone, or is none.",
        "The exporter's log says why, once.",
        "Bring the database back or upgrade the exporter; give `[usage]` a key that works; write the report anew.",
    ),
    Alert(
        "ImgRenderLedgerDrift", "warning", "long",
        """\
        abs(account:imgrender_provider_credits_used:max - account:imgrender_period_credits_used:sum)
        / (account:imgrender_plan_credits:max > 0) > {drift}""",
        "The provider's count of used credits is not the ledger's.",
        "{{ $labels.provider }}/{{ $labels.account }} differs by {{ $value | humanizePercentage }} of the plan.",
        "Somebody else uses the key, hosts do not ship their events, or the plan's credits or the billing day are "
        "wrong in auditor.toml.",
        "Hosts without segments in the spool; `imgrender_client_events_dropped_total`; top-ups; how old the provider's "
        "count is: `time() - imgrender_credits_remaining_timestamp_seconds`.",
        "Give others a key of their own; ship all spools; correct `[plans]` or `anchor_day`.",
    ),
    Alert(
        "ImgRenderLabelValuesDropped", "info", "",
        "max by (job, label) (imgrender_label_values_dropped_total) > 0",
        "More accounts or environments than labels are kept for.",
        "{{ $value | humanize }} values of {{ $labels.label }} are shown as `other`.",
        "Totals are right; what is beyond the cap cannot be told apart in metrics.",
        "`auditor audit --ledger LEDGER` has them all.",
        "Configure the accounts that matter in auditor.toml: they always keep their label.",
    ),
)  # fmt: skip


def alerting(parameters: Parameters) -> Mapping[str, Any]:
    """The file of alerts."""
    rules = []
    for alert in ALERTS:
        rule: dict[str, Any] = {"alert": alert.name, "expr": filled(dedent(alert.expr), parameters)}
        if alert.lasts:
            rule["for"] = getattr(parameters, alert.lasts)
        rule["labels"] = {"severity": alert.severity}
        rule["annotations"] = {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{parameters.runbooks}#{alert.name.lower()}",
        }
        rules.append(rule)
    return {"groups": [{"name": "imgrender.alerts", "rules": rules}]}


def runbook() -> str:
    """A section an alert: what it means, how to find the cause, what to do."""
    parts = ["# Runbooks", "", "Written by `auditor-exporter alerts`, from the same source as the alerts."]
    for alert in ALERTS:
        parts += [
            # GitHub's own anchors are in lower case; dashboards know the name as the alert has it.
            "", f'<a id="{alert.name}"></a>', "", f"## {alert.name}", "", f"{alert.summary} ({alert.severity})", "",
            f"**Means.** {alert.meaning}", "", f"**Cause.** {alert.cause}", "", f"**Do.** {alert.cure}",
        ]  # fmt: skip
    return "\n".join(parts) + "\n"
