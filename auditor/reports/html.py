"""The HTML report: one file that loads nothing and runs nothing, for screens, phones and paper.

Jinja2 escapes every value, and before that `plain` writes out what could hide or reorder text; only the charts and
the style sheet are let through as they are, and no word of a log is in them. The Content-Security-Policy allows
nothing but that style sheet, by its hash.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from importlib import resources
from typing import Any, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.model.waste import Cause, Day
from auditor.reports.shared import charts
from auditor.reports.shared.words import (
    CAUSES,
    FILTERS,
    MOST_FILES,
    advice,
    assumed,
    bill_words,
    billed,
    cheapest_words,
    conserved,
    idle,
    money,
    share,
    share_words,
    ttl_word,
    unknown,
    used,
)
from auditor.results.audit import Result, TtlPoint, hit_rates
from auditor.results.report import Account, Finding, Totals
from auditor.system.terminal import plain

MOST_FINDINGS, MOST_ACCOUNTS, MOST_CHARTS, MOST_SIZES = 400, 60, 4, 24
"""What is shown of each; the rest is counted, so that the file stays small whatever the log is like."""
SHORT = 24
"""Characters that a table does not break."""
SCALE_PX = 220
"""The longer side of the largest picture as drawn."""


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
        "saves": money,
        "words": lambda name: str(name).replace("_", " "),
        "day": lambda moment: f"{moment:%Y-%m-%d}",
        "minute": lambda moment: f"{_parsed(moment):%Y-%m-%d %H:%M} UTC",
    }
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
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _bytes(count: int) -> str:
    """`437.3 MB`, in powers of 1000."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,} bytes"


def _parsed(moment: datetime | str) -> datetime:
    return moment.astimezone(UTC) if isinstance(moment, datetime) else datetime.fromisoformat(moment)


def _view(result: Result) -> dict[str, Any]:
    found = result.report
    sizes = _sizes(found.findings)
    hits = charts.hits_by_day(result.days)
    accounts = sorted(enumerate(found.accounts), key=lambda each: -_credits(each[1]))
    causes = [(cause.value, found.waste.of(cause)) for cause in Cause]
    blind = found.unknown.credits
    causes += [("unknown", blind)] if blind else []
    return {
        "report": found,
        "totals": found.totals,
        "inputs": found.inputs,
        "span": found.window,
        "share": partial(share, found),
        "billed": billed(found.totals),
        "share_words": share_words(found),
        "unknown": unknown(found),
        "causes": CAUSES,
        "waterfall": _drawn(charts.waterfall(found.totals.credits, causes)),
        "savings": list(_savings(found.accounts)),
        "accounts": [
            _account(account, [day for day in result.days if day.payer == code], drawn=place < MOST_CHARTS)
            for place, (code, account) in enumerate(accounts[:MOST_ACCOUNTS])
        ],
        "more_accounts": max(0, len(accounts) - MOST_ACCOUNTS),
        "hits": hits and _drawn(hits),
        "hits_text": _hits_text(found.totals, result.days),
        "curve": _curve(result.curve),
        "sizes": sizes[:MOST_SIZES],
        "more_sizes": max(0, len(sizes) - MOST_SIZES),
        "count": len(found.findings),
        "findings": found.findings[:MOST_FINDINGS],
        "more_findings": max(0, len(found.findings) - MOST_FINDINGS),
        "filters": any(getattr(found.options, name) for name in FILTERS),
        "most_files": MOST_FILES,
        "conserved": conserved(found.inputs),
        "assumed": list(assumed(result)),
    }


def _drawn(spec: charts.Spec) -> dict[str, Markup]:
    picture = charts.draw(spec)
    # Vega escapes what it draws, and it is given numbers, dates and words of this package alone.
    return {"wide": Markup(picture.wide), "narrow": Markup(picture.narrow)}  # noqa: S704


def _curve(points: Sequence[TtlPoint]) -> dict[str, Any] | None:
    if not points or not points[0].requests:
        return None
    return {
        "picture": _drawn(charts.served_by_ttl(points)),
        "rows": [
            {
                "word": ttl_word(point.ttl_us),
                "now": point.now,
                "served": ratio(point.requests - point.renders, point.requests),
                "renders": point.renders,
                "credits": number(point.credits),
                "stale": point.stale,
            }
            for point in points
        ],
    }


def _credits(account: Account) -> Fraction:
    return sum((cycle.credits for cycle in account.cycles), Fraction(0))


def _account(account: Account, days: Sequence[Day], *, drawn: bool) -> dict[str, Any]:
    spec = charts.credits_by_day(account, days) if drawn else None
    now, after = advice(account)
    return {
        "name": f"{account.provider}/{account.account}",
        "plan": account.plan,
        "currency": account.currency,
        "projected": account.projected,
        "cycles": [
            {
                "from": account.day(cycle.start),
                "complete": cycle.complete,
                "used": used(cycle),
                "demand": cycle.demand,
                "included": cycle.included,
                "utilisation": cycle.utilisation if cycle.known else None,
                "unused_value": cents(cycle.unused_value) if cycle.known else None,
                "bill": bill_words(account, cycle),
                "best": cheapest_words(account, cycle),
            }
            for cycle in account.cycles
        ],
        "gaps": idle(account),
        "now": now,
        "after": after,
        "picture": spec and _drawn(spec),
        "caption": _caption(account),
        "text": "Credits by day are unknown: no call says what it cost" if account.unpriced else _days_text(days),
    }


def _caption(account: Account) -> str:
    words = "Above, the credits of each cycle as they add up"
    plan, ahead = account.cycles[-1].terms, account.projection
    if plan is not None and all(cycle.included == plan.included for cycle in account.cycles):
        words += f"; the line is what {plan.name} includes, {plan.included:,}"
    elif plan is not None:
        words += "; the line is what each cycle had: included, carried over and bought"
    if ahead is not None:
        words += f"; dashed, how the running cycle ends if it goes on so: {round(ahead):,} credits"
    return f"{words}. Below, what became of the credits of each day ({account.timezone})."


def _days_text(days: Sequence[Day]) -> str:
    most = max(days, key=lambda day: day.total)
    whole = sum((day.total for day in days), Fraction(0))
    return (
        f"Credits by day from {days[0].date} to {days[-1].date}: {number(whole):,} in all, most on {most.date} with "
        f"{number(most.total):,}; the table below has the cycles"
    )


def _hits_text(totals: Totals, days: Sequence[Day]) -> str:
    shares = hit_rates(days).values()
    if not shares:
        return ""
    return f"Hit rate by day: {totals.hit_ratio:.1%} over all, between {min(shares):.1%} and {max(shares):.1%}"


def _savings(accounts: Sequence[Account]) -> Iterator[dict[str, str]]:
    """For each currency what the right plans would change a month, now and after all fixes."""
    sums: dict[str, list[Fraction]] = {}
    unknown: set[str] = set()
    for account in accounts:
        both = (account.monthly_saving, account.monthly_saving_after_fixes)
        if account.currency is not None and both != (None, None):
            before = sums.get(account.currency, [Fraction(0), Fraction(0)])
            sums[account.currency] = [total + (saving or 0) for total, saving in zip(before, both, strict=True)]
            if not account.fixes_known:
                unknown.add(account.currency)
    for currency, (now, after) in sorted(sums.items()):
        then = "unknown" if currency in unknown else _change(after)
        yield {"amount": _change(now), "words": f"{currency} a month; {then} after all fixes"}


def _change(saving: Fraction) -> str:
    """`−10.00`, since less is what a saving does to a bill."""
    return f"{'−' if saving > 0 else '+' if saving < 0 else '±'}{cents(abs(saving))}"


def _sizes(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The oversized outputs, those that waste most bytes first, all drawn to one scale."""
    found = sorted((each for each in findings if "limit" in each.evidence), key=lambda each: -each.bytes)
    longest = max((max(_side(each, "width"), _side(each, "height")) for each in found[:MOST_SIZES]), default=1)
    scale = SCALE_PX / longest
    return [_size(each, scale) for each in found]


def _side(finding: Finding, side: str) -> int:
    largest: Any = finding.evidence["largest"]
    return int(largest[side])


def _size(finding: Finding, scale: float) -> dict[str, Any]:
    limit: Any = finding.evidence["limit"]
    width, height = _side(finding, "width"), _side(finding, "height")
    shown = min(
        [1.0, *(limit[side] * limit["dpr"] / _side(finding, side) for side in ("width", "height") if limit[side])]
    )
    subject = finding.subject
    return {
        "name": " at ".join(subject[key] for key in ("template", "placement") if key in subject),
        "text": f"{width:,} x {height:,} delivered, {width * shown:,.0f} x {height * shown:,.0f} shown",
        "width": round(width * scale, 1),
        "height": round(height * scale, 1),
        "shown_width": round(width * scale * shown, 1),
        "shown_height": round(height * scale * shown, 1),
        "wasted": finding.bytes,
        "requests": finding.evidence["requests"],
    }
