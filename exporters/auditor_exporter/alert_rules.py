"""Recording rules, what an alert is made of, and the parameters that both share."""

from collections.abc import Mapping
from dataclasses import dataclass

BY = "by (job, provider, account)"
"""How sums are taken, so that alerts do not flap when an exporter moves."""
_PER_ACCOUNT = "on (provider, account) group_left ()"
_START = "max by (provider, account) (last_over_time(imgrender_period_start_timestamp_seconds[{hold}]))"
RUNBOOKS = "https://runbooks.example/render-auditor"
"""Where you publish grafana/runbooks: `--set runbooks=URL`."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Windows are Prometheus durations, thresholds ratios unless they say otherwise."""

    long: str = "1h"
    patience: str = "15m"
    """How long a condition has to last that may pass by itself."""
    projection_for: str = "1h"
    burn_for: str = "2m"
    down_for: str = "10m"
    hold: str = "6h"
    """How long the last value of a gauge counts while the exporter cannot be scraped: longer than anybody needs to
    see to ImgRenderExporterDown."""
    calm: str = "1d"
    """How long a warning goes on after its condition is over, so that it does not come and go."""
    stale_seconds: int = 900
    margin: float = 0.15
    """Share of the forecast by which a projection from a whole week has to exceed the plan at the period's start; it
    shrinks with the time that is left and grows for accounts younger than a week."""
    rush: float = 5
    """A window of 1 h, 6 h or 12 h is a rush if so many like it use up the plan ..."""
    rush_credits: float = 10
    """... it took more credits than this ..."""
    rush_share: float = 0.02
    """... and more than this share of the plan ..."""
    unusual: float = 1.5
    """... and so many times what any such window took in the two weeks before the last three days."""
    burn: float = 0.15
    """The same for a page: so much of the fastest hour uses up what is left ..."""
    burn_share: float = 0.05
    """... of which that hour took at least this share of the plan ..."""
    burn_lasts: float = 0.75
    """... and the last hour took at least this share of what the fastest one did."""
    almost: float = 0.8
    overage: float = 0
    """Money beyond the plan's price, in its currency, above which the bill for overage is told."""
    unused: float = 0.4
    """Share of the plan below which, near the end of the period, a smaller one may do."""
    hit_drop: float = 0.7
    requests: int = 150
    """Requests of three hours below which a hit rate says little."""
    renders: int = 60
    """Renders of three hours below which a share of duplicates says little."""
    duplicates: float = 0.05
    failures: float = 0.05
    calls: int = 20
    """Calls of an hour below which a share of failures says little."""
    drift: float = 0.02
    runbooks: str = RUNBOOKS


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; *expr* has fields of `Parameters` in braces."""

    name: str
    severity: str
    lasts: str
    """A field of `Parameters`, or empty for at once."""
    calm: str
    """A field of `Parameters`: how long it goes on after its condition is over; empty where it ends with that."""
    expr: str
    summary: str
    description: str
    meaning: str
    cause: str
    cure: str


CREDITS = "job, provider, account, app_env, production"
"""The labels of one sum of the ledger. Several exporters may show one ledger: the largest counts, not their sum."""


def _held(metric: str, *labels: str) -> str:
    """The largest of several exporters, and the last value of one that cannot be scraped."""
    return f"max by ({', '.join(('job', 'provider', 'account', *labels))}) (last_over_time({metric}[{{hold}}]))"


SCRAPES = 330
"""Seconds between the scrapes of two exporters at most: Prometheus forgets a sample after 300."""


def _when(metric: str) -> str:
    """When its series were last there, also of one that cannot be scraped."""
    return f"(timestamp({metric}) or max_over_time(timestamp({metric})[{{hold}}:5m]))"


def _current(metric: str, *labels: str) -> str:
    """As `_held`, of those that were there when the account was last shown: an earlier plan has other labels.

    When that was is not known of an exporter that was there for less than 5 minutes and then no more.
    """
    return (
        f"max by ({', '.join(('job', 'provider', 'account', *labels))}) (\n"
        f"  last_over_time({metric}[{{hold}}])\n"
        f"  and {_when(metric)}\n"
        f"    >= on (job, provider, account) group_left () (account:imgrender_shown:timestamp_seconds - {SCRAPES})\n"
        f"  or last_over_time({metric}[{{hold}}])\n"
        "    unless on (job, provider, account) account:imgrender_shown:timestamp_seconds\n"
        ")"
    )


RECORDS: Mapping[str, str] = {
    "account:imgrender_period_credits_used:sum": (
        f"sum {BY} (max by ({CREDITS}) (last_over_time(imgrender_period_credits_used[{{hold}}])))"
    ),
    "account:imgrender_shown:timestamp_seconds": f"max {BY} ({_when('imgrender_period_end_timestamp_seconds')})",
    "account:imgrender_plan_credits:max": _current("imgrender_plan_credits"),
    "account:imgrender_plan_hard_cap:credits": _current('imgrender_plan_credits{{hard_cap!="false"}}'),
    "account:imgrender_plan_overage_price:max": _current("imgrender_plan_overage_price", "currency"),
    "account:imgrender_plan_left:credits": (
        "clamp_min(account:imgrender_plan_credits:max - account:imgrender_period_credits_used:sum, 0)"
    ),
    "account:imgrender_period:seconds": (
        f"{_held('imgrender_period_end_timestamp_seconds')}\n- {_held('imgrender_period_start_timestamp_seconds')}"
    ),
    "account:imgrender_period_left:seconds": (
        f"clamp_min({_held('imgrender_period_end_timestamp_seconds')} - time(), 0)"
    ),
    "account:imgrender_period_elapsed:ratio": (
        "1 - account:imgrender_period_left:seconds / account:imgrender_period:seconds"
    ),
    "account:imgrender_credits_spent:max": _held("imgrender_credits_spent", "window"),
    "account:imgrender_credits_fastest:max": _held("imgrender_credits_spent_fastest", "window"),
    "account:imgrender_credits_usual:max": _held("imgrender_credits_spent_usual", "window"),
    "account:imgrender_plan_price:max": _current("imgrender_plan_price"),
    "account:imgrender_credits_forecast:week": _held("imgrender_credits_forecast_week_ratio"),
    "account:imgrender_credits_forecast:max": _held("imgrender_credits_forecast", "horizon"),
    "account:imgrender_plan_burn:ratio_long": (
        'sum without (window) (account:imgrender_credits_spent:max{{window="1h"}}) / 3600\n'
        "* account:imgrender_period:seconds / (account:imgrender_plan_credits:max > 0)"
    ),
    "account:imgrender_period_projected:sum": (
        "account:imgrender_period_credits_used:sum\n"
        '+ sum without (horizon) (account:imgrender_credits_forecast:max{{horizon="period"}})'
    ),
    "account:imgrender_period_projected_by_share:sum": (
        "account:imgrender_period_credits_used:sum / (account:imgrender_period_elapsed:ratio > 0)"
    ),
    # When a warning of this period was last on; one that began before the period ends within a day of its start.
    "account:imgrender_warned:timestamp_seconds": (
        f"max {BY} (\n"
        '  max_over_time(timestamp(ALERTS{{alertname=~"ImgRenderCredits(ExhaustSoon|ProjectedOverPlan)",'
        'alertstate="firing"}})[31d:6h])\n'
        f") > {_held('imgrender_period_start_timestamp_seconds')} + 90000"
    ),
    # How long the plan lasts at the pace of the next 60 hours, as the forecast has them.
    "account:imgrender_plan_lasts:seconds": (
        "account:imgrender_plan_left:credits * clamp_max(account:imgrender_period_left:seconds, 216000)\n"
        '/ (sum without (horizon) (account:imgrender_credits_forecast:max{{horizon="60h"}}) > 0)'
    ),
    # Windows like the fastest of the last day that use up what is left, where it was no usual one.
    "account:imgrender_rush_left:windows": (
        "account:imgrender_plan_left:credits / on (job, provider, account) group_right () (\n"
        "  account:imgrender_credits_fastest:max > {unusual} * account:imgrender_credits_usual:max\n"
        "  and account:imgrender_credits_fastest:max > {rush_credits}\n"
        "  and account:imgrender_credits_fastest:max\n"
        "    > on (job, provider, account) group_left () {rush_share} * account:imgrender_plan_credits:max\n"
        ")"
    ),
    "account:imgrender_rush_left:seconds": (
        'account:imgrender_rush_left:windows{{window="1h"}} * 3600\n'
        'or account:imgrender_rush_left:windows{{window="6h"}} * 21600\n'
        'or account:imgrender_rush_left:windows{{window="12h"}} * 43200'
    ),
    # By the provider's usage address, else by its newest answer to a client, whose job is another one. What was said
    # before the period began says nothing of it.
    "account:imgrender_provider_credits_used:max": (
        f"max {BY} (\n"
        "  last_over_time(imgrender_provider_credits_used[{hold}])\n"
        f"  and last_over_time(imgrender_credits_remaining_timestamp_seconds[{{hold}}]) >= {_PER_ACCOUNT} {_START}\n"
        ")\n"
        "or (\n"
        f"  account:imgrender_plan_credits:max - {_PER_ACCOUNT} max by (provider, account) (\n"
        "    imgrender_client_credits_remaining\n"
        f"    and imgrender_client_credits_remaining_timestamp_seconds >= {_PER_ACCOUNT} (\n"
        "      max by (provider, account) (imgrender_client_credits_remaining_timestamp_seconds)\n"
        f"      >= {_START}\n"
        "    )\n"
        "  )\n"
        ")"
    ),
    # An account of which a file says nothing any more has no series: it is compared with the newest of any account.
    "account:imgrender_ledger_config_conflict:max": (
        f"max {BY} (\n"
        "  last_over_time(imgrender_ledger_config_conflict[{hold}])\n"
        f"  and {_when('imgrender_ledger_config_conflict')}\n"
        f"    >= on (job) group_left () (max by (job) ({_when('imgrender_ledger_config_conflict')}) - {SCRAPES})\n"
        ")"
    ),
    "account:imgrender_recent_duplicate_renders:max": _held("imgrender_recent_duplicate_renders"),
    "account:imgrender_recent_requests:max": _held("imgrender_recent_requests", "result", "ago"),
    "account:imgrender_recent_requests:sum": (
        "sum by (job, provider, account, ago) (account:imgrender_recent_requests:max)"
    ),
    "account:imgrender_recent_hits:ratio": (
        "sum by (job, provider, account, ago) (\n"
        '  account:imgrender_recent_requests:max{{result=~"hit|coalesced"}}\n'
        "  or account:imgrender_recent_requests:max * 0\n"
        ") / (account:imgrender_recent_requests:sum > {requests})"
    ),
}
