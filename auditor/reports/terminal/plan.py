"""Plan advice on a terminal: each cycle on each plan, what each fix changes, the running cycle, other providers.

Every word that came from a log or the configuration passes through `plain`.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text as Words

from auditor.model.numbers import number
from auditor.model.plans import cents
from auditor.model.words import TOO_SHORT, plural
from auditor.planning.forecast import RANGE_FROM, Exhaustion, Forecast, Span
from auditor.planning.offers import Offer
from auditor.planning.plan import Advice, Cell, Scenario
from auditor.reports.shared.words import NO_ADVICE
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.reports.text import write_inputs
from auditor.results.plan import Advised
from auditor.system.terminal import plain


def write(result: Advised, out: TextIO) -> None:
    """Write the whole advice."""
    console = console_of(out)
    start, end = result.window or (None, None)
    window = f"{start:%Y-%m-%d} to {end:%Y-%m-%d}" if start and end else "no event"
    console.print(Words("Plan advice", style="bold"), window)
    for advice in result.advice:
        _account(console, advice)
    write_inputs(console, result.inputs)


def _account(console: Console, advice: Advice) -> None:
    bill = advice.bill
    plan = plain(bill.payer.plan.name) if bill.payer.plan else "plan not configured"
    plan += f"; bills in {plain(bill.currency)}" if bill.currency else ""
    console.print()
    console.print(Words(f"Account {plain(bill.payer.provider)}/{plain(bill.payer.account)}: {plan}", style="bold"))
    first, last = advice.scenarios[0], advice.scenarios[-1]
    inset(console, _cycles(advice, first))
    if last.total_saved:
        console.print("  After all fixes")
        inset(console, _cycles(advice, last))
    if bill.unadvised is not None and bill.unadvised in NO_ADVICE:
        console.print(f"  Right plan      {NO_ADVICE[bill.unadvised]}")
        return
    basis = " (projected from a part of a cycle)" if bill.projected else ""
    if bill.unadvised:
        basis = f": unknown, since {TOO_SHORT}"
    console.print(f"  What each fix changes: credits over all cycles, bills a month{basis}")
    inset(console, _fixes(advice))
    if not all(scenario.known for scenario in advice.scenarios):
        console.print(
            "  Unknown: of no render does the log tell which image it was; log the body of each call"
            if bill.blind
            else "  Unknown: no call of the log says what it cost; log the credits of each call"
        )
    if advice.forecast is not None:
        _forecast(console, advice.forecast, bill.currency or "")
    if advice.offers and not bill.unadvised:
        currencies = {offer.currency for offer in advice.offers if offer.currency}
        one = f", in {plain(next(iter(currencies)))}" if len(currencies) == 1 else ""
        console.print(f"  The same demand elsewhere, a month{one}")
        inset(console, _offers(advice.offers, mixed=not one, fixes_known=bill.fixes_known))
        if any(offer.unsized and (offer.now or offer.after_fixes) for offer in advice.offers):
            console.print("  * what an image costs there by its size is not known: counted as one credit")


def _cycles(advice: Advice, scenario: Scenario) -> Table:
    bill = advice.bill
    as_billed = scenario.fix == "none"
    table = table_of(
        "Cycle from", "Demand", *(["Billed"] if as_billed else []), *(plain(name) for name in scenario.table),
        left=["Cycle from"],
    )  # fmt: skip
    for index, use in enumerate(bill.uses):
        demand = use.demand - scenario.saved.get(index, Fraction(0))
        table.add_row(
            f"{bill.payer.settings.day(use.cycle.start)}" + ("" if use.complete else " (part)"),
            f"{number(demand):,}",
            *([cents(use.bill) or ("over the cap" if use.plan and use.complete else "-")] if as_billed else []),
            *(_cell(cells[index]) for cells in scenario.table.values()),
        )
    return table


def _cell(cell: Cell) -> str:
    """The bill and how far the plan is from full."""
    room = number(abs(cell.headroom))
    if not cell.holds:
        return f"lacks {room:,}"
    return f"{cents(cell.bill) or '-'} " + (f"({room:,} beyond)" if cell.headroom < 0 else f"({room:,} free)")


def _fixes(advice: Advice) -> Table:
    table = table_of("Fix", "Credits", "This plan", "Right plan", "Bill", "Saves", "", left=["Fix", "Right plan", ""])
    for scenario in advice.scenarios:
        best = scenario.recommended
        if not scenario.known:
            table.add_row(scenario.fix, "unknown", "-", "unknown", "-", "-", scenario.words)
            continue
        table.add_row(
            scenario.fix,
            f"-{number(scenario.total_saved):,}" if scenario.total_saved else "0",
            cents(scenario.staying) or "-",
            Words(plain(best.name) if best else "too little data" if advice.bill.unadvised else "none holds it"),
            cents(scenario.monthly) or "-",
            cents(scenario.saving) or "-",
            scenario.words,
        )
    return table


def _forecast(console: Console, forecast: Forecast, currency: str) -> None:
    head = f"  Running cycle, to {forecast.cycle.end:%Y-%m-%d %H:%M} UTC, seen from {forecast.as_of:%Y-%m-%d %H:%M}"
    console.print(Words(head))
    if forecast.total is None:
        inset(console, f"{number(forecast.so_far):,} so far. Less than 7 days of data: too little for a forecast", 4)
        return
    weeks = plural(forecast.weeks, "week")
    if forecast.confidence is None:
        basis = f"from {weeks}, too little for a range: {RANGE_FROM} are needed"
    else:
        basis = f"as in the last {weeks}; the range holds in {float(forecast.confidence):.0%} of cases"
    inset(console, f"Demand {number(forecast.so_far):,} so far, {_range(forecast.total)} in the end ({basis})", 4)
    if forecast.silent:
        days = "day has" if len(forecast.silent) == 1 else "days have"
        first = "" if len(forecast.silent) == 1 else "the first "
        inset(console, f"{len(forecast.silent)} {days} no event, {first}{forecast.silent[0]}: missing logs?", 4)
    if forecast.exhausted is not None:
        inset(console, _ran_out(forecast.exhausted), 4)
    if forecast.ending is not None and (forecast.ending.high or forecast.ending.likely):
        worth = forecast.ending_value
        value = "" if worth is None else f", worth {_money(worth)} {currency}"
        inset(console, f"Credits that end unused: {_range(forecast.ending)}{value}", 4)


def _range(span: Span) -> str:
    return _between(f"{round(span.likely):,}", *(None if each is None else f"{round(each):,}" for each in _ends(span)))


def _money(span: Span) -> str:
    return _between(str(cents(span.likely)), *(cents(each) for each in _ends(span)))


def _ends(span: Span) -> tuple[Fraction | None, Fraction | None]:
    return span.low, span.high


def _between(likely: str, low: str | None, high: str | None) -> str:
    return likely if low is None or (low == high == likely) else f"{likely} ({low} to {high})"


def _ran_out(found: Exhaustion) -> str:
    def said(day: date | None) -> str:
        return f"{day:%d %b}" if day else "not in this cycle"

    if found.likely is None and found.earliest is None:
        return "The credits last to the end of the cycle"
    if found.likely is None:
        return f"The credits likely last to the end of the cycle, but may run out from {said(found.earliest)} on"
    words = f"The credits run out on {said(found.likely)}"
    if found.earliest is None:
        return words
    return f"{words}, at the earliest {said(found.earliest)}, at the latest {said(found.latest)}"


def _offers(offers: Sequence[Offer], *, mixed: bool, fixes_known: bool) -> Table:
    table = table_of("Provider", "Plan", "Bill", "After fixes", "Bill then", "Known from",
                     left=["Provider", "Plan", "After fixes", "Known from"])  # fmt: skip
    for offer in offers:
        plan = offer.now or offer.after_fixes
        if plan is None:
            why = "prices unknown" if not offer.plans else "no known plan holds it"
            table.add_row(offer.provider.name, why, "unknown", "", "unknown", "")
            continue
        unit = f" {plain(plan.currency)}" if mixed else ""
        known = f"{plan.grade.value}, {plan.checked}" if plan.checked else plan.grade.value
        table.add_row(
            offer.provider.name + (" *" if offer.unsized else ""),
            Words(plain(offer.now.name) if offer.now else "none holds it"),
            "unknown" if offer.monthly is None else f"{cents(offer.monthly)}{unit}",
            Words(
                plain(offer.after_fixes.name) if offer.after_fixes else "none holds it" if fixes_known else "unknown"
            ),
            "unknown" if offer.monthly_after_fixes is None else f"{cents(offer.monthly_after_fixes)}{unit}",
            known,
        )
    return table
