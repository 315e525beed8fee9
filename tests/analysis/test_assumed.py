"""What a log does not tell is counted for events alone: a line that is taken out again changes no figure."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from auditor.config import settings_of
from auditor.intake.sources import discover
from auditor.pipeline import Options, audit, simulate
from auditor.registry import REPORTS
from auditor.results.audit import document
from auditor.results.simulation import Setting
from tests.conftest import command, documented

CONFIG = {
    "sources": {"img": {"path": "/img/.*", "account": "shop"}, "pic": {"path": "/pic/.*", "account": "other"}},
    "accounts": {"shop": {"provider": "own"}, "other": {"provider": "own", "anchor_day": 2}},
}


def combined(day: str, path: str = "/img/1.png") -> str:
    """A good answer on a day."""
    return f'203.0.113.7 - - [{day}:06:00:00 +0000] "GET {path} HTTP/1.1" 200 900 "-" "Mozilla/5.0"\n'


def calls(day: str, path: str = "/img/1.png") -> str:
    """The same, as JSON."""
    moment = datetime.strptime(day, "%d/%b/%Y").replace(hour=6, tzinfo=UTC).isoformat()
    return (
        json.dumps({"ts": moment, "method": "GET", "url": f"https://a.example{path}", "status": 200, "latency": 0.25})
        + "\n"
    )


ROWS = "id,template,created_at,provider,workspace,modifications,duration\n"


def row(day: str, path: str = "/img/1.png") -> str:
    """An export's row."""
    moment = datetime.strptime(day, "%d/%b/%Y").replace(hour=6, tzinfo=UTC).isoformat()
    return f"{day}{path},og,{moment},own,{'shop' if 'img' in path else 'other'},,250\n"


MADE: list[tuple[str, str, Callable[..., str], set[str]]] = [
    ("access.log", "", combined, {"no_environment", "no_verdict", "end_as_start"}),
    ("calls.jsonl", "", calls, {"no_environment", "no_verdict", "duration_unit"}),
    ("own.csv", ROWS, row, {"no_inputs", "duration_unit"}),
]


def assumed(log: Path, text: str, **options: Any) -> tuple[int, dict[str, int]]:
    """(events, what was assumed for how many of them)."""
    log.write_text(text)
    now = datetime(2026, 10, 1, tzinfo=UTC)
    inputs = documented([log], log.parent, CONFIG, **{"findings": False, "now": lambda: now, **options})["inputs"]
    (file,) = inputs["files"]
    assert set(file.get("explained", {})) == set(file["assumed"])
    return inputs["events"], file["assumed"]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("name", "head", "line", "names"), MADE)
@pytest.mark.parametrize(
    ("others", "options"),
    [
        ([("01/Aug/2026",), ("02/Aug/2026",)], {"since": datetime(2026, 9, 1, tzinfo=UTC)}),
        ([("20/Sep/2026",)], {"until": datetime(2026, 9, 20, tzinfo=UTC)}),
        ([("01/Sep/2026", "/pic/1.png"), ("02/Sep/2026", "/pic/2.png")], {"belongs": lambda account: account.anchor_day == 1}),
        ([("01/Jan/1970",), ("01/Jan/2000",), ("09/Dec/2026",)], {}),
        ([], {}),
    ],
)  # fmt: skip
def test_only_events_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, head: str, line: Callable[..., str], names: set[str],
    others: list[tuple[str, ...]], options: dict[str, Any], compiled: bool,
) -> None:  # fmt: skip
    """Window, account and odd times take lines out; each way to read a log says the same."""
    if compiled:
        monkeypatch.setattr("auditor.intake.read.BULK_FROM", 0)
    kept = [line(f"{day:02}/Sep/2026", f"/img/{day}.png") for day in range(1, 13)]
    events, found = assumed(tmp_path / name, head + "".join([*kept, *(line(*other) for other in others)]), **options)
    assert events == 12
    assert found == dict.fromkeys(sorted(names), 12)


def test_what_nothing_was_assumed_for_is_not_told(tmp_path: Path) -> None:
    """Of a log whose lines are all taken out."""
    log = combined("01/Aug/2026") * 12
    assert assumed(tmp_path / "access.log", log, since=datetime(2026, 9, 1, tzinfo=UTC)) == (0, {})


def test_a_copy_is_no_event(tmp_path: Path) -> None:
    """Neither is one of two rows with one id: what counts is counted once."""
    log = "".join(combined(f"{day:02}/Sep/2026") for day in range(1, 13))
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(log)
    options = Options(cache=False, now=lambda: datetime(2026, 10, 1, tzinfo=UTC))
    result = audit(discover([str(tmp_path)], tmp_path), settings_of(CONFIG, "test"), options, lambda *_: None)
    files = document(result)["inputs"]["files"]
    assert (result.inputs.events, result.inputs.duplicates) == (12, 12)
    assert sum(file["assumed"].get("no_verdict", 0) for file in files) == 12


@pytest.mark.parametrize("report", ["text", "markdown", "html"])
def test_reports_say_what_is_counted(tmp_path: Path, report: str) -> None:
    log = tmp_path / "access.log"
    log.write_text(combined("01/Aug/2026") * 7 + combined("01/Sep/2026") * 5)
    (tmp_path / "auditor.toml").write_text('[sources.img]\npath = "/img/.*"\n')
    shown = command("audit", str(log), "--since", "2026-09-01", "--format", report).stdout.decode()
    assert report in REPORTS
    assert "5 events" in shown
    assert "12 events" not in shown


def test_a_simulation_says_the_same(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(combined("01/Aug/2026") * 7 + combined("01/Sep/2026") * 5)
    options = Options(
        cache=False, since=datetime(2026, 9, 1, tzinfo=UTC), now=lambda: datetime(2026, 10, 1, tzinfo=UTC)
    )
    found = simulate(
        discover([str(log)], tmp_path), settings_of(CONFIG, "test"), options, [Setting.of(10**6)], lambda *_: None
    )
    assert found.inputs.files[0].assumed["no_verdict"] == 5
