"""The simulation on a terminal: a row a setting with its curve of credits, then what to do about it.

Every word that came from a log or a file name passes through `plain`.
"""

from fractions import Fraction
from typing import TextIO

from rich.console import Console
from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.words import plural
from auditor.reports.shared import pages
from auditor.reports.terminal import simulation_advice as advice
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.reports.terminal.simulation_advice import cache_words
from auditor.reports.text import write_inputs
from auditor.results.document import utc
from auditor.results.simulation import Ahead, Logged, Row, Simulated, Subject
from auditor.system.terminal import plain

CURVE = 24
"""Columns of the curve."""
MAX_TEMPLATES = 20
NO_FIGURE = {"-", "too little data", "unknown"}


def write(result: Simulated, out: TextIO) -> None:
    """Write the whole answer; narrow terminals get narrower tables."""
    console = console_of(out)
    console.print(Words("Simulation", style="bold"), pages.span(result.window, utc))
    were = "request that was" if result.demand == 1 else "requests that were"
    console.print(f"Demand    {result.demand:,} {were} given an image")
    console.print()
    _rows(console, result)
    advice.write(console, result)
    if result.templates:
        _templates(console, result)
    if result.batch is not None:
        _batch(console, result.batch)
    write_inputs(console, result.inputs)


def _rows(console: Console, result: Simulated) -> None:
    rows: list[Logged | Row] = [result.logged, *result.rows]
    most = max(row.credits or Fraction(0) for row in rows)
    # Of a bounded cache people compare the miss ratio, to the last digit.
    bounded = any(row.bounded for row in result.rows)
    bills = {"Bill": [row.total for row in rows], "Cheapest": [row.cheapest_total for row in rows]}
    # A column that has a figure nowhere says nothing; why there is none stands at the account.
    bills = {name: cells for name, cells in bills.items() if not {*cells} <= NO_FIGURE}
    names = ("Kept for", "Renders", "Missed" if bounded else "Served", "Stale", "Credits", "", *bills)
    table = table_of(*names, left=["Kept for", ""])
    for place, row in enumerate(rows):
        simulated = row if isinstance(row, Row) else None
        table.add_row(
            cache_words(simulated) if simulated else "as logged",
            f"{row.renders:,}",
            "-" if row.missed is None else f"{float(row.missed):.6f}" if bounded else f"{float(1 - row.missed):.1%}",
            ("" if simulated is None else f"{row.stale_served:,}" if result.stale_known else "?"),
            "unknown" if row.credits is None else f"{number(row.credits):,}",
            _bar(row.credits or Fraction(0), most),
            *(cells[place] for cells in bills.values()),
            style="dim" if simulated is None else "bold green" if simulated.best else None,
        )
    console.print(table)
    uncertain = result.logged.credits_uncertain
    if uncertain:
        console.print(f"  As logged: {plural(uncertain, 'request')} of unknown credits not counted; the other rows do")


def _bar(amount: Fraction, most: Fraction) -> str:
    eighths = round(CURVE * 8 * amount / most) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _templates(console: Console, result: Simulated) -> None:
    table = table_of("Template", "Requests", "Kept for", "Renders now", "Then", "Stale", left=["Template", "Kept for"])
    for each in result.templates[:MAX_TEMPLATES]:
        best, name = each.recommendation, Words(f"{plain(each.account)} {plain(each.template)}")
        if best is None:
            table.add_row(name, f"{each.demand:,}", "as now", *[f"{each.logged_renders:,}"] * 2, "")
            continue
        table.add_row(
            name,
            f"{each.demand:,}",
            cache_words(best),
            f"{each.logged_renders:,}",
            f"{best.renders:,}",
            f"{best.stale_served:,}" if result.stale_known else "?",
        )
    console.print()
    title = "For each template: the smallest TTL within 5 % of its own fewest renders, if it renders less than now"
    console.print(Words(title, style="bold"))
    inset(console, table)
    rest = len(result.templates) - MAX_TEMPLATES
    if rest > 0:
        console.print(f"  and {rest:,} more; --format json has them all")
    total = result.each_template_its_own
    if total is not None:
        bill = "" if total.cheapest_total in NO_FIGURE else f", cheapest bill {total.cheapest_total}"
        console.print(f"  All together: {plural(total.renders, 'render')}" + bill)


def _batch(console: Console, batch: Ahead) -> None:
    steady, bursts = batch.steady, batch.bursts
    console.print()
    console.print(Words("Renders that need not have waited for a request", style="bold"))
    console.print(
        f"  Steady keys   {plural(steady.renders, 'first render')} of a day, of {plural(steady.keys, 'key')} asked for "
        "day by day: make them the night before"
    )
    for each in steady.top[:3]:
        console.print(Words(f"    {_subject(each)}  {plain(each.key)}  {each.renders:,}"))
    console.print(
        f"  Bursts        {plural(bursts.renders, 'first render')} in {plural(bursts.bursts, 'burst')} of new keys: "
        "make them when you publish"
    )
    for burst in bursts.top[:3]:
        console.print(Words(f"    {_subject(burst)}  {burst.start:%Y-%m-%dT%H:%M}  {burst.renders:,}"))
    for account in filter(lambda each: each.movable, batch.accounts):
        name = f"{plain(account.provider)}/{plain(account.account)}"
        console.print(
            Words(
                f"  {name}: {account.movable:,} of {plural(account.online_renders, 'render')} "
                f"({account.movable_share:.0%}) can move, {account.movable_in_peak_hours:,} of them out of the "
                f"peak hours; the busiest hour has {plural(account.busiest_hour, 'render')} now, "
                f"{account.busiest_hour_then:,} then"
            )
        )


def _subject(each: Subject) -> str:
    return f"{plain(each.account)} {plain(each.environment)} {plain(each.template)}"
