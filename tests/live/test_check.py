"""`make live CHECK=1` for real, and what its judge says of a house in which something is wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.live import check as module
from scripts.live import panels
from scripts.live.check import Check
from scripts.live.shop import DAYS, cycle_of
from tests.grafana.test_queries import Asked
from tests.live.story import Story
from tests.services import ROOT, need


def processes_with(word: str) -> list[str]:
    """Command lines that hold a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command and path.parent.name != str(os.getpid()):
            found.append(command)
    return found


@pytest.mark.service
def test_the_whole_house_holds_together(tmp_path: Path) -> None:
    """From the sandbox to the pager, with eight days of history; nothing is left behind."""
    need("prometheus", "prometheus")
    need("prometheus-alertmanager", "prometheus-alertmanager")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.live", "--check"], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout and done.stdout.count("│ ok │") == 8
    assert processes_with(str(tmp_path)) == []
    assert not list(tmp_path.glob("auditor-live-*"))


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, bool]]:
    """What was checked -> whether it is right, for a house with one thing wrong."""

    def run(wrong: str) -> dict[str, bool]:
        monkeypatch.setattr(module, "ask_all", lambda _: (1, ["a query failed"] if wrong == "dashboards" else []))
        story: Any = Story(tmp_path, wrong)
        check = Check(story, lambda: story.now, story.sleep)
        check.run()
        return {row.what: row.good for row in check.rows}

    return run


def test_a_house_in_which_all_is_right(judged: Callable[[str], dict[str, bool]]) -> None:
    """Eight things are checked."""
    found = judged("")
    assert len(found) == 8 and all(found.values())


@pytest.mark.parametrize(
    ("wrong", "failing"),
    [("early", {"waits for", "fires"}), ("mute", {"fires"}), ("route", {"fires", "resolves"}),
     ("stuck", {"resolves"}), ("invoice", {"after the", "at the end"}), ("ledger", {"after the", "at the end"}),
     ("clients", {"after the", "at the end"}), ("reset", {"counters"}), ("short", {"counters"}), ("blind", {"blind"}),
     ("dashboards", {"dashboards"})],
)  # fmt: skip
def test_each_wrong_thing_fails_its_row(
    judged: Callable[[str], dict[str, bool]], wrong: str, failing: set[str]
) -> None:
    """No row is for show, and none fails for another one's fault."""
    failed = [what for what, good in judged(wrong).items() if not good]
    assert all(any(word in what for word in failing) for what in failed), failed
    assert all(any(word in what for what in failed) for word in failing), failed


class Panels:
    """A Prometheus, and the dashboards that ask it: panel -> whether it shows something; None is an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shown: dict[str, bool | None]) -> None:
        monkeypatch.setattr(panels, "EMPTY", {("overview", "Difference", "A"): "no address"})
        monkeypatch.setattr(panels, "CASES", {("overview", name) for name in shown if name == "Colors"})
        monkeypatch.setattr(
            panels, "queries", lambda _: [(Asked("overview", name, "A", "short", name), True, 60) for name in shown]
        )
        self._shown = shown

    def at(self, expr: str, _: float) -> list[dict[str, Any]]:
        """By the name of the panel."""
        if self._shown[expr] is None:
            raise AssertionError("parse error")
        return [{"metric": {}, "value": [0, "1"]}] if self._shown[expr] else []


@pytest.mark.parametrize(
    ("shown", "said"),
    [({"Difference": False, "Plan used": True}, []),
     ({"Difference": False, "Plan used": False}, ["overview, Plan used A: no series"]),
     ({"Difference": True}, ["overview, Difference, A: has series, take it off the list of empty ones (no address)"]),
     ({}, ["overview, Difference, A: is in no dashboard, take it off the list of empty ones"]),
     ({"Difference": False, "Plan used": None, "Hit rate": False},
      ["overview, Plan used A: parse error", "overview, Hit rate A: no series"]),
     ({"Difference": False, "Colors": True}, []),
     ({"Difference": False, "Colors": False}, ["overview, Colors: none of its queries gives anything"])],
)  # fmt: skip
def test_the_list_of_empty_queries_stays_true(
    monkeypatch: pytest.MonkeyPatch, shown: dict[str, bool | None], said: list[str]
) -> None:
    """A query is empty if and only if the list says so; each that fails is told."""
    server: Any = Panels(monkeypatch, shown)
    assert panels.ask_all(server)[1] == said


def test_the_cycle_holds_the_history_on_any_day() -> None:
    """It began before the eight days, and does not end while somebody looks."""
    day = datetime(2027, 1, 1, 23, 59, tzinfo=UTC)
    for _ in range(4 * 366):
        cycle = cycle_of(int(day.timestamp()))
        assert cycle.start <= day - timedelta(days=DAYS + 3) and cycle.end >= day + timedelta(days=12), day
        day += timedelta(days=1)
