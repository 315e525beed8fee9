"""Invoices held against counts, each cause by itself."""

import json
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from auditor.commands.reconcile import credits_of
from auditor.results.reconciliation import Reconciled, cycle_named, reconcile
from tests.conftest import event, lines
from tests.examined import daily, examined, on, ran

SEPTEMBER = daily("2026-09-01", [3] * 30)


def held(
    events: Any, folder: Path, invoice: int, cycle: str = "2026-09", config: Mapping[str, Any] | None = None
) -> Reconciled:
    """The invoice against the only account."""
    with examined(events, folder, config or on("Basic")) as log:
        (bill,) = log.bills
        return reconcile(log.facts, bill, cycle_named(bill, cycle), Fraction(invoice), log.inputs.rejected)


def test_it_agrees_to_the_credit(tmp_path: Path) -> None:
    """90 is 90."""
    found = held(SEPTEMBER, tmp_path, 90)
    assert (found.agrees, found.difference, found.unexplained) == (True, 0, 0)


def test_credits_are_no_calls_where_a_call_may_cost_more(tmp_path: Path) -> None:
    """Three credits at a provider where an image costs up to three may be one call, and are not three of one."""
    log = [*SEPTEMBER, event("t", "2026-09-10T00:00:00Z", outcome="error", error="timeout")]
    (tmp_path / "a.jsonl").write_bytes(lines([{**each, "provider": "bannerbear"} for each in log]))
    found = ran("reconcile", str(tmp_path), "--cycle", "2026-09", "--invoice", "93")
    assert found.code == 0
    assert "Agrees: the 1 uncertain call may be the 3 credits, at up to 3 each." in found.out


@pytest.mark.slow
def test_uncertain_calls_may_have_been_billed(tmp_path: Path) -> None:
    """A time-out, a 502 and an attempt without an end: 90 to 93; 94 is one too many; a refusal is no call."""
    uncertain = [
        event("t", "2026-09-10T00:00:00Z", outcome="error", error="timeout"),
        event("b", "2026-09-10T01:00:00Z", outcome="error", error="server", status=502),
        event("u", "2026-09-10T02:00:00Z", outcome="attempt"),
        event("r", "2026-09-10T03:00:00Z", outcome="refused"),
        event("q", "2026-09-10T03:00:00Z", outcome="error", error="quota", status=429),
        event("o", "2026-08-31T23:00:00Z", outcome="attempt"),
    ]
    for invoice, agrees, rest in ((90, True, 0), (93, True, 0), (94, False, 1), (89, False, -1)):
        found = held([*SEPTEMBER, *uncertain], tmp_path, invoice)
        assert (found.agrees, found.unexplained) == (agrees, rest)
        assert found.uncertain.of == {"timeout": 1, "server": 1, "unresolved": 1}


def test_an_uncertain_call_can_cost_more_than_a_credit(tmp_path: Path) -> None:
    """At Placid an image costs up to 32."""
    log = [event("t", outcome="error", error="timeout", provider="placid")]
    config = {"accounts": {"main": {"provider": "placid"}}}
    assert held(log, tmp_path, 32, config=config).agrees
    assert not held(log, tmp_path, 33, config=config).agrees


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("hcti", {"credits": None}),
        ("bannerbear", {"credits": None}),
        ("hcti", {"outcome": "error", "error": "timeout"}),
        ("own", {"outcome": "attempt"}),
    ],
)
def test_a_call_of_unknown_size_has_no_most(provider: str, fields: dict[str, Any], tmp_path: Path) -> None:
    """A batch, or a call at a provider that names no most: the count is at least 90, and no invoice above is too high."""
    log = [*SEPTEMBER, event("t", "2026-09-10T00:00:00Z", **fields)]
    (tmp_path / "a.jsonl").write_bytes(lines([{**each, "provider": provider} for each in log]))
    for invoice, code, verdict in (
        (90, 0, "Agrees to the credit."),
        (91, 0, "May agree: the count is at least 90, and 1 call of unknown size may be the 1 credit beyond."),
        (590, 0, "May agree: the count is at least 90, and 1 call of unknown size may be the 500 credits beyond."),
        (89, 1, "Does not agree: 1 fewer were billed than counted."),
    ):
        found = ran("reconcile", str(tmp_path), "--cycle", "2026-09", "--invoice", str(invoice))
        assert (found.code, verdict in found.out) == (code, True), found.out
        assert "at least 90" in found.out and "1 call of unknown size" in found.out
    document = json.loads(
        ran("reconcile", str(tmp_path), "--cycle", "2026-09", "--invoice", "590", "--format", "json").out
    )
    assert document["uncertain"]["of_unknown_size"] == 1
    assert (document["agrees"], document["unexplained"]) == (True, 0)


def test_missing_days_are_named_with_what_such_days_used(tmp_path: Path) -> None:
    """Two Thursdays are missing; the other two used 3 each."""
    counts = [3] * 30
    counts[2] = counts[9] = 0
    found = held(daily("2026-09-01", counts), tmp_path, 90)
    assert found.silent_days == (date(2026, 9, 3), date(2026, 9, 10))
    assert (found.unexplained, found.silent_days_usual_credits) == (6, 6)


def test_a_cycle_that_begins_elsewhere(tmp_path: Path) -> None:
    """The provider counts from the 15th."""
    events = daily("2026-08-01", [1] * 31) + daily("2026-09-01", [*[2] * 14, *[7] * 16]) + daily("2026-10-01", [7] * 14)
    found = held(events, tmp_path, 7 * 30)
    assert not found.agrees
    assert 15 in {each.anchor_day for each in found.agrees_with}
    assert all(each.counted == 210 for each in found.agrees_with)


def test_a_cycle_in_another_zone(tmp_path: Path) -> None:
    """Midnight in New York is 04:00 UTC: what is rendered between is August's there."""
    night = daily("2026-09-01", [5], hour=2)
    events = daily("2026-08-01", [1] * 31) + night + daily("2026-09-01", [1] * 30) + daily("2026-10-01", [1])
    for number, each in enumerate(events):
        each["id"] = each["key"] = str(number)
    found = held(events, tmp_path, 35, config=on("Basic", timezone="America/New_York"))
    assert found.counted == 30
    assert ("UTC", 1) in {(each.timezone, each.anchor_day) for each in found.agrees_with}


@pytest.mark.parametrize(("name", "start"), [("2026-09", 15), ("2026-10-14", 15), ("2026-09-15", 15)])
def test_a_cycle_is_named_by_its_month_or_a_day_in_it(name: str, start: int, tmp_path: Path) -> None:
    """With an anchor day of 15, 2026-09 begins on the 15th."""
    with examined(daily("2026-09-01", [1] * 60), tmp_path, on("Basic", anchor_day=15)) as log:
        use = log.bills[0].uses[cycle_named(log.bills[0], name)]
        assert (use.cycle.start.month, use.cycle.start.day) == (9, start)
        with pytest.raises(ValueError, match="begin on 2026-08-15, 2026-09-15"):
            cycle_named(log.bills[0], "2027-01")


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "1e999999999"])
def test_what_is_no_number_of_credits_is_refused(text: str) -> None:
    """With what to write."""
    with pytest.raises(ValueError, match="="):
        credits_of(text)


@pytest.mark.slow
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 where it agrees, 1 where not; text and JSON say the same; without a log there is nothing to read."""
    log = tmp_path / "usage.jsonl"
    log.write_bytes(lines(SEPTEMBER) + b"damage\n")
    arguments = ["reconcile", str(log), "--cycle", "2026-09", "--max-rejected", "50"]
    done = ran(*arguments, "--invoice", "90")
    assert (done.code, "Agrees to the credit" in done.out) == (0, True)
    done = ran(*arguments, "--invoice", "91")
    assert done.code == 1
    assert "1 was billed and not seen here" in done.out
    assert "1 line of the input could not be read" in done.out
    found = json.loads(ran(*arguments, "--invoice", "91", "--format", "json").out)
    assert (found["difference"], found["agrees"], found["rejected_lines"]) == (1, False, 1)
    for mistake in (["--invoice", "x", "--cycle", "2026-09"], ["--invoice", "1", "--cycle", "soon"]):
        done = ran("reconcile", str(log), *mistake, "--max-rejected", "50")
        assert (done.code, done.out) == (2, "")
        assert done.err
    monkeypatch.chdir(tmp_path)
    assert ran("reconcile", "--cycle", "2026-09", "--invoice", "1").code == 2
    assert ran("ingest", str(log)).code == 3, "one line is damaged"
    assert ran("reconcile", "--cycle", "2026-09", "--invoice", "90").code == 0, "the ledger of this folder"
