"""What follows from a simulation, for a terminal: which TTL, what it saves, how stale images get, which plan holds.

Every word that came from a log or the configuration passes through `plain`.
"""

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from math import ceil

from rich.console import Console
from rich.text import Text as Words

from auditor.model.numbers import number, ratio
from auditor.model.plans import cents
from auditor.model.words import plural, prices_unknown, too_little, ttl_words
from auditor.reports.shared.words import NO_ADVICE
from auditor.reports.terminal.console import inset, table_of
from auditor.results.simulation import PlanThen, Recommended, Setting, Simulated
from auditor.system.terminal import plain


def cache_words(setting: Setting) -> str:
    """A cache, as the options name it."""
    bounds = ((setting.capacity_entries, "images"), (setting.capacity_bytes, "bytes"))
    words = [ttl_words(setting.ttl_us), *(f"{most:,} {what}" for most, what in bounds if most is not None)]
    return ", ".join(words if setting.coalescing else [*words, "no coalescing"])


def write(console: Console, result: Simulated) -> None:
    """Write the recommendation, or why there is none."""
    best, fewest = result.recommendation, result.fewest_credits
    worse = sum(row.renders > result.logged.renders for row in result.rows)
    if 0 < worse < len(result.rows):
        console.print(f"  {worse:,} of {plural(len(result.rows), 'setting')} render more than what you do now")
    console.print()
    if fewest is None or not result.demand:
        console.print("No request was given an image: there is nothing to replay.")
        return
    if best is None:
        console.print(f"No recommendation: {_no_gain(result)}.")
        return
    head = Words(f"Recommended: {cache_words(best)}", style="bold green")
    console.print(head, ", the smallest TTL within 5 % of the fewest renders", sep="")
    told = table_of("", "", left=["", ""])
    told.show_header = False
    for name, words in (("Saves", _saves(result, best)), ("Stale", _stale(result, best)), *_plans(best)):
        told.add_row(Words(name), Words(words))
    inset(console, told)
    if fewest.credits < best.credits and fewest.ttl_us is not None and fewest.ttl_us <= _span_us(result):
        console.print(f"  Fewest credits (within 1 %): {cache_words(fewest)}, {number(fewest.credits):,}")


def _span_us(result: Simulated) -> int:
    start, end = result.window.start, result.window.end
    return 0 if start is None or end is None else (end - start) // timedelta(microseconds=1)


def _no_gain(result: Simulated) -> str:
    """Why no setting is recommended."""
    knee, logged = result.knee, result.logged.renders
    fewest = min(row.renders for row in result.rows)
    if all(row.ttl_us is None for row in result.rows):
        return "no setting that was tried has a TTL; name some with --ttl"
    if knee is None:
        return "no TTL that was tried fits into the log, and nothing shows what longer ones bring"
    if fewest > logged:
        return (
            f"what you do now renders less than every setting that was tried ({logged:,} renders; the fewest of any "
            f"setting are {fewest:,})"
        )
    if fewest == logged:
        return f"no setting that was tried renders less than what you do now ({plural(logged, 'render')})"
    return (
        f"{cache_words(knee.setting)}, the smallest TTL within 5 % of the fewest renders that the log can show, has "
        f"{plural(knee.renders, 'render')}; what you do now has {logged:,}"
    )


def _saves(result: Simulated, best: Recommended) -> str:
    logged = result.logged
    words = f"{best.renders_saved:,} of {plural(logged.renders, 'render')}"
    if best.credits_saved is None or logged.credits is None:
        return f"{words}; what these cost is unknown: no call of the log says it"
    least = "at least " if logged.credits_uncertain else ""
    return f"{words}, {least}{number(max(best.credits_saved, Fraction(0))):,} of {number(logged.credits):,} credits"


def _stale(result: Simulated, best: Recommended) -> str:
    words = f"an image is shown for up to {ttl_words(best.ttl_us)} after it was rendered"
    if not result.stale_known:
        return f"{words}; how many were outdated is unknown: log the digest of each hit"
    share = ratio(best.stale_served, best.hits)
    part = f" ({share:.1%})" if share else ""
    others = "shows" if best.stale_served == 1 else "show"
    return f"{words}; {best.stale_served:,} of {plural(best.hits, 'hit')}{part} {others} another image than the log has"


def _plans(best: Recommended) -> Iterator[tuple[str, str]]:
    for account in best.accounts:
        yield f"{plain(account.provider)}/{plain(account.account)}", _unadvised(account) or _plan(account)


def _unadvised(of: PlanThen) -> str:
    """Why nothing is said of an account's plan; empty where something is."""
    if of.advice is not None and of.advice in NO_ADVICE:
        return f"plan: {NO_ADVICE[of.advice]}"
    if not of.priced:
        return prices_unknown(plain(of.provider))
    if of.advice is not None:
        return too_little(of.covered)
    return "" if of.known else "bills unknown: no call of the log says what it cost"


def _plan(of: PlanThen) -> str:
    """Whether a cheaper plan then holds what is left, and how far one is from it."""
    then, now, projected = of.plan_then, of.plan_logged, f" (projected from {of.covered})" if of.projected else ""
    if then is None:
        return f"no plan holds what is left{_short(of)}{projected}"
    if then == now:
        right = "as before, no" if of.plan in (None, now) else "is right already for what was logged, no further"
        return f"{plain(then)} {right} saving{_short(of)}{projected}"
    words = f"{plain(then)} holds what is left, {plain(now)} is no longer needed" if now else f"{plain(then)} holds it"
    saving = cents(of.monthly_saving)
    if saving is not None:
        more = saving.startswith("-")
        words += f": {saving.lstrip('-')} {of.currency} a month {'more' if more else 'less'}"
    return f"{words}{_short(of)}{projected}"


def _short(of: PlanThen) -> str:
    if of.closest_plan is None or of.short_by is None:
        return ""
    return f"; {plain(of.closest_plan)} is short by up to {plural(ceil(of.short_by), 'credit')} a month"
