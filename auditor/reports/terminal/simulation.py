"""The simulation on a terminal: a row a setting with its curve of credits, then what to do about it.

Every word that came from a log or a file name passes through `plain`.
"""

from fractions import Fraction
from typing import TextIO

from rich.console import Console
from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.model.words import plural, ttl_words
from auditor.reports.shared import pages
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.reports.text import write_inputs
from auditor.results.document import utc
from auditor.results.simulation import AccountBill, Ahead, Logged, Row, Setting, Simulated, Subject
from auditor.system.terminal import plain

CURVE = 24
"""Columns of the curve."""
MAX_TEMPLATES = 20


def write(result: Simulated, out: TextIO) -> None:
    """Write the whole answer; narrow terminals get narrower tables."""
    console = console_of(out)
    console.print(Words("Simulation", style="bold"), pages.span(result.window, utc))
    were = "request that was" if result.demand == 1 else "requests that were"
    console.print(f"Demand    {result.demand:,} {were} given an image")
    console.print()
    _rows(console, result)
    _advice(console, result)
    if result.templates:
        _templates(console, result)
    if result.batch is not None:
        _batch(console, result.batch)
    write_inputs(console, result.inputs)


def _cache(setting: Setting) -> str:
    bounds = ((setting.capacity_entries, "images"), (setting.capacity_bytes, "bytes"))
    words = [ttl_words(setting.ttl_us), *(f"{most:,} {what}" for most, what in bounds if most is not None)]
    return ", ".join(words if setting.coalescing else [*words, "no coalescing"])


def _rows(console: Console, result: Simulated) -> None:
    rows: list[Logged | Row] = [result.logged, *result.rows]
    most = max(row.credits or Fraction(0) for row in rows)
    # Of a bounded cache people compare the miss ratio, to the last digit.
    bounded = any(row.bounded for row in result.rows)
    names = ("Kept for", "Renders", "Missed" if bounded else "Served", "Stale", "Credits", "", "Bill", "Cheapest")
    table = table_of(*names, left=["Kept for", ""])
    for row in rows:
        simulated = row if isinstance(row, Row) else None
        table.add_row(
            _cache(simulated) if simulated else "as logged",
            f"{row.renders:,}",
            "-" if row.missed is None else f"{float(row.missed):.6f}" if bounded else f"{float(1 - row.missed):.1%}",
            ("" if simulated is None else f"{row.stale_served:,}" if result.stale_known else "?"),
            "unknown" if row.credits is None else f"{number(row.credits):,}",
            _bar(row.credits or Fraction(0), most),
            row.total,
            row.cheapest_total,
            style="dim" if simulated is None else "bold green" if simulated.best else None,
        )
    console.print(table)
    uncertain = result.logged.credits_uncertain
    if uncertain:
        console.print(f"  As logged: {plural(uncertain, 'request')} of unknown credits not counted; the other rows do")


def _bar(amount: Fraction, most: Fraction) -> str:
    eighths = round(CURVE * 8 * amount / most) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _advice(console: Console, result: Simulated) -> None:
    best, fewest, logged = result.recommendation, result.fewest_credits, result.logged
    console.print()
    if fewest is None or not result.demand:
        console.print("No request was given an image: there is nothing to replay.")
        return
    if best is None:
        console.print(f"No recommendation: {_no_gain(result)}.")
    else:
        console.print(
            Words(f"Recommended: {_cache(best)}", style="bold green"),
            f", the smallest TTL within 5 % of the fewest renders: {logged.renders - best.renders:,} fewer than now",
            sep="",
        )
    for bill in next((row.bill for row in result.rows if row.best), ()):
        console.print(Words(f"  {plain(bill.provider)}/{plain(bill.account)}: {_plans(bill)}"))
    if fewest != best and fewest.credits < (logged.credits or 0):
        console.print(f"  Fewest credits (within 1 %): {_cache(fewest)}; they pay once a smaller plan fits")
    if not result.stale_known:
        console.print("  Stale images are unknown: no hit of the log has a digest.")
    if best is not None and best.stale_served:
        hits = "hit shows" if best.stale_served == 1 else "hits show"
        console.print(f"  Its price: {best.stale_served:,} {hits} another image than the log has.")


def _no_gain(result: Simulated) -> str:
    """Why no setting is recommended."""
    knee, logged = result.knee, result.logged.renders
    if knee is None:
        return "every TTL that was tried is longer than the log"
    if all(row.renders > logged for row in result.rows):
        return "what you do now renders less than every setting that was tried"
    return f"{_cache(knee.setting)} renders {plural(knee.renders, 'image')}, the log has {plural(logged, 'render')}"


def _plans(bill: AccountBill) -> str:
    """The cheapest plan and its bill, and the present one's."""
    if not bill.cycles:
        return "no bill: the log covers no whole cycle"
    if bill.cheapest_plan is None:
        return "no plan of the catalogue holds it" if bill.priced else "no plan is known"
    plan = bill.plan
    words = f"{plain(bill.cheapest_plan)}, {cents(bill.cheapest_bill)} {bill.cheapest_currency}"
    words += f" over {plural(bill.cycles, 'cycle')}"
    if plan is None or plan == bill.cheapest_plan:
        return words
    return f"{words}; {plain(plan)} {'does not hold it' if bill.bill is None else f'costs {cents(bill.bill)}'}"


def _templates(console: Console, result: Simulated) -> None:
    table = table_of("Template", "Requests", "Kept for", "Renders", "Credits", "Stale", left=["Template", "Kept for"])
    for each in result.templates[:MAX_TEMPLATES]:
        best = each.recommendation
        table.add_row(
            Words(f"{plain(each.account)} {plain(each.template)}"),
            f"{each.demand:,}",
            _cache(best),
            f"{best.renders:,}",
            f"{number(best.credits):,}",
            f"{best.stale_served:,}",
        )
    console.print()
    console.print(Words("The smallest TTL within 1 % of each template's fewest credits", style="bold"))
    inset(console, table)
    rest = len(result.templates) - MAX_TEMPLATES
    if rest > 0:
        console.print(f"  and {rest:,} more; --format json has them all")
    total = result.each_template_its_own
    if total is not None:
        console.print(f"  All together: {plural(total.renders, 'render')}, bill {total.cheapest_total}")


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
