"""Batches render what is missing, and nothing twice."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiolimiter import AsyncLimiter

from auditor.client.batch import BatchReport, Item
from auditor.client.budget import Budget
from auditor.client.renderer import Renderer
from auditor.model.events import Outcome
from auditor.sandbox.server import Sandbox
from tests.client.conftest import Time, Upstream, fails, outcomes
from tests.conftest import command
from tests.services import ROOT

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]
FAST = 100_000.0


def items(count: int) -> list[Item]:
    """Different images."""
    return [Item("og", {"n": number}, {"format": "png"}) for number in range(count)]


def test_only_the_missing_ones_are_rendered(build: Build, upstream: Upstream, events: Events) -> None:
    """Doubled items once; checks are no requests; online requests find what was rendered."""
    renderer = build()
    renderer.render("og", {"n": 0}, format="png")
    report = renderer.prerender([*items(5), *items(5)], per_second=FAST)
    assert (report.rendered, report.present, report.failed, report.stopped) == (4, 6, [], None)
    assert renderer.render("og", {"n": 4}, format="png").outcome is Outcome.HIT
    renderer.close()
    written = events()
    assert outcomes(written) == {"attempt": 5, "render": 5, "hit": 1} or outcomes(written)["render"] == 5
    assert [event.get("source") for event in written if event["outcome"] == "render"].count("batch") == 4


def test_batches_live_longer(build: Build, moving: Time) -> None:
    """Seven days by default, 24 hours online."""
    renderer = build(clock=moving.clock())
    renderer.prerender(items(1), per_second=FAST)
    renderer.render("og", {"online": 1}, format="png")
    moving.now += 2 * 86_400
    assert renderer.render("og", {"n": 0}, format="png").outcome is Outcome.HIT
    assert renderer.render("og", {"online": 1}, format="png").outcome is Outcome.RENDER


def test_failures_are_named_and_the_rest_goes_on(build: Build, upstream: Upstream) -> None:
    """By their place."""
    upstream.script = [fails(400, {"message": "no such layer"})]
    bad = Item("og", {"n": float("nan")})
    report = build().prerender([*items(2), bad, *items(3)[2:]], concurrency=1, per_second=FAST)
    assert (report.rendered, [(place, template) for place, template, _ in report.failed]) == (2, [(0, "og"), (2, "og")])
    assert "no such layer" in report.failed[0][2]


@pytest.mark.parametrize(
    "answer",
    [fails(401, {"error": "Unauthorized"}), fails(429, {"reason": "no-plan"}), fails(429, {"data": {"remaining": 0}})],
)
def test_it_stops_where_going_on_is_useless(build: Build, upstream: Upstream, answer: Any) -> None:
    """A wrong key or an empty plan."""
    upstream.script = [answer] * 100
    report = build().prerender(items(100), concurrency=4, per_second=FAST)
    assert report.stopped is not None and len(upstream.calls) <= 4 and report.done <= 4


def test_it_stops_at_the_budget(build: Build, upstream: Upstream) -> None:
    """What was rendered until then is kept."""
    report = build(budget=Budget(10)).prerender(items(50), concurrency=4, per_second=FAST)
    assert report.rendered == 10 and "10 of 10 credits" in str(report.stopped)
    assert len(upstream.calls) == 10


def test_only_misses_wait_for_their_turn(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the rate that the plans bear, unless told otherwise; hits do not wait."""
    made: list[tuple[float, float]] = []
    turns = []

    class Limiter(AsyncLimiter):
        def __init__(self, size: float, period: float) -> None:
            made.append((size, period))
            super().__init__(10_000, 1)

        async def acquire(self, amount: float = 1) -> None:
            turns.append(amount)

    monkeypatch.setattr("aiolimiter.AsyncLimiter", Limiter)
    renderer = build()
    renderer.prerender(items(3))
    renderer.prerender(items(4), per_second=4)
    assert made == [(1, 0.1), (1, 0.25)]
    assert len(turns) == 4


def test_progress_is_told(build: Build) -> None:
    """After each item; a generator is read as it goes."""
    seen: list[int] = []

    def tell(report: BatchReport) -> None:
        seen.append(report.done)

    build().prerender((item for item in items(20)), per_second=FAST, progress=tell)
    assert seen == list(range(1, 21))


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """An items file of 60 images."""
    file = tmp_path / "items.jsonl"
    file.write_text("".join(json.dumps({"template": "dot", "overrides": {"n": n}}) + "\n" for n in range(60)))
    return file


def test_the_command_is_interrupted_and_resumed(batch: Path, tmp_path: Path) -> None:
    """Killed in the middle, it renders only the rest; nothing is billed twice but what was in flight."""
    with Sandbox(latency=0.02, designs={"dot": (8, 8)}) as sandbox:
        arguments = [
            "prerender", str(batch), "--base-url", sandbox.url, "--api-key-env", "SANDBOX_KEY", "--cache",
            str(tmp_path / "renders"), "--events", str(tmp_path / "usage"), "--per-second", "200", "--concurrency", "2",
        ]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "auditor", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT), "SANDBOX_KEY": "sandbox", "PATH": "/usr/bin"},
        )  # fmt: skip
        while sandbox.billing.invoice()["credits"] < 20 and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130 and b"run the same command again" in said
        before = sandbox.billing.invoice()["credits"]
        assert 20 <= before < 60
        lines = [json.loads(line) for file in (tmp_path / "usage").iterdir() for line in file.read_bytes().splitlines()]
        assert outcomes(lines) == {"attempt": before, "render": before}, "what flew at the interruption has landed"
        done = command(*arguments, SANDBOX_KEY="sandbox")
        assert done.returncode == 0, done.stderr
        rendered = int(done.stdout.split()[0])
        assert done.stdout.decode() == f"{rendered} rendered, {60 - rendered} already there, 0 failed\n"
        assert sandbox.billing.invoice()["credits"] == before + rendered <= 62
        again = command(*arguments, SANDBOX_KEY="sandbox")
        assert again.stdout.decode() == "0 rendered, 60 already there, 0 failed\n"


def test_the_command_says_what_is_wrong(batch: Path, tmp_path: Path) -> None:
    """The line, the field, the variable; failures with their item; exit codes 1, 2, 3."""
    bad = tmp_path / "bad.jsonl"
    for text, message in (
        ('{"template": "a"}\nnot json\n', "bad.jsonl line 2: is not JSON"),
        ('{"overrides": {}}\n', 'line 1: an object with a "template"'),
        ('{"template": "a", "size": 1}\n', "unknown field 'size'; available: options"),
        ('{"template": "a", "overrides": []}\n', "overrides is not an object"),
    ):
        bad.write_text(text)
        done = command("prerender", str(bad), "--api-key-env", "SANDBOX_KEY", SANDBOX_KEY="sandbox")
        assert done.returncode == 3 and message in done.stderr.decode()
    done = command("prerender", str(batch), "--api-key-env", "NOBODY_SET_THIS")
    assert done.returncode == 2 and b"NOBODY_SET_THIS holds no API key" in done.stderr
    with Sandbox(designs={"dot": (8, 8)}) as sandbox:
        common = ["--base-url", sandbox.url, "--api-key-env", "KEY", "--events", str(tmp_path / "u"), "--per-second", "500",
                  "--cache", str(tmp_path / "c")]  # fmt: skip
        bad.write_text('{"template": "dot"}\n{"template": "gone"}\n')
        done = command("prerender", str(bad), *common, KEY="sandbox")
        assert done.returncode == 1 and b"item 2 (gone): Imejis says: Design not found" in done.stderr
        done = command("prerender", str(batch), *common, "--budget", "5", KEY="sandbox")
        assert done.returncode == 3 and b"stopped: " in done.stderr and b"not tried" in done.stdout
        done = command("prerender", str(batch), *common, KEY="sandbox-empty")
        assert done.returncode == 3 and b"used all credits" in done.stderr
