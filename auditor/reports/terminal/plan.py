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
from auditor.model.plans import billed, cents
from auditor.model.words import PRICES_UNKNOWN, plural, prices_unknown, too_little
from auditor.reports.shared.words import NO_ADVICE
from auditor.reports.terminal.console import console_of, inset, table_of
from auditor.reports.text import write_inputs
from auditor.results import plan as results
from auditor.system.terminal import plain


def write(result: results.Advised, out: TextIO) -> None:
    """Write the whole advice."""
    console = console_of(out)
    start, end = result.window.start, result.window.end
    window = f"{start:%Y-%m-%d} to {end:%Y-%m-%d}" if start and end else "no event"
    console.print(Words("Plan advice", style="bold"), window)
    for account in result.accounts:
        _account(console, account)
    write_inputs(console, result.inputs)


def _account(console: Console, account: results.AccountAdvice) -> None:
    plan = plain(account.plan or "plan not configured")
    plan += f"; bills in {plain(account.currency)}" if account.currency else ""
    console.print()
    console.print(Words(f"Account {plain(account.provider)}/{plain(account.account)}: {plan}", style="bold"))
    first, last = account.scenarios[0], account.scenarios[-1]
    inset(console, _cycles(account, first))
    unadvised = _unadvised(account)
    if last.credits_saved and not unadvised:
        console.print("  After all fixes")
        inset(console, _cycles(account, last))
    if unadvised:
        inset(console, f"Right plan      {unadvised}")
    if account.advice in NO_ADVICE:
        return
    basis = " (projected from a part of a cycle)" if account.projected else ""
    bills = "" if unadvised else f", bills a month{basis}"
    console.print(f"  What each fix changes: credits over all cycles{bills}")
    inset(console, _saved(account) if unadvised else _fixes(account))
    if any(scenario.credits_saved is None for scenario in account.scenarios):
        console.print(
            "  Unknown: of no render does the log tell which image it was; log the body of each call"
            if account.blind
            else "  Unknown: no call of the log says what it cost; log the credits of each call"
        )
    if account.forecast is not None:
        _forecast(console, account.forecast, account.currency or "")
    if account.providers:
        currencies = {offer.sold_in for offer in account.providers if offer.sold_in}
        one = f", in {plain(next(iter(currencies)))}" if len(currencies) == 1 else ""
        console.print(f"  The same demand elsewhere, a month{one}")
        inset(console, _offers(account.providers, mixed=not one, fixes_known=account.fixes_known))
        if any(each.pictures_of_unknown_price and (each.plan or each.plan_after_fixes) for each in account.providers):
            console.print("  * what an image costs there by its size is not known: counted as one credit")


def _unadvised(account: results.AccountAdvice) -> str:
    """Why no plan is advised; empty where one is, or none holds the demand."""
    if account.advice is not None and account.advice in NO_ADVICE:
        return NO_ADVICE[account.advice]
    if not account.plans:
        return prices_unknown(plain(account.provider))
    return too_little(account.covered) if account.advice else ""


def _cycles(account: results.AccountAdvice, scenario: results.Scenario) -> Table:
    as_billed = scenario.fix == "none"
    plans = (plain(plan.name) + billed(plan.period) for plan in account.plans)
    table = table_of(
        "Cycle from", "Demand", *(["Billed"] if as_billed else []), *plans,
        left=["Cycle from"],
    )  # fmt: skip
    for use, fixed in zip(account.cycles, scenario.cycles, strict=True):
        table.add_row(
            f"{use.day}" + ("" if use.complete else " (part)"),
            f"{number(fixed.demand):,}",
            *([cents(use.bill) or ("over the cap" if use.plan and use.complete else "-")] if as_billed else []),
            *(_cell(cell) for cell in fixed.plans.values()),
        )
    return table


def _cell(cell: results.Cell) -> str:
    """The bill and how far the plan is from full."""
    room = number(abs(cell.headroom))
    if not cell.holds:
        return f"lacks {room:,}"
    if cell.bill is None:  # of a part of a cycle
        return f"{room:,} free"
    return f"{cents(cell.bill)} " + (f"({room:,} beyond)" if cell.headroom < 0 else f"({room:,} free)")


def _saved(account: results.AccountAdvice) -> Table:
    """What each fix saves where no plan is advised."""
    table = table_of("Fix", "Credits", "", left=["Fix", ""])
    for scenario in account.scenarios:
        table.add_row(scenario.fix, _less(scenario.credits_saved), scenario.description)
    return table


def _less(credits: Fraction | None) -> str:
    return "unknown" if credits is None else f"-{number(credits):,}" if credits else "0"


def _fixes(account: results.AccountAdvice) -> Table:
    table = table_of("Fix", "Credits", "This plan", "Right plan", "Bill", "Saves", "", left=["Fix", "Right plan", ""])
    for scenario in account.scenarios:
        best = scenario.recommended_plan
        if scenario.credits_saved is None:
            table.add_row(scenario.fix, "unknown", "-", "unknown", "-", "-", scenario.description)
            continue
        table.add_row(
            scenario.fix,
            _less(scenario.credits_saved),
            cents(scenario.monthly_bill_current_plan) or "-",
            Words(plain(best) if best else "none holds it"),
            cents(scenario.monthly_bill) or "-",
            cents(scenario.monthly_saving) or "-",
            scenario.description,
        )
    return table


def _forecast(console: Console, forecast: results.Forecast, currency: str) -> None:
    head = f"  Running cycle, to {forecast.cycle.end:%Y-%m-%d %H:%M} UTC, seen from {forecast.as_of:%Y-%m-%d %H:%M}"
    console.print(Words(head))
    if forecast.demand is None:
        inset(console, f"{number(forecast.so_far):,} so far. Less than 7 days of data: too little for a forecast", 4)
        return
    weeks = plural(forecast.weeks, "week")
    if forecast.confidence is None:
        basis = f"from {weeks}, too little for a range: {results.RANGE_FROM} are needed"
    else:
        basis = f"as in the last {weeks}; the range holds in {forecast.confidence:.0%} of cases"
    inset(console, f"Demand {number(forecast.so_far):,} so far, {_range(forecast.demand)} in the end ({basis})", 4)
    if forecast.silent:
        days = "day has" if len(forecast.silent) == 1 else "days have"
        first = "" if len(forecast.silent) == 1 else "the first "
        inset(console, f"{len(forecast.silent)} {days} no event, {first}{forecast.silent[0]}: missing logs?", 4)
    if forecast.exhausted is not None:
        inset(console, _ran_out(forecast.exhausted), 4)
    if forecast.ending_unused is not None and forecast.unused:
        worth = forecast.ending_unused_value
        value = "" if worth is None else f", worth {_range(worth)} {currency}"
        inset(console, f"Credits that end unused: {_range(forecast.ending_unused)}{value}", 4)


def _range(of: results.Span | results.Value) -> str:
    likely = _amount(of.likely)
    low, high = (None if each is None else _amount(each) for each in (of.low, of.high))
    return likely if low is None or (low == high == likely) else f"{likely} ({low} to {high})"


def _amount(of: int | Fraction) -> str:
    return f"{of:,}" if isinstance(of, int) else str(cents(of))


def _ran_out(found: results.Exhausted) -> str:
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


def _offers(offers: Sequence[results.OfferedPlan], *, mixed: bool, fixes_known: bool) -> Table:
    table = table_of("Provider", "Plan", "Bill", "After fixes", "Bill then", "Known from",
                     left=["Provider", "Plan", "After fixes", "Known from"])  # fmt: skip
    for offer in offers:
        now, after = offer.plan, offer.plan_after_fixes
        if now is None and after is None:
            why = PRICES_UNKNOWN if offer.sold_in is None else "no known plan holds it"
            table.add_row(offer.provider, why, "unknown", "", "unknown", "")
            continue
        unit = f" {plain(offer.sold_in or '')}" if mixed else ""
        bills = (offer.monthly_bill, offer.monthly_bill_after_fixes)
        bill, later = ("unknown" if each is None else f"{cents(each)}{unit}" for each in bills)
        table.add_row(
            offer.provider + (" *" if offer.pictures_of_unknown_price else ""),
            Words(plain(now) if now else "none holds it"),
            bill,
            Words(plain(after) if after else "none holds it" if fixes_known else "unknown"),
            later,
            offer.known_from,
        )
    return table
