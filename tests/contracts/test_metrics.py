"""Metrics both ways: what rules, dashboards and docs name is emitted, and what is emitted is used or said to be for nobody."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser
import pytest
from auditor_exporter.alertfiles import alerting, recording
from auditor_exporter.alerts import Parameters, source

from auditor.model.metrics import AD_HOC, CLIENT, FINDINGS, INGEST, LEDGER, RELOAD, USAGE
from grafana.source.lint import expanded
from tests.grafana.test_queries import dashboards
from tests.services import ROOT

EMITTED = {each.name: each for each in (*CLIENT, *LEDGER, *RELOAD, *INGEST, *USAGE, *FINDINGS)}
TARGET = {"job", "instance"}
"""Labels that Prometheus adds."""
OTHERS: Mapping[str, set[str]] = {
    "up": set(), "process_start_time_seconds": set(),
    "ALERTS": {"alertname", "alertstate", "severity", "provider", "account", "app_env"},
    "ALERTS_FOR_STATE": {"alertname", "severity", "provider", "account", "app_env"},
    **{rule.record: {"provider", "account", "window", "horizon", "result", "ago"} for rule in source().records},
}  # fmt: skip
"""What Prometheus, prometheus_client and our recording rules make, with its labels."""
DOCS = ("README.md", "docs/*.md", "docs/deployment/*.md", "grafana/README.md", "grafana/runbooks/README.md")


def asked() -> Iterator[tuple[str, str]]:
    """(place, PromQL) of every rule, alert, panel, annotation and variable."""
    for document in (recording(Parameters()), alerting(Parameters())):
        for rule in document["groups"][0]["rules"]:
            yield rule.get("record") or rule["alert"], rule["expr"]
    for name, board in dashboards():
        for panel in board["panels"]:
            yield from ((f"{name}, {panel['title']}", target["expr"]) for target in panel.get("targets", []))
        yield from ((name, each["expr"]) for each in board["annotations"]["list"] if "expr" in each)
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
                yield f"{name}, ${variable['name']}", f"max by ({label}) ({series})"


def named(selector: Any) -> list[str]:
    """The families that a selector means, be it by a pattern; a histogram's parts are the histogram."""
    if selector.name is None:
        (pattern,) = [each.value for each in selector.matchers.matchers if each.name == "__name__"]
        return [name for name in EMITTED if re.fullmatch(pattern, name)] or [pattern]
    base = re.sub(r"_(bucket|count|sum)$", "", str(selector.name))
    return [base if base in EMITTED and EMITTED[base].type == "histogram" else str(selector.name)]


def labels_of(name: str) -> set[str]:
    """Those that its series have."""
    if name in OTHERS:
        return OTHERS[name] | TARGET
    definition = EMITTED[name]
    return {*definition.labels, *TARGET, *(["le"] if definition.type == "histogram" else [])}


def below(node: Any) -> list[Any]:
    """A node and all that it holds."""
    found: list[Any] = []
    promql_parser.walk(node, lambda each: found.append(each) or True)
    return found


def of_one_side(node: Any) -> set[str]:
    """Metrics whose labels do not come out of it: other series are compared with them."""
    many, found = promql_parser.VectorMatchCardinality.ManyToOne, set()
    for pair in below(node):
        matched = isinstance(pair, promql_parser.BinaryExpr) and pair.modifier
        if matched and (pair.modifier.card == many or str(pair.op) in ("and", "unless")):
            found |= {one.name for one in below(pair.rhs) if isinstance(one, promql_parser.VectorSelector)}
    return found


def unknown(expr: str) -> Iterator[str]:
    """Metrics, and labels that are filtered or grouped by, that nobody emits."""
    for node in below(promql_parser.parse(expanded(expr))):
        selectors = [each for each in below(node) if isinstance(each, promql_parser.VectorSelector)]
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            wanted = set(node.modifier.labels)
            selectors = [each for each in selectors if each.name not in of_one_side(node)]
        elif isinstance(node, promql_parser.VectorSelector):
            wanted = {each.name for each in node.matchers.matchers} - {"__name__"}
        else:
            continue
        for name in {name for selector in selectors for name in named(selector)}:
            if name not in EMITTED and name not in OTHERS:
                yield name
            else:
                yield from (f"{name}{{{label}}}" for label in sorted(wanted - labels_of(name)))


def unused(expressions: Mapping[str, str], known: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """(families that nobody asks for and that no reason is given for, reasons for those that are used or not there).

    A pattern of a variable finds labels and shows nothing of the family.
    """
    asked_for = set()
    for expr in expressions.values():
        nodes = below(promql_parser.parse(expanded(expr)))
        selectors = [each for each in nodes if isinstance(each, promql_parser.VectorSelector) and each.name is not None]
        asked_for |= {name for each in selectors for name in named(each)}
    return set(EMITTED) - asked_for - set(known), set(known) - (set(EMITTED) - asked_for)


def expressions() -> dict[str, str]:
    """As `unused` takes them."""
    return {f"{number} {place}": expr for number, (place, expr) in enumerate(asked())}


def test_what_is_asked_for_is_emitted() -> None:
    """Every metric, and every label that a query filters or groups by."""
    assert {place: found for place, expr in asked() if (found := sorted(set(unknown(expr))))} == {}


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("imgrender_credits", ["imgrender_credits"]),
        ('imgrender_plan_credits{app_env="x"}', ["imgrender_plan_credits{app_env}"]),
        ("sum by (result) (rate(imgrender_retries_total[5m]))", ["imgrender_retries_total{result}"]),
        ("imgrender_client_request_duration_seconds_bucket", []),
        ("imgrender_requests_total_count", ["imgrender_requests_total_count"]),
        ("account:imgrender_nothing:sum", ["account:imgrender_nothing:sum"]),
    ],
)
def test_what_nobody_emits_is_found(expr: str, found: list[str]) -> None:
    """The check itself."""
    assert sorted(set(unknown(f"max ({expr})"))) == found


def test_what_is_emitted_is_asked_for_or_said_to_be_for_queries_of_one_s_own() -> None:
    """With the reason, which docs/metrics.md repeats; a reason for what is used by now goes."""
    assert unused(expressions(), AD_HOC) == (set(), set())
    assert all(len(reason) > 20 for reason in AD_HOC.values())


def test_what_nobody_asks_for_is_found() -> None:
    """The check itself: a family without use or reason, and reasons too many."""
    without = {place: expr for place, expr in expressions().items() if "imgrender_provider_plan_credits" not in expr}
    assert unused(without, AD_HOC) == ({"imgrender_provider_plan_credits"}, set())
    assert unused(expressions(), {**AD_HOC, "imgrender_plan_credits": "?", "gone": "?"})[1] == {
        "imgrender_plan_credits",
        "gone",
    }


def test_docs_name_only_what_is_emitted() -> None:
    """README, docs, runbooks."""
    paths = sorted(path for pattern in DOCS for path in ROOT.glob(pattern))
    assert len(paths) > 10
    strays = []
    for path in paths:
        for name in re.findall(r"(?<![\w:])imgrender_\w*[a-z](?![\w:*])", path.read_text(encoding="utf-8")):
            base = re.sub(r"_(bucket|count|sum)$", "", name)
            if name not in EMITTED and base not in EMITTED:
                strays.append(f"{path.relative_to(ROOT)}: {name}")
    assert strays == []
