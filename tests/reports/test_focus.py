"""The FOCUS export keeps the documented rules of its columns, and its sums are those of the bills."""

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.model.errors import ConfigError
from auditor.model.waste import Cause
from auditor.results.audit import Result
from tests.conftest import ROOT, event, lines
from tests.reports.conftest import written
from tests.reports.corpus import result_of

MONEY = ("BilledCost", "ListCost", "ContractedCost", "EffectiveCost", "ListUnitPrice", "ContractedUnitPrice")
NEEDED = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory",
    "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "PricingQuantity", "PricingUnit", "SkuId",
    "SkuPriceId", "ListUnitPrice", "PricingCategory", "PricingCurrency",
)  # fmt: skip
PLANS = {
    "beyond": {"price": "10", "included": 3, "overage": "0.10"},
    "thirds": {"price": "10", "included": 7},
    "free": {"price": "0", "included": 100},
    "burst": {"price": "5", "included": 2},
}


def rows(result: Result) -> list[dict[str, str]]:
    """The table by its head."""
    return list(csv.DictReader(io.StringIO(written(result, "focus"), newline="")))


@pytest.fixture(params=["samples", *PLANS])
def result(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Result]:
    """The samples, and five renders on plans with overage, odd unit prices, no price, and too small a cap."""
    if request.param == "samples":
        yield request.getfixturevalue("samples")
        return
    log = [event(str(n), f"2026-09-0{n}T08:00:00Z", template=f"t{n % 2}", key=str(n), credits=c)
           for n, c in enumerate([1, 1, 1, 1, 1.5], 1)]  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(lines(log))
    plan = request.param
    yield result_of(
        tmp_path,
        {"accounts": {"main": {"provider": "imejis", "plan": plan}}, "plans": {"imejis": {plan: PLANS[plan]}}},
        "x",
    )


def test_columns_keep_the_rules_of_the_specification(result: Result) -> None:
    """Nulls, allowed values, products, formats: FOCUS 1.2, column by column."""
    for row in rows(result):
        usage = row["ChargeCategory"] == "Usage"
        assert all(row[name] for name in NEEDED)
        assert row["ChargeCategory"] in {"Usage", "Purchase"}
        assert (row["ChargeFrequency"] == "Usage-Based") == usage
        assert row["ChargeClass"] == ""
        assert all(re.fullmatch(r"\d+\.\d+", row[name]) for name in (*MONEY, "PricingQuantity"))
        for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
            assert Fraction(row[price]) * Fraction(row["PricingQuantity"]) == Fraction(row[cost])
        assert bool(row["ConsumedQuantity"]) == bool(row["ConsumedUnit"]) == usage
        assert Decimal(row["BilledCost" if usage else "EffectiveCost"]) == 0
        assert row["PricingCurrency"] == ("Credits" if usage else row["BillingCurrency"])
        if usage:
            assert row["PricingCurrencyEffectiveCost"] == row["PricingQuantity"]
            assert set(json.loads(row["Tags"])) == {"environment"}
        else:
            assert Decimal(row["PricingCurrencyEffectiveCost"]) == 0
        for start, end in (("BillingPeriodStart", "BillingPeriodEnd"), ("ChargePeriodStart", "ChargePeriodEnd")):
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[name]) for name in (start, end))
            assert row[start] < row[end]
        assert all(name.startswith("x_") or re.fullmatch(r"([A-Z][a-z]*)+", name) for name in row)


def test_sums_are_those_of_the_bills(result: Result) -> None:
    """Billed = the bills; credits and waste by account and cycle; effective + unused = billed, to the last decimal."""
    table = rows(result)
    for bill in result.case.bills:
        plan = bill.payer.plan
        assert plan is not None
        for use in bill.uses:
            start = f"{use.cycle.start:%Y-%m-%dT%H:%M:%SZ}"
            own = [r for r in table if (r["BillingAccountId"], r["BillingPeriodStart"]) == (bill.payer.account, start)]

            def total(name: str, own: Any = own) -> Fraction:
                return sum((Fraction(row[name]) for row in own if row[name]), Fraction(0))

            paid = plan.bill(use.credits)
            assert total("BilledCost") == (plan.price if paid is None else paid)
            used = [row for row in own if row["ChargeCategory"] == "Usage"]
            assert sum(Fraction(row["PricingQuantity"]) for row in used) == use.credits
            assert sum(Fraction(row["ConsumedQuantity"]) for row in used) == use.renders
            assert total("x_CreditsWasted") == use.wasted
            assert use.wasted == sum(total(f"x_CreditsWasted{cause.title()}") for cause in Cause)
            assert abs(total("EffectiveCost") + total("x_UnusedCost") - total("BilledCost")) < Fraction(1, 10**10)
            if plan.included:
                assert total("x_CreditsUnused") == max(Fraction(0), Fraction(plan.included) - use.credits)


def test_each_cycle_is_paid_as_it_was_billed(tmp_path: Path) -> None:
    """The plan that was in force, a twelfth of a yearly price, top-ups, and credits carried over: as the bills say."""
    log = [event(f"{month}-{n}", f"2026-0{month}-{n:02}T08:00:00Z", key=f"{month}-{n}")
           for month, count in ((4, 7), (5, 3), (6, 19), (7, 12)) for n in range(1, count + 1)]  # fmt: skip
    log.append(event("last", "2026-07-31T08:00:00Z", key="7-1", outcome="hit"))
    (tmp_path / "a.jsonl").write_bytes(lines(log))
    plans = {"S": {"price": "10", "included": 6, "overage": "0.20"},
             "Y": {"price": "100", "period": "year", "included": 10, "overage": "0.13"},
             "R": {"price": "30", "included": 12, "rollover": True}}  # fmt: skip
    account = {
        "provider": "imejis", "plan": "S",
        "plans": [{"plan": "Y", "since": date(2026, 6, 1)}, {"plan": "R", "since": date(2026, 7, 1)}],
        "topups": [{"date": date(2026, 5, 14), "credits": 2, "price": "7.50"}],
    }  # fmt: skip
    found = result_of(tmp_path, {"accounts": {"main": account}, "plans": {"imejis": plans}}, "x")
    table = rows(found)
    (bill,) = found.case.bills
    for use, expected in zip(bill.uses, (Fraction("10.2"), Fraction("17.5"), None, Fraction(30)), strict=True):
        own = [row for row in table if row["BillingPeriodStart"] == f"{use.cycle.start:%Y-%m-%dT%H:%M:%SZ}"]
        billed = sum(Fraction(row["BilledCost"]) for row in own)
        spread = sum(Fraction(row["EffectiveCost"]) + Fraction(row["x_UnusedCost"] or 0) for row in own)
        assert use.bill is not None
        assert expected in (None, use.bill)
        assert abs(billed - use.bill) < Fraction(1, 10**10)
        assert abs(spread - use.bill) < Fraction(1, 10**9)
    # 19 used of 10 included and 2 that were bought and left in May: 7 beyond.
    assert bill.uses[2].bill == Fraction(100, 12) + 7 * Fraction("0.13")


def test_a_cost_is_not_guessed(tmp_path: Path) -> None:
    """An account without a plan is named, with the cure."""
    (tmp_path / "a.jsonl").write_bytes(lines([event("a")]))
    with pytest.raises(ConfigError, match=r"main has no plan; name it in auditor.toml: \[accounts.main\]"):
        written(result_of(tmp_path, {}, "x"), "focus")


KNOWN = {
    "InvoiceId-C-005-C": "asks for an invoice's id without asking whether there is an invoice; none is known here",
    "PricingCurrency-C-003-M": "knows no virtual currency, though CurrencyFormat-A-002-C allows one",
    "PricingCurrency-C-000-C": "follows from it",
}
CRITERIA = (
    "VIRTUAL_CURRENCY_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,UNIT_PRICING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,"
    "TAGGING_SUPPORTED,NEGOTIATED_PRICING_SUPPORTED,PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED,"
    "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED,RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,"
    "MULTIPLE_PRICING_CATEGORIES_SUPPORTED"
)


@pytest.mark.skipif(not (ROOT / ".focus").is_dir(), reason="make focus installs FOCUS's own validator (Python 3.12)")
def test_the_validator_of_the_specification_agrees(samples: Result, tmp_path: Path) -> None:
    """All its rules hold but those that it judges wrongly."""
    table = tmp_path / "focus.csv"
    table.write_text(written(samples, "focus"), encoding="utf-8", newline="")
    program = ROOT / ".focus" / "bin" / "focus-validator"
    (home,) = (ROOT / ".focus").glob("lib/python3*/site-packages")
    done = subprocess.run(  # it finds its list of currencies only from its own folder
        [program, "--data-file", table, "--validate-version", "1.2.0.1", "--block-download",
         "--applicability-criteria", CRITERIA],
        capture_output=True, text=True, cwd=home, env={**os.environ, "PYTHONIOENCODING": "utf-8"}, check=False,
    )  # fmt: skip
    judged = dict(re.findall(r"^\S+ (\w+-[A-Z]-\d+-\w): (PASS|FAIL)", done.stdout, re.MULTILINE))
    assert sum(verdict == "PASS" for verdict in judged.values()) > 250
    assert {rule for rule, verdict in judged.items() if verdict == "FAIL"} == set(KNOWN)
