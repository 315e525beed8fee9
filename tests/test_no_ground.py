"""No advice without ground: a log that is too short, or of unknown prices, gets no money and no plan in any command."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import event, lines
from tests.examined import ran

START = datetime(2026, 9, 10, 3, tzinfo=UTC)
SHORT = timedelta(hours=19)
COMMANDS = (
    ("audit",),
    ("plan",),
    ("estimate",),
    ("simulate", "--ttl", "6h", "--ttl", "2d"),
    ("report", "--cycle", "2026-09", "--history", "{history}"),
)
MONEY = re.compile(r"\d\.\d\d\b(?!%)")
"""An amount: the sizes of a report, its shares and times have no two decimals."""
ADVICE = re.compile(r"^(bill|price_per_render|unused_(credits|value)|cheapest_.*|monthly_.*|recommended_.*|plan_.*)$")
"""Fields that advise, or are money, wherever they stand."""


def log(folder: Path, span: timedelta, provider: str = "imejis", plan: str | None = "Free") -> str:
    """Renders of three keys over so long, all but the first of each repeats, and the plan of the account."""
    every = span / 90
    events = [event(f"e{n}", (START + n * every).isoformat(), provider=provider, key=f"k{n % 3}") for n in range(91)]
    (folder / "usage.jsonl").write_bytes(lines(events))
    named = f'plan = "{plan}"\n' if plan else ""
    (folder / "auditor.toml").write_text(f'[accounts.main]\nprovider = "{provider}"\n{named}', encoding="utf-8")
    return str(folder / "usage.jsonl")


def advised(document: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a document that advises, with what it says."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from advised(value, key)
    elif isinstance(document, list):
        for each in document:
            yield from advised(each, name)
    elif ADVICE.match(name):
        yield name, document


def asked(command: tuple[str, ...], path: str, folder: Path) -> list[str]:
    """The arguments of a command on a log."""
    return [command[0], path, *(part.format(history=folder / "history") for part in command[1:])]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("span", [SHORT, timedelta(days=7) - timedelta(microseconds=90)], ids=["hours", "days"])
def test_a_log_that_is_too_short_gets_no_money_and_no_plan(
    command: tuple[str, ...], span: timedelta, tmp_path: Path
) -> None:
    """What is there is said, and what is needed; neither a plan nor an amount is named."""
    done = ran(*asked(command, log(tmp_path, span), tmp_path))
    said = " ".join((done.out + done.err).split())
    told = "19 hours" if span == SHORT else "6 days"
    assert f"too little data: {told} of 30 days, 7 days are needed" in said
    assert not MONEY.search(re.sub(r"\d+\.\d+%|T[\d:.]+Z?", "", done.out)), done.out
    for word in ("Basic, ", "Pro, ", "none holds", "no plan holds", "no known plan holds"):
        assert word not in said


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS[:-1], ids=lambda command: command[0])
def test_its_document_has_no_money_and_no_plan(command: tuple[str, ...], tmp_path: Path) -> None:
    """Nor a comparison of providers."""
    done = ran(*asked(command, log(tmp_path, SHORT), tmp_path), "--format", "json")
    document = json.loads(done.out)
    assert {name: value for name, value in advised(document) if value is not None} == {}
    for account in document.get("accounts", ()):
        assert (account["advice"], account["projected"]) == ("too_little_data", False)
        assert account.get("providers", []) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS[:-1], ids=lambda command: command[0])
def test_a_provider_without_known_plans_has_unknown_prices(command: tuple[str, ...], tmp_path: Path) -> None:
    """Nobody can say that none of its plans holds the demand."""
    done = ran(*asked(command, log(tmp_path, timedelta(days=18), "placid", plan=None), tmp_path))
    said = " ".join((done.out + done.err).split())
    assert "prices unknown: no plan of" in said
    for account in re.split(r"The same demand elsewhere", said)[:1]:
        assert "none holds" not in account and "no plan holds" not in account and "no known plan" not in account
