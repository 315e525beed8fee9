"""Plan advice: agrees with the audit, with a slow reading of each cell, and adds up."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor import pipeline
from auditor.analysis.bills import Bill
from auditor.analysis.headline import AccountMonth, account_of
from auditor.config import settings_of
from auditor.model.errors import ConfigError
from auditor.model.waste import Cause
from auditor.registry import PROVIDERS
from auditor.results.header import document
from auditor.results.plan import AccountAdvice, Scenario
from tests.bruteforce import bill as slow_bill
from tests.conftest import ROOT, event, lines
from tests.examined import SAMPLES, daily, examined, on, ran
from tests.random_logs import generate

pytestmark = pytest.mark.usefixtures("random_now")

WEEK = timedelta(days=7)
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "auditor" / "results" / "plan_v1.schema.json").read_bytes())
)


def advice_on(
    events: Any, folder: Path, config: Mapping[str, Any] | None = None, until: datetime | None = None
) -> tuple[tuple[AccountAdvice, ...], dict[str, Any]]:
    """The advice on all accounts, and the same as a valid document."""
    with examined(events, folder, config, until=until) as log:
        return advice_of(log)


def advice_of(log: pipeline.Examined) -> tuple[tuple[AccountAdvice, ...], dict[str, Any]]:
    """The same of a log that is open."""
    found = pipeline.plan(log, log.bills, list(PROVIDERS.values()), WEEK)
    text = json.loads(json.dumps(document(found)))
    SCHEMA.validate(text)
    return found.accounts, text


def scenario(advice: AccountAdvice, fix: str) -> Scenario:
    """The scenario of a fix."""
    return next(each for each in advice.scenarios if each.fix == fix)


@pytest.mark.parametrize("seed", range(0, 60, 2))
def test_every_cell_and_sum_of_random_logs(seed: int, tmp_path: Path) -> None:
    """The advice is the audit's, each cell is a bill, fixes add up to the waste, headroom is included less demand."""
    files, config = generate(seed, 200)
    with examined(files, tmp_path, config) as log:
        found, _ = advice_of(log)
        for advice, bill in zip(found, log.bills, strict=True):
            none, every = scenario(advice, "none"), scenario(advice, "all")
            for each, best in ((none, bill.recommended), (every, bill.after_fixes.recommended)):
                assert each.recommended_plan == (best.name if best else None)
            assert none.monthly_saving == bill.saving(bill.recommended, bill.loads)
            own = log.facts.units_of(bill.payer.code)
            for fix, cause in (
                ("dedupe", Cause.REPEAT),
                ("coalescing", Cause.CONCURRENT),
                ("volatile", Cause.VOLATILE),
            ):
                assert (scenario(advice, fix).credits_saved or 0) == log.replayed.waste.total(cause, own)
            assert (every.credits_saved or 0) == log.replayed.waste.total(None, own)
            for each in advice.scenarios:
                cells(bill, each)


def cells(bill: Bill, each: Scenario) -> None:
    """Every cycle on every plan, one by one: none of these plans rolls over."""
    gone = [use.demand - cycle.demand for use, cycle in zip(bill.uses, each.cycles, strict=True)]
    assert sum(gone) == (each.credits_saved or 0)
    for plan in bill.payer.plans:
        rules = {"price": plan.price, "included": plan.included}
        rules |= {"overage": plan.overage} if plan.overage is not None else {}
        for use, cycle, less in zip(bill.uses, each.cycles, gone, strict=True):
            cell = cycle.plans[plan.name]
            assert cell.bill == (slow_bill(rules, use.credits - less) if use.complete else None)
            assert cell.holds == (slow_bill(rules, cycle.demand) is not None)
            assert cell.headroom == Fraction(plan.included) - cycle.demand
            assert cycle.credits == (use.credits - less if use.known else None)


def test_staging_goes_to_the_free_account_as_far_as_it_fits(tmp_path: Path) -> None:
    """150 staging renders a month: 100 fit the free plan, 50 stay; 1,050 need Pro, 1,000 would not."""
    events = daily("2026-09-01", [30] * 30) + daily("2026-09-01", [5] * 30, environment="staging")
    for each in events[900:]:
        each["id"] = "s" + each["id"]
    ((advice,), text) = advice_on(events, tmp_path, on("Pro"))
    moved, every = scenario(advice, "staging"), scenario(advice, "all")
    assert (moved.credits_saved, every.credits_saved) == (100, 150)
    assert (moved.recommended_plan, every.recommended_plan) == ("Basic", "Basic")
    assert scenario(advice, "none").recommended_plan == "Pro"
    (cycle,) = text["accounts"][0]["scenarios"][-1]["cycles"]
    assert cycle["plans"]["Basic"] == {"bill": "14.99", "holds_demand": True, "headroom": 100}
    assert cycle["plans"]["Free"] == {"bill": None, "holds_demand": False, "headroom": -800}


def test_a_longer_time_to_live(tmp_path: Path) -> None:
    """The same image every two days: a day's cache saves nothing, a week's saves all but the first of each week."""
    events = [event(f"e{n}", f"2026-09-{2 * n + 1:02d}T10:00:00Z") for n in range(15)]
    ((advice,), _) = advice_on(events, tmp_path, on("Basic"))
    assert scenario(advice, "dedupe").credits_saved == 0
    assert scenario(advice, "ttl").credits_saved == 11


def test_providers_side_by_side(tmp_path: Path) -> None:
    """Unknown is unknown: no plan, no sum; large images cost more where they do."""
    events = daily("2026-09-01", [20] * 30, width=3200, height=100)
    ((advice,), text) = advice_on(events, tmp_path, on("Pro"))
    by_name = {offer.provider: offer for offer in advice.providers}
    assert by_name["imejis"].monthly_bill == Fraction("14.99")
    assert by_name["bannerbear"].monthly_bill == 149, "600 images of 3,200 px are 1,800 credits there"
    assert by_name["orshot"].monthly_bill == 30
    assert by_name["placid"].monthly_bill is None
    assert (by_name["templated"].monthly_bill, by_name["templated"].period) == (29, "year")
    assert by_name["templated"].known_from == "unverified, 2026-06-25, billed yearly"
    assert (by_name["imejis"].period, by_name["placid"].period) == ("month", None)
    assert by_name["hcti"].pictures_of_unknown_price == 600
    unknown = [offer.monthly_bill is None for offer in advice.providers]
    assert unknown == sorted(unknown)
    for offer in text["accounts"][0]["providers"]:
        assert offer["monthly_bill"] != "0.00"
        assert (offer["plan"] is None) == (offer["monthly_bill"] is None)


EURO = {"price": "50.00", "currency": "EUR", "included": 5000}


@pytest.mark.slow
def test_sums_in_two_currencies_are_never_held_against_each_other(tmp_path: Path) -> None:
    """A plan in euros is compared with none in dollars, and every offer says what it is in."""
    config = {**on("Eigen"), "plans": {"imejis": {"Eigen": EURO}}}
    ((advice,), text) = advice_on(daily("2026-09-01", [20] * 30), tmp_path, config)
    assert [plan.name for plan in advice.plans] == ["Eigen"]
    assert scenario(advice, "none").recommended_plan == advice.plan == "Eigen"
    assert {scenario.monthly_saving for scenario in advice.scenarios} == {0}
    assert [(offer.provider, offer.currency) for offer in advice.providers][:2] == [
        ("imejis", "EUR"),
        ("hcti", "USD"),
    ]
    assert text["accounts"][0]["currency"] == text["accounts"][0]["providers"][0]["currency"] == "EUR"
    (tmp_path / "auditor.toml").write_text(
        '[accounts.main]\nprovider = "imejis"\nplan = "Eigen"\n'
        '[plans.imejis.Eigen]\nprice = "50.00"\ncurrency = "EUR"\nincluded = 5000\n'
    )
    said = ran("plan", str(tmp_path)).out
    assert "Account imejis/main: Eigen; bills in EUR" in said
    assert "50.00 EUR" in said
    assert "14.00 USD" in said


def test_plans_of_one_account_are_of_one_currency() -> None:
    """Their bills could not be added up."""
    account = {"provider": "imejis", "plan": "Pro", "plans": [{"plan": "Eigen", "since": date(2026, 9, 1)}]}
    with pytest.raises(ConfigError, match="plans are in EUR and USD; bills of one account need one currency"):
        settings_of({"accounts": {"main": account}, "plans": {"imejis": {"Eigen": EURO}}}, "x")


def test_offers_hold_what_the_running_cycle_needs_too(tmp_path: Path) -> None:
    """An offer of the own provider is the plan that the advice names, not one that the running cycle has outgrown."""
    events = daily("2026-08-01", [20] * 31 + [200] * 10)
    ((advice,), _) = advice_on(events, tmp_path, on("Pro"), datetime(2026, 9, 11, tzinfo=UTC))
    by_name = {offer.provider: offer for offer in advice.providers}
    assert by_name["imejis"].plan == scenario(advice, "none").recommended_plan == "Pro"
    assert by_name["bannerbear"].plan == "Scale"


def test_each_column_says_what_it_is_over(tmp_path: Path) -> None:
    """The credits are those of all cycles, the bills of one."""
    (tmp_path / "a.jsonl").write_bytes(lines(daily("2026-08-01", [20] * 31)))
    said = ran("plan", str(tmp_path)).out
    assert "What each fix changes: credits over all cycles, bills a month" in said
    assert "The same demand elsewhere, a month, in USD" in said


def test_plan_history_topups_and_rollover_are_folded(tmp_path: Path) -> None:
    """Basic in July; 1,200 needed in August, 150 of them bought; Pro from 10 September, which counts at once."""
    events = daily("2026-07-01", [10] * 31) + daily("2026-08-01", [40] * 30 + [0]) + daily("2026-09-01", [50] * 30)
    config = {
        "plans": {"imejis": {"Saver": {"price": "12.00", "included": 1000, "rollover": True, "rollover_cycles": 1}}},
        "accounts": {"main": {
            "provider": "imejis", "plan": "Saver",
            "plans": [{"since": "2026-09-10", "plan": "Pro"}],
            "topups": [{"date": "2026-08-20", "credits": 150, "price": "5.00"}],
        }},
    }  # fmt: skip
    with examined(events, tmp_path, config) as log:
        ((advice,), text) = advice_of(log)
        (bill,) = log.bills
    july, august, september = text["accounts"][0]["cycles"]
    assert [each["plan"] for each in (july, august, september)] == ["Saver", "Saver", "Pro"]
    assert (july["credits"], july["left"], july["bill"]) == (310, 690, "12.00")
    # August has 690 carried, 1,000 included and 150 bought; 1,200 are used, the carried first. Pro carries nothing but
    # what was bought.
    assert (august["carried"], august["bought"], august["beyond"]) == (690, 150, 0)
    assert (august["bill"], august["left"], august["ended_unused"]) == ("17.00", 150, 490)
    assert (september["carried"], september["bill"]) == (150, "24.99")
    assert text["accounts"][0]["plan"] == "Pro"
    month = account_of(bill)
    assert (
        isinstance(month, AccountMonth) and month.now == Fraction("53.99") / 3
    )  # (each on its own plan, top-ups included)
    assert month.current == Fraction("24.99")
    table = [cycle.plans["Saver"] for cycle in scenario(advice, "none").cycles]
    assert [cell.bill for cell in table] == [12, 12, None], "July's rest carries August, nothing carries September"


@pytest.mark.slow
def test_the_command_on_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """As documented; JSON is valid and equal for equal inputs; mistakes are one sentence."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790812800")
    text = ran("plan", SAMPLES, "--account", "main", "--until", "2026-09-20").out
    for words in ("Account imejis/main: Pro", "After all fixes", "Running cycle", "the range", "hcti"):
        assert words in text
    assert "marketing" not in text
    one, two = (ran("plan", SAMPLES, "--format", "json").out for _ in range(2))
    assert one == two
    SCHEMA.validate(json.loads(one))
    for code, *mistake in ((3, "--account", "nobody"), (2, "--provider", "nobody"), (2, "--longer-ttl", "soon")):
        done = ran("plan", SAMPLES, *mistake)
        assert (done.code, done.out) == (code, "")
        assert "nobody" in done.err or "soon" in done.err


def test_the_forecast_is_as_of_until(tmp_path: Path) -> None:
    """Events after it are neither counted nor known."""
    events = daily("2026-08-01", [10] * 60)
    ((advice,), _) = advice_on(events, tmp_path, on("Basic"), datetime(2026, 9, 11, tzinfo=UTC))
    assert advice.forecast is not None
    assert advice.forecast.demand is not None
    assert (advice.forecast.so_far, advice.forecast.demand.likely) == (100, 300)


def test_an_empty_log_says_so(tmp_path: Path) -> None:
    """No account, no advice, no crash."""
    found, text = advice_on({"usage.jsonl": b""}, tmp_path)
    assert found == ()
    assert text["accounts"] == []


def test_too_little_data_is_compared_with_no_other_provider(tmp_path: Path) -> None:
    """A demand that is unknown is not one that no plan holds."""
    log = tmp_path / "usage.jsonl"
    log.write_text(json.dumps(event()) + "\n")
    done = ran("plan", str(log))
    assert "too little data" in done.out
    assert "no known plan holds it" not in done.out


@pytest.mark.slow
def test_names_from_a_log_do_not_steer_the_terminal(tmp_path: Path) -> None:
    """Escapes are written out."""
    log = tmp_path / "usage.jsonl"
    log.write_text(json.dumps(event(account="\x1b[2Jmain")) + "\n")
    for arguments in (["plan"], ["estimate"], ["reconcile", "--invoice", "1", "--cycle", "2026-09"]):
        done = ran(arguments[0], str(log), *arguments[1:])
        assert done.code in (0, 1), done.err
        assert "\x1b" not in done.out + done.err
        assert "main" in done.out + done.err
