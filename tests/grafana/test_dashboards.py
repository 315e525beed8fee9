"""The dashboards as shipped: as built, linted, of one look, with every link leading somewhere; each check seen red."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from auditor_exporter.alerts import source

from grafana.source.__main__ import contents
from grafana.source.lint import EXCLUDED, RULES, faults
from grafana.source.panels import COLORS
from tests.grafana.test_queries import dashboards
from tests.services import ROOT

Board = dict[str, Any]
BOARDS = dict(dashboards())


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All but rows."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


@pytest.fixture
def board() -> Board:
    """One to break."""
    return copy.deepcopy(BOARDS["overview"])


def test_the_files_in_the_tree_are_the_ones_that_are_built() -> None:
    """`make dashboards` leaves no difference."""
    built = dict(contents())
    assert set(built) == {path.name for path in (ROOT / "grafana" / "dashboards").iterdir()}
    for name, text in built.items():
        assert (ROOT / "grafana" / "dashboards" / name).read_text(encoding="utf-8") == text, name


@pytest.mark.parametrize("name", BOARDS)
def test_the_linter_finds_nothing(name: str) -> None:
    """All rules; those that are left out have a reason."""
    assert list(faults(BOARDS[name])) == []
    assert all(EXCLUDED.values())
    print(f"{name}: {', '.join(rule.__name__ for rule in RULES)}: nothing; left out: {', '.join(EXCLUDED)}")


def _variable(board: Board, name: str) -> Any:
    return next(each for each in board["templating"]["list"] if each["name"] == name)


def _query(board: Board, expr: str) -> None:
    next(panels(board))["targets"][0]["expr"] = expr


BROKEN: dict[str, list[Callable[[Board], Any]]] = {
    "template-datasource": [lambda b: _variable(b, "datasource").update(name="prom"), lambda b: _variable(b, "datasource").update(query="loki")],
    "template-job": [lambda b: _variable(b, "job").update(allValue=".*"), lambda b: b["templating"]["list"].remove(_variable(b, "job"))],
    "template-label-promql": [
        lambda b: _variable(b, "account").update(query="label_values(x{, account)"),
        lambda b: _variable(b, "account").update(query="accounts()"),
    ],
    "template-on-time-change-reload": [lambda b: _variable(b, "account").update(refresh=1)],
    "panel-datasource": [
        lambda b: next(panels(b)).update(datasource={"type": "prometheus", "uid": "prom1"}),
        lambda b: next(panels(b))["targets"][0].update(datasource={"type": "prometheus", "uid": "prom1"}),
    ],
    "panel-title-description": [lambda b: next(panels(b)).pop("description"), lambda b: next(panels(b)).update(title="")],
    "panel-units": [lambda b: next(panels(b))["fieldConfig"]["defaults"].update(unit="percents"), lambda b: next(panels(b))["fieldConfig"]["defaults"].pop("unit")],
    "panel-no-targets": [lambda b: next(panels(b)).update(targets=[])],
    "target-promql": [lambda b: _query(b, 'sum(up{job=~"$job"}')],
    "target-rate-interval": [
        lambda b: _query(b, 'sum(rate(imgrender_requests_total{job=~"$job"}[5m]))'),
        lambda b: _query(b, 'sum(rate(imgrender_requests_total{job=~"$job"}[$__interval]))'),
    ],
    "target-job": [
        lambda b: _query(b, "imgrender_plan_credits"), lambda b: _query(b, 'imgrender_plan_credits{job="$job"}'),
        lambda b: _query(b, 'imgrender_plan_credits{job=~"$job"} / imgrender_plan_credits'),
    ],
    "target-counter-agg": [
        lambda b: _query(b, 'sum(imgrender_requests_total{job=~"$job"})'),
        lambda b: _query(b, 'rate(imgrender_requests_total{job=~"$job"}[$__rate_interval]) / imgrender_requests_total{job=~"$job"}'),
    ],
    "uneditable-dashboard": [lambda b: b.update(editable=True)],
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_the_linter_finds_what_breaks_a_rule(board: Board, rule: str) -> None:
    """Each rule is red on a dashboard that breaks it, and it alone."""
    assert {each.__name__.replace("_", "-") for each in RULES} == set(BROKEN)
    for damage in BROKEN[rule]:
        broken = copy.deepcopy(board)
        damage(broken)
        assert {name for name, _ in faults(broken)} == {rule}


def data_links(board: Board) -> Iterator[str]:
    """Addresses that values open: those of cells, series and bars."""
    for panel in panels(board):
        config = panel["fieldConfig"]
        found = [config["defaults"].get("links", [])]
        found += [
            value["value"] for each in config["overrides"] for value in each["properties"] if value["id"] == "links"
        ]
        yield from (link["url"] for links in found for link in links)


def strays(board: Board) -> Iterator[str]:
    """Links that lead nowhere."""
    anchors = set(
        re.findall(r'<a id="(\w+)">', (ROOT / "grafana" / "runbooks" / "README.md").read_text(encoding="utf-8"))
    )
    names = {alert.alert for alert in source().alerts}
    anchors |= {name.lower() for name in names} if anchors == names else set()
    uids = {each["uid"] for each in BOARDS.values()}
    links = [*board["links"], *(link for panel in panels(board) for link in panel.get("links", []))]
    for url in data_links(board):
        other = re.fullmatch(
            r"/d/([\w-]+)\?\$\{__url_time_range\}((?:&\$\{\w+:queryparam\})*)&var-(\w+)=\$\{[\w.]+:percentencode\}", url
        )
        variables = {each["name"] for each in board["templating"]["list"]}
        named = {*re.findall(r"\{(\w+):", other[2]), other[3]} if other else set()
        if not (other and other[1] in uids and named <= variables) and url != "${runbooks}#${__value.raw}":
            yield url
    for link in links:
        runbook = re.fullmatch(r"\$\{runbooks\}(?:#(\w+))?", link["url"])
        other = re.fullmatch(r"/d/([\w-]+)", link["url"])
        if runbook and (runbook[1] is None or runbook[1] in anchors):
            continue
        if not (other and other[1] in uids - {board["uid"]} and link["includeVars"] and link["keepTime"]):
            yield link["url"]


@pytest.mark.parametrize("name", BOARDS)
def test_links_lead_somewhere(name: str) -> None:
    """To the other dashboards, with the chosen values and time, and to sections of the runbooks."""
    board = BOARDS[name]
    assert list(strays(board)) == []
    assert {link["url"] for link in board["links"]} == {
        "${runbooks}", *(f"/d/{other['uid']}" for other in BOARDS.values() if other is not board)
    }  # fmt: skip


def test_stray_links_are_found(board: Board) -> None:
    """The check itself."""
    board["links"][0]["url"] = "/d/imgrender-nothing"
    next(panels(board))["links"] = [{"url": "${runbooks}#imgrendernothing"}]
    next(panels(board))["fieldConfig"]["defaults"]["links"] = [
        {"url": "/d/imgrender-traffic?var-account=${__value.raw}"}
    ]
    assert sorted(strays(board)) == [
        "${runbooks}#imgrendernothing", "/d/imgrender-nothing", "/d/imgrender-traffic?var-account=${__value.raw}",
    ]  # fmt: skip


def test_values_lead_on() -> None:
    """From accounts to traffic and findings, and from both further; from a finding to how to fix it."""
    to = {name: {re.split(r"[?#]", url)[0] for url in data_links(board)} for name, board in BOARDS.items()}
    assert to == {
        "overview": {"${runbooks}", "/d/imgrender-traffic", "/d/imgrender-findings"},
        "traffic": {"/d/imgrender-findings"},
        "findings": {"${runbooks}", "/d/imgrender-traffic"},
    }  # fmt: skip


def mixed_colors(boards: Mapping[str, Board]) -> Iterator[str]:
    """Words that have another color somewhere, or none."""
    words = re.compile(r"\{\{(result|cause|code|reason)\}\}")
    for name, board in boards.items():
        for panel in panels(board):
            chosen = {
                each["matcher"]["options"]: value["value"]["fixedColor"]
                for each in panel["fieldConfig"]["overrides"] for value in each["properties"]
                if value["id"] == "color" and each["matcher"]["id"] == "byName"
            }  # fmt: skip
            yield from (
                f"{name}, {panel['title']}: {word}" for word, color in chosen.items() if COLORS.get(word) != color
            )
            legends = [target.get("legendFormat", "") for target in panel["targets"]]
            if any(map(words.fullmatch, legends)) and not chosen:
                yield f"{name}, {panel['title']}: none"


def test_a_word_has_one_color_everywhere(board: Board) -> None:
    """On all dashboards; and one that has another is found."""
    assert list(mixed_colors(BOARDS)) == []
    assert len(set(COLORS.values())) >= 12
    (waste,) = [panel for panel in panels(board) if panel["title"] == "Waste by cause"]
    waste["fieldConfig"]["overrides"][0]["properties"][0]["value"]["fixedColor"] = "pink"
    assert list(mixed_colors({"x": board})) == ["x, Waste by cause: concurrent"]
    waste["fieldConfig"]["overrides"] = []
    assert list(mixed_colors({"x": board})) == ["x, Waste by cause: none"]


@pytest.mark.parametrize("name", BOARDS)
def test_the_structure_is_sound(name: str) -> None:
    """Ids are distinct, uid and times fixed, panels lie side by side in 24 columns, queries have letters, silence has words."""
    board = BOARDS[name]
    assert "id" not in board
    assert board["schemaVersion"] <= 42
    assert board["uid"].startswith("imgrender-")
    ids = [panel["id"] for panel in board["panels"]]
    assert sorted(set(ids)) == ids
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
        assert panel["fieldConfig"]["defaults"]["noValue"]
        assert len(panel["description"]) > 40, panel["title"]
    heights = {y for _, y in taken}
    assert len(taken) == 24 * len(heights), "there are holes"


SHAPES = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
"""Of the types in @grafana/schema 13.2.2 (and dashboards of 10.4.19), as scripts/pictures/shapes.mjs writes them: strict, unknown keys are faults."""
OF_PROMETHEUS = {"expr", "step", "textFormat", "titleFormat", "useValueForTime", "target"}
"""Fields of an annotation that belong to its data source's plugin; the schema only knows those of Grafana's own."""


def misshapen(board: Board) -> Iterator[str]:
    """Where a dashboard is not what Grafana's types say."""
    known = copy.deepcopy(board)
    for annotation in known["annotations"]["list"]:
        if annotation["datasource"]["type"] == "prometheus":
            for key in OF_PROMETHEUS:
                del annotation[key]
    parts = [("dashboard", known), ("dashboard of Grafana 10", known)]
    for panel in panels(board):
        parts.append((f"{panel['type']} options", panel["options"]))
        properties = [value for each in panel["fieldConfig"]["overrides"] for value in each["properties"]]
        custom = {
            each["id"].removeprefix("custom."): each["value"] for each in properties if each["id"].startswith("custom.")
        }
        if f"{panel['type']} custom" in SHAPES:
            parts.append((f"{panel['type']} custom", panel["fieldConfig"]["defaults"].get("custom", {}) | custom))
    for name, part in parts:
        for error in jsonschema.Draft7Validator(SHAPES[name]).iter_errors(part):
            # (all fields of options are declared as needed, and Grafana fills in what is not there)
            if name.startswith("dashboard") or error.validator != "required":
                yield f"{name} {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"


@pytest.mark.parametrize("name", BOARDS)
def test_it_has_the_shape_that_grafana_declares(name: str) -> None:
    """Dashboard, options and custom fields of each kind of panel."""
    assert list(misshapen(BOARDS[name])) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b.update(color="red"),
        lambda b: b.update(refresh=5),
        lambda b: next(panels(b))["options"].update(graphMode="areas"),
        lambda b: next(panels(b))["options"].update(grafMode="area"),
        lambda b: next(p for p in panels(b) if p["type"] == "timeseries")["fieldConfig"]["defaults"]["custom"].update(lineWidth="2"),
        lambda b: next(p for p in panels(b) if p["type"] == "table")["fieldConfig"]["overrides"][-1]["properties"].append(
            {"id": "custom.widths", "value": 3}
        ),
        lambda b: b["templating"]["list"][1].update(auto=False),
        lambda b: b["panels"][1].update(gridPos=[0, 0]),
    ],
)  # fmt: skip
def test_another_shape_is_found(board: Board, damage: Callable[[Board], Any]) -> None:
    """The check itself."""
    damage(board)
    assert list(misshapen(board))


def test_provisioning_is_what_grafana_reads() -> None:
    """Both files, and no address but loopback."""
    folder = ROOT / "grafana" / "provisioning"
    boards = yaml.safe_load((folder / "dashboards" / "render-auditor.yml").read_text(encoding="utf-8"))
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))
    (provider,), (source,) = boards["providers"], sources["datasources"]
    assert boards["apiVersion"] == sources["apiVersion"] == 1
    assert (provider["type"], provider["allowUiUpdates"], set(provider["options"])) == ("file", False, {"path"})
    assert (source["type"], source["access"], source["url"]) == ("prometheus", "proxy", "http://127.0.0.1:9090")


def test_another_address_of_the_runbooks() -> None:
    """`make dashboards RUNBOOKS=URL` puts it in."""
    for _, text in contents("https://wiki.example/renders"):
        assert _variable(json.loads(text), "runbooks")["query"] == "https://wiki.example/renders"
