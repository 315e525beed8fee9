"""The demand of the past under other caches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from msgspec import Struct, field

from auditor.model.numbers import ratio
from auditor.model.plans import cents
from auditor.results.ahead import Ahead, ahead
from auditor.results.document import Amount, Count, Credits, Share
from auditor.results.header import Run
from auditor.results.inputs import Inputs
from auditor.results.report import Window
from auditor.simulation import rows
from auditor.simulation.batch import Batch


class AccountBill(Struct, frozen=True):
    """What one account would have paid over the cycles of the window."""

    provider: str
    account: str
    credits: Credits | None
    currency: str | None
    plan: str | None
    bill: Amount | None
    cheapest_plan: str | None
    cheapest_bill: Amount | None
    cycles: int = field(name="_cycles")
    """Complete ones: only these have bills."""
    priced: bool = field(name="_priced")
    """Whether any plan of the provider is known."""
    cheapest_currency: str | None = field(name="_cheapest_currency")


class Figures(Struct, frozen=True):
    """What became of the demand."""

    renders: Count
    hits: Count
    coalesced: Count
    served_ratio: Share | None
    miss_ratio: Share | None
    byte_miss_ratio: Share | None
    credits: Credits | None
    """Known credits; null where no render says what it cost."""
    stale_served: Count
    bill: tuple[AccountBill, ...]
    missed: Fraction | None = field(name="_missed")
    """The share of requests that were rendered, exactly; None without requests."""
    total: str = field(name="_total")
    """The bills of all accounts, in words."""
    cheapest_total: str = field(name="_cheapest_total")


class Logged(Figures, frozen=True):
    """What the log says really happened."""

    credits_uncertain: Count
    """Events whose credits are unknown: they are in no sum."""


class Setting(Struct, frozen=True):
    """One cache; no time-to-live is for ever."""

    ttl_seconds: Credits | None
    coalescing: bool
    capacity_entries: Count | None
    capacity_bytes: Count | None

    @property
    def ttl_us(self) -> int | None:
        """The time-to-live in microseconds."""
        return None if self.ttl_seconds is None else int(self.ttl_seconds * 10**6)

    @property
    def bounded(self) -> bool:
        """Whether the cache is LRU."""
        return self.capacity_entries is not None or self.capacity_bytes is not None


class TemplateRow(Setting, frozen=True):
    """One setting, and what it would have made of the demand of a template."""

    renders: Count
    hits: Count
    coalesced: Count
    served_ratio: Share | None
    miss_ratio: Share | None
    byte_miss_ratio: Share | None
    credits: Credits | None
    stale_served: Count


class Row(TemplateRow, frozen=True):
    """One setting, and what it would have brought."""

    bill: tuple[AccountBill, ...]
    missed: Fraction | None = field(name="_missed")
    total: str = field(name="_total")
    cheapest_total: str = field(name="_cheapest_total")
    best: bool = field(name="_best")


class Chosen(Setting, frozen=True):
    """A setting that is worth it."""

    renders: Count
    credits: Credits
    stale_served: Count


class Knee(Struct, frozen=True):
    """The smallest TTL within the log's span whose renders are at most 1.05 x the fewest of these."""

    ttl_seconds: Credits
    renders: Count
    setting: Setting = field(name="_setting")


class TemplateBest(Struct, frozen=True):
    """The demand of one template under every setting, and the best of them."""

    provider: str
    account: str
    template: str
    demand: Count
    recommendation: Chosen
    rows: tuple[TemplateRow, ...]


class Simulated(Run, frozen=True, kw_only=True):
    """One run of `auditor simulate`."""

    SCHEMA = "render-auditor/simulation/v1"

    demand: Count
    demand_bytes: Count
    logged: Logged
    rows: tuple[Row, ...]
    recommendation: Chosen | None
    """The knee, where it renders less than was rendered in the log."""
    knee: Knee | None
    fewest_credits: Chosen | None
    templates: tuple[TemplateBest, ...]
    each_template_its_own: Figures | None
    batch: Ahead | None
    stale_known: bool = field(name="_stale_known")
    """Whether any hit of the log says which picture it showed."""


def simulated(
    found: rows.Simulation,
    inputs: Inputs,
    window: tuple[datetime, datetime] | None,
    options: Mapping[str, str | float | list[str] | None],
    generated_at: datetime,
    batch: Batch | None,
) -> Simulated:
    """The result of one simulation; *batch* where it was asked for."""
    logged, each_best = found.logged, found.each_best
    return Simulated(
        generated_at=generated_at,
        window=Window(*window or (None, None)),
        options=dict(options),
        inputs=inputs,
        demand=logged.outcome.requests,
        demand_bytes=logged.outcome.bytes,
        logged=Logged(*(*_figures(logged.outcome), *_bills(logged), logged.outcome.uncertain)),
        rows=tuple(
            Row(*(*_setting(row.setting), *_figures(row.outcome), *_bills(row), row is found.best))
            for row in found.rows
        ),
        recommendation=_chosen(found.best) if found.best else None,
        knee=_knee(found.knee) if found.knee else None,
        fewest_credits=_chosen(found.fewest) if found.fewest else None,
        templates=tuple(_template(each) for each in found.templates),
        each_template_its_own=Figures(*(*_figures(each_best.outcome), *_bills(each_best))) if each_best else None,
        batch=ahead(batch) if batch else None,
        stale_known=found.stale_known,
    )


def _setting(of: rows.Setting) -> tuple[Fraction | None, bool, int | None, int | None]:
    return None if of.ttl_us is None else Fraction(of.ttl_us, 10**6), of.coalescing, of.entries, of.bytes


def _figures(
    of: rows.DemandOutcome,
) -> tuple[int, int, int, float | None, float | None, float | None, Fraction | None, int]:
    served = of.hits + of.coalesced
    return (
        of.renders, of.hits, of.coalesced, ratio(served, of.requests), ratio(of.renders, of.requests),
        ratio(of.missed_bytes, of.bytes), of.credits if of.known else None, of.stale,
    )  # fmt: skip


def _bills(row: rows.Row) -> tuple[tuple[AccountBill, ...], Fraction | None, str, str]:
    """Each account's bill, the share that was missed, and the bills' totals."""
    missed = Fraction(row.outcome.renders, row.outcome.requests) if row.outcome.requests else None
    bills = tuple(_bill(bill) for bill in row.bills)
    return bills, missed, _total(row.bills, "bill"), _total(row.bills, "cheapest_bill")


def _bill(of: rows.SimulatedBill) -> AccountBill:
    plan, cheapest = of.payer.plan, of.cheapest
    currency = next((known.currency for known in (plan, cheapest) if known is not None), None)
    return AccountBill(
        of.payer.provider, of.payer.account, of.credits, currency, plan.name if plan else None, of.bill,
        cheapest.name if cheapest else None, of.cheapest_bill, of.cycles, bool(of.payer.plans),
        cheapest.currency if cheapest else None,
    )  # fmt: skip


def _total(bills: Sequence[rows.SimulatedBill], name: str) -> str:
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


def _chosen(row: rows.Row) -> Chosen:
    return Chosen(*_setting(row.setting), row.outcome.renders, row.outcome.credits, row.outcome.stale)


def _knee(row: rows.Row) -> Knee:
    setting = Setting(*_setting(row.setting))
    return Knee(setting.ttl_seconds or Fraction(0), row.outcome.renders, setting)


def _template(each: rows.Template) -> TemplateBest:
    return TemplateBest(
        each.payer.provider, each.payer.account, each.template, each.best.outcome.requests, _chosen(each.best),
        tuple(TemplateRow(*(*_setting(row.setting), *_figures(row.outcome))) for row in each.rows),
    )  # fmt: skip
