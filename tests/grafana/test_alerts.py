"""Alerts fire when they should and are quiet when they should, judged by promtool; tests/exporters fires real ones."""

import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from auditor_exporter.alertfiles import alerting, contents, parameters_of, recording
from auditor_exporter.alerts import AlertSource, Parameters, source

from auditor.model.errors import ConfigError
from auditor.registry import RULES
from tests.grafana.scenarios import DAY, HOUR, MONTH
from tests.grafana.test_alert_scenarios import FIRES
from tests.services import ROOT, need

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
    """By another, an alert or a panel; that metrics are emitted is judged in tests/contracts/test_metrics.py."""
    text = "\n".join(text for name, text in contents(Parameters()) if name.endswith(".yml"))
    text += "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "grafana" / "dashboards").glob("*.json"))
    for rule in recording(Parameters())["groups"][0]["rules"]:
        assert len(re.findall(re.escape(rule["record"]) + r"(?!\w)", text)) > 1, f"{rule['record']} is not used"


def test_each_alert_has_its_runbook() -> None:
    """What it means, how to find the cause, what to do; and the address points there."""
    book = (ROOT / "grafana" / "runbooks" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", book, re.MULTILINE) == [*(alert.alert for alert in source().alerts), *RULES]
    assert book.count("**Do.** ") == len(source().alerts) + len(RULES) and "**Do.** \n" not in book
    for rule in alerting(Parameters())["groups"][0]["rules"]:
        assert rule["annotations"]["runbook_url"].endswith("#" + rule["alert"].lower())
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("> <duplicates>", "> <duplicate>", "duplicate, duplicates"),
        ("<margin> *", "0.15 *", "margin"),
        ("- <scrapes>", "- 330", "scrapes"),
        ("  severity: info", "  severity: info\n  severe: info", "unknown field `severe`"),
        ("  for: <long>", "  lasts: <long>", "unknown field `lasts`"),
        ("  metric: imgrender_plan_price", "  metrics: imgrender_plan_price", "unknown field `metrics`"),
    ],
)
def test_the_source_is_read_strictly(old: str, new: str, said: str) -> None:
    """A token that stands for nothing, a parameter without a use and a key that there is not are named."""
    text = (ROOT / "exporters" / "auditor_exporter" / "alerts.yml").read_text(encoding="utf-8")
    assert msgspec.yaml.decode(text, type=AlertSource) == source() and old in text
    with pytest.raises(msgspec.ValidationError, match=f"{said}(,|$| - )"):
        msgspec.yaml.decode(text.replace(old, new), type=AlertSource)


def test_what_is_set_is_not_searched_for_tokens() -> None:
    """A value stands in the files as it was given, also where it reads like a token of the source."""
    files = dict(contents(parameters_of(["long=<calm>", "down_for=<held>", "calm=9d"])))
    alerts = yaml.safe_load(files["alerts/imgrender.yml"])["groups"][0]["rules"]
    drift, down, throttled = (next(rule for rule in alerts if rule["alert"] == f"{Q}{name}")
                              for name in ("LedgerDrift", "ExporterDown", "ApiThrottled"))  # fmt: skip
    assert (drift["for"], drift["keep_firing_for"], down["for"]) == ("<calm>", "9d", "<held>")
    assert throttled["expr"].count("[<calm>]") == 3


def ramp(metric: str, labels: str, per_step: float, steps: int, start: float = 0) -> dict[str, str]:
    """A series that rises evenly, or stands."""
    values = f"{start:g}+{per_step:g}x{steps}" if per_step else f"{start:g}x{steps}"
    return {"series": f"{metric}{{{labels}}}", "values": values}


def month(
    steps: int, *, used: float, per_step: float, age: float, plan: float = 1000, price: float = 14.99
) -> list[dict[str, str]]:
    """An account *age* seconds into its period, with so many credits used, and more with each step."""
    place = MAIN + ',app_env="production",production="true"'
    return [
        ramp("imgrender_plan_credits", MAIN + ',hard_cap="true"', 0, steps, plan),
        ramp("imgrender_plan_price", MAIN + ',plan="Basic",currency="USD"', 0, steps, price),
        ramp("imgrender_period_start_timestamp_seconds", MAIN, 0, steps, -age),
        ramp("imgrender_period_end_timestamp_seconds", MAIN, 0, steps, MONTH - age),
        ramp("imgrender_period_credits_used", place, per_step, steps, used),
        {"series": 'up{job="imgrender",instance="x"}', "values": f"1x{steps}"},
        {"series": 'imgrender_ingest_last_success_timestamp_seconds{job="imgrender"}', "values": f"0+300x{steps}"},
        ramp("imgrender_exporter_build_info", 'job="imgrender",instance="x",version="1"', 0, steps, 1),
        ramp("imgrender_scrape_collector_success", 'job="imgrender",instance="x",collector="ledger"', 0, steps, 1),
    ]


def recent(**by_ago: tuple[str, str]) -> list[dict[str, str]]:
    """Hits and renders of three hours: now, a day before (`d1`), a week before (`d7`)."""
    return [
        {"series": f'imgrender_recent_requests{{{MAIN},result="{result}",ago="{ago[1:]}d"}}', "values": values}
        for ago, both in by_ago.items() for result, values in zip(("hit", "render"), both, strict=True)
    ]  # fmt: skip


def seen(source: str, values: str) -> dict[str, str]:
    """When a source was last looked at."""
    labels = f'job="imgrender",instance="x",source="{source}"'
    return {"series": f"imgrender_source_last_seen_timestamp_seconds{{{labels}}}", "values": values}


def reloaded(instance: str, values: str) -> dict[str, str]:
    """Whether an exporter could use its file."""
    labels = f'job="imgrender",instance="{instance}"'
    return {"series": f"imgrender_config_last_reload_successful{{{labels}}}", "values": values}


def overage(*, used: float, hard_cap: str, values: str = "1000x60", up: str = "1x60") -> list[dict[str, str]]:
    """An account whose plan has so many credits; without a hard cap, further ones cost 0.02 each."""
    others = [
        each for each in month(60, used=used, per_step=0, age=4 * DAY)
        if not each["series"].startswith(("imgrender_plan_credits", "up"))
    ]  # fmt: skip
    plan = {"series": f'imgrender_plan_credits{{{MAIN},hard_cap="{hard_cap}"}}', "values": values}
    price = {
        "series": f'imgrender_plan_overage_price{{{MAIN},plan="Basic",currency="EUR"}}',
        "values": re.sub(r"\b\d{4}(?=x)", "0.02", values),
    }
    running = {"series": 'up{job="imgrender",instance="x"}', "values": up}
    return [plan, *([price] if hard_cap == "false" else []), running, *others]


def dead(series: list[dict[str, str]], after: int) -> list[dict[str, str]]:
    """The exporter is gone from a step on, with all that it shows; that it is down is told by Prometheus."""
    return [
        each if each["series"].startswith("up{") else {**each, "values": re.sub(r"x\d+$", f"x{after} _x50", each["values"])}
        for each in series
    ]  # fmt: skip


def changed(
    before: tuple[float, float, str], after: tuple[float, float, str] | None, used: float = 1200
) -> list[dict[str, str]]:
    """A plan (credits, price, hard cap) that another one takes the place of at step 40; steps 50 to 52 are missed."""
    values: dict[str, str] = {}
    for number, (plan, when) in enumerate(((before, "{0:g}x39"), (after, "{0:g}x9 _x3 {0:g}x47"))):
        if plan is not None:
            labels = f'{MAIN},plan="{number}",currency="USD"'
            kinds = [("credits", f'{MAIN},hard_cap="{plan[2]}"', plan[0]), ("price", labels, plan[1])]
            kinds += [("overage_price", labels, 0.02)] if plan[2] == "false" else []
            for name, at, value in kinds:
                series = f"imgrender_plan_{name}{{{at}}}"
                values[series] = f"{values.get(series, '_x40' if number else '')} {when.format(value)}".strip()
    others = [each for each in month(100, used=used, per_step=0, age=4 * DAY) if "_plan_" not in each["series"]]
    goes_on = ("up{", "imgrender_ingest")
    return [{"series": name, "values": text} for name, text in values.items()] + [
        each if each["series"].startswith(goes_on)
        else {**each, "values": re.sub(r"^(.*)x100$", r"\1x49 _x3 \1x47", each["values"])}
        for each in others
    ]  # fmt: skip


def then(*alerts: str) -> dict[str, set[str]]:
    """What fires after that, while scrapes are missed, and after these."""
    return {at: set(alerts) for at in ("3h45m", "4h14m", "6h")}


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


def spent_last(environment: str, production: str) -> list[dict[str, str]]:
    """The last credit of an environment was spent an hour after the start."""
    labels = f'{MAIN},app_env="{environment}",production="{production}"'
    return [ramp("imgrender_last_paid_render_timestamp_seconds", labels, 0, 400, HOUR)]


S = 300
"""Seconds of a step."""
HALF = 10 * DAY + 12 * HOUR
Q = "ImgRender"

SCENARIOS: dict[str, tuple[list[dict[str, str]], dict[str, set[str]]]] = {
    # name: (series, {time: alerts without the prefix that fire then}); what a pace of spending raises, and when, is in
    # test_alert_scenarios.py
    "a normal month": (month(200, used=200, per_step=20 / 288, age=10 * DAY), {"12h": set(), "16h": set()}),
    "hardly used": (month(200, used=100, per_step=5 / 288, age=26 * DAY), {"30m": set(), "6h": {"PlanUnused"}}),
    "hardly used, early": (month(200, used=10, per_step=5 / 288, age=5 * DAY), {"6h": set()}),
    "hardly used, and free: no smaller plan there": (month(200, used=1, per_step=0, age=26 * DAY, price=0), {"6h": set()}),
    "an empty ledger": (month(100, used=0, per_step=0, age=10 * DAY)[5:], {"6h": set()}),
    "an account without a plan": (
        [each for each in month(100, used=0, per_step=1, age=0) if "plan" not in each["series"]],
        {"5m": set(), "6h": {"AccountWithoutPlan"}},
    ),
    "accounts beyond the cap have no plan of their own": (
        [{**each, "series": each["series"].replace("main", "other")}
         for each in month(100, used=0, per_step=1, age=0) if "plan" not in each["series"]],
        {"6h": set()},
    ),
    "staging spends": (
        [*month(400, used=100, per_step=0, age=4 * DAY), *spent_last("staging", "false"), *spent_last("production", "true")],
        {"90m": {"CreditsOutsideProduction"}, "24h": {"CreditsOutsideProduction"}, "30h": set()},
    ),
    "staging spends on a free account of its own": (
        [*month(400, used=3, per_step=0, age=4 * DAY, plan=100, price=0), *spent_last("staging", "false")],
        {"90m": set(), "24h": set()},
    ),
    "the cache was emptied": (
        [*month(400, used=100, per_step=0, age=4 * DAY),
         *recent(d0=("800x99 80x100 800x200", "200x99 920x100 200x200"), d1=("800x400", "200x400"), d7=("800x400", "200x400"))],
        {"8h": set(), "9h": {"HitRateDropped"}, "30h": {"HitRateDropped"}},
    ),
    "the night has few hits, as every night": (
        [*month(400, used=100, per_step=0, age=4 * DAY),
         *recent(d0=("800x99 54x100 800x200", "200x99 126x100 200x200"), d1=("800x99 54x100 800x200", "200x99 126x100 200x200"))],
        {"8h": set(), "10h": set(), "16h": set()},
    ),
    "Monday is not like Sunday, but like the Monday before": (
        [*month(400, used=100, per_step=0, age=4 * DAY),
         *recent(d0=("300x400", "700x400"), d1=("900x400", "100x400"), d7=("300x400", "700x400"))],
        {"10h": set()},
    ),
    "few requests, which say nothing": (
        [*month(350, used=100, per_step=0, age=4 * DAY), *recent(d0=("2x350", "50x350"), d1=("50x350", "2x350"))], {"20h": set()},
    ),
    "nothing is served from the cache any more": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         *(each for each in recent(d0=("0x99", "300x99"), d1=("270x99", "30x99")) if 'result="hit",ago="0d"' not in each["series"])],
        {"3h": {"HitRateDropped"}},
    ),
    "duplicates": (
        [*month(60, used=100, per_step=0, age=4 * DAY), *recent(d0=("0x60", "100x60")),
         ramp("imgrender_recent_duplicate_renders", MAIN, 0, 60, 30)],
        {"10m": set(), "3h": {"DuplicateRenders"}},
    ),
    "lines that nobody can count": (
        [*month(400, used=100, per_step=0, age=4 * DAY),
         {"series": 'imgrender_ledger_lines_total{job="imgrender",instance="x",fate="rejected"}', "values": "0x20 4x380"}],
        {"1h": set(), "2h": {"LinesRejected"}, "20h": {"LinesRejected"}, "30h": set()},
    ),
    "lines that cannot be booked": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         {"series": 'imgrender_ledger_lines_total{job="imgrender",instance="x",fate="set_aside"}', "values": "0x20 1x80"}],
        {"1h": set(), "2h": {"LinesRejected"}},
    ),
    "a file that may not be read": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         {"series": 'imgrender_ingest_files_set_aside{job="imgrender",instance="x"}', "values": "0x20 2x40 0x40"}],
        {"1h": set(), "3h": {"FilesSetAside"}, "8h": set()},
    ),
    "a source that stopped, one that never came, one that is there": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         seen("one:/spool", "0+300x20 6000x80"), seen("two:/spool", "0x100"), seen("three:/spool", "0+300x100")],
        {"10m": set(), "30m": {"SourceStale"}, "3h": {"SourceStale"}},
    ),
    "a source that is late by less than the limit": (
        [*month(100, used=100, per_step=0, age=4 * DAY), seen("one:/spool", "0 0 0+300x98")], {"3h": set()},
    ),
    "a file that contradicts the ledger, until it is corrected": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         ramp("imgrender_ledger_config_conflict", 'job="imgrender",instance="x"', 0, 100),
         {"series": f'imgrender_ledger_config_conflict{{{MAIN},instance="x"}}', "values": "0x10 1x50 0x40"}],
        {"30m": set(), "3h": {"ConfigConflict"}, "6h": set()},
    ),
    "a changed file that cannot be used, until it is corrected": (
        [*month(120, used=100, per_step=0, age=4 * DAY), reloaded("x", "1x20 0x60 1x39"), reloaded("y", "1x119")],
        {"1h": set(), "105m": set(), "3h": {"ConfigReloadFailed"}, "6h": {"ConfigReloadFailed"}, "8h": set()},
    ),
    "a file that is half written while it is read": (
        [*month(100, used=100, per_step=0, age=4 * DAY), reloaded("x", "1x20 0 0 1x77")], {"105m": set(), "3h": set()},
    ),
    "a file that cannot be used, and the exporter is then scraped no more": (
        [*month(100, used=100, per_step=0, age=4 * DAY), reloaded("x", "0x10 _x30 1x58")],
        {"1h": {"ConfigReloadFailed"}, "3h": {"ConfigReloadFailed"}, "5h": set()},
    ),
    "the zone contradicts the ledger": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         ramp("imgrender_ledger_config_conflict", 'job="imgrender",instance="x"', 0, 100, 1)],
        {"3h": {"ConfigConflict"}},
    ),
    "overage: 400 credits beyond the plan": (
        overage(used=1400, hard_cap="false"), {"5m": {"OverageBill"}, "3h": {"OverageBill"}},
    ),
    "overage is agreed, and nothing beyond the plan is used": (overage(used=700, hard_cap="false"), {"3h": set()}),
    "a hard cap": (overage(used=1400, hard_cap="true"), {"3h": {"PlanUsedUp"}}),
    "a hard cap that became overage": (
        [*overage(used=1400, hard_cap="true", values="1000x10"), *overage(used=1400, hard_cap="false", values="_x11 1000x50")[:2]],
        {"30m": {"PlanUsedUp"}, "2h": {"OverageBill"}},
    ),
    "overage that became a larger plan with a hard cap": (
        [*overage(used=1400, hard_cap="false", values="1000x10"), *overage(used=1400, hard_cap="true", values="_x11 2000x50")[:1]],
        {"30m": {"OverageBill"}, "2h": set()},
    ),
    "a paid plan that became a free one": (
        [*changed((1000, 9, "true"), (1000, 0, "true"), used=10), *spent_last("staging", "false")],
        {"2h": {"CreditsOutsideProduction"}, "3h45m": set(), "4h14m": set(), "6h": set()},
    ),
    "a free plan that became a paid one": (
        [*changed((1000, 0, "true"), (1000, 9, "true"), used=10), *spent_last("staging", "false")],
        {"2h": set(), **then("CreditsOutsideProduction")},
    ),
    "a smaller plan": (
        changed((2000, 9, "true"), (1000, 9, "true")), {"2h": set(), **then("PlanUsedUp")},
    ),
    "a larger plan": (
        changed((1000, 9, "true"), (2000, 9, "true")), {"2h": {"PlanUsedUp"}, **then()},
    ),
    "a hard cap that became overage, and missed scrapes": (
        changed((1000, 9, "true"), (1000, 9, "false")),
        {"2h": {"PlanUsedUp"}, **then("OverageBill")},
    ),
    "overage that became a hard cap, and missed scrapes": (
        changed((1000, 9, "false"), (1000, 9, "true")),
        {"2h": {"OverageBill"}, **then("PlanUsedUp")},
    ),
    "a plan that was taken away": (
        changed((2000, 9, "true"), None), {"2h": set(), "4h": {"AccountWithoutPlan"}, "6h": {"AccountWithoutPlan"}},
    ),
    "a file that no longer names the account that it contradicted": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         ramp("imgrender_ledger_config_conflict", 'job="imgrender",instance="x"', 0, 100),
         {"series": f'imgrender_ledger_config_conflict{{{MAIN},instance="x"}}', "values": "1x40"}],
        {"3h": {"ConfigConflict"}, "220m": set()},
    ),
    "the exporter dies while overage is billed": (
        dead(overage(used=1400, hard_cap="false", up="1x10 0x50"), 10),
        {"30m": {"OverageBill"}, "2h": {"OverageBill", "ExporterDown", "IngestStale"}},
    ),
    "a client's disk is full": (
        [*month(100, used=100, per_step=0, age=4 * DAY),
         {"series": 'imgrender_client_events_dropped_total{job="shop",instance="web-1",reason="io"}', "values": "0x20 4x80"}],
        {"1h": set(), "2h": {"ClientEventsDropped"}},
    ),
    "throttled and failing": (
        [
            *month(60, used=100, per_step=0, age=4 * DAY),
            *(ramp("imgrender_client_api_requests_total", f'{MAIN},code="{code}"', rate, 60)
              for code, rate in (("200", 80), ("429", 10), ("502", 8), ("error", 2))),
        ],
        {"2h": {"ApiThrottled", "ApiErrors"}},
    ),
    "one call in an hour, which fails": (
        [*month(60, used=100, per_step=0, age=4 * DAY),
         *(ramp("imgrender_client_api_requests_total", f'{MAIN},code="{code}"', rate, 60) for code, rate in (("200", 0.05), ("500", 0.05)))],
        {"3h": set()},
    ),
    "the ledger cannot be read, and scrapes are missed": (
        [
            *[each for each in month(60, used=100, per_step=0, age=4 * DAY) if "collector" not in each["series"]],
            {"series": 'imgrender_scrape_collector_success{job="imgrender",instance="x",collector="ledger"}',
             "values": "0x5 stale 0x5 stale stale 0x47"},
        ],
        {"20m": {"LedgerUnreadable"}, "32m": {"LedgerUnreadable"}, "62m": {"LedgerUnreadable"}, "2h": {"LedgerUnreadable"}},
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
        [*(each for each in month(60, used=100, per_step=0, age=4 * DAY) if not each["series"].startswith("up")),
         {"series": 'up{job="imgrender",instance="x"}', "values": "1x20 0x40"}],
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
        {"1h": {"LedgerUnreadable"}},
    ),
    "nothing was ever ingested": (
        [each for each in month(60, used=100, per_step=0, age=4 * DAY) if "ingest" not in each["series"]], {"1h": {"IngestStale"}},
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
    "more accounts than labels": (
        [*month(20, used=100, per_step=0, age=4 * DAY),
         ramp("imgrender_label_values_dropped_total", 'job="imgrender",label="account"', 0, 20, 3)],
        {"1h": {"LabelValuesDropped"}},
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
        groups.append({"name": name, "interval": f"{S}s", "input_series": series, "promql_expr_test": checks})
    document = {
        "rule_files": [str(ROOT / "grafana" / part / "imgrender.yml") for part in ("rules", "alerts")],
        "evaluation_interval": "4m", "group_eval_order": ["imgrender.rules", "imgrender.alerts"], "tests": groups,
    }  # fmt: skip
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    here = {name for _, expected in SCENARIOS.values() for firing in expected.values() for name in firing}
    assert here | FIRES == {alert.alert.removeprefix(Q) for alert in source().alerts}, (
        "every alert fires in some scenario"
    )


HOLES = re.compile(r"(?:^|\s)[/:,.;]|\(\)|  |/(?:[\s.,]|$)|^\s|<no value>|<nil>|\bof (?:for|were|fails?|cannot)\b")
"""What a text has where a label is empty."""


def test_no_text_has_a_hole(promtool: str, tmp_path: Path) -> None:
    """Of any alert, with any labels that the exporter shows: the ledger's own zone, an account that is `other`, none."""
    emptied = [("", ""), ("imejis", "main"), ("other", "other"), ("imejis", "other")]
    conflicts = [
        ramp("imgrender_ledger_config_conflict", f'job="imgrender",instance="x",provider="{one}",account="{two}"', 0, 9, 1)
        for one, two in emptied
    ]  # fmt: skip
    groups = [(conflicts, "25m"), ([], "1h")]
    for alert in source().alerts:
        found = (
            (series, at) for series, when in SCENARIOS.values() for at, firing in when.items()
            if alert.alert.removeprefix(Q) in firing and at in ("5m", "30m", "1h", "90m", "2h", "3h")
        )  # fmt: skip
        groups += list(found)[:1]
    tests = [
        {"interval": f"{S}s", "input_series": series,
         "alert_rule_test": [{"eval_time": at, "alertname": alert.alert} for alert in source().alerts]}
        for series, at in groups
    ]  # fmt: skip
    files = [str(ROOT / "grafana" / part / "imgrender.yml") for part in ("rules", "alerts")]
    document = {
        "rule_files": files, "evaluation_interval": "4m", "group_eval_order": ["imgrender.rules", "imgrender.alerts"],
        "tests": tests,
    }  # fmt: skip
    (tmp_path / "texts.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "texts.yml"], capture_output=True, text=True, check=False
    )
    texts = set(
        re.findall(r'alertname="(\w+)".*\n *Annotations:\{description="((?:[^"\\]|\\.)*)"', done.stdout + done.stderr)
    )
    # What a pace of spending raises has the labels of an account, whose names events and files cannot leave empty.
    paced = {
        alert
        for alert in source().alerts
        if "$labels" in alert.description
        and re.findall(r"\$labels\.(\w+)", alert.description) == ["provider", "account"]
    }
    assert {name for name, _ in texts} >= {alert.alert for alert in source().alerts} - {alert.alert for alert in paced}
    assert not {(name, text) for name, text in texts if HOLES.search(text)}
    assert len({text for name, text in texts if name == "ImgRenderConfigConflict"}) >= len(emptied)


def test_thresholds_can_be_chosen() -> None:
    """And wrong ones are named."""
    chosen = parameters_of(["burn=2.5", "hold=10s", "stale_seconds=5", "runbooks=https://wiki.example/r"])
    text = str(alerting(chosen))
    assert "< 2.5" in text and "> 5" in text and "https://wiki.example/r#imgrender" in text
    assert "[10s]" in str(recording(chosen))
    for wrong in ("burn", "nobody=1", "burn=fast"):
        with pytest.raises(ConfigError):
            parameters_of([wrong])
