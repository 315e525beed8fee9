"""FOCUS 1.2 cost and usage as CSV, the rows of the spec's appendix on virtual currency, with credits as the currency.

A billing cycle of an account is one purchase, the fee of the plan that was in force; one more for top-ups and one for
credits beyond them; and for each template and environment a usage charge of 0 that was paid for with credits.
`EffectiveCost` spreads the cycle's bill over the credits that it brought, or over those that were used where these are
more. What the spec has no column for begins with `x_`: credits not used, wasted, or perhaps billed.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from auditor.model.errors import ConfigError
from auditor.model.numbers import number
from auditor.model.plans import Plan
from auditor.model.waste import Cause
from auditor.reports.shared.sheet import Sheet, own
from auditor.results.audit import Result, TemplateUse, templates
from auditor.results.report import Account, Cycle

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


class Focus(Sheet):
    """`--format focus`."""

    name, suffix = "focus", "focus.csv"

    def rows(self, result: Result) -> Iterator[Sequence[str | None]]:
        """What the spec asks for. Raises `ConfigError` for an account without a plan: a cost must not be guessed."""
        accounts = result.report.accounts
        missing = sorted({each.account for each in accounts for cycle in each.cycles if cycle.terms is None})
        if missing:
            raise ConfigError(
                f"FOCUS needs what each account pays, and {', '.join(missing)} has no plan; "
                f'name it in auditor.toml: [accounts.{missing[0]}] provider = "…", plan = "…"'
            )
        yield COLUMNS
        used = templates(result)
        for place, account in enumerate(accounts):
            for index, cycle in enumerate(account.cycles):
                plan = cycle.terms
                assert plan is not None
                shared, price = _shared(account, plan, cycle), unit_price(plan, cycle)
                charges = [_fee(plan, cycle, price)]
                if cycle.paid.bought:
                    charges.append(_topups(plan, cycle))
                if cycle.paid.beyond and plan.overage is not None:
                    charges.append(_overage(plan, cycle.paid.beyond))
                charges += [_priced(use, plan, price) for use in used.get((place, index), ())]
                for charge in charges:
                    row = shared | charge
                    yield [row.get(name) for name in COLUMNS]


def unit_price(plan: Plan, cycle: Cycle) -> Fraction:
    """What one credit of a cycle costs: its bill over what it brought, or used if that is more. 0 for a free plan."""
    # Over a hard cap there is no bill, but what was paid for the plan and its top-ups is known.
    amount = plan.monthly + cycle.paid.topups if cycle.paid.charged is None else cycle.paid.charged
    most = max(_brought(cycle), cycle.credits)
    return _rounded(amount / most) if most else Fraction(0)


def _brought(cycle: Cycle) -> Fraction:
    """Credits that were paid for in this cycle; carried ones were paid for in an earlier one."""
    return cycle.paid.included + cycle.paid.bought


def _rounded(value: Fraction) -> Fraction:
    return Fraction(round(value * 10**PLACES), 10**PLACES)


def _text(value: Decimal | Fraction | int) -> str | None:
    """A figure in full: no exponent, no trailing zero, and always a point, so that its type is decimal."""
    digits = f"{round(Fraction(value) * 10 ** (2 * PLACES)):0{2 * PLACES + 1}d}"
    return own(f"{digits[: -2 * PLACES]}.{digits[-2 * PLACES :].rstrip('0') or '0'}")


def _utc(moment: datetime) -> str | None:
    return own(f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _shared(account: Account, plan: Plan, cycle: Cycle) -> Row:
    start, end = _utc(cycle.start), _utc(cycle.end)
    return {
        "BillingAccountId": account.account, "BillingAccountName": account.account, "BillingCurrency": plan.currency,
        "BillingPeriodStart": start, "BillingPeriodEnd": end, "ChargePeriodStart": start, "ChargePeriodEnd": end,
        "InvoiceIssuerName": account.provider, "ProviderName": account.provider, "PublisherName": account.provider,
        "PricingCategory": own("Standard"), "ServiceCategory": own("Media"),
        "ServiceSubcategory": own("Content Creation"), "ServiceName": f"{account.provider} image rendering",
        "x_CycleComplete": own(cycle.complete),
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


def _fee(plan: Plan, cycle: Cycle, price: Fraction) -> Row:
    unused = max(Fraction(0), _brought(cycle) - cycle.credits)
    return _purchase(_rounded(plan.monthly), Fraction(1), "Months", plan.currency) | {
        "ChargeFrequency": own("Recurring"), "ChargeDescription": f"Plan {plan.name}, {plan.included:f} credits",
        "SkuId": plan.name, "SkuPriceId": f"{plan.name}-month", "SkuMeter": own("Subscription"),
        "x_CreditsIncluded": _text(plan.included), "x_CreditsUnused": _text(unused),
        "x_UnusedCost": _text(unused * price), "x_CreditsUncertain": _text(cycle.demand - cycle.credits),
    }  # fmt: skip


def _topups(plan: Plan, cycle: Cycle) -> Row:
    """The top-ups of a cycle as one purchase: packs have prices of their own, not one a credit."""
    return _purchase(cycle.paid.topups, Fraction(1), "Purchases", plan.currency) | {
        "ChargeFrequency": own("One-Time"), "ChargeDescription": f"{number(cycle.paid.bought)} credits bought",
        "SkuId": own("TopUp"), "SkuPriceId": own("TopUp"), "SkuMeter": own(CREDITS),
    }  # fmt: skip


def _overage(plan: Plan, beyond: Fraction) -> Row:
    return _purchase(plan.overage or Decimal(0), _rounded(beyond), CREDITS, plan.currency) | {
        "ChargeFrequency": own("One-Time"), "ChargeDescription": f"Credits beyond plan {plan.name}",
        "SkuId": plan.name, "SkuPriceId": f"{plan.name}-overage", "SkuMeter": own(CREDITS),
    }  # fmt: skip


def _priced(use: TemplateUse, plan: Plan, price: Fraction) -> Row:
    quantity = _rounded(use.credits)
    cost = _text(price * quantity)
    return {
        "ChargeCategory": own("Usage"), "ChargeFrequency": own("Usage-Based"), "BilledCost": _text(0),
        "ChargeDescription": f"Renders of {use.template}", "ListCost": cost, "ContractedCost": cost,
        "EffectiveCost": cost, "ListUnitPrice": _text(price), "ContractedUnitPrice": _text(price),
        "PricingQuantity": _text(quantity), "PricingUnit": own(CREDITS), "PricingCurrency": own(CREDITS),
        "PricingCurrencyListUnitPrice": _text(1), "PricingCurrencyContractedUnitPrice": _text(1),
        "PricingCurrencyEffectiveCost": _text(quantity), "ConsumedQuantity": _text(use.renders),
        "ConsumedUnit": own("Renders"), "ResourceId": use.template, "ResourceName": use.template,
        "ResourceType": own("Template"), "SkuId": own("Render"), "SkuPriceId": f"{plan.name}-render",
        "SkuMeter": own("Renders"), "Tags": json.dumps({"environment": use.environment}, ensure_ascii=False),
        "x_CreditsWasted": _text(sum(use.wasted.values(), Fraction(0))),
        **{f"x_CreditsWasted{cause.value.title()}": _text(use.wasted.get(cause, Fraction(0))) for cause in Cause},
    }  # fmt: skip
