"""The simulation on a terminal: a row a setting with its curve of credits, then what to do about it.

Every word that came from a log or a file name passes through `plain`.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.model.words import plural, ttl_words
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.reports.text import write_inputs
from auditor.results.simulation import Simulated, document
from auditor.simulation.rows import Bill, Setting, Simulation
from auditor.system.terminal import plain

CURVE = 24
"""Columns of the curve."""
MAX_TEMPLATES = 20


def write(result: Simulated, out: TextIO) -> None:
    """Write the whole answer; narrow terminals get narrower tables."""
    console = console_of(out)
    report = document(result)
    simulation = result.simulation
    _head(console, report)
    _rows(console, simulation)
    _advice(console, result)
    if simulation.templates:
        _templates(console, result)
    if report["batch"] is not None:
        _batch(console, report["batch"])
    write_inputs(console, result.inputs)


def _cache(setting: Setting) -> str:
    words = [ttl_words(setting.ttl_us)]
    if setting.entries is not None:
        words.append(f"{setting.entries:,} images")
    if setting.bytes is not None:
        words.append(f"{setting.bytes:,} bytes")
    if not setting.coalescing:
        words.append("no coalescing")
    return ", ".join(words)


def _head(console: Console, report: dict[str, Any]) -> None:
    window = report["window"]
    console.print(
        Words("Simulation", style="bold"), f"{window['start'] or 'no event'} to {window['end'] or 'no event'}"
    )
    were = "request that was" if report["demand"] == 1 else "requests that were"
    console.print(f"Demand    {report['demand']:,} {were} given an image")
    console.print()


def _rows(console: Console, simulation: Simulation) -> None:
    rows, best, stale_known = [simulation.logged, *simulation.rows], simulation.best, simulation.stale_known
    most = max((row.outcome.credits for row in rows), default=Fraction(0))
    # Of a bounded cache people compare the miss ratio, to the last digit.
    bounded = any(row.setting.bounded for row in rows)
    names = ("Kept for", "Renders", "Missed" if bounded else "Served", "Stale", "Credits", "", "Bill", "Cheapest")
    table = table_of(*names, left=["Kept for", ""])
    for place, row in enumerate(rows):
        outcome = row.outcome
        missed = Fraction(outcome.renders, outcome.requests) if outcome.requests else None
        table.add_row(
            "as logged" if place == 0 else _cache(row.setting),
            f"{outcome.renders:,}",
            "-" if missed is None else f"{float(missed):.6f}" if bounded else f"{float(1 - missed):.1%}",
            "" if place == 0 else f"{outcome.stale:,}" if stale_known else "?",
            f"{number(outcome.credits):,}" if outcome.known else "unknown",
            _bar(outcome.credits, most),
            _total(row.bills, "bill"),
            _total(row.bills, "cheapest_bill"),
            style="bold green" if row is best else "dim" if place == 0 else None,
        )
    console.print(table)
    uncertain = simulation.logged.outcome.uncertain
    if uncertain:
        console.print(f"  As logged: {plural(uncertain, 'request')} of unknown credits not counted; the other rows do")


def _bar(amount: Fraction, most: Fraction) -> str:
    eighths = round(CURVE * 8 * amount / most) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _total(bills: Iterable[Bill], name: str) -> str:
    """The bills of all accounts of known providers; none where one of them is unknown, or not in the same currency."""
    known = [bill for bill in bills if bill.payer.plans]
    if not known or len({plan.currency for bill in known for plan in bill.payer.plans}) > 1:
        return "-"
    if name == "bill" and any(bill.payer.plan is None for bill in known):
        return "-"
    if any(bill.credits is None for bill in known):
        return "unknown"
    amounts = [getattr(bill, name) for bill in known if bill.cycles]
    if any(amount is None for amount in amounts):
        return "over the cap"
    if len(amounts) < len(known):
        return "too little data"  # no whole cycle, no bill
    return str(cents(sum(amounts, Fraction(0))))


def _advice(console: Console, result: Simulated) -> None:
    simulation = result.simulation
    best, fewest, logged = simulation.best, simulation.fewest, simulation.logged.outcome.renders
    console.print()
    if fewest is None or not fewest.outcome.requests:
        console.print("No request was given an image: there is nothing to replay.")
        return
    if best is None:
        console.print(f"No recommendation: {_no_gain(simulation)}.")
    else:
        console.print(
            Words(f"Recommended: {_cache(best.setting)}", style="bold green"),
            f", the smallest TTL within 5 % of the fewest renders: {logged - best.outcome.renders:,} fewer than now",
            sep="",
        )
    for bill in best.bills if best else ():
        console.print(Words(f"  {plain(bill.payer.provider)}/{plain(bill.payer.account)}: {_plans(bill)}"))
    if fewest is not best and fewest.credits < simulation.logged.credits:
        console.print(f"  Fewest credits (within 1 %): {_cache(fewest.setting)}; they pay once a smaller plan fits")
    if not simulation.stale_known:
        console.print("  Stale images are unknown: no hit of the log has a digest.")
    if best is not None and best.outcome.stale:
        hits = "hit shows" if best.outcome.stale == 1 else "hits show"
        console.print(f"  Its price: {best.outcome.stale:,} {hits} another image than the log has.")


def _no_gain(simulation: Simulation) -> str:
    """Why no setting is recommended."""
    knee, logged = simulation.knee, simulation.logged.outcome.renders
    if knee is None:
        return "every TTL that was tried is longer than the log"
    if all(row.outcome.renders > logged for row in simulation.rows):
        return "what you do now renders less than every setting that was tried"
    return f"{_cache(knee.setting)} renders {knee.outcome.renders:,} images, the log has {logged:,} renders"


def _plans(bill: Bill) -> str:
    """The cheapest plan and its bill, and the present one's."""
    if not bill.cycles:
        return "no bill: the log covers no whole cycle"
    if bill.cheapest is None:
        return "no plan of the catalogue holds it" if bill.payer.plans else "no plan is known"
    cycles, plan = bill.cycles, bill.payer.plan
    words = f"{plain(bill.cheapest.name)}, {cents(bill.cheapest_bill)} {bill.cheapest.currency}"
    words += f" over {plural(cycles, 'cycle')}"
    if plan is None or plan.name == bill.cheapest.name:
        return words
    return f"{words}; {plain(plan.name)} {'does not hold it' if bill.bill is None else f'costs {cents(bill.bill)}'}"


def _templates(console: Console, result: Simulated) -> None:
    simulation = result.simulation
    columns = ("Template", "Requests", "Kept for", "Renders", "Credits", "Stale")
    table = table_of(*columns, left=["Template", "Kept for"])
    for each in simulation.templates[:MAX_TEMPLATES]:
        outcome = each.best.outcome
        table.add_row(
            Words(f"{plain(each.payer.account)} {plain(each.template)}"),
            f"{outcome.requests:,}",
            _cache(each.best.setting),
            f"{outcome.renders:,}",
            f"{number(outcome.credits):,}",
            f"{outcome.stale:,}",
        )
    console.print()
    console.print(Words("The smallest TTL within 1 % of each template's fewest credits", style="bold"))
    inset(console, table)
    rest = len(simulation.templates) - MAX_TEMPLATES
    if rest > 0:
        console.print(f"  and {rest:,} more; --format json has them all")
    if simulation.each_best is not None:
        total = simulation.each_best
        console.print(f"  All together: {total.outcome.renders:,} renders, bill {_total(total.bills, 'cheapest_bill')}")


def _batch(console: Console, batch: dict[str, Any]) -> None:
    steady, bursts = batch["steady"], batch["bursts"]
    console.print()
    console.print(Words("Renders that need not have waited for a request", style="bold"))
    console.print(
        f"  Steady keys   {steady['renders']:,} first renders of a day, of {steady['keys']:,} keys that are asked for "
        "day by day: make them the night before"
    )
    for each in steady["top"][:3]:
        console.print(Words(f"    {_subject(each)}  {plain(each['key'])}  {each['renders']:,}"))
    console.print(
        f"  Bursts        {bursts['renders']:,} first renders in {bursts['bursts']:,} bursts of new keys: make them "
        "when you publish"
    )
    for each in bursts["top"][:3]:
        console.print(Words(f"    {_subject(each)}  {each['start'][:16]}  {each['renders']:,}"))
    for account in batch["accounts"]:
        if not account["movable"]:
            continue
        name = f"{plain(account['provider'])}/{plain(account['account'])}"
        console.print(
            Words(
                f"  {name}: {account['movable']:,} of {account['online_renders']:,} renders "
                f"({account['movable_share']:.0%}) can move, {account['movable_in_peak_hours']:,} of them out of the "
                f"peak hours; the busiest hour has {account['busiest_hour']:,} renders now, "
                f"{account['busiest_hour_then']:,} then"
            )
        )


def _subject(each: dict[str, Any]) -> str:
    return " ".join(plain(each[name]) for name in ("account", "environment", "template"))
