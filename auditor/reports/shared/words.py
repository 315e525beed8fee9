"""What readers are told the causes, outcomes and rules mean: the same words in every report."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from fractions import Fraction

from auditor.model.numbers import is_unknown, number, ratio
from auditor.model.plans import Plan, Unadvised, cents
from auditor.model.waste import Use
from auditor.model.words import PRICES_UNKNOWN, plural, prices_unknown, too_little
from auditor.results.audit import Result
from auditor.results.document import utc
from auditor.results.figures import Totals
from auditor.results.finding import Money
from auditor.results.inputs import InputFile, Inputs
from auditor.results.report import Account, Cycle, Report

CAUSES = {
    "staging": "test and staging traffic",
    "concurrent": "simultaneous identical calls",
    "repeat": "repeats that a cache would serve",
    "volatile": "inputs that never change the image",
    "failed": "calls that were billed and failed",
}
UNKNOWN = {
    "no_body": ("the log has no request bodies", "log the body of each call"),
    "no_inputs": ("inputs are missing or masked", "log or export the inputs as they are"),
    "count": ("calls made an unknown number of images", "log the body of each batch"),
}
"""Reason of an unknown render -> what the log lacks, and what tells it."""
USES = tuple((use.value, "billed, nothing rendered" if use is Use.UNRENDERED else use.value) for use in Use)
"""Name and word of what became of a credit, in the order in which bars are stacked."""
FILTERED = {
    "not_a_picture": "of another media type than an image's",
    "redirect": "redirects",
    "partial": "partial answers (206)",
    "not_sent": "blocked or canceled before they were sent",
}
"""What it means why a request of a source or a provider is not an event."""
NO_ADVICE: Mapping[str, str] = {
    "mostly_filtered": "none, since more than half of this account's requests are redirects, partial or no images: "
    "the log does not show what it needs",
}
"""Why an account gets no plan advice."""
MOST_ACCEPTED = 20
"""Accepted findings that are named."""
MOST_FILES = 100
FILTERS = ("environments", "accounts", "templates", "rules", "skip", "min_confidence")


def duration(seconds: float) -> str:
    """`90 s`, `15 min`, `24 h`, `7 d`: in the largest unit that is whole, but a day is 24 h."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0 and seconds >= size and (unit != "d" or seconds > size):
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,g} s"


def ttl_word(ttl_us: int | None) -> str:
    """`24 h`, or `forever`."""
    return "forever" if ttl_us is None else duration(number(Fraction(ttl_us, 10**6)))


def cheapest_words(account: Account, cycle: Cycle, name: Callable[[str], str] = str) -> str:
    """The cheapest plan of a cycle, its *name* as the report writes it, with its bill."""
    if account.currency is None:
        return PRICES_UNKNOWN
    if cycle.cheapest_plan:
        return f"{name(cycle.cheapest_plan)} {cents(cycle.cheapest_bill)}"
    return "none holds it" if cycle.complete else "-"


def bill_words(account: Account, cycle: Cycle) -> str:
    """What a cycle cost, or why that is not said."""
    return cents(cycle.bill) or ("over the cap" if account.plan and cycle.complete else "-")


def cycle_row(account: Account, cycle: Cycle, name: Callable[[str], str]) -> list[str]:
    """A cycle in the table of an account: start, credits, demand, included, used, bill, cheapest plan.

    *name* writes the name of a plan as the report does.
    """
    return [
        f"{account.day(cycle.start)}" + ("" if cycle.complete else " (part)"),
        used(cycle),
        f"{number(cycle.demand):,}",
        "-" if cycle.included is None else f"{number(cycle.included):,}",
        "-" if cycle.utilisation is None or not cycle.known else f"{cycle.utilisation:.0%}",
        bill_words(account, cycle),
        cheapest_words(account, cycle, name),
    ]


def filtered_words(reasons: Mapping[str, int]) -> str:
    """How many requests of sources and providers are no events, and why; empty for none."""
    left_out = {why: lines for why, lines in reasons.items() if why in FILTERED}
    told = ", ".join(f"{lines:,} {FILTERED[why]}" for why, lines in left_out.items())
    return f"{plural(sum(left_out.values()), 'request')} for images filtered: {told}" if told else ""


def file_words(file: InputFile, others: str | int, amount: Callable[[int], str]) -> list[str]:
    """What only a log of another kind has to tell: what it was taken for, its *others*, and what was assumed."""
    assumed = (f"{file.explained[name]} ({amount(events)})" for name, events in file.assumed.items())
    loaded = file.loaded_images and (
        f"{file.loaded_images:,} of them {'is an image' if file.loaded_images == 1 else 'are images'} that pages "
        "loaded: checked for size and caching; no renders, no credits"
    )
    return [str(each) for each in (file.detected, others, loaded, filtered_words(file.filtered), *assumed) if each]


def advice(account: Account) -> tuple[str, str]:
    """The right plan now and after all fixes."""
    if account.advice is not None and account.advice in NO_ADVICE:
        return NO_ADVICE[account.advice], "none"
    if account.currency is None:
        return prices_unknown(account.provider), PRICES_UNKNOWN
    if account.advice == Unadvised.TOO_LITTLE_DATA:
        return too_little(account.covered), "too little data"
    now = _plan(account, account.recommended_plan, account.monthly_saving)
    if not account.fixes_known:
        return now, "unknown: of no render does the log tell which image it was"
    return now, _plan(account, account.recommended_after_fixes, account.monthly_saving_after_fixes)


def _plan(account: Account, name: str | None, saved: Fraction | None) -> str:
    if name is None:
        return "no plan holds the demand"
    if name == account.plan:
        return f"{name}, no change"
    saving = cents(saved)
    if saving is None:
        return name
    return f"{name}, {saving.lstrip('-')} {account.currency} a month {'more' if saving.startswith('-') else 'less'}"


def _unpriced(totals: Totals) -> bool:
    return is_unknown(totals.credits, totals.renders, totals.credits_uncertain)


def billed(totals: Totals) -> tuple[str, str]:
    """The credits billed, and what of them is not known; empty where all is."""
    uncertain = totals.credits_uncertain
    if _unpriced(totals):
        return "unknown", f"up to {plural(uncertain, 'call')} may have been billed"
    doubt = f"and up to {plural(uncertain, 'call')} that may have been billed" if uncertain else ""
    return f"{number(totals.credits):,}", doubt


def used(cycle: Cycle) -> str:
    """The credits of a cycle, if anything is known of what its renders cost."""
    return f"{number(cycle.credits):,}" if cycle.known else "unknown"


def share(report: Report, cause: str = "total") -> float | None:
    """Wasted credits of those of which the log tells whether they were needed; None where it does not tell of any."""
    return ratio(report.waste.of(cause), report.totals.credits - report.unknown.credits)


def share_words(report: Report) -> str:
    """The share of the wasted credits and what it is of; empty where it is unknown."""
    part, blind = share(report), report.unknown.credits
    if part is None:
        return ""
    known = plural(number(report.totals.credits - blind), "credit")
    return f"{part:.1%} of the " + (f"{known} billed for known images" if blind else "billed credits")


def unknown(report: Report) -> str:
    """What is not known of the waste, and how to learn it; empty where all is known."""
    found = report.unknown
    if not found.renders and _unpriced(report.totals) and not report.waste.total:
        return "unknown (no call of the log says what it cost); to know, log the credits of each call"
    if not found.renders:
        return ""
    lacks, learn = zip(*(UNKNOWN[reason] for reason in found.reasons), strict=True)
    of = f"{found.renders:,} of {plural(report.totals.renders, 'render')}"
    return f"unknown for {of} ({'; '.join(lacks)}); to know, {' and '.join(learn)}"


def money(saved: Money) -> str:
    """What a finding is worth, empty where nothing is known of it."""
    told = (
        f"costs {cents(saved.cost)} {saved.currency} over this window" if saved.cost else "",
        f"saves {cents(saved.alone)} {saved.currency} a month by itself" if saved.alone else "",
        f"part of action {saved.part}" if saved.part else "",
    )
    return ", ".join(filter(None, told))


def conserved(inputs: Inputs) -> str:
    """The line that is always true."""
    lines, events = plural(inputs.lines, "line"), plural(inputs.events, "event")
    return (
        f"{lines} = {events} + {inputs.superseded:,} superseded + {plural(inputs.duplicates, 'duplicate')} + "
        f"{inputs.filtered:,} filtered + {inputs.rejected:,} rejected"
    )


def assumed(result: Result) -> Iterator[str]:
    """What the figures rest on, a sentence each."""
    report = result.report
    options, inputs = report.options, report.inputs
    were = "was" if inputs.assumed_timezone == 1 else "were"
    yield f"A stored image may be served for {duration(number(options.ttl_seconds))}."
    yield (
        f"Times without an offset are read in {options.timezone}: {inputs.assumed_timezone:,} {were}. "
        "Cycles and days begin at midnight in the time zone of their account."
    )
    yield (
        f"Production is {', '.join(options.production_environments)}; what other environments render on a plan "
        "that costs money is staging."
    )
    for file in inputs.files[:MOST_FILES]:
        others = file.other_requests and f"{plural(file.other_requests, 'request')} for no known image filtered"
        if told := file_words(file, others, lambda events: plural(events, "event")):
            yield f"{file.path}: {'; '.join(told)}."
    for account in report.accounts:
        yield from _paid(account)
    uncertain = sum(day.uncertain for day in result.days)
    if uncertain:
        yield f"Beside the credits, not among them: {plural(uncertain, 'call')} that may have been billed."
    if not report.bytes_priced:
        yield "Prices of stored and delivered bytes are not configured: what wasted bytes cost is unknown, not 0."
    for one in report.accepted[:MOST_ACCEPTED]:
        subject = " ".join(one.subject.values())
        yield (
            f"{one.rule} of {subject} is accepted until {one.until} ({one.reason}): its "
            f"{number(one.credits):,} credits are counted, the finding is not shown."
        )
    if len(report.accepted) > MOST_ACCEPTED:
        yield f"So are {len(report.accepted) - MOST_ACCEPTED:,} more findings."
    if options.since or options.until:
        since = utc(options.since) if options.since else "the first"
        until = utc(options.until) if options.until else "the last"
        yield f"Only events from {since} to {until} were counted."
    chosen = [
        f"{name.replace('_', ' ')} {value if isinstance(value, str) else ', '.join(value)}"
        for name in FILTERS
        if (value := getattr(options, name))
    ]
    if chosen:
        yield f"Findings are shown by {'; '.join(chosen)}. Waste, bills and advice count everything all the same."


def _paid(account: Account) -> Iterator[str]:
    """What each plan of an account costs, with the day from which on it was paid where there were several."""
    name = f"{account.provider}/{account.account}"
    since: dict[Plan | None, date] = {}
    for cycle in account.cycles:
        since.setdefault(cycle.terms, account.day(cycle.start))
    for plan, first in since.items():
        told = f"{name}, from {first} on," if len(since) > 1 else name
        if plan is None:
            yield f"{told} has no configured plan: its bills are unknown, and its credits count as paid for."
            continue
        beyond = f"{plan.overage} a credit beyond" if plan.overage is not None else "no more can be had"
        yearly = f", {plan.price} a year" if plan.period == "year" else ""
        checked = f", checked {plan.checked}" if plan.checked else ""
        yield (
            f"{told} pays {cents(plan.monthly)} {plan.currency} a month{yearly} for {plan.included:,} credits "
            f"({plan.name}), {beyond} (source: {plan.source}{checked})."
        )


def idle(account: Account) -> list[str]:
    """A sentence for each stretch of cycles without an event that is not listed."""
    return [
        f"{plural(gap.cycles, 'cycle')} without an event, {account.day(gap.start)} to {account.day(gap.end)}, "
        "not listed"
        + ("" if gap.bill is None else f"; the plan cost {cents(gap.bill)} {account.currency}, counted in no sum")
        for gap in account.gaps
    ]
