"""The rules of grafana/dashboard-linter (4d0844b) that apply to Prometheus dashboards, on promql-parser.

A rule is a function from a dashboard to what breaks it; its name is the linter's without `-rule`. Rules that we do not
keep stand in EXCLUDED with the reason, as they would in a `.lint` file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import promql_parser as promql
from grafana_foundation_sdk.models import units

Board = Mapping[str, Any]
Rule = Callable[[Board], Iterable[str]]
VISUAL = frozenset({"stat", "timeseries", "gauge", "bargauge", "table"})
"""Panels that show values (the linter's list, and ours)."""
UNITS = frozenset(unit for hint in get_type_hints(units).values() for unit in get_args(hint))
STANDS_FOR = {
    "__rate_interval": "3m59s", "__interval": "1m", "__range": "6h", "__range_s": "21600", "__range_ms": "21600000",
}  # fmt: skip
"""What the globals become, so that an expression parses; no one writes 3m59s by hand."""
EXCLUDED: Mapping[str, str] = {
    "template-instance": "the exporter's sums are of one ledger, whichever instance shows it, and a part of the "
    "processes that render is no useful whole: their instances come and go with each deploy",
    "target-instance": "see template-instance",
    "target-logql": "no Loki",
    "target-logql-auto": "no Loki",
}


def template_datasource(board: Board) -> Iterator[str]:
    """A variable for the data source, so that the dashboard can be imported anywhere."""
    found = [each for each in _variables(board) if each["type"] == "datasource"]
    if [each["name"] for each in found] != ["datasource"] or found[0].get("label") != "Data source":
        yield "needs one datasource variable, named `datasource` and labeled `Data source`"
    elif found[0].get("query") != "prometheus":
        yield "the datasource variable is not of prometheus"


def template_job(board: Board) -> Iterator[str]:
    """A variable for the job, many at a time."""
    found = [each for each in _variables(board) if each["name"] == "job"]
    if len(found) != 1 or found[0]["type"] != "query":
        yield "needs a query variable `job`"
        return
    expected = {"label": "Job", "multi": True, "includeAll": True, "allValue": ".+"}
    yield from (
        f"variable job: {key} is {found[0].get(key)!r}, not {value!r}"
        for key, value in expected.items() if found[0].get(key) != value
    )  # fmt: skip
    if found[0].get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
        yield "variable job: not from the chosen data source"


def template_label_promql(board: Board) -> Iterator[str]:
    """Variables ask in a form that Grafana knows, with PromQL that parses."""
    for each in _queries(board):
        found = re.fullmatch(r"label_values\((.*), ?(\w+)\)", str(_text(each)), re.DOTALL)
        if found is None:
            yield f"variable {each['name']}: {_text(each)!r} is no label_values(SERIES, LABEL)"
        else:
            yield from (f"variable {each['name']}: {fault}" for fault in _unparsable(found[1]))


def template_on_time_change_reload(board: Board) -> Iterator[str]:
    """Variables are asked again when the time range changes."""
    yield from (f"variable {each['name']}: refresh is not 2" for each in _queries(board) if each.get("refresh") != 2)


def panel_datasource(board: Board) -> Iterator[str]:
    """Panels and their queries use the chosen data source."""
    for panel in _panels(board):
        for part in (panel, *panel.get("targets", [])):
            if part.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
                yield f"{panel['title']}: not from the chosen data source"


def panel_title_description(board: Board) -> Iterator[str]:
    """Panels say what they are."""
    for panel in _panels(board):
        yield from (f"panel {panel['id']}: no {key}" for key in ("title", "description") if not panel.get(key))


def panel_units(board: Board) -> Iterator[str]:
    """Panels have a unit that Grafana knows."""
    for panel in _panels(board):
        unit = panel["fieldConfig"]["defaults"].get("unit")
        if unit not in UNITS:
            yield f"{panel['title']}: {unit!r} is no unit"


def panel_no_targets(board: Board) -> Iterator[str]:
    """Panels ask something."""
    yield from (f"{panel['title']}: no query" for panel in _panels(board) if not panel.get("targets"))


def target_promql(board: Board) -> Iterator[str]:
    """Queries parse."""
    for where, expr in _targets(board):
        yield from (f"{where}: {fault}" for fault in _unparsable(expr))


def target_rate_interval(board: Board) -> Iterator[str]:
    """Rates are over $__rate_interval, which Grafana makes long enough for the scrapes; fixed windows are for rules."""
    for where, expr in _targets(board):
        for call in _found(expr, promql.Call):
            if call.func.name in ("rate", "irate"):
                window = promql.display_duration(call.args[0].range)
                if window != STANDS_FOR["__rate_interval"]:
                    yield f"{where}: {call.func.name} is over {window}, not $__rate_interval"


def target_job(board: Board) -> Iterator[str]:
    """Each selector has job=~"$job"."""
    for where, expr in _targets(board):
        for selector in _found(expr, promql.VectorSelector):
            matchers = [(m.name, m.op, m.value) for m in selector.matchers.matchers]
            if ("job", promql.MatchOp.Re, "$job") not in matchers:
                yield f'{where}: {selector.name} without job=~"$job"'


def target_counter_agg(board: Board) -> Iterator[str]:
    """Counters are read through rate, irate or increase alone."""
    for where, expr in _targets(board):
        read = Counter(str(selector.name) for selector in _found(expr, promql.VectorSelector))
        for call in _found(expr, promql.Call):
            if call.func.name in ("rate", "irate", "increase"):
                read[str(call.args[0].vector_selector.name)] -= 1
        yield from (f"{where}: {name} is a counter, read without rate" for name in +read if name.endswith("_total"))


def uneditable_dashboard(board: Board) -> Iterator[str]:
    """What is provisioned is changed in its source."""
    if board.get("editable") is not False:
        yield "is editable"


RULES: tuple[Rule, ...] = (
    template_datasource, template_job, template_label_promql, template_on_time_change_reload, panel_datasource,
    panel_title_description, panel_units, panel_no_targets, target_promql, target_rate_interval, target_job,
    target_counter_agg, uneditable_dashboard,
)  # fmt: skip


def faults(board: Board) -> Iterator[tuple[str, str]]:
    """(rule, what breaks it)."""
    for rule in RULES:
        yield from ((rule.__name__.replace("_", "-"), fault) for fault in rule(board))


def _variables(board: Board) -> list[Any]:
    return list(board["templating"]["list"])


def _queries(board: Board) -> list[Any]:
    return [each for each in _variables(board) if each["type"] == "query"]


def _text(variable: Mapping[str, Any]) -> Any:
    query = variable.get("query")
    return query.get("query") if isinstance(query, dict) else query


def _panels(board: Board) -> list[Any]:
    return [panel for panel in board["panels"] if panel["type"] in VISUAL]


def _targets(board: Board) -> Iterator[tuple[str, str]]:
    for panel in _panels(board):
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]


def expanded(expr: str) -> str:
    """With the globals put in, so that it parses; variables of the dashboard stay in their strings."""
    return re.sub(r"\$\{?(__\w+)\}?", lambda found: STANDS_FOR.get(found[1], found[0]), expr)


def _unparsable(expr: str) -> Iterator[str]:
    try:
        promql.parse(expanded(expr))
    except ValueError as error:
        yield f"does not parse: {error}"


def _found(expr: str, kind: type[Any]) -> list[Any]:
    """The nodes of a kind, in an expression that parses."""
    nodes: list[Any] = []

    def visit(node: Any) -> bool:
        nodes.append(node)
        return True

    try:
        promql.walk(promql.parse(expanded(expr)), visit)
    except ValueError:
        return []
    return [node for node in nodes if isinstance(node, kind)]
