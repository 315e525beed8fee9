"""FOCUS 1.2 cost and usage as CSV, the rows of the spec's appendix on virtual currency, with credits as the currency.

A billing cycle of an account is one purchase, the fee of the plan that was in force; one more for top-ups and one for
credits beyond them; and for each template and environment a usage charge of 0 that was paid for with credits.
`EffectiveCost` spreads the cycle's bill over the credits that it brought, or over those that were used where these are
more. What the spec has no column for begins with `x_`: credits not used, wasted, or perhaps billed.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TextIO

from auditor.analysis.bills import Bill
from auditor.analysis.terms import CycleUse, Terms
from auditor.model.errors import ConfigError
from auditor.model.events import Outcome
from auditor.model.numbers import number
from auditor.model.plans import Plan
from auditor.model.waste import Cause
from auditor.reports.csv import own, write
from auditor.results.audit import Result

CREDITS = "Credits"
PLACES = 12
"""Decimals of prices and quantities; a cost is their product, so it may have twice as many."""

COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountStatus", "ConsumedQuantity", "ConsumedUnit",
    "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "Tags", "x_CycleComplete",
    "x_CreditsIncluded", "x_CreditsUnused", "x_UnusedCost", "x_CreditsUncertain", "x_CreditsWasted",
    *(f"x_CreditsWasted{cause.value.title()}" for cause in Cause),
)  # fmt: skip

Row = dict[str, str | None]


class Focus:
    """`--format focus`."""

    name = "focus"
    suffix, media_type = "focus.csv", "text/csv"
    draws_curve = False

    def write(self, result: Result, out: TextIO) -> None:
        """Write the table. Raises `ConfigError` for an account without a plan, since a cost must not be guessed."""
        missing = sorted({bill.payer.account for bill in result.case.bills for use in bill.uses if use.plan is None})
        if missing:
            raise ConfigError(
                f"FOCUS needs what each account pays, and {', '.join(missing)} has no plan; "
                f'name it in auditor.toml: [accounts.{missing[0]}] provider = "…", plan = "…"'
            )
        write(out, COLUMNS, ([row.get(name) for name in COLUMNS] for row in _rows(result)))


def _rows(result: Result) -> Iterator[Row]:
    usage, waste = _usage(result), result.case.replayed.waste
    for bill in result.case.bills:
        for index, (use, terms) in enumerate(zip(bill.uses, bill.terms, strict=True)):
            plan = use.plan
            assert plan is not None
            shared, price = _shared(bill, plan, use), unit_price(plan, terms, use)
            yield shared | _fee(plan, use, price)
            if use.balance.bought:
                yield shared | _topups(plan, terms, use)
            if use.balance.beyond and plan.overage is not None:
                yield shared | _overage(plan, use.balance.beyond)
            for unit, used in usage[bill.payer.code, index].items():
                booked = {why: amount for (at, why), amount in waste.units.get(unit, {}).items() if at == index}
                yield shared | _priced(used, result.case.facts.units[unit].names, booked, plan, price)


def unit_price(plan: Plan, terms: Terms, use: CycleUse) -> Fraction:
    """What one credit of a cycle costs: its bill over what it brought, or used if that is more. 0 for a free plan."""
    # Over a hard cap there is no bill, but what was paid for the plan and its top-ups is known.
    charged = terms.bill(use.balance)
    amount = plan.monthly + terms.topups if charged is None else charged
    most = max(_brought(use), use.credits)
    return _rounded(amount / most) if most else Fraction(0)


def _brought(use: CycleUse) -> Fraction:
    """Credits that were paid for in this cycle; carried ones were paid for in an earlier one."""
    return use.balance.included + use.balance.bought


def _rounded(value: Fraction) -> Fraction:
    return Fraction(round(value * 10**PLACES), 10**PLACES)


def _text(value: Decimal | Fraction | int) -> str | None:
    """A figure in full: no exponent, no needless zero, and always a point, so that its type is decimal."""
    digits = f"{round(Fraction(value) * 10 ** (2 * PLACES)):0{2 * PLACES + 1}d}"
    return own(f"{digits[: -2 * PLACES]}.{digits[-2 * PLACES :].rstrip('0') or '0'}")


def _utc(moment: datetime) -> str | None:
    return own(f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _shared(bill: Bill, plan: Plan, use: CycleUse) -> Row:
    payer = bill.payer
    start, end = _utc(use.cycle.start), _utc(use.cycle.end)
    return {
        "BillingAccountId": payer.account, "BillingAccountName": payer.account, "BillingCurrency": plan.currency,
        "BillingPeriodStart": start, "BillingPeriodEnd": end, "ChargePeriodStart": start, "ChargePeriodEnd": end,
        "InvoiceIssuerName": payer.provider, "ProviderName": payer.provider, "PublisherName": payer.provider,
        "PricingCategory": own("Standard"), "ServiceCategory": own("Media"),
        "ServiceSubcategory": own("Content Creation"), "ServiceName": f"{payer.provider} image rendering",
        "x_CycleComplete": own(use.complete),
    }  # fmt: skip


def _purchase(price: Decimal | Fraction, quantity: Fraction, unit: str, currency: str) -> Row:
    """A purchase that covers usage: its effective cost is 0, since the usage carries it."""
    cost = Fraction(price) * quantity
    return {
        "ChargeCategory": own("Purchase"), "BilledCost": _text(cost), "ListCost": _text(cost),
        "ContractedCost": _text(cost), "EffectiveCost": _text(0), "ListUnitPrice": _text(price),
        "ContractedUnitPrice": _text(price), "PricingQuantity": _text(quantity), "PricingUnit": own(unit),
        "PricingCurrency": currency, "PricingCurrencyListUnitPrice": _text(price),
        "PricingCurrencyContractedUnitPrice": _text(price), "PricingCurrencyEffectiveCost": _text(0),
    }  # fmt: skip


def _fee(plan: Plan, use: CycleUse, price: Fraction) -> Row:
    unused = max(Fraction(0), _brought(use) - use.credits)
    return _purchase(_rounded(plan.monthly), Fraction(1), "Months", plan.currency) | {
        "ChargeFrequency": own("Recurring"), "ChargeDescription": f"Plan {plan.name}, {plan.included:f} credits",
        "SkuId": plan.name, "SkuPriceId": f"{plan.name}-month", "SkuMeter": own("Subscription"),
        "x_CreditsIncluded": _text(plan.included), "x_CreditsUnused": _text(unused),
        "x_UnusedCost": _text(unused * price), "x_CreditsUncertain": _text(use.demand - use.credits),
    }  # fmt: skip


def _topups(plan: Plan, terms: Terms, use: CycleUse) -> Row:
    """The top-ups of a cycle as one purchase: packs have prices of their own, not one a credit."""
    return _purchase(terms.topups, Fraction(1), "Purchases", plan.currency) | {
        "ChargeFrequency": own("One-Time"), "ChargeDescription": f"{number(use.balance.bought)} credits bought",
        "SkuId": own("TopUp"), "SkuPriceId": own("TopUp"), "SkuMeter": own(CREDITS),
    }  # fmt: skip


def _overage(plan: Plan, beyond: Fraction) -> Row:
    return _purchase(plan.overage or Decimal(0), _rounded(beyond), CREDITS, plan.currency) | {
        "ChargeFrequency": own("One-Time"), "ChargeDescription": f"Credits beyond plan {plan.name}",
        "SkuId": plan.name, "SkuPriceId": f"{plan.name}-overage", "SkuMeter": own(CREDITS),
    }  # fmt: skip


@dataclass(slots=True)
class TemplateUse:
    """What one template and environment used in one cycle."""

    credits: Fraction = Fraction(0)
    renders: int = 0


def _usage(result: Result) -> dict[tuple[int, int], dict[int, TemplateUse]]:
    """(payer, cycle) -> unit -> its use, for units that rendered or were billed."""
    facts = result.case.facts
    found: dict[tuple[int, int], dict[int, TemplateUse]] = defaultdict(dict)
    for row in sorted(facts.usage, key=lambda row: row.unit):
        if row.credits or row.outcome == Outcome.RENDER:
            use = found[facts.units[row.unit].payer, row.cycle].setdefault(row.unit, TemplateUse())
            use.credits += row.credits
            use.renders += row.events if row.outcome == Outcome.RENDER else 0
    return found


def _priced(
    use: TemplateUse, names: Mapping[str, str], booked: Mapping[Cause, Fraction], plan: Plan, price: Fraction
) -> Row:
    quantity = _rounded(use.credits)
    cost = _text(price * quantity)
    return {
        "ChargeCategory": own("Usage"), "ChargeFrequency": own("Usage-Based"), "BilledCost": _text(0),
        "ChargeDescription": f"Renders of {names['template']}", "ListCost": cost, "ContractedCost": cost,
        "EffectiveCost": cost, "ListUnitPrice": _text(price), "ContractedUnitPrice": _text(price),
        "PricingQuantity": _text(quantity), "PricingUnit": own(CREDITS), "PricingCurrency": own(CREDITS),
        "PricingCurrencyListUnitPrice": _text(1), "PricingCurrencyContractedUnitPrice": _text(1),
        "PricingCurrencyEffectiveCost": _text(quantity), "ConsumedQuantity": _text(use.renders),
        "ConsumedUnit": own("Renders"), "ResourceId": names["template"], "ResourceName": names["template"],
        "ResourceType": own("Template"), "SkuId": own("Render"), "SkuPriceId": f"{plan.name}-render",
        "SkuMeter": own("Renders"), "Tags": json.dumps({"environment": names["environment"]}, ensure_ascii=False),
        "x_CreditsWasted": _text(sum(booked.values(), Fraction(0))),
        **{f"x_CreditsWasted{cause.value.title()}": _text(booked.get(cause, Fraction(0))) for cause in Cause},
    }  # fmt: skip
