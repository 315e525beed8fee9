"""Recording rules, and the parameters that they share with the alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BY = "by (job, provider, account)"
_PER_ACCOUNT = "on (provider, account) group_left ()"
_START = "max by (provider, account) (imgrender_period_start_timestamp_seconds)"
RUNBOOKS = "https://runbooks.example/render-auditor"
"""Where you publish grafana/runbooks: `--set runbooks=URL`."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Windows are Prometheus durations, thresholds ratios unless they say otherwise."""

    short: str = "5m"
    long: str = "1h"
    quarter: str = "6h"
    day: str = "1d"
    patience: str = "15m"
    """How long a condition has to last that may pass by itself."""
    projection_for: str = "3h"
    burn_for: str = "2m"
    down_for: str = "10m"
    stale_seconds: int = 900
    early: float = 0.1
    """Share of the period before which a projection says nothing."""
    burn: float = 14.4
    """Times the speed at which the plan lasts exactly one period: 2 % of a month's plan in an hour."""
    exhausted_within_days: int = 2
    almost: float = 0.8
    unused: float = 0.4
    """Share of the plan below which, near the end of the period, a smaller one may do."""
    hit_drop: float = 0.7
    requests_an_hour: int = 50
    renders_an_hour: int = 20
    duplicates: float = 0.05
    failures: float = 0.05
    drift: float = 0.02
    runbooks: str = RUNBOOKS


CREDITS = "job, provider, account, app_env, production"
REQUESTS = "job, provider, account, result"
"""The labels of one sum of the ledger. Several exporters may show one ledger: the largest counts, not their sum."""


def _credits(window: str) -> str:
    return f"sum {BY} (max by ({CREDITS}) (rate(imgrender_credits_used_total[{{{window}}}])))"


RECORDS: Sequence[tuple[str, str]] = (
    (
        "account:imgrender_period_credits_used:sum",
        f"sum {BY} (max by ({CREDITS}) (imgrender_period_credits_used))",
    ),
    ("account:imgrender_plan_credits:max", f"max {BY} (imgrender_plan_credits)"),
    (
        "account:imgrender_period:seconds",
        f"max {BY} (imgrender_period_end_timestamp_seconds) - max {BY} (imgrender_period_start_timestamp_seconds)",
    ),
    (
        "account:imgrender_period_left:seconds",
        f"clamp_min(max {BY} (imgrender_period_end_timestamp_seconds) - time(), 0)",
    ),
    ("account:imgrender_credits_used:rate_short", _credits("short")),
    ("account:imgrender_credits_used:rate_long", _credits("long")),
    ("account:imgrender_credits_used:rate_quarter", _credits("quarter")),
    ("account:imgrender_credits_used:rate_day", _credits("day")),
    (
        "account:imgrender_plan_burn:ratio_short",
        "account:imgrender_credits_used:rate_short * account:imgrender_period:seconds\n"
        "/ (account:imgrender_plan_credits:max > 0)",
    ),
    (
        "account:imgrender_plan_burn:ratio_long",
        "account:imgrender_credits_used:rate_long * account:imgrender_period:seconds\n"
        "/ (account:imgrender_plan_credits:max > 0)",
    ),
    (
        "account:imgrender_period_elapsed:ratio",
        "1 - account:imgrender_period_left:seconds / account:imgrender_period:seconds",
    ),
    (
        "account:imgrender_period_projected_by_speed:sum",
        "account:imgrender_period_credits_used:sum\n"
        "+ account:imgrender_credits_used:rate_day * account:imgrender_period_left:seconds",
    ),
    (
        "account:imgrender_period_projected_by_share:sum",
        "account:imgrender_period_credits_used:sum / (account:imgrender_period_elapsed:ratio > 0)",
    ),
    # By the provider's usage address, else by its newest answer to a client, whose job is another one. What was said
    # before the period began says nothing of it.
    (
        "account:imgrender_provider_credits_used:max",
        f"max {BY} (\n"
        "  imgrender_provider_credits_used\n"
        f"  and imgrender_credits_remaining_timestamp_seconds >= {_PER_ACCOUNT} {_START}\n"
        ")\n"
        "or (\n"
        f"  account:imgrender_plan_credits:max - {_PER_ACCOUNT} max by (provider, account) (\n"
        "    imgrender_client_credits_remaining\n"
        f"    and imgrender_client_credits_remaining_timestamp_seconds >= {_PER_ACCOUNT} (\n"
        "      max by (provider, account) (imgrender_client_credits_remaining_timestamp_seconds)\n"
        f"      >= {_START}\n"
        "    )\n"
        "  )\n"
        ")",
    ),
    (
        "account:imgrender_requests:rate_long",
        f"sum {BY} (max by ({REQUESTS}) (rate(imgrender_requests_total[{{long}}])))",
    ),
    (
        "account:imgrender_hits:ratio_long",
        f'sum {BY} (max by ({REQUESTS}) (rate(imgrender_requests_total{{{{result=~"hit|coalesced"}}}}[{{long}}])))\n'
        "/ (account:imgrender_requests:rate_long > 0)",
    ),
)


def recording(parameters: Parameters) -> Mapping[str, Any]:
    """The file of recording rules."""
    rules = [{"record": name, "expr": filled(expr, parameters)} for name, expr in RECORDS]
    return {"groups": [{"name": "imgrender.rules", "rules": rules}]}


def filled(expr: str, parameters: Parameters) -> str:
    """An expression with the parameters in the places of their names."""
    return expr.format(**{name: getattr(parameters, name) for name in parameters.__slots__})
