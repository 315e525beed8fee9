"""A budget is kept exactly, over processes, restarts and crashes."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from auditor.client import budget
from auditor.client.budget import LOCK_NAME, Budget, BudgetGuard
from auditor.client.clock import Clock
from auditor.client.renderer import Renderer
from auditor.client.sinks import Spool
from auditor.model.errors import BudgetExceededError, ConfigError, ProviderError, UncertainError
from auditor.model.events import Outcome
from auditor.model.fingerprint import Scope
from auditor.sandbox.server import Sandbox
from tests.client.conftest import Time, Upstream, fails, outcomes
from tests.client.test_renderer import raising, value
from tests.services import ROOT

Build = Callable[..., Renderer]
Events = Callable[[], list[dict[str, Any]]]


def spend(renderer: Renderer, calls: int) -> int:
    """How many of so many different images are rendered before the budget forbids it."""
    done = 0
    for number in range(calls):
        try:
            renderer.render("og", {"n": number, "by": id(renderer)})
            done += 1
        except BudgetExceededError:
            pass
    return done


def test_the_budget_refuses(build: Build, events: Events, registry: CollectorRegistry) -> None:
    """Hits are still served; refusals are events."""
    renderer = build(budget=Budget(3))
    assert spend(renderer, 5) == 3
    renderer.render("og", {"n": 0, "by": id(renderer)})
    renderer.close()
    assert outcomes(events()) == {"attempt": 3, "render": 3, "refused": 2, "hit": 1}
    assert value(registry, "requests_total", result="refused") == 2


def test_a_warning_lets_it_pass(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    """And says so."""
    assert spend(build(budget=Budget(1, on_exceeded="warn")), 3) == 3
    assert "over budget" in caplog.text


def test_it_survives_a_restart(build: Build) -> None:
    """Counted from the spool, whichever segments it is in."""
    first = build(budget=Budget(4))
    assert spend(first, 3) == 3
    first.close()
    assert spend(build(budget=Budget(4)), 3) == 1


def test_it_is_the_environment_s_own(build: Build) -> None:
    """Staging does not eat production's, nor another account's."""
    assert spend(build(budget=Budget(2), environment="staging"), 3) == 2
    assert spend(build(budget=Budget(2)), 3) == 2
    assert spend(build(budget=Budget(2), account="other"), 3) == 2


def test_what_may_have_been_billed_counts(build: Build, upstream: Upstream) -> None:
    """And what is known to be free does not."""
    upstream.script = [raising(httpx.ReadTimeout("slow")), fails(500)]
    renderer = build(budget=Budget(2), tries=1)
    with pytest.raises(UncertainError):
        renderer.render("og", {"n": "a"})
    with pytest.raises(ProviderError):
        renderer.render("og", {"n": "b"})
    assert spend(renderer, 3) == 1


def test_a_new_cycle_begins_afresh(build: Build, moving: Time) -> None:
    """At midnight of the anchor day in the account's zone."""
    moving.now = 1_790_780_399.0 - 8 * 86_400  # 2026-09-22 16:59:59 UTC
    renderer = build(budget=Budget(2, anchor_day=1, timezone="Europe/Berlin"), clock=moving.clock())
    assert spend(renderer, 3) == 2
    moving.now = 1_790_805_599.0  # 2026-09-30 23:59:59 in Berlin
    assert spend(renderer, 4) == 0
    moving.now += 1
    assert spend(renderer, 6) == 2


@pytest.mark.parametrize("where", ["template", "placement"])
def test_names_do_not_confuse_it(build: Build, upstream: Upstream, where: str) -> None:
    """A template called `hit` is counted like any other."""
    renderer = build(budget=Budget(2))
    for number in range(5):
        template, placement = ("hit", None) if where == "template" else ("og", "coalesced")
        with suppress(BudgetExceededError):
            renderer.render(template, {"n": number}, placement=placement)
    assert len(upstream.calls) == 2


def test_odd_things_in_the_folder_do_no_harm(build: Build, tmp_path: Path) -> None:
    """Lines that are no events, a folder with a segment's name."""
    folder = tmp_path / "usage"
    folder.mkdir()
    (folder / "usage-a.jsonl").write_bytes(b'[]\nnull\n{"v":1}\n\xff\n' + b"[" * 50_000 + b"\n")
    (folder / "usage-b.jsonl").mkdir()
    first = build(budget=Budget(3))
    assert spend(first, 2) == 2
    first.close()
    assert spend(build(budget=Budget(3)), 3) == 1


def test_a_budget_needs_a_spool() -> None:
    """There is nothing else to count from."""
    with pytest.raises(ConfigError, match="folder"):
        Renderer(api_key="k", budget=Budget(1), registry=None)


def test_the_lock_is_held_until_the_attempt_is_written(build: Build, tmp_path: Path) -> None:
    """Nobody else decides in between; and it is free after."""
    renderer = build(budget=Budget(5))
    guard: Any = renderer._core._caller._guard

    def free() -> bool:
        with (tmp_path / "usage" / ".budget.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    with guard():
        assert not free()
    assert free()


SPENDER = """
import sys
from auditor import Budget, Renderer
from auditor.model.errors import BudgetExceededError
url, folder, name = sys.argv[1:]
renderer = Renderer(api_key="sandbox", base_url=url, events=folder, budget=Budget(100), cache=None, registry=None)
renderer.render("dot", {"warm": name})
print("ready", flush=True)
sys.stdin.readline()
done = 1
from concurrent.futures import ThreadPoolExecutor
def one(n):
    try:
        renderer.render("dot", {"n": n, "by": name})
        return 1
    except BudgetExceededError:
        return 0
with ThreadPoolExecutor(8) as pool:
    done += sum(pool.map(one, range(60)))
print(done, flush=True)
"""


def test_four_processes_spend_exactly_the_budget(tmp_path: Path) -> None:
    """244 calls wanted, 100 made: not one more, not one less."""
    with Sandbox(designs={"dot": (8, 8)}) as sandbox:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", SPENDER, sandbox.url, str(tmp_path), str(number)], cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for number in range(4)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        done = [int(process.communicate("go\n", timeout=60)[0]) for process in processes]
        print(f"four processes, budget 100: {done}, invoice {sandbox.billing.invoice()['credits']}")
        assert sum(done) == 100
        assert sandbox.billing.invoice()["credits"] == 100


def guarded(folder: Path) -> BudgetGuard:
    """A guard as a renderer has it."""
    return BudgetGuard(Budget(5), Spool(folder), Scope("imejis", "main", "production", b"k" * 32), Clock())


def test_a_fork_while_the_lock_is_held_locks_nobody_out(tmp_path: Path) -> None:
    """The child has the descriptor too, and lives on."""
    with guarded(tmp_path)():
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
    try:
        with (tmp_path / LOCK_NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_process_that_is_frozen_with_the_lock_stops_no_render(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They wait for it a while, and then count without it."""
    monkeypatch.setattr(budget, "PATIENCE", 0.1)
    renderer = build(budget=Budget(5))
    assert spend(renderer, 1) == 1
    with (tmp_path / "usage" / LOCK_NAME).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert renderer.render("og", {"n": "frozen"}, timeout=10).outcome is Outcome.RENDER
    assert "keeps the budget's lock" in caplog.text
