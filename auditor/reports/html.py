"""The HTML report: one file that loads nothing and runs nothing, for screens, phones and paper.

Jinja2 escapes every value, and before that `plain` writes out what could hide or reorder text; only the charts and
the style sheet are let through as they are, and no word of a log is in them. The Content-Security-Policy allows
nothing but that style sheet, by its hash.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from importlib import resources
from typing import Any, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.model.waste import Cause, Day
from auditor.model.words import plural
from auditor.reports.shared import bridge, charts, headline, pages, snippets, words
from auditor.reports.shared.groups import NAMED, grouped, readable
from auditor.results.audit import Result, hit_rates
from auditor.results.finding import Finding
from auditor.results.report import Account
from auditor.system.terminal import plain

MOST_FINDINGS, MOST_ACCOUNTS, MOST_CHARTS, MOST_SIZES = 400, 60, 4, 24
"""What is shown of each; the rest is counted, so that the file stays small whatever the log is like."""
SHORT = 24
"""Characters that a table does not break."""
SCALE_PX = 220
"""The longer side of the largest image as drawn."""


class Html:
    """`--format html`."""

    name = "html"
    suffix, media_type = "html", "text/html"
    draws_curve = True

    def write(self, result: Result, out: TextIO) -> None:
        """Write the page."""
        style = resources.files(__package__).joinpath("templates", "report.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        page = _environment().get_template("report.html.j2")
        out.writelines(page.generate(style=Markup(style), style_hash=f"sha256-{digest}", **_view(result)))  # noqa: S704
        out.write("\n")


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("auditor.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else plain(str(value)),
    )
    made.filters |= {
        "n": _number,
        "percent": lambda share: "-" if share is None else f"{share:.1%}",
        "bytes": _bytes,
        "saves": words.money,
        "words": lambda name: str(name).replace("_", " "),
        "day": lambda moment: f"{moment:%Y-%m-%d}",
        "minute": _minute,
    }
    made.globals |= {
        "words": words, "pages": pages, "snippets": snippets, "caption": _caption, "cents": cents, "ratio": ratio,
        "NAMED": NAMED, "MOST_FINDINGS": MOST_FINDINGS, "MOST_SIZES": MOST_SIZES, "MOST_ACCOUNTS": MOST_ACCOUNTS,
    }  # fmt: skip
    made.tests["short"] = lambda value: len(str(value)) <= SHORT
    made.tests["rows"] = lambda value: (
        isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
    )
    return made


def _number(value: Any) -> Any:
    if value is None:
        return "-"
    if isinstance(value, Fraction):
        return f"{number(value):,}"
    if isinstance(value, str):
        return readable(value)
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _bytes(count: int) -> str:
    """`437.3 MB`, in powers of 1000."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return plural(count, "byte")


def _view(result: Result) -> dict[str, Any]:
    found = result.report
    shown = found.by_money[:MOST_FINDINGS]
    places = {id(each): place for place, each in enumerate(shown, 1)}
    accounts = sorted(enumerate(found.accounts), key=lambda each: -sum(cycle.credits for cycle in each[1].cycles))
    causes = [(cause.value, found.waste.of(cause)) for cause in Cause]
    blind = found.unknown.credits
    causes += [("unknown", blind)] if blind else []
    curve = result.curve if result.curve and result.curve[0].requests else ()
    return {
        "result": result,
        "report": found,
        "span": pages.span(found.window, _minute, found.page_images),
        "loaded": found.page_images or None,
        "waterfall": _drawn(charts.waterfall(found.totals.credits, causes)),
        "bridge": list(bridge.rows(found.bridge)),
        "headlines": [(headline.told(each), snippets.to_copy(each)) for each in found.headline],
        "accounts": [
            (account, *_days(account, [day for day in result.days if day.payer == code], drawn=place < MOST_CHARTS))
            for place, (code, account) in enumerate(accounts[:MOST_ACCOUNTS])
        ],
        "hits": _drawn(charts.hits_by_day(result.days)),
        "shares": list(hit_rates(result.days).values()),
        "curve": curve,
        "curve_picture": curve and _drawn(charts.served_by_ttl(curve)),
        "sizes": _sizes(found.findings),
        "groups": grouped(shown),
        "place_of": lambda finding: places[id(finding)],
        "filters": any(getattr(found.options, name) for name in words.FILTERS),
    }


def _drawn(spec: charts.Spec | None) -> dict[str, Markup] | None:
    if spec is None:
        return None
    # Vega escapes what it draws, and it is given numbers, dates and words of this package alone.
    return {name: Markup(charts.draw(spec, width)) for name, width in charts.WIDTHS.items()}  # noqa: S704


def _days(account: Account, days: Sequence[Day], *, drawn: bool) -> tuple[dict[str, Markup] | None, str]:
    """The image of an account's days, if it is drawn, and the text for who cannot see it."""
    picture = _drawn(charts.credits_by_day(account, days)) if drawn else None
    if account.unpriced:
        return picture, "Credits by day are unknown: no call says what it cost"
    most = max(days, key=lambda day: day.total)
    whole = sum((day.total for day in days), Fraction(0))
    return picture, (
        f"Credits by day from {days[0].date} to {days[-1].date}: {number(whole):,} in all, most on {most.date} with "
        f"{number(most.total):,}; the table below has the cycles"
    )


def _caption(account: Account) -> str:
    told = "Above, the credits of each cycle as they add up"
    plan, ahead = account.cycles[-1].terms, account.projection
    if plan is not None and all(cycle.included == plan.included for cycle in account.cycles):
        told += f"; the line is what {plan.name} includes, {plan.included:,}"
    elif plan is not None:
        told += "; the line is what each cycle had: included, carried over and bought"
    if ahead is not None:
        told += f"; dashed, how the running cycle ends if it goes on so: {round(ahead):,} credits"
    return f"{told}. Below, what became of the credits of each day ({account.timezone})."


def _sizes(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The oversized outputs, those that waste most bytes first, all drawn to one scale."""
    found = sorted((each for each in findings if "limit" in each.evidence), key=lambda each: -each.bytes)
    longest = max((side for each in found[:MOST_SIZES] for side in _delivered(each).values()), default=1)
    return [_size(each, SCALE_PX / longest) for each in found]


def _delivered(finding: Finding) -> dict[str, int]:
    """The width and height of the largest image."""
    largest: Any = finding.evidence["largest"]
    return {side: int(largest[side]) for side in ("width", "height")}


def _size(finding: Finding, scale: float) -> dict[str, Any]:
    limit: Any = finding.evidence["limit"]
    delivered = _delivered(finding)
    width, height = delivered.values()
    shown = min([1.0, *(limit[side] * limit["dpr"] / pixels for side, pixels in delivered.items() if limit[side])])
    return {
        "of": finding,
        "name": " at ".join(finding.subject[key] for key in ("template", "placement") if key in finding.subject),
        "text": f"{width:,} x {height:,} delivered, {width * shown:,.0f} x {height * shown:,.0f} shown",
        "width": round(width * scale, 1),
        "height": round(height * scale, 1),
        "shown_width": round(width * scale * shown, 1),
        "shown_height": round(height * scale * shown, 1),
    }
