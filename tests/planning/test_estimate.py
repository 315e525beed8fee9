"""The calculator: exact steps, the right plan, and rates measured by hand."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.analysis.walk import replay
from auditor.commands.estimate import share
from auditor.providers.hcti import HCTI
from auditor.providers.imejis import IMEJIS
from auditor.providers.templated import TEMPLATED
from auditor.results.estimate import GUIDE, estimate, measure
from tests.conftest import event, lines
from tests.examined import SAMPLES, examined, on, ran

DAY_US = 86_400 * 10**6


def test_the_guides_own_sum() -> None:
    """8,000 -> 2,400 -> 2,040 -> 1,428, which is Pro and not Basic."""
    found = estimate(GUIDE[0], GUIDE[1:], IMEJIS.plans)
    assert [step.after for step in found.steps] == [2400, 2040, 1428]
    assert found.plan == "Pro"
    assert "Basic holds 1,000 credits, 428 too few" in found.why
    assert "guide" in found.why
    assert "guide" not in estimate(Fraction(8001), GUIDE[1:], IMEJIS.plans).why


def test_plans_in_another_currency_are_left_out_and_named(tmp_path: Path) -> None:
    """They cannot be held against the others."""
    (tmp_path / "x.toml").write_text('[plans.imejis.Eigen]\nprice = "1.00"\ncurrency = "EUR"\nincluded = 5000\n')
    for command in (("estimate", "--requests", "1500"), ("compare", "self-hosted")):
        found = ran(*command, "--config", str(tmp_path / "x.toml"))
        assert "Eigen is left out: it is sold in EUR, and the other plans in USD" in found.err
        assert "Eigen" not in found.out
        assert "USD" in found.out


def test_a_plan_that_is_billed_yearly_says_so_beside_its_monthly_price() -> None:
    """In every command that names a price to choose by."""
    for command in (
        ("estimate", "--requests", "900", "--provider", "templated"),
        ("compare", "self-hosted", "--provider", "templated"),
    ):
        found = ran(*command)
        assert "29.00" in found.out
        assert "billed yearly" in found.out
        assert "348.00" not in found.out
    assert "need Starter, 29.00 USD, billed yearly" in estimate(Fraction(900), [Fraction(0)] * 3, TEMPLATED.plans).why


def test_batches_of_unknown_size_are_no_single_credits(tmp_path: Path) -> None:
    """The estimate is the least that it can be, and says so."""
    line = '10.0.0.1 - - [{:02}/Sep/2026:{:02}:00:00 +0000] "{} HTTP/1.1" 200 9 "-" "-"\n'
    days = [(day, hour) for day in range(1, 31) for hour in (0, 23)]
    signed = "GET https://hcti.io/v1/image/t-1/" + "a" * 64 + "?title={}"
    log = tmp_path / "access.log"
    for batch, said in ((True, True), (False, False)):
        calls = [line.format(day, hour, signed.format(day * 24 + hour)) for day, hour in days]
        calls += [line.format(day, 12, "POST https://hcti.io/v1/image/batch") for day in range(1, 5) if batch]
        log.write_text("".join(calls))
        found = " ".join(ran("estimate", str(log)).out.split())
        assert ("4 of them made an unknown number of images and count as one credit each" in found) is said, found
        assert ("the credits are at least these" in found) is said


def test_half_a_call_cannot_be_made() -> None:
    """1,000.5 calls are 1,001: one more than Basic holds."""
    found = estimate(Fraction(2001), (Fraction(1, 2), Fraction(0), Fraction(0)), IMEJIS.plans)
    assert (found.calls, found.credits) == (Fraction(2001, 2), 1001)
    assert found.plan == "Pro"


shares = st.fractions(0, 1, max_denominator=1000)


@settings(deadline=None)
@given(st.integers(0, 10**7), st.tuples(shares, shares, shares), st.sampled_from([IMEJIS.plans, HCTI.plans]))
def test_the_product_is_exact_and_the_plan_holds(requests: int, rates: tuple[Fraction, ...], plans: Any) -> None:
    """Whatever the rates; no cheaper plan holds the calls."""
    found = estimate(Fraction(requests), rates, plans)
    assert found.calls == requests * math.prod(1 - rate for rate in rates)
    bills = [bill for plan in plans if (bill := plan.bill(found.credits)) is not None]
    assert (found.plan is None) == (not bills)
    assert found.bill == min(bills, default=None)
    assert found.why


@pytest.mark.parametrize(
    ("text", "value"), [("0.7", "7/10"), ("70%", "7/10"), ("0", "0"), ("1", "1"), ("12.5%", "1/8")]
)
def test_shares(text: str, value: str) -> None:
    """As a part of one or in percent."""
    assert share(text) == Fraction(value)


@pytest.mark.parametrize("text", ["1.5", "-0.1", "seventy", "", "101%", "nan", "inf", "1/2"])
def test_what_is_no_share_is_refused(text: str) -> None:
    """With what to write."""
    with pytest.raises(ValueError, match=r"write 0\.7 or 70%"):
        share(text)


def test_rates_are_measured(tmp_path: Path) -> None:
    """By hand: 20 requests = 4 hits + 1 coalesced + 15 renders: 2 repeats, 1 concurrent, 12 needed, 3 of them too soon."""
    fields = {"duration_ms": 1000}
    log = [event("edge1", "2026-09-01T00:00:00Z", key="edge1"), event("edge2", "2026-09-30T23:00:00Z", key="edge2")]
    log += [event(f"n{n}", f"2026-09-0{n + 2}T08:00:00Z", key=f"n{n}", **fields) for n in range(7)]
    log += [event("c", "2026-09-02T08:00:00.500Z", key="n0", **fields)]
    log += [event(f"r{n}", f"2026-09-02T1{n}:00:00Z", key="n0", **fields) for n in range(2)]
    log += [event(f"late{n}", f"2026-09-0{n + 5}T08:00:01Z", key=f"n{n}", **fields) for n in range(3)]
    log += [event("h", "2026-09-02T20:00:00Z", outcome="hit", count=4, key="n0")]
    log += [event("w", "2026-09-03T08:00:00.100Z", outcome="coalesced", key="n1")]
    with examined(log, tmp_path, on("Basic")) as examination:
        (bill,) = examination.bills
        found = measure(examination.facts, examination.replayed, replay(examination.facts, 7 * DAY_US), bill)
    assert found is not None
    assert (found.requests, found.measured_cycles) == (20, 1)
    assert [step.after for step in found.steps] == [20 - 4 - 2, 14 - 1 - 1, 12 - 3]
    assert found.calls == 9


def test_a_log_without_demand_has_nothing_to_estimate(tmp_path: Path) -> None:
    """Errors are no demand that was served."""
    with examined([event(outcome="error", error="server", status=500)], tmp_path) as log:
        assert measure(log.facts, log.replayed, log.replayed, log.bills[0]) is None


def test_a_part_of_a_cycle_is_scaled(tmp_path: Path) -> None:
    """Ten requests in ten days are thirty a month."""
    events = [event(f"e{n}", f"2026-09-{n + 1:02}T00:00:00Z", key=str(n)) for n in range(10)]
    with examined([*events, event("end", "2026-09-11T00:00:00Z", key="x")], tmp_path) as log:
        found = measure(log.facts, log.replayed, log.replayed, log.bills[0])
    assert found is not None
    assert (found.requests, found.measured_cycles) == (11 * 3, 0)


CALL = {"event": "done", "method": "GET", "url": "https://render.imejis.io/v1/og", "status_code": 200}


def calls(days: int, a_day: int = 4, **fields: Any) -> str:
    """Calls in a program's log; three of four ask for the image of the first."""
    at = [f"2026-09-{1 + day:02}T{8 + n:02}:00:00Z" for day in range(days) for n in range(a_day)]
    said = [
        {**CALL, "url": f"{CALL['url']}?day={n // a_day}&x={n % a_day // 3}", "timestamp": time, **fields}
        for n, time in enumerate(at)
    ]
    return "".join(json.dumps(each) + "\n" for each in said)


def estimated(tmp_path: Path, text: str, *options: str) -> tuple[list[dict[str, Any]], str]:
    """(estimates, standard error) of the command."""
    (tmp_path / "calls.jsonl").write_text(text)
    done = ran("estimate", str(tmp_path / "calls.jsonl"), "--format", "json", *options)
    assert done.code == 0
    return json.loads(done.out)["estimates"], done.err


@pytest.mark.slow
def test_rates_are_those_of_known_images(tmp_path: Path) -> None:
    """Calls without bodies are calls under every strategy, and no rate is of them."""
    known = calls(10)
    unknown = calls(10, 2, method="POST", url=CALL["url"])
    (alone,), _ = estimated(tmp_path, known)
    assert alone["unknown"] == 0
    (both,), _ = estimated(tmp_path, known + unknown)
    assert [step["rate"] for step in both["steps"]] == [step["rate"] for step in alone["steps"]]
    assert both["unknown"] * 2 == alone["requests"]
    assert both["requests"] == pytest.approx(both["steps"][0]["before"] + both["unknown"])
    assert both["calls"] == pytest.approx(both["steps"][-1]["after"] + both["unknown"])
    assert "how many of them were necessary is unknown" in both["why"]


UNKNOWN = "of no render of the cycles that count does the log tell which image it was: log the body of each call"


@pytest.mark.parametrize(
    ("text", "said"),
    [(calls(10, method="POST", url=CALL["url"]), UNKNOWN),
     (calls(10, status_code=500), "no request is known to have been given an image"),
     (calls(10, method="POST", url=CALL["url"]) + calls(2, status_code=500), UNKNOWN),
     (calls(40 - 12, method="POST", url=CALL["url"]), UNKNOWN),
     ("template,created_at,status\nog,2026-09-01T00:00:00Z,completed\nog,2026-09-12T00:00:00Z,completed\n", UNKNOWN)],
)  # fmt: skip
def test_unknown_renders_alone_give_no_estimate(tmp_path: Path, text: str, said: str) -> None:
    """Not one call fewer, and not one fewer than there were: nobody knows."""
    name = "calls.jsonl" if text.startswith("{") else "imejis.csv"
    (tmp_path / name).write_text(text)
    done = ran("estimate", str(tmp_path / name), "--format", "json")
    assert json.loads(done.out)["estimates"] == []
    assert f"no estimate; {said}" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(("known", "word"), [(False, None), (True, 0)])
def test_what_a_fix_saves_of_unknown_images_is_unknown(tmp_path: Path, known: bool, word: int | None) -> None:
    """Not 0, and no plan follows from it; what does not depend on the image stays known."""
    text = calls(10, method="POST", url=CALL["url"])
    (tmp_path / "calls.jsonl").write_text(text + (calls(1, 1) if known else ""))
    asked = ["plan", str(tmp_path / "calls.jsonl")]
    (account,) = json.loads(ran(*asked, "--format", "json").out)["accounts"]
    by_fix = {each["fix"]: each for each in account["scenarios"]}
    for fix in ("dedupe", "ttl", "coalescing", "volatile", "all"):
        assert by_fix[fix]["credits_saved"] == word and (by_fix[fix]["recommended_plan"] is None) is not known
    assert (by_fix["none"]["credits_saved"], by_fix["none"]["recommended_plan"]) == (0, "Basic")
    rows = [line.split() for line in ran(*asked).out.splitlines()]
    assert [row[1] for row in rows if row[:1] in (["dedupe"], ["all"])] == ["0" if known else "unknown"] * 2


@pytest.mark.parametrize(("last", "known"), [("07T23:59:59", False), ("08T00:00:00", True), ("02T00:00:00", False)])
def test_nothing_is_projected_below_seven_days(tmp_path: Path, last: str, known: bool) -> None:
    """Six days are no month, however regular; seven are projected."""
    events = [event("a", "2026-09-01T00:00:00Z"), event("b", f"2026-09-{last}Z", key="b")]
    (tmp_path / "usage.jsonl").write_bytes(lines(events))
    done = ran("estimate", str(tmp_path / "usage.jsonl"), "--format", "json")
    assert bool(json.loads(done.out)["estimates"]) is known
    assert ("too little data: " in done.err) is not known


def test_an_account_that_is_mostly_filtered_gets_no_plan(tmp_path: Path) -> None:
    """Of redirects nobody knows which were renders."""
    config = tmp_path / "auditor.toml"
    config.write_text('[sources.img]\npath = "/img/.*"\nprovider = "imejis"\naccount = "main"\n')
    lines_ = [
        f'1.2.3.4 - - [{day:02}/Sep/2026:08:00:00 +0000] "GET /img/{day}.png HTTP/1.1" {status} 500 "-" "-"'
        for day in range(1, 12)
        for status in (200, 302, 206)
    ]
    (tmp_path / "access.log").write_text("\n".join(lines_) + "\n")
    done = ran("estimate", str(tmp_path / "access.log"), "--config", str(config), "--format", "json")
    assert json.loads(done.out)["estimates"] == []
    assert "most of the requests for its images are filtered" in done.err


def test_the_command() -> None:
    """As the guide would call it, and with mistakes."""
    done = ran("estimate", "--requests", "8000", "--hit-rate", "0.7", "--dedup", "0.15", "--batch", "0.3")
    assert done.code == 0
    for figure in ("8,000", "→ 2,400", "→ 2,040", "→ 1,428", "Pro, 24.99 USD"):
        assert figure in done.out
    rates = ["--hit-rate", "70%", "--dedup", "15%", "--batch", "30%"]
    (found,) = json.loads(ran("estimate", "--requests", "8000", *rates, "--format", "json").out)["estimates"]
    assert (found["calls"], found["plan"], found["bill"]) == (1428, "Pro", "24.99")


@pytest.mark.parametrize(
    "mistake",
    [["--requests", "10", SAMPLES], [], ["--requests", "10", "--provider", "nobody"], ["--requests", "-1"],
     ["--requests", "10", "--batch", "2"]],
)  # fmt: skip
def test_mistakes_get_a_sentence(mistake: list[str]) -> None:
    """And exit code 2."""
    done = ran("estimate", *mistake)
    assert (done.code, done.out) == (2, "")
    assert done.err
