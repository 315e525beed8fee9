"""What all dashboards have in common: variables, links among them, annotations, a fixed uid and numbered panels."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus as prom
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as word
from grafana_foundation_sdk.models import dashboard as model

from grafana.source.panels import SOURCE, AnyPanel

TAG = "render-auditor"
UIDS = {"overview": "imgrender-overview", "traffic": "imgrender-traffic", "findings": "imgrender-findings"}
TITLES = {
    "overview": "Renders: overview",
    "traffic": "Renders: traffic and cache",
    "findings": "Renders: audit findings",
}
_TO = "/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}&${{job:queryparam}}&var-account={account}"


def _of_account(account: str, *names: str) -> Sequence[tuple[str, str]]:
    return tuple((TITLES[name], _TO.format(uid=UIDS[name], account=account)) for name in names)


OF_ACCOUNT = _of_account("${__value.raw:percentencode}", "traffic", "findings")
"""From a cell with an account to what is known of it alone."""
TO_TRAFFIC, TO_FINDINGS = (
    _of_account("${__field.labels.account:percentencode}", name) for name in ("traffic", "findings")
)
"""From a series of an account."""
REQUESTS = '{__name__=~"imgrender_(client_)?requests_total"'
CREDITS = '{__name__=~"imgrender_(client_)?credits_used_total"'
ANY = '{__name__=~"imgrender_(client_)?requests_total|imgrender_findings"}'
QUERIES: Mapping[str, tuple[str, str, str]] = {
    "job": ("Job", ANY, "Scrape jobs of the exporter and of the processes that render."),
    "provider": ("Provider", REQUESTS + ',job=~"$job"}', "Whose API."),
    "account": ("Account", REQUESTS + ',job=~"$job",provider=~"$provider"}', "API keys or workspaces, by their alias."),
    "app_env": (
        "Environment", CREDITS + ',job=~"$job",provider=~"$provider",account=~"$account"}',
        "Where the renders were asked for; it narrows credits, since requests are not counted by environment.",
    ),
}  # fmt: skip
"""Variable -> label, series that have it, meaning."""

Rows = Mapping[str, Sequence[AnyPanel]]


def assembled(name: str, description: str, rows: Rows, runbooks: str, *, since: str, refresh: str) -> dict[str, Any]:
    """A dashboard as Grafana reads it. *rows* are headings and their panels, *since* as `now-7d`."""
    board = (
        build.Dashboard(TITLES[name]).uid(UIDS[name]).description(description).tags([TAG]).readonly()
        .time(since, "now").refresh(refresh).timezone("browser").tooltip(model.DashboardCursorSync.CROSSHAIR).version(1)
    )  # fmt: skip
    for variable in _variables(runbooks):
        board.with_variable(variable)
    for other, title in TITLES.items():
        if other != name:
            board.link(_link(title, f"/d/{UIDS[other]}"))
    board.link(
        build.DashboardLink("Runbooks").type(model.DashboardLinkType.LINK).url("${runbooks}").icon("doc")
        .tooltip("What each alert means and what to do").target_blank(True)
    )  # fmt: skip
    for annotation in _annotations():
        board.annotation(annotation)
    for heading, panels in rows.items():
        board.with_row(build.Row(heading))
        for panel in panels:
            board.with_panel(panel)
    document: dict[str, Any] = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
    _prune(document)
    for variable in document["templating"]["list"]:
        if variable["type"] == "constant":
            variable["hide"] = int(model.VariableHide.HIDE_VARIABLE)  # (which its builder cannot say)
    return document


_SURPLUS = frozenset({"allowCustomValue", "auto", "auto_count", "auto_min", "footer", "placement"})
"""Keys that the SDK writes unasked: Grafana's types, of 10 or 13, do not have them there; the last hides links."""


def _prune(part: Any) -> None:
    if isinstance(part, dict):
        for key in _SURPLUS & part.keys():
            if key != "placement" or part[key] == "inControlsMenu":  # (the legend's is another)
                del part[key]
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _prune(inner)


def _variables(runbooks: str) -> Sequence[Any]:
    chosen = [build.DatasourceVariable("datasource").label("Data source").type("prometheus")]
    found: list[Any] = [*chosen]
    for name, (label, series, meaning) in QUERIES.items():
        query = f"label_values({series}, {name})"
        found.append(
            build.QueryVariable(name).label(label).description(meaning).query({"query": query, "refId": name})
            .datasource(SOURCE).multi(True).include_all(True).all_value(".+")
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
            .current(model.VariableOption(text="All", value="$__all", selected=True))
        )  # fmt: skip
    place = build.ConstantVariable("runbooks").value(runbooks).label("Runbooks")
    place.description("Where grafana/runbooks is published: `make dashboards RUNBOOKS=URL`.")
    return [*found, place]


def _link(title: str, url: str) -> build.DashboardLink:
    return (
        build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).icon("dashboard").keep_time(True)
        .include_vars(True)
    )  # fmt: skip


STARTED = (
    'process_start_time_seconds{job=~"$job"} * 1000 and on (job, instance) imgrender_client_build_info{job=~"$job"}'
)
CYCLE = (
    "max by (provider, account) (imgrender_period_start_timestamp_seconds"
    '{job=~"$job",provider=~"$provider",account=~"$account"}) * 1000'
)


def _annotations() -> Sequence[build.AnnotationQuery]:
    tagged = (
        build.AnnotationQuery().name("Deploys").enable(True).icon_color("blue")
        .datasource(word.DataSourceRef(type_val="grafana", uid="-- Grafana --"))
        .target(cast(Any, build.AnnotationTarget().type("tags").tags(["deploy"]).match_any(False).limit(100)))
    )  # fmt: skip
    return [
        tagged,
        _at("Process starts", STARTED, "light-blue", "Started", "{{job}} {{instance}}"),
        _at("Cycle starts", CYCLE, "purple", "Billing cycle starts", "{{provider}}/{{account}}"),
    ]


def _at(name: str, expr: str, color: str, title: str, text: str) -> build.AnnotationQuery:
    """Marks at times that are the values of series, in ms."""
    return (
        build.AnnotationQuery().name(name).enable(True).icon_color(color).datasource(SOURCE).expr(expr)
        .use_value_for_time(True).title_format(title).text_format(text).step("5m")
        .target(prom.Dataquery().ref_id("Anno").expr(expr).interval("5m").range())
    )  # fmt: skip
