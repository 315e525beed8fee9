"""An audit: the result that all reports are given, and the report of it as data."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from functools import cached_property

from msgspec import UNSET, convert

from auditor.analysis import headline
from auditor.analysis.basis import ENOUGH_US
from auditor.analysis.bills import Bill
from auditor.analysis.case import Case
from auditor.analysis.terms import CycleUse, Terms
from auditor.model import findings as model
from auditor.model.events import Outcome
from auditor.model.numbers import ratio
from auditor.model.plans import Unadvised, cheapest, moment
from auditor.model.waste import Cause, Day
from auditor.results.bridge import bridge_of
from auditor.results.document import Choices, Json, Snippet, plain, written
from auditor.results.figures import Totals, Unknown, Waste
from auditor.results.finding import Finding, Money, Suppressed
from auditor.results.headline import Parts, headline_of
from auditor.results.inputs import Inputs
from auditor.results.page_images import PageImages
from auditor.results.report import Account, Cycle, Gap, Options, Paid, Report, Window
from auditor.version import __version__


@dataclass(frozen=True, slots=True)
class TtlPoint:
    """The demand of the log as a cache with some TTL, and coalescing, would have met it (section 10)."""

    ttl_us: int | None
    """None is forever."""
    now: bool
    """Whether it is the one that the audit was made with."""
    requests: int
    renders: int
    credits: Fraction
    stale: int | None
    """Hits that gave another image than the log says; None: no hit of the log has a digest, so it is unknown."""

    @property
    def served(self) -> Fraction:
        """The share of requests that needed no render."""
        return Fraction(self.requests - self.renders, self.requests) if self.requests else Fraction(0)


@dataclass(frozen=True)  # (no slots: the report is made once)
class Result:
    """One audit."""

    inputs: Inputs
    case: Case
    """What the rules looked at; reports have the same as data."""
    headlines: Sequence[headline.Headline]
    """What a month costs and would cost, by currency."""
    findings: Sequence[model.Finding]
    """Those that were asked for, most severe first."""
    options: Choices
    generated_at: datetime
    days: Sequence[Day] = ()
    """What each account used on each day, by account and date."""
    curve: Sequence[TtlPoint] = ()
    """Other TTLs, shortest first; empty where none were asked for."""
    suppressed: Sequence[model.Suppressed] | None = None
    """Findings that the baseline accepts; None where there is no baseline."""
    page_images: PageImages | None = None
    """What pages loaded; None where no browser's log tells of any image."""
    all_findings: bool = True
    """Whether the report in text names all of them."""

    @cached_property
    def report(self) -> Report:
        """All of it as data, JSON v2."""
        return _report(self)


def _projection(bill: Bill) -> Fraction | None:
    """Credits at the end of the running cycle if it goes on as it went; None where the newest cycle is over."""
    if not bill.uses or bill.uses[-1].complete:
        return None
    use, payer = bill.uses[-1], bill.payer
    elapsed = payer.covered_us[0]
    if elapsed < ENOUGH_US:
        return None
    return use.credits + use.credits * Fraction(use.cycle.end_us - payer.last_us, elapsed)


def hit_rates(days: Iterable[Day]) -> dict[date, float]:
    """The share of hits among the requests of each day that has some, over all accounts, oldest first."""
    hits, requests = Counter[date](), Counter[date]()
    for day in days:
        hits[day.date] += day.requests[Outcome.HIT]
        requests[day.date] += sum(day.requests.values())
    return {day: hits[day] / requests[day] for day in sorted(requests) if requests[day]}


@dataclass(slots=True)
class TemplateUse:
    """What one template and environment used in one cycle."""

    template: str
    environment: str
    credits: Fraction = Fraction(0)
    renders: int = 0
    wasted: Mapping[Cause, Fraction] = field(default_factory=dict)


def templates(result: Result) -> Mapping[tuple[int, int], Sequence[TemplateUse]]:
    """(place of an account, of its cycle) -> the use of each template that rendered or was billed."""
    facts, waste = result.case.facts, result.case.replayed.waste.units
    found: dict[tuple[int, int, int], TemplateUse] = {}
    for row in sorted(facts.usage, key=lambda row: row.unit):
        if row.credits or row.outcome == Outcome.RENDER:
            unit, wasted = facts.units[row.unit], waste.get(row.unit, {})
            own = {why: amount for (cycle, why), amount in wasted.items() if cycle == row.cycle}
            use = TemplateUse(unit.template, unit.environment, wasted=own)
            use = found.setdefault((unit.payer, row.cycle, row.unit), use)
            use.credits += row.credits
            use.renders += row.events if row.outcome == Outcome.RENDER else 0
    by_cycle: dict[tuple[int, int], list[TemplateUse]] = defaultdict(list)
    for (payer, cycle, _), use in found.items():
        by_cycle[payer, cycle].append(use)
    return by_cycle


def document(result: Result) -> dict[str, Json]:
    """The report as plain data."""
    return written(result.report)


def _report(result: Result) -> Report:
    case, parts = result.case, Parts(result.headlines)
    waste, unknown, prices = case.replayed.waste, case.replayed.unknown, case.facts.settings.prices
    return Report(
        schema="render-auditor/report/v2",
        tool_version=__version__,
        generated_at=result.generated_at,
        window=Window(*(case.facts.window or (None, None))),
        options=_options(result.options),
        headline=tuple(headline_of(each) for each in result.headlines),
        inputs=result.inputs,
        totals=_totals(case),
        waste=Waste(**{cause.value: waste.total(cause) for cause in Cause}, total=waste.total()),
        unknown=Unknown(unknown.renders, unknown.credits, dict(unknown.reasons)),
        bridge=bridge_of(case, result.inputs),
        page_images=result.page_images or UNSET,
        accounts=tuple(_account(bill, parts.accounts.get(bill.payer.code)) for bill in case.bills),
        findings=tuple(_finding(finding, parts, case) for finding in result.findings),
        suppressed=UNSET if result.suppressed is None else tuple(_suppressed(one) for one in result.suppressed),
        bytes_priced=None not in (prices.egress_per_gb, prices.storage_per_gb_month),
    )


def _options(options: Choices) -> Options:
    return convert({**options, "ttl_seconds": Fraction(str(options["ttl_seconds"]))}, Options)


def _totals(case: Case) -> Totals:
    usage = case.facts.usage

    def count(outcome: Outcome, column: str = "events", retried: bool = False) -> int:
        return sum(getattr(row, column) for row in usage if row.outcome == outcome and row.retried == retried)

    hits = count(Outcome.HIT, "requests")
    misses = sum(count(outcome) for outcome in (Outcome.COALESCED, Outcome.RENDER, Outcome.ERROR, Outcome.REFUSED))
    unresolved = count(Outcome.ATTEMPT)
    return Totals(
        requests=hits + misses,
        hits=hits,
        misses=misses,
        coalesced=count(Outcome.COALESCED),
        renders=count(Outcome.RENDER),
        errors=count(Outcome.ERROR),
        refused=count(Outcome.REFUSED),
        retries=count(Outcome.ERROR, retried=True),
        unresolved=unresolved,
        credits=case.credits,
        credits_uncertain=sum(row.unknown for row in usage) + unresolved,
        bytes=case.facts.delivered_bytes,
        hit_ratio=ratio(hits, hits + misses),
    )


def _account(bill: Bill, month: headline.AccountMonth | None) -> Account:
    payer, after = bill.payer, bill.after_fixes
    return Account(
        provider=payer.provider,
        account=payer.account,
        plan=payer.plan.name if payer.plan else None,
        currency=bill.currency,
        cycles=tuple(_cycle(bill, use, terms) for use, terms in zip(bill.uses, bill.terms, strict=True)),
        recommended_plan=bill.recommended.name if bill.recommended else None,
        recommended_after_fixes=after.recommended.name if after.recommended else None,
        fixes_known=bill.fixes_known,
        projected=bill.projected,
        advice=bill.unadvised,
        covered_seconds=payer.covered_us[0] // 10**6 if bill.unadvised is Unadvised.TOO_LITTLE_DATA else UNSET,
        gaps=gaps_of(bill),
        monthly_saving=None if month is None else month.now - month.today,
        monthly_saving_after_fixes=None if month is None else month.now - month.after_fixes,
        timezone=str(payer.settings.timezone),
        last=moment(payer.last_us),
        unpriced=bill.unpriced,
        projection=_projection(bill),
    )


def gaps_of(bill: Bill) -> tuple[Gap, ...]:
    """The cycles without an event that are not listed."""
    return tuple(Gap(use.gap.start, use.gap.end, use.gap.cycles, use.bill) for use in bill.gaps)


def _cycle(bill: Bill, use: CycleUse, terms: Terms) -> Cycle:
    plan, amount, balance = use.plan, use.bill, use.balance
    # What a cycle that the log does not cover cost in the end is unknown.
    unused = balance.ended if plan and use.complete else None
    best = cheapest(bill.payer.plans, [(use.credits, use.credits)]) if use.complete else None
    return Cycle(
        start=use.cycle.start,
        end=use.cycle.end,
        complete=use.complete,
        credits=use.credits,
        demand=use.demand,
        included=balance.available if plan else None,
        utilisation=ratio(use.credits, balance.available) if plan else None,
        bill=amount,
        price_per_render=amount / use.renders if amount is not None and use.renders else None,
        unused_credits=unused,
        unused_value=plan.monthly * unused / Fraction(plan.included)
        if plan and unused is not None and plan.included
        else None,
        cheapest_plan=best.name if best else None,
        cheapest_bill=best.bill(use.credits) if best else None,
        known=use.known,
        terms=plan,
        paid=Paid(balance.included, balance.bought, balance.beyond, terms.topups, terms.bill(balance)),
    )


def _finding(finding: model.Finding, parts: Parts, case: Case) -> Finding:
    return Finding(
        rule=finding.rule,
        severity=finding.severity,
        confidence=finding.confidence,
        subject=dict(finding.subject),
        credits=finding.credits,
        bytes=finding.bytes,
        money=_money(finding, parts, case),
        message=finding.message,
        advice=finding.advice,
        snippet=UNSET if finding.snippet is None else Snippet(*finding.snippet),
        evidence=plain(finding.evidence),
    )


def _money(finding: model.Finding, parts: Parts, case: Case) -> Money:
    found = finding.money
    if found is not None:
        return Money(now=found.now, after_plan_change=found.after_plan_change, currency=found.currency)
    currency = None if finding.payer is None else case.bills[finding.payer].currency
    return Money(action=parts.action(finding), saves_alone=parts.alone(finding), currency=currency)


def _suppressed(one: model.Suppressed) -> Suppressed:
    finding, accepted = one.finding, one.accepted
    return Suppressed(
        rule=finding.rule,
        severity=finding.severity,
        subject=dict(finding.subject),
        credits=finding.credits,
        bytes=finding.bytes,
        message=finding.message,
        reason=accepted.reason,
        until=accepted.until,
    )
