"""Charts as Vega-Lite specifications, drawn to SVG by vl-convert: no browser, no script, no network.

Colors are CSS variables, so that one image serves light, dark and paper; every chart is drawn twice, wide and
narrow, since an SVG that shrinks takes its letters along. No word from a log gets into a chart: names stand in the
page around it, where the template escapes them.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import accumulate

import vl_convert

from auditor.model.numbers import number
from auditor.model.waste import Day
from auditor.reports.shared.words import USES, ttl_word
from auditor.results.audit import TtlPoint, hit_rates
from auditor.results.report import Account, Cycle

WIDTHS = {"wide": 860, "narrow": 350}
"""CSS px; the page shows the narrow one below 720 px."""
DAY_WORDS = {1: "a day", 7: "a week"}
MOST_BARS = 100
"""More days than that are drawn in bars of whole weeks, or more."""

BLANKS: dict[bool, dict[str, float]] = {
    True: {"COLUMNS": 0, "TICKS": 12, "GAP": 0.5},  # 0 columns: the legend is one row
    False: {"COLUMNS": 3, "TICKS": 4, "GAP": 0},
}
"""What differs in a wide image and in a narrow one, besides the width."""

Spec = dict[str, object]
MUTED, LINE, INK = "var(--muted)", "var(--line)", "var(--ink)"

CONFIG: Spec = {
    "background": None,
    "aria": False,  # the page gives each image one text, and its numbers as a table
    "font": "sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "domainColor": LINE, "gridColor": LINE, "tickColor": LINE,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelOverlap": True,
        "labelSeparation": 8,
    },
    "axisY": {"domain": False, "ticks": False, "tickCount": 4, "labelPadding": 6},
    "legend": {
        "labelColor": INK, "labelFontSize": 12, "orient": "top", "title": None, "symbolType": "square",
        "symbolStrokeWidth": 0, "offset": 8,
    },
    "text": {"color": INK, "fontSize": 12},
}  # fmt: skip


def draw(spec: Spec, width: int) -> str:
    """The SVG of a chart, whose blanks are filled in for a width."""
    text = json.dumps({**spec, "config": CONFIG})
    for blank, value in (BLANKS[width > WIDTHS["narrow"]] | {"WIDTH": width - 84, "LABELLED": width - 202}).items():
        text = text.replace(f'"{blank}"', str(value))
    drawn: str = vl_convert.vegalite_to_svg(json.loads(text))  # (the library reads text less exactly)
    return drawn.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _area(color: str) -> Spec:
    return {"type": "area", "line": {"color": color, "strokeWidth": 2}, "color": color, "fillOpacity": 0.15}


def _time(channel: str, title: str | None = None) -> Spec:
    axis = {"title": title, "grid": False, "format": "%-d %b", "labelFlush": True, "tickCount": "TICKS"}
    return {"field": channel, "type": "temporal", "scale": {"type": "utc", "nice": False}, "axis": axis}


def _amount(field: str, title: str) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "scale": {}, "axis": {"format": ",~r"}}


def _layer(values: Sequence[Mapping[str, object]], mark: Spec, **encoding: Spec) -> Spec:
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _share(field: str, title: str) -> Spec:
    return {**_amount(field, title), "scale": {"domain": [0, 1]}, "axis": {"format": ".0%"}}


def _wall(local: date | datetime) -> str:
    """A local day or time as Vega-Lite reads it whatever the machine's zone is: the clock on the wall, called UTC."""
    return f"{local:%Y-%m-%dT%H:%M:%SZ}"


def bins(first: date, last: date) -> int:
    """Days to a bar: 1, or whole weeks where there would be more than `MOST_BARS`."""
    days = (last - first).days + 1
    return 1 if days <= MOST_BARS else -(-days // (MOST_BARS * 7)) * 7


def credits_by_day(account: Account, days: Sequence[Day]) -> Spec | None:
    """The account's credits, day by day by what became of them, below their sum in each cycle against the plan."""
    rows = [(day.date, use.value, amount) for day in days for use, amount in day.credits.items() if amount]
    if not rows:
        return None
    per_bar = bins(min(day.date for day in days), max(day.date for day in days))
    title = f"Credits {DAY_WORDS.get(per_bar, f'in {per_bar} days')}"
    bars = _stacks(rows)
    drawn = {bar["what"] for bar in bars}
    used = [(name, word) for name, word in USES if word in drawn]
    colors = {"domain": [word for _, word in used], "range": [f"var(--{name})" for name, _ in used]}
    below = {"width": "WIDTH", "height": 150} | _layer(
        bars, {"type": "rect", "stroke": "var(--page)", "strokeWidth": "GAP"},
        x=_time("from"), x2={"field": "to"}, y=_amount("low", title), y2={"field": "high"},
        color={"field": "what", "type": "nominal", "legend": {"columns": "COLUMNS"}, "scale": colors},
    )  # fmt: skip
    return {"vconcat": [_burn_up(account, days), below], "resolve": {"scale": {"x": "shared"}}, "spacing": 12}


def _stacks(rows: Sequence[tuple[date, str, Fraction]]) -> list[Spec]:
    """Bars of (day, name, amount), one on the other by `USES`, as from, to, low, high and the name's word."""
    first, last = min(day for day, _, _ in rows), max(day for day, _, _ in rows)
    width = bins(first, last)
    sums: dict[tuple[int, str], Fraction] = defaultdict(Fraction)
    for day, name, amount in rows:
        sums[(day - first).days // width, name] += amount
    bars: list[Spec] = []
    for index in sorted({at for at, _ in sums}):
        start = first + timedelta(days=index * width)
        span = {"from": _wall(start), "to": _wall(start + timedelta(days=width))}
        low = Fraction(0)
        for name, word in USES:
            high = low + sums.get((index, name), Fraction(0))
            if high > low:
                bars.append({**span, "low": number(low), "high": number(high), "what": word})
            low = high
    return bars


def _burn_up(account: Account, days: Sequence[Day]) -> Spec:
    lines = [point for place, cycle in enumerate(account.cycles) for point in _running(place, cycle, account, days)]
    # Stacked, as areas are unless told otherwise, each cycle would be drawn as 0 through all the others.
    credits = {**_amount("credits", "In the cycle"), "stack": None}
    layers = [_layer(lines, _area("var(--needed)"), x=_time("at"), detail={"field": "cycle"}, y=credits)]
    if account.plan is not None:
        caps = [
            {
                "from": _wall(max(account.day(cycle.start), days[0].date)),
                "to": _wall(account.local(cycle.end)),
                "plan": number(cycle.included),
            }
            for cycle in account.cycles
            if cycle.included is not None
        ]
        line: Spec = {"type": "rule", "color": INK, "strokeWidth": 1.5}
        y = _amount("plan", "In the cycle")
        layers.append(_layer(caps, line, x=_time("from"), x2={"field": "to"}, y=y))
    if account.projection is not None and account.last is not None:
        cycle = account.cycles[-1]
        points = [
            {"at": _wall(account.local(account.last)), "credits": number(cycle.credits)},
            {"at": _wall(account.local(cycle.end)), "credits": number(round(account.projection))},
        ]
        dashes: Spec = {"type": "line", "color": "var(--needed)", "strokeDash": [5, 4], "strokeWidth": 2}
        layers.append(_layer(points, dashes, x=_time("at"), y=_amount("credits", "In the cycle")))
    return {"width": "WIDTH", "height": 170, "layer": layers}


def _running(index: int, cycle: Cycle, account: Account, days: Sequence[Day]) -> list[Spec]:
    """The sum of a cycle so far at the end of each of its days."""
    first, last = max(account.day(cycle.start), days[0].date), account.day(cycle.end)
    by_date = {day.date: day.total for day in days if first <= day.date < last}
    passed = max(0, (min(last, days[-1].date + timedelta(days=1)) - first).days)
    ends = [first + timedelta(days=each) for each in range(passed + 1)]
    sums = accumulate((by_date.get(day, Fraction(0)) for day in ends[:-1]), initial=Fraction(0))
    return [{"cycle": index, "at": _wall(end), "credits": number(total)} for end, total in zip(ends, sums, strict=True)]


def waterfall(credits: Fraction, causes: Sequence[tuple[str, Fraction]]) -> Spec:
    """From the credits that were billed, cause by cause, down to those that were needed."""
    steps = [("billed", "billed", Fraction(0), credits, credits)]
    left = credits
    for name, amount in causes:
        steps.append((name, f"− {name}", left - amount, left, -amount))
        left -= amount
    steps.append(("needed", "= needed", Fraction(0), left, left))
    rows = [
        {"what": what, "name": name, "low": number(low), "high": number(high), "amount": number(amount)}
        for what, name, low, high, amount in steps
    ]
    names = [row["what"] for row in rows]
    x = {"type": "quantitative", "axis": None, "scale": {"domain": [0, number(max(credits, Fraction(1)))]}}
    y = {"field": "name", "type": "nominal", "sort": None, "title": None,
         "axis": {"labelColor": INK, "labelFontSize": 13, "minExtent": 100, "maxExtent": 100}}  # fmt: skip
    color = {"domain": names, "range": [f"var(--{name})" for name in names]}
    return {
        "width": "LABELLED", "height": {"step": 30}, "padding": {"left": 2, "top": 2, "right": 56, "bottom": 2},
        "data": {"values": rows}, "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.7}},
                "encoding": {
                    "x": {"field": "low", **x}, "x2": {"field": "high"},
                    "color": {"field": "what", "type": "nominal", "legend": None, "scale": color},
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"x": {"field": "high", **x}, "text": {"field": "amount", "format": ",~r"}},
            },
        ],
    }  # fmt: skip


def hits_by_day(days: Sequence[Day]) -> Spec | None:
    """The share of each day's requests that the cache served."""
    rows = [{"at": _wall(day), "share": round(share, 4)} for day, share in hit_rates(days).items()]
    if not rows:
        return None
    mark = {**_area("var(--hit)"), "point": {"color": "var(--hit)", "size": 40} if len(rows) < 15 else False}
    return {"width": "WIDTH", "height": 170} | _layer(rows, mark, x=_time("at"), y=_share("share", "Hits of requests"))


def served_by_ttl(points: Sequence[TtlPoint]) -> Spec:
    """The share of requests that need no render, by TTL."""
    rows = [
        {"ttl": ttl_word(point.ttl_us), "served": round(float(point.served), 4), "now": point.now} for point in points
    ]
    x = {"field": "ttl", "type": "ordinal", "sort": None, "title": "TTL",
         "axis": {"grid": False, "labelAngle": 0}}  # fmt: skip
    return {
        "width": "WIDTH", "height": 200, "data": {"values": rows},
        "encoding": {"x": x, "y": _share("served", "Served without a render")},
        "layer": [
            {"mark": {"type": "line", "color": "var(--hit)", "strokeWidth": 2}},
            {"mark": {"type": "point", "filled": True, "color": "var(--hit)", "size": 45, "opacity": 1}},
            {
                "transform": [{"filter": "datum.now"}],
                "mark": {"type": "point", "color": INK, "size": 190, "strokeWidth": 2, "opacity": 1},
            },
        ],
    }  # fmt: skip
