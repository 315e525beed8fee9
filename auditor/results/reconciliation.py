"""The invoice held against the count."""

from datetime import date
from fractions import Fraction

from msgspec import Struct, field

from auditor.planning.reconcile import Reconciliation
from auditor.results.document import Amount, Day, Time
from auditor.results.header import Document, Edges


class ReconciledCycle(Edges, frozen=True):
    """The cycle of the invoice."""

    complete: bool


class Uncertain(Struct, frozen=True):
    """Calls of which it is not known whether they were billed."""

    calls: int
    most_credits_each: int
    of: dict[str, int]
    """What they are -> calls."""

    @property
    def most(self) -> int:
        """Credits that they can have cost together."""
        return self.calls * self.most_credits_each


class AgreesWith(Struct, frozen=True):
    """Other edges of the cycle, with which the count would agree."""

    anchor_day: int
    timezone: str
    start: Time
    end: Time
    counted: Fraction


class Reconciled(Document, frozen=True, kw_only=True):
    """One invoice and one cycle."""

    SCHEMA = "render-auditor/reconciliation/v1"

    provider: str
    account: str
    cycle: ReconciledCycle
    invoice: Fraction
    counted: Fraction
    difference: Fraction
    agrees: bool
    unexplained: Fraction
    uncertain: Uncertain
    silent_days: tuple[Day, ...]
    silent_days_usual_credits: int
    rejected_lines: int
    agrees_with: tuple[AgreesWith, ...]
    bill_of_count: Amount | None
    bill_of_invoice: Amount | None
    currency: str | None
    plan: str | None = field(name="_plan")
    days: tuple[date, date] = field(name="_days")
    """The edges of the cycle, where the account is."""
    timezone: str = field(name="_timezone")


def reconciled(found: Reconciliation) -> Reconciled:
    """The result of one reconciliation."""
    payer, use = found.bill.payer, found.use
    return Reconciled(
        provider=payer.provider,
        account=payer.account,
        cycle=ReconciledCycle(use.cycle.start, use.cycle.end, use.complete),
        invoice=found.invoice,
        counted=found.counted,
        difference=found.difference,
        agrees=found.agrees,
        unexplained=found.unexplained,
        uncertain=Uncertain(found.uncertain_calls, found.most, dict(found.uncertain)),
        silent_days=found.silent,
        silent_days_usual_credits=round(found.silent_credits),
        rejected_lines=found.rejected,
        agrees_with=tuple(
            AgreesWith(each.anchor_day, each.timezone, each.cycle.start, each.cycle.end, each.credits)
            for each in found.elsewhere
        ),
        bill_of_count=_bill_of(found, found.counted),
        bill_of_invoice=_bill_of(found, found.invoice),
        currency=use.plan.currency if use.plan else None,
        plan=use.plan.name if use.plan else None,
        days=(payer.settings.day(use.cycle.start), payer.settings.day(use.cycle.end)),
        timezone=str(payer.settings.timezone),
    )


def _bill_of(found: Reconciliation, credits: Fraction) -> Fraction | None:
    """The bill of the cycle, had it used so many credits."""
    used = [credits if use is found.use else use.credits for use in found.bill.uses]
    terms, balance = found.bill.balances(used)[found.bill.uses.index(found.use)]
    return terms.bill(balance)
