"""Alerts fire when they should and are quiet when they should, judged by promtool; tests/exporters fires real ones."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.errors import ConfigError
from exporters.alertfiles import contents, parameters_of
from exporters.alerts import ALERTS, alerting
from exporters.rules import Parameters, recording
from tests.services import ROOT, need

MONTH, DAY, HOUR = 30 * 86_400, 86_400, 3600
MAIN = 'job="imgrender",provider="imejis",account="main"'


def test_the_files_in_the_tree_are_the_ones_that_are_written() -> None:
    """`auditor-exporter alerts --out grafana` leaves no difference."""
    for name, text in contents(Parameters()):
        assert (ROOT / "grafana" / name).read_text(encoding="utf-8") == text, name


@pytest.fixture
def promtool() -> str:
    """The real one."""
    return need("prometheus", "promtool")


def test_promtool_lints_them(promtool: str) -> None:
    """Every lint, fatally."""
    files = [ROOT / "grafana" / name / "imgrender.yml" for name in ("rules", "alerts")]
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *files], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_used() -> None:
    """By another or an alert; that metrics are emitted is judged in tests/contracts/test_metrics.py."""
    text = "\n".join(text for name, text in contents(Parameters()) if name.endswith(".yml"))
    for rule in recording(Parameters())["groups"][0]["rules"]:
        assert len(re.findall(re.escape(rule["record"]) + r"(?!\w)", text)) > 1, f"{rule['record']} is not used"


def test_each_alert_has_its_runbook() -> None:
    """What it means, how to find the cause, what to do; and the address points there."""
    book = (ROOT / "grafana" / "runbooks" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", book, re.MULTILINE) == [alert.name for alert in ALERTS]
    for rule in alerting(Parameters())["groups"][0]["rules"]:
        assert rule["annotations"]["runbook_url"].endswith("#" + rule["alert"].lower())
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


def ramp(metric: str, labels: str, per_step: float, steps: int, start: float = 0) -> dict[str, str]:
    """A series that rises evenly, or stands."""
    values = f"{start:g}+{per_step:g}x{steps}" if per_step else f"{start:g}x{steps}"
    return {"series": f"{metric}{{{labels}}}", "values": values}


def month(
    steps: int, *, used: float, per_step: float, age: float, plan: float = 1000, account: str = "main"
) -> list[dict[str, str]]:
    """An account *age* seconds into its period, with so many credits used, and more with each step."""
    labels = MAIN.replace("main", account)
    place = labels + ',app_env="production",production="true"'
    return [
        ramp("imgrender_plan_credits", labels, 0, steps, plan),
        ramp("imgrender_period_start_timestamp_seconds", labels, 0, steps, -age),
        ramp("imgrender_period_end_timestamp_seconds", labels, 0, steps, MONTH - age),
        ramp("imgrender_period_credits_used", place, per_step, steps, used),
        ramp("imgrender_credits_used_total", place, per_step, steps, used),
        {"series": 'up{job="imgrender",instance="x"}', "values": f"1x{steps}"},
        {"series": 'imgrender_ingest_last_success_timestamp_seconds{job="imgrender"}', "values": f"0+300x{steps}"},
        ramp("imgrender_scrape_collector_success", 'job="imgrender",instance="x",collector="ledger"', 0, steps, 1),
    ]


def requests(steps: int, hits: str, renders: str) -> list[dict[str, str]]:
    """Requests by result."""
    return [
        {"series": f'imgrender_requests_total{{{MAIN},result="{result}"}}', "values": values}
        for result, values in (("hit", hits), ("render", renders))
    ]


def client_told(steps: int, *, left: float, at: float = 0, instance: str = "web-1") -> list[dict[str, str]]:
    """What a client was told at a time: its job is not the exporter's."""
    labels = MAIN.replace("imgrender", "shop") + f',instance="{instance}"'
    return [
        ramp("imgrender_client_credits_remaining", labels, 0, steps, left),
        ramp("imgrender_client_credits_remaining_timestamp_seconds", labels, 0, steps, at),
    ]


def usage_told(steps: int, *, used: float, at: float = 0) -> list[dict[str, str]]:
    """What the provider's usage address told the exporter."""
    labels = MAIN + ',instance="x"'
    return [
        ramp("imgrender_provider_credits_used", labels, 0, steps, used),
        ramp("imgrender_credits_remaining_timestamp_seconds", labels, 0, steps, at),
    ]


def weekend(start: float, per_step: float) -> str:
    """A working day, one with a tenth of it, and half of another working day."""
    values, at = "", start
    for steps, speed in ((288, per_step), (288, per_step / 10), (144, per_step)):
        values += f"{at:.6f}+{speed:.6f}x{steps - 1} "
        at += speed * steps
    return values.strip()


S = 300
"""Seconds of a step."""
HALF = 10 * DAY + 12 * HOUR
Q = "ImgRender"

SCENARIOS: dict[str, tuple[list[dict[str, str]], dict[str, set[str]]]] = {
    # name: (series, {time: alerts without the prefix that fire then})
    "a normal month": (month(200, used=200, per_step=20 / 288, age=10 * DAY), {"12h": set(), "16h": set()}),
    "a weekend without traffic": (month(200, used=300, per_step=0, age=10 * DAY), {"16h": set()}),
    "on course to exceed the plan": (
        month(400, used=300, per_step=60 / 288, age=5 * DAY), {"1h": set(), "30h": {"CreditsProjectedOverPlan"}},
    ),
    "a slow start of a period": (month(200, used=0, per_step=60 / 288, age=0), {"12h": set()}),
    "a busy first day, which says little": (month(300, used=0, per_step=100 / 288, age=0), {"20h": set()}),
    "a batch once, which is no trend": (month(200, used=500, per_step=0, age=5 * DAY), {"12h": set()}),
    "runs out before the end": (
        month(200, used=900, per_step=100 / 288, age=20 * DAY),
        {"3h": {"CreditsExhaustSoon", "PlanAlmostUsed", "CreditsProjectedOverPlan"} - {"CreditsProjectedOverPlan"},
         "8h": {"CreditsExhaustSoon", "PlanAlmostUsed", "CreditsProjectedOverPlan"}},
    ),
    "used up": (month(200, used=1000, per_step=0, age=29.5 * DAY), {"4h": {"PlanUsedUp"}}),
    "hardly used": (month(200, used=100, per_step=5 / 288, age=26 * DAY), {"2h": set(), "6h": {"PlanUnused"}}),
    "hardly used, early": (month(200, used=10, per_step=5 / 288, age=5 * DAY), {"6h": set()}),
    "the month's boundary": (
        [
            ramp("imgrender_plan_credits", MAIN, 0, 288, 1000),
            {"series": f"imgrender_period_start_timestamp_seconds{{{MAIN}}}", "values": f"{DAY / 2 - MONTH:g}x143 {DAY / 2:g}x144"},
            {"series": f"imgrender_period_end_timestamp_seconds{{{MAIN}}}", "values": f"{DAY / 2:g}x143 {DAY / 2 + MONTH:g}x144"},
            {"series": f'imgrender_period_credits_used{{{MAIN},app_env="production",production="true"}}', "values": "740+0.1x143 0+0.1x144"},
            ramp("imgrender_credits_used_total", f'{MAIN},app_env="production",production="true"', 0.1, 288, 740),
            *month(288, used=0, per_step=0, age=0)[5:],
        ],
        {"11h": set(), "13h": set(), "20h": set()},
    ),
    "a restart: counters begin anew": (
        [
            *[each for each in month(200, used=200, per_step=20 / 288, age=10 * DAY) if "credits_used_total" not in each["series"]],
            {"series": f'imgrender_credits_used_total{{{MAIN},app_env="production",production="true"}}', "values": "200+0.07x80 0+0.07x120"},
        ],
        {"6h": set(), "8h": set(), "16h": set()},
    ),
    "an empty ledger": (month(100, used=0, per_step=0, age=10 * DAY)[5:], {"6h": set()}),
    "a new account without a plan": (
        [each for each in month(100, used=0, per_step=1, age=0) if "plan" not in each["series"]], {"6h": set()},
    ),
    "staging spends": (
        [
            *month(100, used=100, per_step=0, age=4 * DAY),
            {"series": f'imgrender_last_paid_render_timestamp_seconds{{{MAIN},app_env="staging",production="false"}}',
             "values": "3600x100"},
            {"series": f'imgrender_last_paid_render_timestamp_seconds{{{MAIN},app_env="production",production="true"}}',
             "values": "0+300x100"},
        ],
        {"90m": {"CreditsOutsideProduction"}, "3h": set()},
    ),
    "the cache was emptied": (
        [*month(350, used=100, per_step=0, age=4 * DAY), *requests(350, "0+80x300 24000+10x50", "0+20x300 6000+90x50")],
        {"24h": set(), "27h": {"HitRateDropped"}},
    ),
    "few requests, which say nothing": (
        [*month(350, used=100, per_step=0, age=4 * DAY), *requests(350, "0+2x300 600x50", "0x300 0+2x50")], {"27h": set()},
    ),
    "duplicates": (
        [
            *month(60, used=100, per_step=0, age=4 * DAY), *requests(60, "0x60", "0+10x60"),
            ramp("imgrender_duplicate_renders_total", MAIN, 3, 60),
        ],
        {"10m": set(), "3h": {"DuplicateRenders"}},
    ),
    "throttled and failing": (
        [
            *month(60, used=100, per_step=0, age=4 * DAY),
            *(ramp("imgrender_client_api_requests_total", f'{MAIN},code="{code}"', rate, 60)
              for code, rate in (("200", 80), ("429", 10), ("502", 8), ("error", 2))),
        ],
        {"2h": {"ApiThrottled", "ApiErrors"}},
    ),
    "a failure now and then": (
        [
            *month(60, used=100, per_step=0, age=4 * DAY),
            *(ramp("imgrender_client_api_requests_total", f'{MAIN},code="{code}"', rate, 60)
              for code, rate in (("200", 97), ("429", 1), ("503", 2))),
        ],
        {"2h": set()},
    ),
    "the exporter is down": (
        [*month(60, used=100, per_step=0, age=4 * DAY)[:5], {"series": 'up{job="imgrender",instance="x"}', "values": "1x20 0x40"}],
        {"90m": set(), "2h": {"ExporterDown"}},
    ),
    "nobody scrapes it at all": ([], {"5m": set(), "1h": {"ExporterDown"}}),
    "ingest stands still": (
        [
            *[each for each in month(60, used=100, per_step=0, age=4 * DAY) if "ingest" not in each["series"]],
            {"series": 'imgrender_ingest_last_success_timestamp_seconds{job="imgrender"}', "values": "0+300x20 6000x40"},
        ],
        {"90m": set(), "3h": {"IngestStale"}},
    ),
    "the ledger cannot be read": (
        [
            *[each for each in month(60, used=100, per_step=0, age=4 * DAY) if "collector" not in each["series"]],
            ramp("imgrender_scrape_collector_success", 'job="imgrender",instance="x",collector="ledger"', 0, 60, 0),
        ],
        {"1h": {"CollectorFails"}},
    ),
    "somebody else uses the key, as a client was told": (
        [*month(60, used=100, per_step=0, age=4 * DAY), *client_told(60, left=700)], {"3h": {"LedgerDrift"}},
    ),
    "the provider told a client the same": (
        [*month(60, used=100, per_step=0, age=4 * DAY), *client_told(60, left=900)], {"3h": set()},
    ),
    "an idle process remembers what another knows better": (
        [*month(60, used=100, per_step=0, age=4 * DAY), *client_told(60, left=990, at=-DAY, instance="idle"),
         *client_told(60, left=900)],
        {"3h": set()},
    ),
    "nobody asked the provider since the month began": (
        [*month(60, used=0, per_step=0, age=HOUR), *client_told(60, left=300, at=-2 * HOUR),
         *usage_told(60, used=700, at=-2 * HOUR)],
        {"3h": set()},
    ),
    "somebody else uses the key, as the usage address says": (
        [*month(60, used=100, per_step=0, age=4 * DAY), *usage_told(60, used=300), *client_told(60, left=900)],
        {"3h": {"LedgerDrift"}},
    ),
    "the usage address says the same": (
        [*month(60, used=100, per_step=0, age=4 * DAY), *usage_told(60, used=110)], {"3h": set()},
    ),
    "a provider that does not answer": (
        [
            *month(60, used=100, per_step=0, age=4 * DAY),
            ramp("imgrender_scrape_collector_success", 'job="imgrender",instance="x",collector="usage"', 0, 60, 0),
        ],
        {"1h": {"CollectorFails"}},
    ),
    "a new account's first days": (
        # Its series begin in the middle of the month, at what was spent before the first scrape.
        [
            *[each for each in month(400, used=0, per_step=0, age=15 * DAY) if "credits_used" not in each["series"]],
            *({"series": f'{name}{{{MAIN},app_env="production",production="true"}}', "values": "_x100 40+0.1x300"}
              for name in ("imgrender_period_credits_used", "imgrender_credits_used_total")),
            {"series": f'imgrender_requests_total{{{MAIN},result="render"}}', "values": "_x100 40+0.1x300"},
        ],
        {"9h": set(), "12h": set(), "30h": set()},
    ),
    "a weekend between working days": (
        # 40 credits a working day and 4 on the others, with hits in proportion: fewer of both are no alarm.
        [
            *[each for each in month(720, used=0, per_step=0, age=11 * DAY) if "credits_used" not in each["series"]],
            *({"series": f'{name}{{{MAIN},app_env="production",production="true"}}', "values": weekend(300, 40 / 288)}
              for name in ("imgrender_period_credits_used", "imgrender_credits_used_total")),
            *requests(720, weekend(0, 1), weekend(0, 40 / 288)),
        ],
        {"23h": set(), "26h": set(), "30h": set(), "47h": set(), "51h": set(), "59h": set()},
    ),
    "more accounts than labels": (
        [*month(20, used=100, per_step=0, age=4 * DAY),
         ramp("imgrender_label_values_dropped_total", 'job="imgrender",label="account"', 0, 20, 3)],
        {"1h": {"LabelValuesDropped"}},
    ),
    "a fast burn, and its end": (
        [
            *[each for each in month(700, used=100, per_step=0, age=20 * DAY) if "credits_used" not in each["series"]],
            *({"series": f'{name}{{{MAIN},app_env="production",production="true"}}', "values": "100x60 101+1x115 216x520"}
              for name in ("imgrender_period_credits_used", "imgrender_credits_used_total")),
        ],
        # Half a day at that speed would have been the end of the plan: the slower window remembers it for a while.
        {"1h": set(), "150m": {"CreditsFastBurn"}, "200m": {"CreditsExhaustSoon"}, "4h": {"CreditsExhaustSoon"}, "11h": set()},
    ),
}  # fmt: skip


def test_each_scenario(promtool: str, tmp_path: Path) -> None:
    """{scenario, time, alerts that fire}: all of those and no others, the quiet ones included."""
    groups: list[dict[str, Any]] = []
    for name, (series, expected) in SCENARIOS.items():
        checks = []
        for at, firing in expected.items():
            checks.append({
                "eval_time": at,
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "exp_samples": [{"labels": f'{{alertname="{Q}{name}"}}', "value": 1} for name in sorted(firing)],
            })  # fmt: skip
        step = 60 if "burn" in name else S
        groups.append({"name": name, "interval": f"{step}s", "input_series": series, "promql_expr_test": checks})
    document = {
        "rule_files": [str(ROOT / "grafana" / part / "imgrender.yml") for part in ("rules", "alerts")],
        "evaluation_interval": "4m", "group_eval_order": ["imgrender.rules", "imgrender.alerts"], "tests": groups,
    }  # fmt: skip
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {alert.name.removeprefix(Q) for alert in ALERTS} == {
        name for _, expected in SCENARIOS.values() for firing in expected.values() for name in firing
    }, "every alert fires in some scenario"


def test_thresholds_can_be_chosen() -> None:
    """And wrong ones are named."""
    chosen = parameters_of(["burn=2.5", "long=10s", "stale_seconds=5", "runbooks=https://wiki.example/r"])
    text = str(alerting(chosen))
    assert "> 2.5" in text and "> 5" in text and "https://wiki.example/r#imgrender" in text
    assert "[10s]" in str(recording(chosen))
    for wrong in ("burn", "nobody=1", "burn=fast"):
        with pytest.raises(ConfigError):
            parameters_of([wrong])
