"""How panels look. Each says what it shows and what to do when that looks bad; each word has one color everywhere."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus as prom
from grafana_foundation_sdk.models import common as word
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.source.queries import ACCOUNT

SOURCE = word.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLORS: Mapping[str, str] = {
    # outcomes
    "hit": "green", "coalesced": "super-light-green", "render": "blue", "error": "red", "refused": "purple",
    # causes of waste
    "staging": "orange", "concurrent": "light-blue", "repeat": "yellow", "volatile": "light-purple",
    # severities
    "high": "dark-red", "medium": "dark-orange", "low": "dark-yellow",
    # answers of the API, and reasons of retries
    "200": "blue", "429": "orange", "500": "dark-red", "502": "dark-red", "503": "dark-red", "504": "dark-red",
    "5xx": "dark-red", "timeout": "light-red", "throttled": "orange", "failed": "red",
    # what is paid for nothing
    "needless": "red",
}  # fmt: skip
"""By the name that a series has in legends: the words of the events and of the reports."""
GOOD, WARN, BAD, PLAIN = "green", "orange", "red", "text"
UNKNOWN = (None, PLAIN)
"""The first step of a number: what is not known is neither good nor bad."""
NOTHING = "no data"
LETTERS = "ABCDEFGHIJ"
EMPTY = "–"
"""In a table it stands in each empty cell."""
Steps = Sequence[tuple[float | None, str]]
AnyPanel = timeseries.Panel | stat.Panel | bargauge.Panel | table.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel, table.Panel)


MONEY = "money"
"""The unit of amounts whose legend ends with their currency."""
CURRENCIES = ("USD", "EUR", "GBP")
"""Those that stand behind the amount, too."""
Words = Mapping[str, tuple[str, str | None]]
"""What is shown instead of a value, and in which color."""
Links = Sequence[tuple[str, str]]
"""(title, address)."""


class Ask(NamedTuple):
    """One query, how its series are called, and their color where it does not come from the value."""

    expr: str
    legend: str = ""
    color: str | None = None


def graph(
    title: str, description: str, unit: str, *asks: Ask, width: int = 12, height: int = 8, stacked: bool = False,
    steps: Steps = (), most: float | None = None, log: bool = False, dashed: str | None = None,
    runbook: str | None = None, nothing: str = NOTHING, stepped: bool = False, links: Links = (),
) -> timeseries.Panel:  # fmt: skip
    """Series over time, from zero. *dashed* names those that are a limit or an outlook; *steps* are drawn as lines."""
    panel = _described(timeseries.Panel(), title, description, unit, asks, width, height, runbook, nothing)
    # Outlines of what is 0 would lie on the others of a stack.
    panel.line_width(0 if stacked else 2).fill_opacity(80 if stacked else 0 if log else 8)
    # Auto draws points only where they are few: a value between two gaps is seen.
    panel.show_points(word.VisibilityMode.AUTO).point_size(4)
    panel.legend(
        common.VizLegendOptions().show_legend(True).display_mode(word.LegendDisplayMode.LIST)
        .placement(word.LegendPlacement.BOTTOM).calcs([])
    )  # fmt: skip
    panel.tooltip(common.VizTooltipOptions().mode(word.TooltipDisplayMode.MULTI).sort(word.SortOrder.DESCENDING))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
    panel.thresholds_style(
        common.GraphThresholdsStyleConfig().mode(
            word.GraphThresholdsStyleMode.DASHED if steps else word.GraphThresholdsStyleMode.OFF
        )
    )
    panel.thresholds(_thresholds(steps or ((None, PLAIN),)))
    if links:
        panel.data_links([build.DashboardLink(title).url(url) for title, url in links])
    if stepped:
        panel.line_interpolation(word.LineInterpolation.STEP_AFTER)
    if stacked:
        panel.stacking(common.StackingConfig().mode(word.StackingMode.NORMAL).group("A"))
    if log:
        panel.scale_distribution(common.ScaleDistributionConfig().type(word.ScaleDistribution.LOG).log(10))
    else:
        panel.min(0)
    if most is not None:
        panel.max(most)
    if dashed is not None:
        panel.override_by_regexp(dashed, [
            model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
            model.DynamicConfigValue("custom.fillOpacity", 0),
        ])  # fmt: skip
    return panel


def number(
    title: str, description: str, unit: str, *asks: Ask, width: int = 4, height: int = 4,
    steps: Steps = ((None, PLAIN),), decimals: int | None = None, runbook: str | None = None, nothing: str = NOTHING,
    named: bool = True, words: Words | None = None,
) -> stat.Panel:  # fmt: skip
    """The newest value, exactly; *named* where there are several. *nothing* is written on one line: keep it short."""
    panel = _described(stat.Panel(), title, description, unit, asks, width, height, runbook, nothing, instant=True)
    if steps[0] != UNKNOWN:
        steps = (UNKNOWN, (0, steps[0][1]), *steps[1:])
    panel.thresholds(_thresholds(steps)).color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    panel.graph_mode(word.BigValueGraphMode.NONE)
    panel.color_mode(word.BigValueColorMode.VALUE).justify_mode(word.BigValueJustifyMode.AUTO)
    panel.text_mode(word.BigValueTextMode.VALUE_AND_NAME if named else word.BigValueTextMode.VALUE)
    panel.orientation(word.VizOrientation.AUTO).wide_layout(False)
    panel.reduce_options(_newest())
    if words:
        panel.mappings([_mapping(words)])
    if unit == MONEY:
        decimals = 2
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def ranking(
    title: str, description: str, unit: str, *asks: Ask, width: int = 8, height: int = 8, nothing: str = NOTHING,
    links: Links = (),
) -> bargauge.Panel:  # fmt: skip
    """Bars, one for each thing, with its newest value."""
    panel = _described(bargauge.Panel(), title, description, unit, asks, width, height, None, nothing, instant=True)
    panel.thresholds(_thresholds(((None, "blue"),)))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    panel.display_mode(word.BarGaugeDisplayMode.BASIC).value_mode(word.BarGaugeValueMode.TEXT)
    panel.name_placement(word.BarGaugeNamePlacement.AUTO).show_unfilled(True).sizing(word.BarGaugeSizing.AUTO)
    panel.min_viz_height(16).min_viz_width(8).max_viz_height(60)
    panel.orientation(word.VizOrientation.HORIZONTAL).reduce_options(_newest()).min(0)
    if links:
        panel.data_links([build.DashboardLink(title).url(url) for title, url in links])
    return panel


class Column(NamedTuple):
    """A column of a table: the query's letter or a label, its heading, and how its values are written."""

    field: str
    heading: str
    unit: str | None = None
    steps: Steps = ()
    width: int | None = None
    links: Links = ()
    decimals: int | None = None
    words: Words | None = None
    wrapped: bool = False


def rows(
    title: str, description: str, columns: Sequence[Column], *asks: Ask, width: int = 24, height: int = 7,
    runbook: str | None = None, sort: str | None = None, nothing: str = NOTHING, tall: bool = False,
) -> table.Panel:  # fmt: skip
    """A row for each set of labels, joined over the queries."""
    panel = _described(
        table.Panel(), title, description, "short", asks, width, height, runbook, nothing, instant=True, tabular=True
    )
    values = ["Value", *(f"Value #{letter}" for letter in LETTERS[: len(asks)])]
    hidden = {"Time", *ACCOUNT, *values} - {column.field for column in columns}
    shown = {column.field: column.heading for column in columns}
    order = {column.field: place for place, column in enumerate(columns)}
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(sorted(hidden), True), "indexByName": order, "renameByName": shown,
            },
        )
    )  # fmt: skip
    panel.show_header(True).cell_height(word.TableCellHeight.MD if tall else word.TableCellHeight.SM)
    for column in columns:
        panel.override_by_name(column.heading, _properties(column))
    if sort is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    return panel


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    found: dict[str, Any] = {
        "unit": column.unit, "custom.width": column.width, "decimals": column.decimals, "noValue": EMPTY,
    }  # fmt: skip
    if column.steps:
        found["thresholds"] = {
            "mode": "absolute", "steps": [{"value": value, "color": color} for value, color in column.steps],
        }  # fmt: skip
        found["custom.cellOptions"] = {"type": "color-text"}
    if column.words:
        found["mappings"] = [_mapping(column.words)]
        if any(color for _, color in column.words.values()):
            found["custom.cellOptions"] = {"type": "color-text"}
    if column.wrapped:
        found["custom.wrapText"] = True
    if column.links:
        found["links"] = [{"title": title, "url": url, "targetBlank": True} for title, url in column.links]
    return [model.DynamicConfigValue(name, value) for name, value in found.items() if value is not None]


def _mapping(words: Words) -> model.ValueMap:
    return model.ValueMap({
        value: model.ValueMappingResult(text=text, color=color, index=place)
        for place, (value, (text, color)) in enumerate(words.items())
    })  # fmt: skip


def _described(
    panel: P, title: str, description: str, unit: str, asks: Sequence[Ask], width: int, height: int,
    runbook: str | None, nothing: str, *, instant: bool = False, tabular: bool = False,
) -> P:  # fmt: skip
    panel.title(title).description(description).unit("none" if unit == MONEY else unit).datasource(SOURCE).span(
        width
    ).height(height)
    panel.no_value(nothing)
    for letter, ask in zip(LETTERS, asks, strict=False):
        if ask.color:
            color = {"mode": "fixed", "fixedColor": ask.color}
            panel.override_by_query(letter, [model.DynamicConfigValue("color", color)])
        query = prom.Dataquery().ref_id(letter).expr(ask.expr).datasource(SOURCE)
        if ask.legend:
            query.legend_format(ask.legend)
        query.instant() if instant else query.range()
        query.format(PromQueryFormat.TABLE if tabular else PromQueryFormat.TIME_SERIES)
        panel.with_target(query)
    for currency in CURRENCIES if unit == MONEY else ():
        panel.override_by_regexp(f".* {currency}", [model.DynamicConfigValue("unit", f"suffix: {currency}")])
    for name in sorted({name for ask in asks for name in _names(ask.legend)}):
        color = {"mode": "fixed", "fixedColor": COLORS[name]}
        panel.override_by_name(name, [model.DynamicConfigValue("color", color)])
    if runbook is not None:
        url = f"${{runbooks}}#{runbook.lower()}"
        panel.links([
            build.DashboardLink(f"Runbook: {runbook}").type(model.DashboardLinkType.LINK).url(url).target_blank(True)
        ])  # fmt: skip
    return panel


_GROUPS = {
    "{{result}}": ("hit", "coalesced", "render", "error", "refused"),
    "{{cause}}": ("staging", "concurrent", "repeat", "volatile", "failed"),
    "{{code}}": ("200", "429", "500", "502", "503", "504", "5xx", "error"),
    "{{reason}}": ("429", "5xx", "timeout"),
}


def _names(legend: str) -> Sequence[str]:
    """The names with a color of their own that a legend can stand for."""
    return _GROUPS.get(legend, [legend] if legend in COLORS else [])


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(
        [model.Threshold(value=value, color=color) for value, color in steps]
    )  # fmt: skip
