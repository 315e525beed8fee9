"""Two reports compared, worked out by hand."""

import json
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditor.results.report import Report, parse
from auditor.schedule.comparison import compare
from auditor.schedule.summary import summary
from tests.golden.write import GOLDEN

WHOLE: dict[str, Any] = json.loads(GOLDEN["json"].read_bytes())


def finding(rule: str = "duplicate-renders", credits: float = 10, bytes: int = 0, **subject: str) -> dict[str, Any]:
    return {
        "rule": rule, "severity": "high", "confidence": "high", "subject": {"account": "main", **subject},
        "credits": credits, "bytes": bytes, "money": {"now": None, "after_plan_change": None, "currency": None},
        "message": "m", "advice": "a", "evidence": {},
    }  # fmt: skip


def report(
    *findings: dict[str, Any], wasted: float = 0, requests: int = 100, credits: float = 50, **parts: Any
) -> Report:
    options = {"ttl_seconds": 86400, "timezone": "UTC", **parts.pop("options", {})}
    return parse(
        json.dumps(
            {
                **WHOLE, "generated_at": "2026-10-01T00:00:00Z",
                "window": {"start": "2026-09-01T00:00:00Z", "end": "2026-09-30T00:00:00Z"},
                "options": WHOLE["options"] | options, "inputs": WHOLE["inputs"] | {"rejected": 0, "files": []},
                "totals": WHOLE["totals"]
                | {"requests": requests, "credits": credits, "credits_uncertain": 0, "renders": 0},
                "unknown": {"renders": 0, "credits": 0, "reasons": {}}, "waste": WHOLE["waste"] | {"total": wasted},
                "accounts": [], "findings": list(findings), **parts,
            }
        )
    )  # fmt: skip


def account(
    bill: str | None = "24.99", promised: str | None = "10.00", currency: str = "USD", complete: bool = True
) -> dict[str, Any]:
    whole = WHOLE["accounts"][0]
    return {
        **whole, "provider": "imejis", "account": "main", "plan": "Pro", "currency": currency,
        "monthly_saving": "0.00", "monthly_saving_after_fixes": promised, "recommended_after_fixes": "Basic",
        "cycles": [{**whole["cycles"][0], "complete": complete, "bill": bill}],
    }  # fmt: skip


def kinds(before: Report, now: Report, **options: Any) -> dict[str, Any]:
    found = compare(before, now, **options)["findings"]
    return {name: len(value) if isinstance(value, list) else value for name, value in found.items() if value}


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        (None, finding(), "new"),
        (finding(), None, "fixed"),
        (finding(credits=10), finding(credits=10), "unchanged"),
        (finding(credits=10), finding(credits=11), "grown"),
        (finding(credits=10), finding(credits=9), "shrunk"),
        (finding(credits=0.1), finding(credits=0.3), "grown"),
        (finding(bytes=10), finding(bytes=11), "grown"),
        (finding(credits=11, bytes=10), finding(credits=10, bytes=99), "shrunk"),
        (finding(template="a"), finding(template="a"), "unchanged"),
    ],
)
def test_kinds(before: dict[str, Any] | None, now: dict[str, Any] | None, kind: str) -> None:
    """By rule and subject; credits before bytes."""
    assert kinds(report(*filter(None, [before])), report(*filter(None, [now]))) == {kind: 1}


def test_another_subject_or_rule_is_another_finding() -> None:
    """One went, one came."""
    assert kinds(report(finding(template="a")), report(finding(template="b"))) == {"new": 1, "fixed": 1}
    assert kinds(report(finding("failed-calls")), report(finding("staging-credits"))) == {"new": 1, "fixed": 1}


def test_the_order_of_a_subject_is_no_difference() -> None:
    """Names in another order."""
    one, other = finding(a="1", b="2"), finding(b="2", a="1")
    assert kinds(report(one), report(other)) == {"unchanged": 1}


def test_an_accepted_finding_is_neither_fixed_nor_new() -> None:
    """In either report."""
    kept = {name: finding()[name] for name in ("rule", "severity", "subject", "credits", "bytes", "message")}
    with_it = report(suppressed=[{**kept, "reason": "known", "until": "2026-12-31"}])
    assert kinds(report(finding()), with_it) == {"suppressed": 1}
    assert kinds(with_it, report(finding())) == {}


def test_what_was_not_looked_for_is_not_fixed() -> None:
    """A rule that is switched off finds nothing."""
    assert kinds(report(finding()), report(), ran={"failed-calls"}) == {"not_looked_for": 1}
    assert kinds(report(finding()), report(), ran={"duplicate-renders"}) == {"fixed": 1}


def test_the_largest_change_comes_first() -> None:
    """Credits, then bytes."""
    before = report(*(finding(template=name, credits=10, bytes=5) for name in "abc"))
    now = report(finding(template="a", credits=11), finding(template="b", credits=90), finding(template="c", bytes=7))
    grown = compare(before, now)["findings"]["grown"]
    assert [one["subject"]["template"] for one in grown] == ["b", "a", "c"]
    assert (grown[0]["credits_before"], grown[0]["credits"]) == (10, 90)


def test_predicted_and_realised_credits() -> None:
    """400 of 1,000 requests were wasted, 100 of 2,000 are: 300 less, and 700 less at equal traffic."""
    before, now = report(wasted=400, requests=1000), report(wasted=100, requests=2000)
    saving = compare(before, now)["saving"]
    assert (saving["predicted_credits"], saving["wasted_credits"]) == (400, 100)
    assert (saving["realised_credits"], saving["realised_at_equal_traffic"]) == (300, 700)
    assert compare(report(requests=0), now)["saving"]["realised_at_equal_traffic"] is None
    thirds = compare(report(wasted=1, requests=3), report(requests=1))["saving"]
    assert thirds["realised_at_equal_traffic"] == 0.333333


def test_fractions_stay_exact() -> None:
    """0.3 - 0.1 is 0.2."""
    found = compare(report(wasted=0.3), report(wasted=0.1))
    assert found["saving"]["realised_credits"] == 0.2
    assert report(wasted=0.3).waste.total == Fraction(3, 10)


@pytest.mark.parametrize(
    ("before", "now", "realised"),
    [
        (account("24.99"), account("14.99"), "10.00"),
        (account("14.99"), account("24.99"), "-10.00"),
        (account(None), account("24.99"), None),
        (account("24.99"), account("24.99", currency="EUR"), None),
        (account("24.99", complete=False), account("14.99"), None),
    ],
)
def test_predicted_and_realised_money(before: dict[str, Any], now: dict[str, Any], realised: str | None) -> None:
    """Of complete cycles with a bill, in one currency; never 0 for unknown."""
    (found,) = compare(report(accounts=[before]), report(accounts=[now]))["accounts"]
    assert found["realised_monthly_saving"] == realised
    assert found["predicted_monthly_saving_after_fixes"] == "10.00"


def test_an_account_of_one_report_is_not_compared() -> None:
    """There is nothing to hold it against."""
    assert compare(report(), report(accounts=[account()]))["accounts"] == []


def test_different_questions_are_named() -> None:
    """Another TTL makes other waste."""
    other = report(options={"ttl_seconds": 3600})
    assert compare(report(), other)["different_options"] == ["ttl_seconds: 86400 before, 3600 now"]
    assert compare(report(), report())["different_options"] == []


@pytest.mark.parametrize("text", ["{}", "[]", "3", "nonsense", '{"schema": "render-auditor/measured/v1"}'])
def test_what_is_no_report_is_refused(text: str) -> None:
    """As a `ValueError`, which the reader of the file turns into a sentence with its name."""
    with pytest.raises(ValueError):
        parse(text)


def test_the_summary_says_it_in_words() -> None:
    """Promised, and what came of it."""
    before = report(finding(), wasted=400, requests=1000, accounts=[account("24.99")])
    now = report(finding(template="x"), wasted=100, requests=1000, accounts=[account("14.99")])
    text = "\n".join(summary("September", now, compare(before, now)))
    assert "1 new\n- high duplicate-renders main x: m" in text
    assert "1 fixed\n- high duplicate-renders main: m" in text
    assert "400 could have been saved, 100 are wasted now: 300 saved, 300 saved at equal traffic" in text
    assert "bill 24.99 before, 14.99 now; 10.00 a month was promised after all fixes, 10.00 USD came of it" in text


def test_the_days_of_the_report_before_are_local() -> None:
    """An event late on 31 July in New York stands at 1 August in UTC."""
    before = report(finding(), window={"start": "2026-07-01T04:10:00Z", "end": "2026-08-01T03:59:00Z"})
    text = "\n".join(summary("August", report(), compare(before, report()), ZoneInfo("America/New_York")))
    assert "Compared with 2026-07-01 to 2026-07-31:" in text
    assert "Compared with no event to no event:" in "\n".join(summary("x", report(), compare(
        report(window={"start": None, "end": None}), report())))  # fmt: skip
